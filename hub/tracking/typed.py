"""Codes as keyboards give them: a scanner that types can send no control character into a field. Pure."""

import re
from typing import Final

GS: Final = "\x1d"
_SEPARATOR: Final = re.compile(r"␝|<GS>|\{GS\}|\[GS\]|\^\]|\\x1[dD]|\\u001[dD]")
"""How scanners and pages write the separator of GS1 elements (FNC1, ASCII 29) where it cannot be sent."""


def as_scanned(typed: str) -> str:
    """The code that a scanner read, from what was typed; an AIM identifier before it stays, `identify` reads it."""
    return _SEPARATOR.sub(GS, typed.strip(" \t\r\n"))


def as_shown(typed: str) -> str:
    """The same for a field: separators as a sign that can be seen and is understood again."""
    return as_scanned(typed).replace(GS, "␝")
