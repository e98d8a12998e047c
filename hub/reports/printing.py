"""From a report to its sealed PDF. Offline, from data, and the same bytes for the same report on the same machine."""

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
import typst

from hub.reports.content import ReportInput
from hub.reports.layout import lay_out
from hub.reports.seal import seal_json, seal_pdf
from hub.web.i18n import Words

LATIN: Final = "Libertinus Serif"
"""Comes with typst, so a report looks the same on every machine."""
CHINESE: Final = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
    "Droid Sans Fallback",
)
"""Fonts for Chinese, the best first. None comes with typst: 10 MB each."""


@cache
def chinese_font() -> str | None:
    """The best font for Chinese on this machine."""
    families = set(typst.Fonts().families())
    return next((name for name in CHINESE if name in families), None)


def print_report(report: ReportInput, language: str) -> tuple[str, bytes]:
    """The seal of a report's content, and its sealed PDF with the JSON report attached.

    Where no font for Chinese is there, a Chinese report is printed in English and says so.
    """
    chinese = chinese_font()
    unreadable = language == "zh" and chinese is None
    remark = "No font for Chinese on this hub (install fonts-noto-cjk); printed in English." if unreadable else ""
    seal, attached = seal_json(report)
    layout = lay_out(report, seal, Words("en" if unreadable else language), remark)
    inputs = {
        "layout": msgspec.json.encode(layout).decode(),
        "fonts": msgspec.json.encode([LATIN, *([chinese] if chinese else [])]).decode(),
        "report": attached.decode(),
    }
    program = (files("hub.reports") / "report.typ").read_bytes()
    printed = typst.compile(program, format="pdf", sys_inputs=inputs, timestamp=report.made_ms // 1000)
    return seal, seal_pdf(printed)
