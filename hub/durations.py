"""Lengths of time as people write them: `90s`, `30m`, `6h`, `2d`."""

import re
from typing import Final

from hub.errors import Refused

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FORM: Final = re.compile(r"([0-9]{1,6})([smhd])")


def parse_duration_s(text: str) -> float:
    """Seconds.

    Raises:
        Refused: not a number of s, m, h or d, or nothing at all.
    """
    form = _FORM.fullmatch(text)
    if form is None or int(form[1]) == 0:
        raise Refused(f"duration {text!r}: expected a number and s, m, h or d, such as 6h")
    return float(int(form[1]) * _UNITS_S[form[2]])
