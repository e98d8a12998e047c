"""What printed reports say, in Simplified Chinese by their English."""

# ruff: noqa: RUF001 -- Chinese has its own punctuation

from typing import Final

REPORTS: Final = {
    "Temperature report": "温度报告",
    "Seal": "封印",
    "The same report for programs": "供程序使用的同一份报告",
    "Limits exceeded; alarms: {n}": "超出限值；报警次数：{n}",
    "No limit exceeded beyond what is allowed": "未超出允许的限值",
    "The data is complete.": "数据完整。",
    "The data is not complete.": "数据不完整。",
    "Trip": "行程",
    "Title": "标题",
    "Period (UTC)": "时段 (UTC)",
    "Hub": "中心",
    "Made (UTC)": "生成 (UTC)",
    "still there": "仍在此处",
    "alarm": "报警",
    "in order": "正常",
    "complete": "完整",
    "incomplete": "不完整",
    "Parcels and where they were": "包裹及其所在位置",
    "Where": "位置",
    "From (UTC)": "自 (UTC)",
    "To (UTC)": "至 (UTC)",
    "Verdict": "判定",
    "Data": "数据",
    "Sensor": "传感器",
    "The parcel's whole way": "包裹全程",
    "Sensor and device": "传感器与设备",
    "Stretch (UTC)": "区间 (UTC)",
    "Calibration due": "校准到期",
    "Clock of the device": "设备时钟",
    "Profile": "温度方案",
    "Readings": "读数",
    "{n}; without a value: {faults}": "{n} 个；无数值：{faults} 个",
    "Lowest and highest": "最低与最高",
    "Time": "时间",
    "in range {inside}, above {above}, below {below}, without data {none}, not judged {ignored}": (
        "范围内 {inside}，高于 {above}，低于 {below}，无数据 {none}，不判定 {ignored}"
    ),
    "Times frozen and thawed": "冻融次数",
    "Mean kinetic temperature": "平均动力学温度",
    "{value} from {since} to {until} (not known: {left_out}; ΔH {delta_h} kJ/mol); information, not the verdict": (
        "{value}，{since} 至 {until}（未知：{left_out}；ΔH {delta_h} kJ/mol）；仅供参考，不作判定"
    ),
    "Nothing was found.": "未发现异常。",
    "Each time is when it happened, and below it when the hub knew (UTC).": (
        "每格上方为发生时间，下方为中心获知时间 (UTC)。"
    ),
    "No.": "序号",
    "Finding": "发现",
    "Began": "开始",
    "Alarm": "报警",
    "Ended": "结束",
    "Extreme": "极值",
    "Time beyond": "超限时长",
    "Acknowledged": "确认",
    "still lasts": "仍在持续",
    "Records that are gone": "已不存在的记录",
    "Stream": "数据流",
    "From": "自",
    "To": "至",
    "Cause": "原因",
    "Stated (UTC)": "声明 (UTC)",
    "Proof": "证明",
    (
        "This file holds the facts that the report rests on, as the devices stated them. Any changed byte is found by "
        "holdfast-hub verify-report FILE, which needs no database; compare the heads below with the hub's or the devices'."
    ): (
        "本文件包含报告所依据的、由设备声明的事实。holdfast-hub verify-report FILE 能发现任何被改动的字节，"
        "且无需数据库；请将下列链头与中心或设备的链头核对。"
    ),
    "Seal of the content (SHA-256)": "内容封印 (SHA-256)",
    "Incarnation": "化身",
    "Head of the chain": "链头",
    "{n} more are in the attached file report.json.": "其余 {n} 项见附件 report.json。",
    "each time by itself": "每次单独计算",
    "all times together": "累计",
    "above and below together": "高低合计",
    "allowed": "允许",
    "alarm at once": "立即报警",
    "no data": "无数据",
    "withdrawn: later readings showed none": "已撤回：后来的读数表明并无此事",
    "not yet": "尚未",
    "it has grown since": "此后又有扩大",
    "not known": "未知",
    "overdue": "已过期",
    "never compared": "从未核对",
    "ahead of the hub by {age}": "比中心快 {age}",
    "behind the hub by {age}": "比中心慢 {age}",
    "right to the second": "误差不到一秒",
    "Chart of {what}: from {low} to {high}; alarms: {n}": "{what} 曲线：从 {low} 到 {high}；报警：{n}",
}
