"""Which columns of a logger's CSV are time and value: by a header row, which may stand below lines about the logger."""

import csv
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from contract.event import Quantity
from hub.errors import Refused

DELIMITERS: Final = ("\t", ";", ",")
"""In this order: a comma may be decimal where there is another."""

_TIME: Final = re.compile(r"time|date|zeit|datum|heure|fecha|hora|时间|日期", re.IGNORECASE)
_DATE_ONLY: Final = re.compile(r"^\W*(date|datum|fecha|日期)\b(?!.*(time|zeit))", re.IGNORECASE)
_VALUE: Final = {
    Quantity.TEMPERATURE_C: re.compile(r"temp|value|wert|celsius|fahrenheit|[°º℃℉]|\bc\b|温度", re.IGNORECASE),
    Quantity.HUMIDITY_RH: re.compile(r"humid|value|wert|feuchte|%|\brh\b|湿度", re.IGNORECASE),
}
_LOOKS_FILLED: Final = re.compile(r"\d\d?:\d\d")
"""A line about the logger, such as when it was started, may use the words of a header."""
_FAHRENHEIT: Final = re.compile(r"fahrenheit|℉|[°º\ufffd]\s*F\b|\(\s*F\s*\)|\[\s*F\s*\]|[_\s]F$", re.IGNORECASE)


class Columns(Struct, frozen=True):
    """Where to look in a line.

    Attributes:
        delimiter: between cells.
        time: cells whose words make the time: one, or date and time of day.
        value: the cell of the value.
        width: how many cells a line has.
        names: what the header calls time and value; empty without a header.
        fahrenheit: the header says so.
    """

    delimiter: str
    time: tuple[int, ...] = (0,)
    value: int = 1
    width: int = 2
    names: tuple[str, ...] = ()
    fahrenheit: bool = False

    def cells(self, line: str) -> Sequence[str]:
        """The cells of a line."""
        return split(line, self.delimiter)


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line, quotes taken off."""
    if '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter), [])


def delimiter_of(line: str) -> str:
    """What separates the cells of a line."""
    return next((delimiter for delimiter in DELIMITERS if delimiter in line), ",")


def read_header(line: str, quantity: Quantity, column: str) -> Columns | None:
    """The columns that a line names; None: it is no header.

    Args:
        line: any line of the file.
        quantity: what is looked for.
        column: name of the value's column; empty: the only one that fits.

    Raises:
        Refused: several columns fit, or the one asked for is not there.
    """
    delimiter = delimiter_of(line)
    names = [name.strip() for name in split(line, delimiter)]
    times = [nr for nr, name in enumerate(names) if _TIME.search(name)]
    values = [nr for nr, name in enumerate(names) if nr not in times and _VALUE[quantity].search(name)]
    if column:
        values = [nr for nr, name in enumerate(names) if name.casefold() == column.strip().casefold()]
    elif any(_LOOKS_FILLED.search(names[nr]) for nr in times):
        return None
    if not times or not values:
        return None
    if len(values) > 1:
        told = ", ".join(repr(names[nr]) for nr in values)
        raise Refused(f"several columns may be the value: {told}; choose one with --column NAME")
    dates = [nr for nr in times if _DATE_ONLY.search(names[nr])]
    clocks = [nr for nr in times if nr not in dates]
    time = (dates[0], clocks[0]) if dates and clocks and dates[0] < clocks[0] else (clocks or dates)[:1]
    used = (*time, values[0])
    return Columns(
        delimiter,
        tuple(time),
        values[0],
        len(names),
        tuple(names[nr] for nr in used),
        fahrenheit=_FAHRENHEIT.search(names[values[0]]) is not None,
    )
