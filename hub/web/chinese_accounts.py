"""Simplified Chinese for the pages of accounts, devices and the audit trail, and for walls, by their English."""

# ruff: noqa: RUF001 -- Chinese has its own punctuation

from typing import Final

ACCOUNT: Final = {
    "Account": "账户",
    "Mine": "我的",
    "People": "人员",
    "Keys of programs": "程序密钥",
    "Displays": "大屏",
    "Role": "角色",
    "Signed in": "已登录之处",
    "Since": "自",
    "Until": "至",
    "Address": "地址",
    "Browser": "浏览器",
    "this one": "当前",
    "end": "结束",
    "Password you have now": "现有密码",
    "New password": "新密码",
    "New password again": "再次输入新密码",
    "Change password": "更改密码",
    "12 characters or more. Your other sessions end.": "至少 12 个字符。其他会话将结束。",
    "Choose your password": "设置您的密码",
    "The password you were given": "您收到的密码",
    "The password you were given is good for this once. Choose your own, 12 characters or more.": (
        "您收到的密码仅此一次有效。请自行设置，至少 12 个字符。"
    ),
    "The two new passwords are not the same.": "两次输入的新密码不一致。",
    "Choose a password other than the one you have.": "请设置与现有密码不同的密码。",
    "The password you have now is not this one.": "现有密码不正确。",
    "Too many wrong passwords. Wait a moment and try again.": "密码错误次数过多，请稍候再试。",
    "Your password is changed; your other sessions have ended.": "密码已更改；其他会话已结束。",
    "That session has ended already.": "该会话早已结束。",
    "The session has ended.": "会话已结束。",
    "A password has at least {n} characters.": "密码至少 {n} 个字符。",
    "A password has at most {n} characters.": "密码最多 {n} 个字符。",
    "A password must not hold the name of its person.": "密码不得包含本人的名称。",
    "This password is among the first that are tried; take a few words that nobody expects.": (
        "这是最先会被试出的密码之一；请用几个他人想不到的词。"
    ),
    "A name has 1 to 64 letters, digits and . _ - @ +, not {name}.": (
        "名称由 1 至 64 个字母、数字和 . _ - @ + 组成，不能是 {name}。"
    ),
    "There is a user {name} already. Choose another name.": "已有用户 {name}，请换一个名称。",
    "There is no user {name}. `holdfast-hub user list` shows who there is.": (
        "没有用户 {name}。`holdfast-hub user list` 列出所有用户。"
    ),
    "A token lives 1 to {most} days, not {days}.": "密钥有效期为 1 至 {most} 天，不能是 {days} 天。",
    "There is no token {name} in use.": "没有在用的密钥 {name}。",
    "{name} is the only administrator; make another one first.": "{name} 是唯一的管理员；请先增加一位。",
    "Who may sign in?": "谁可以登录？",
    "Add a person": "增加人员",
    "They get a password for one sign-in, where they choose their own.": "对方将得到一次性密码，登录时自行设置新密码。",
    "Added": "加入",
    "disabled": "已停用",
    "has not chosen a password yet": "尚未设置密码",
    "change": "更改",
    "Why": "原因",
    "Change role": "更改角色",
    "New one-time password": "新的一次性密码",
    "Let in again": "恢复准入",
    "Let in no more": "不再准入",
    "One-time password of {name}, shown only now:": "{name} 的一次性密码，仅显示这一次：",
    "Changed: {name}.": "已更改：{name}。",
    "Which programs may ask?": "哪些程序可以查询？",
    "What it is for": "用途",
    "Days": "天数",
    "Make a key": "生成密钥",
    "Made by": "生成者",
    "Made": "生成时间",
    "Last used": "最近使用",
    "ended": "已到期",
    "revoke": "吊销",
    "Revoke the key": "吊销密钥",
    "No program has a key yet.": "还没有程序密钥。",
    "Say what the key is for.": "请说明密钥用途。",
    "The key is revoked.": "密钥已吊销。",
    "Key for {name}, shown only now:": "{name} 的密钥，仅显示这一次：",
    "Key": "密钥",
    "Which screens show without a login?": "哪些大屏无需登录？",
    "Let a screen in": "准入大屏",
    "It reads the walls and the display topics, which say nothing about people, and can change nothing.": (
        "它只能读取大屏页面和显示主题，其中没有个人信息，也不能更改任何内容。"
    ),
    "Last seen": "最近出现",
    "No screen has been let in yet.": "还没有准入的大屏。",
    "Open one of these once on the screen {name}; shown only now:": (
        "在大屏 {name} 上打开其中之一，一次即可；仅显示这一次："
    ),
    "Tracking wall": "追踪大屏",
    "Temperature wall": "温度大屏",
    "User at the broker": "消息代理用户",
    "Password at the broker": "消息代理密码",
    "Enrol a device": "登记设备",
    "Enrol": "登记",
    "Device id": "设备编号",
    "Where it reaches the hub": "如何连到中心",
    "Lower-case letters, digits and hyphens. An id is never used again, so that facts of two devices stay apart.": (
        "小写字母、数字和连字符。编号不会重复使用，以免两台设备的记录混淆。"
    ),
    "{id} is enrolled. This is its connection file, shown only now: it holds the key by which the hub knows the device.": (
        "{id} 已登记。这是它的连接文件，仅显示这一次：其中有中心识别该设备的密钥。"
    ),
    "Save {name}": "保存 {name}",
    "Bring it to the device, readable by its owner only, and name what is plugged in:": (
        "放到设备上，仅所有者可读，并说明所接硬件："
    ),
    "Start it:": "启动：",
    "Wait for its first contact": "等待首次联络",
    "Revoke this device": "吊销此设备",
    "Revoke for good": "永久吊销",
    "Its connection ends at once. What it said stays; what it still keeps can come only with a new enrolment.": (
        "其连接立即终止。已上报的内容保留；仍在设备上的内容只能重新登记后再传。"
    ),
    "Say why: it stays in the audit trail.": "请说明原因：将留在审计记录中。",
    "the oldest {age} old": "最早的已有 {age}",
    "Signed on there": "设备上的人员",
    "Storage": "存储",
    "Enrolled": "登记时间",
    "Where its facts are": "记录所在",
    "safe": "已安全",
    "at the hub": "在中心",
    "on their way": "传送中",
    "kept on the device": "在设备上",
    "It has not said anything yet.": "它还没有上报任何内容。",
    "and {n} more": "另有 {n} 处",
    "What is plugged in": "所接硬件",
    "Driver": "驱动",
    "found": "已连接",
    "Documents": "文档",
    "Document": "文档",
    "Newest": "最新版本",
    "In force there": "设备上生效的版本",
    "it has not said yet": "尚未上报",
    "lost": "已丢失",
}

AUDIT: Final = {
    "takes no changes: its disk is nearly full, and what is left is for facts": "不接受更改：磁盘将满，余下空间留给记录",
    "Who changed what?": "谁更改了什么？",
    "Is the trail as it was written?": "记录是否保持原样？",
    "Who": "谁",
    "What was done": "做了什么",
    "With what": "对象",
    "Export CSV": "导出 CSV",
    "Old": "旧",
    "New": "新",
    "latest": "最新",
    "Nothing that fits was ever changed.": "没有符合条件的更改。",
    "The trail was altered. It is unbroken up to row {n} only.": "记录被改动过，只有到第 {n} 行为止是完整的。",
    "Unbroken up to row {n}, checked {at} UTC": "到第 {n} 行为止完整，检查于 {at} UTC",
}

WALLS_BROWSER: Final = {
    "paused": "已暂停",
    "since {at}": "自 {at} 起",
    "This display has lost the hub": "本屏与中心失去联系",
    "What it showed is {age} old. It asks again by itself.": "所示内容已是 {age} 前的。它会自动重试。",
    "This display is not let in any more": "本屏不再获准",
    "An administrator can make a new address for it.": "管理员可为其生成新地址。",
}

WALLS: Final = {
    "attention": "注意",
    "silent or faulty": "失联或故障",
    "well": "正常",
    "somebody is at it": "已有人处理",
    "Nothing is on its way.": "没有在途包裹。",
    "No sensor has been heard yet.": "还没有传感器上报。",
}

DEVICES: Final = {
    "Who is in contact?": "谁有联络？",
    "Device or place": "设备或地点",
    "Device": "设备",
    "Contact": "联络",
    "Waiting there": "待传",
    "Oldest": "最早",
    "Room left": "剩余空间",
    "Clock off by": "时钟偏差",
    "Incidents": "事件",
    "Version": "版本",
    "plenty": "充足",
    "over 1 year": "一年以上",
    "No device fits.": "没有符合的设备。",
    "revoked": "已吊销",
    "{n} facts, {m} attachments": "{n} 条记录，{m} 个附件",
    "What has come, what is missing": "已到与缺失",
    "Lane": "通道",
    "Record": "记录簿",
    "At the hub": "已在中心",
    "Recorded": "已记录",
    "Missing": "缺失",
    "{n} branches": "{n} 个分支",
    "gone: {cause}": "永久缺失：{cause}",
    "on its way": "传送中",
    "closed": "已结",
}
