"""Checkpoints of judgements: from where a sensor is judged again whose past has changed.

There is one for each hour of the last days and one for each day before: what comes late mostly comes soon, and a day is judged
again in a few hundredths of a second. So 1,200 sensors have 170,000 of them after 90 days, not 2.6 million. Which there are
follows from the readings alone, so that a rebuild gives the same.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, delete, exists, func, select

from contract.coldchain.engine import Course
from hub.coldchain.tables import course as checkpoint
from hub.ledger import statements
from hub.rows import write

DAY_MS: Final = 86_400_000
HOURLY_DAYS: Final = 2
"""Whole days before that of the newest checkpoint: a van that was away over a night, or a clock fix after a weekend's start."""

encode_course = msgspec.msgpack.Encoder().encode
decode_course = msgspec.msgpack.Decoder(Course).decode

_row = checkpoint.c
_earlier = checkpoint.alias("earlier")
_NOT_FIRST_OF_ITS_DAY: Final = exists().where(
    _earlier.c.sensor == _row.sensor,
    _earlier.c.hour_ms >= _row.hour_ms - _row.hour_ms % DAY_MS,
    _earlier.c.hour_ms < _row.hour_ms,
)
_THIN: Final = delete(checkpoint).where(
    _row.sensor == bindparam("of"), _row.hour_ms < bindparam("before_ms"), _NOT_FIRST_OF_ITS_DAY
)


class Checkpoints:
    """Those of the sensors that one transaction judges; new ones are written together."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx
        self._new: list[dict[str, Any]] = []

    def note(self, sensor: int, courses: Mapping[int, Course]) -> None:
        """Keep the courses before the first readings of hours, by those hours."""
        self._new += [
            {"sensor": sensor, "hour_ms": hour_ms, "body": encode_course(course)} for hour_ms, course in courses.items()
        ]

    def write(self) -> None:
        """Write what is new, and leave one for each day that is no more of the last days."""
        write(self._tx, statements.sole(checkpoint), self._new)
        newest = {row["sensor"]: row["hour_ms"] for row in self._new}
        if newest:
            self._tx.execute(_THIN, [{"of": of, "before_ms": _hourly_from_ms(ms)} for of, ms in newest.items()])
        self._new = []

    def hourly_from_ms(self, sensor: int) -> int | None:
        """From when on there is one for each hour; None where there is none."""
        newest_ms = self._tx.scalar(select(func.max(_row.hour_ms)).where(_row.sensor == sensor))
        return None if newest_ms is None else _hourly_from_ms(newest_ms)

    def last(self, sensor: int, from_ms: int, to_ms: int) -> tuple[int, Course] | None:
        """The last behind one instant and up to another, with its hour."""
        query = select(_row.hour_ms, _row.body).where(
            _row.sensor == sensor, _row.hour_ms > from_ms, _row.hour_ms <= to_ms
        )
        found = self._tx.execute(query.order_by(_row.hour_ms.desc()).limit(1)).first()
        return None if found is None else (found.hour_ms, decode_course(found.body))

    def forget(self, sensor: int, from_ms: int) -> None:
        """Forget those that may not hold any more."""
        self._tx.execute(delete(checkpoint).where(_row.sensor == sensor, _row.hour_ms >= from_ms))


def _hourly_from_ms(newest_ms: int) -> int:
    return newest_ms - newest_ms % DAY_MS - HOURLY_DAYS * DAY_MS
