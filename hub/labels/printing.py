"""From labels to a PDF. Offline, and the same bytes for the same labels on the same machine."""

from importlib.resources import files
from typing import Final

import msgspec
import typst
from msgspec import Struct

from hub.labels.codes import Symbol
from hub.reports.printing import LATIN, chinese_font

SANS: Final = "DejaVu Sans Mono"
"""Comes with typst; codes are compared sign by sign."""
MARGIN_MM: Final = 3


class Label(Struct, frozen=True):
    """One label or card: what people read, and what scanners read."""

    title: str
    lines: tuple[str, ...]
    symbols: tuple[Symbol, ...]
    foot: str = ""


class Sheet(Struct, frozen=True):
    """Labels, one to a page of their own size; or several to a page of A4, in columns, where no size is said."""

    labels: tuple[Label, ...]
    width_mm: int = 0
    height_mm: int = 0
    columns: int = 1


def print_sheet(sheet: Sheet) -> bytes:
    """The PDF."""
    chinese = chinese_font()
    inputs = {
        "sheet": msgspec.json.encode(sheet).decode(),
        "fonts": msgspec.json.encode([LATIN, *([chinese] if chinese else [])]).decode(),
        "mono": SANS,
        "margin": str(MARGIN_MM),
    }
    program = (files("hub.labels") / "labels.typ").read_bytes()
    printed: bytes = typst.compile(program, format="pdf", sys_inputs=inputs, timestamp=0)
    return printed
