"""Readings as CSV, as `holdfast-hub judge` and spreadsheets read them: `time,value`, times in UTC, no value for a fault.

Every cell is a time or a number that the hub itself writes, so that none can be taken for a formula.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Final

from hub.coldchain.excursions import sensor_readings_raw
from hub.db import Database
from hub.timeline import EPOCH

LINES_AT_ONCE: Final = 2_000
STRETCH_MS: Final = 7 * 86_400_000
"""Read in one snapshot: a long download must not hold one, or the database's log could not be folded in."""
HEAD: Final = "time,value\r\n"


def readings_csv(database: Database, sensor: str, from_ms: int, to_ms: int) -> Iterator[str]:
    """All readings of a sensor, both ends included, in pieces (RFC 4180)."""
    yield HEAD
    for start_ms in range(from_ms, to_ms + 1, STRETCH_MS):
        end_ms = min(start_ms + STRETCH_MS - 1, to_ms)
        with database.read() as reader:
            lines = _lines(sensor_readings_raw(reader, sensor, start_ms, end_ms))
            while piece := "".join(islice(lines, LINES_AT_ONCE)):
                yield piece


def _lines(readings: Iterable[tuple[int, int | None]]) -> Iterator[str]:
    for at_ms, value in readings:
        yield f"{_time(at_ms)},{'' if value is None else _decimal(value)}\r\n"


def _time(at_ms: int) -> str:
    return f"{(EPOCH + timedelta(milliseconds=at_ms)).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _decimal(hundredths: int) -> str:
    sign, (whole, part) = "-" if hundredths < 0 else "", divmod(abs(hundredths), 100)
    return f"{sign}{whole}.{part:02}"
