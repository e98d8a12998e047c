"""Readings out of a temperature logger's CSV, whatever made it: every line is a reading, or is named with what was expected.

Loggers differ in everything: encoding, lines about themselves above the table, delimiter, decimal sign, form of times, order,
words for no value. What can be told for certain is read; what cannot is refused with the option that settles it.
"""

import codecs
import re
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import chain, islice, pairwise
from operator import le, lt
from pathlib import Path
from typing import Final, TextIO
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from contract.coldchain.hold import Reading
from contract.coldchain.profile_text import RANGES, UNITS
from contract.event import Quantity
from hub.coldchain.logger_columns import Columns, delimiter_of, read_header
from hub.errors import Refused

MAX_READINGS: Final = 10_000_000
"""16 bytes each: a reading a second for four months."""
MAX_BAD_LINES: Final = 1_000
"""A file with more is not what it is taken for; each is named, so they must fit into memory and on a page."""
MAX_LINE_CHARS: Final = 10_000
HEAD_LINES: Final = 200
"""Where the header must be found: loggers tell much about themselves before it."""
QUOTED_CHARS: Final = 40
SNIFFED_BYTES: Final = 1_024

NO_VALUE: Final = -(2**31)
_NOTHING: Final = frozenset({"", "-", "--", "---", "n/a", "na", "nan", "null", "none"})
_TIME: Final = re.compile(r"\d{4}([-/])\d\d\1\d\d[T ]+\d\d:?\d\d.*", re.ASCII)
_VALUE: Final = re.compile(
    r"([-+]?\d+(?:[.,]\d*)?|[-+]?[.,]\d+)\s*([°º\ufffd]?\s*[CF]|℃|℉|%(?:\s*RH)?)?", re.ASCII | re.IGNORECASE
)
_DIGITS: Final = 9
"""Numbers with more cannot be a value, and are not worth rounding."""
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9999
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
TIME_EXPECTED: Final = "expected a time such as 2026-03-01T08:00:00Z or 2026-03-01 08:00"


class BadLine(Struct, frozen=True):
    """A line that is no reading. `why` says what it has and what was expected."""

    line: int
    why: str


class How(Struct, frozen=True):
    """How a file is to be read.

    Attributes:
        quantity: what its values measure.
        zone: of times that name none.
        zone_name: the same, for people.
        fahrenheit: values are in °F; None: as the header says, which is then refused.
        column: name of the value's column; empty: the only one that fits.
        time_format: as `datetime.strptime` reads it; empty: ISO 8601.
    """

    quantity: Quantity = Quantity.TEMPERATURE_C
    zone: tzinfo = UTC
    zone_name: str = "UTC"
    fahrenheit: bool | None = None
    column: str = ""
    time_format: str = ""


class LoggerFile(Struct, frozen=True):
    """What a file says.

    Attributes:
        times_ms, values: the readings in order of time; `NO_VALUE` where the logger had none.
        columns: the names of the columns that were read; empty without a header.
        zone_assumed: the zone of times that named none; None: all named theirs.
        bad: lines that are no reading.
        repeated: lines that said again what another had said.
        reordered: whether the lines were not in order of time.
    """

    times_ms: "array[int]"
    values: "array[int]"
    columns: tuple[str, ...]
    zone_assumed: str | None
    bad: tuple[BadLine, ...]
    repeated: int
    reordered: bool

    def readings(self) -> Iterator[Reading]:
        """The readings in order of time."""
        for at_ms, value in zip(self.times_ms, self.values, strict=True):
            yield at_ms, None if value == NO_VALUE else value

    @property
    def usual_step_ms(self) -> int:
        """The middle one of the steps between readings; 0 with fewer than two."""
        steps = sorted(after - before for before, after in pairwise(self.times_ms[:SNIFFED_BYTES]))
        return steps[len(steps) // 2] if steps else 0


class _Bad(Exception):
    """A cell that does not fit; the message says what was expected."""


def find_zone(name: str) -> tzinfo:
    """A time zone by its name.

    Raises:
        Refused: there is none of this name.
    """
    try:
        return UTC if name.upper() == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Refused(f"time zone {name!r} is not known; expected a name such as Europe/Berlin or UTC") from error


def read_time(text: str, how: How) -> int:
    """A time as a file may have it, in epoch ms.

    Raises:
        Refused: it is no time.
    """
    try:
        return _Table(replace(how, time_format="")).time_ms(text.strip())
    except _Bad as error:
        raise Refused(str(error)) from error


def read_logger_file(path: Path, how: How) -> LoggerFile:
    """Read a file of whatever size: 16 bytes of memory a reading.

    Raises:
        Refused: it cannot be opened, is no table of readings, or something about it must be settled by an option.
    """
    try:
        with path.open("rb") as data:
            encoding = _encoding(data.read(SNIFFED_BYTES))
        # What is no text becomes a sign of its own, so that its line is named.
        with path.open(encoding=encoding, errors="replace") as text:
            return _Table(how).read(text)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeError as error:
        raise Refused(f"{path} is not text: {error}; save it as UTF-8 or UTF-16") from error


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # UTF-16 without its mark: every other byte of digits and commas is 0.
    if head[1:2] == b"\0":
        return "utf-16-le"
    if head[:1] == b"\0":
        return "utf-16-be"
    return "utf-8-sig"


def _lines(text: TextIO) -> Iterator[tuple[int, str]]:
    """Lines with something in them, and their numbers."""
    nr = 0
    while line := text.readline(MAX_LINE_CHARS):
        nr += 1
        if len(line) == MAX_LINE_CHARS:
            raise Refused(f"line {nr} is longer than {MAX_LINE_CHARS} characters; expected a CSV of readings")
        # Not strip(): a tab at the end may separate a value that is not there.
        if line.strip():
            yield nr, line.rstrip("\n")


class _Table:
    """Takes line after line."""

    def __init__(self, how: How) -> None:
        self._how = how
        self._range = RANGES[how.quantity]
        self._times = array("q")
        self._values = array("i")
        self._numbers = array("I")
        self._bad: list[BadLine] = []
        self._assumed = False
        self._before: datetime | None = None

    def read(self, text: TextIO) -> LoggerFile:
        """Take all lines; raises `Refused`."""
        lines = _lines(text)
        head = list(islice(lines, HEAD_LINES))
        columns, rows = self._columns(head)
        for nr, line in chain(rows, lines):
            self._take(columns, nr, line)
        if not self._times:
            why = f"line {self._bad[0].line}: {self._bad[0].why}" if self._bad else "it has no lines of readings"
            raise Refused(f"the file has no reading: {why}")
        repeated, reordered = self._in_order()
        return LoggerFile(
            self._times,
            self._values,
            columns.names,
            self._how.zone_name if self._assumed else None,
            tuple(sorted(self._bad, key=lambda bad: bad.line)),
            repeated,
            reordered,
        )

    def _columns(self, head: list[tuple[int, str]]) -> tuple[Columns, list[tuple[int, str]]]:
        """The columns, and the lines behind the header."""
        for place, (_, line) in enumerate(head):
            columns = read_header(line, self._how.quantity, self._how.column)
            if columns is not None:
                if columns.fahrenheit and self._how.fahrenheit is None:
                    raise Refused(
                        f"the column {columns.names[-1]!r} is in °F; give --unit f to judge it in °C, "
                        "or --unit c if the header is wrong"
                    )
                return columns, head[place + 1 :]
        if self._how.column:
            raise Refused(
                f"no header with a time and {self._how.column!r} in the first {HEAD_LINES} lines; see --column"
            )
        columns = Columns(delimiter_of(head[0][1]) if head else ",")
        # A first line without any digit is a header in words of its own.
        unknown = bool(head) and not any(c.isdigit() for c in head[0][1])
        return columns, head[unknown:]

    def _take(self, columns: Columns, nr: int, line: str) -> None:
        try:
            words, told = _cells(columns, line)
            at_ms = self.time_ms(words)
            value = self._value(told)
        except _Bad as bad:
            self._name(nr, str(bad))
            return
        if len(self._times) == MAX_READINGS:
            raise Refused(f"the file has more than {MAX_READINGS} readings; cut it into pieces")
        self._times.append(at_ms)
        self._values.append(value)
        self._numbers.append(nr)

    def _name(self, nr: int, why: str) -> None:
        if len(self._bad) == MAX_BAD_LINES:
            first = self._bad[0]
            raise Refused(
                f"more than {MAX_BAD_LINES} lines are no readings, the first is line {first.line}: {first.why}"
            )
        self._bad.append(BadLine(nr, why))

    # -- cells ---------------------------------------------------------------------------------------------------------

    def time_ms(self, text: str) -> int:
        """When a cell says; raises `_Bad`."""
        at = self._parsed(text)
        if not _FIRST_YEAR < at.year < _LAST_YEAR:
            raise _Bad(f"time {_short(text)} is in the year {at.year}; {TIME_EXPECTED}")
        if at.tzinfo is None:
            at = self._local(at, text)
        return (at - _EPOCH) // _MILLISECOND

    def _parsed(self, text: str) -> datetime:
        try:
            if self._how.time_format:
                return datetime.strptime(text, self._how.time_format)  # noqa: DTZ007 its zone is looked at behind
            if _TIME.fullmatch(text):
                return datetime.fromisoformat(text.replace("/", "-"))
        except (ValueError, OverflowError) as error:
            raise _Bad(f"time {_short(text)}: {error}; {self._expected_time}") from error
        raise _Bad(f"has {_short(text)} where the time should be; {self._expected_time}")

    @property
    def _expected_time(self) -> str:
        told = f"expected {self._how.time_format!r}, see --time-format"
        return told if self._how.time_format else f"{TIME_EXPECTED}, or give --time-format"

    def _local(self, at: datetime, text: str) -> datetime:
        """A time of the assumed zone; in the hour that comes twice in autumn, the one that goes on from the line before."""
        self._assumed = True
        if self._how.zone is UTC:
            return at.replace(tzinfo=UTC)
        first, second = (at.replace(tzinfo=self._how.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first.astimezone(self._how.zone).replace(tzinfo=None) != at:
            raise _Bad(
                f"time {_short(text)} was left out by the clocks of {self._how.zone_name}; expected another --zone"
            )
        at = second if self._before is not None and first <= self._before < second else first
        self._before = at
        return at

    def _value(self, text: str) -> int:
        if text.casefold() in _NOTHING:
            return NO_VALUE
        form = _VALUE.fullmatch(text.replace("\u2212", "-"))
        if form is None:
            raise _Bad(f"has {_short(text)} where the value should be; expected a number such as 4.5, or nothing")
        told_fahrenheit = (form[2] or "").upper().endswith(("F", "℉"))
        if told_fahrenheit and self._how.fahrenheit is None:
            raise _Bad(f"value {_short(text)} is in °F; expected °C, or --unit f for the whole file")
        number = Decimal(form[1].replace(",", "."))
        if self._how.fahrenheit and self._how.quantity is Quantity.TEMPERATURE_C:
            number = (number - 32) * 5 / 9
        value = round(number * 100) if number.adjusted() < _DIGITS else self._range[1] + 1
        if not self._range[0] <= value <= self._range[1]:
            low, high = (limit // 100 for limit in self._range)
            raise _Bad(f"value {_short(text)} cannot be; expected {low} to {high} {UNITS[self._how.quantity]}")
        return value

    # -- order ---------------------------------------------------------------------------------------------------------

    def _in_order(self) -> tuple[int, bool]:
        """Put the readings in order, each instant once; tells how many were repeated, and whether order was missing."""
        times = self._times
        if all(map(lt, times, islice(times, 1, None))):
            return 0, False
        reordered = not all(map(le, times, islice(times, 1, None)))
        order = sorted(range(len(times)), key=times.__getitem__) if reordered else range(len(times))
        kept, repeated = array("I"), 0
        for place in order:
            if not kept or times[kept[-1]] != times[place]:
                kept.append(place)
            elif self._values[kept[-1]] == self._values[place]:
                repeated += 1
            else:
                self._name(
                    self._numbers[place],
                    f"says another value for the same time as line {self._numbers[kept[-1]]}, which holds; expected one",
                )
        self._times = array("q", (times[place] for place in kept))
        self._values = array("i", (self._values[place] for place in kept))
        return repeated, reordered


def _cells(columns: Columns, line: str) -> tuple[str, str]:
    """The words of the time, and those of the value."""
    cells = columns.cells(line)
    if len(cells) <= max(*columns.time, columns.value):
        raise _Bad(f"has {len(cells)} cells, expected {columns.width} separated by {columns.delimiter!r}")
    if columns.delimiter == "," and any(map(str.strip, cells[columns.width :])):
        raise _Bad(f"has {len(cells)} cells, expected {columns.width}; if the comma is decimal, separate columns by ;")
    return " ".join(cells[place].strip() for place in columns.time), cells[columns.value].strip()


def _short(text: str) -> str:
    return repr(text if len(text) <= QUOTED_CHARS else f"{text[:QUOTED_CHARS]}...")
