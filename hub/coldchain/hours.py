"""Hours of sensors, for charts over weeks: added up as readings follow each other, told anew where late ones came between."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Insert, case, cast, delete, func, insert, or_, select

from contract.columns import Reading
from hub.coldchain.tables import reading, reading_hour
from hub.db import upsert
from hub.rows import write

HOUR_MS: Final = 3_600_000


def hours_of(sensor: int, base_ms: int, readings: Sequence[Reading]) -> Iterable[dict[str, Any]]:
    """The readings of one block, in order of time, by the hour."""
    start = 0
    while start < len(readings):
        hour_ms = (base_ms + readings[start].offset_ms) // HOUR_MS * HOUR_MS
        end = bisect_left(readings, hour_ms + HOUR_MS - base_ms, start, key=attrgetter("offset_ms"))
        values = [reading.value for reading in readings[start:end] if reading.value is not None]
        yield {
            "sensor": sensor,
            "hour_ms": hour_ms,
            "count": len(values),
            "faults": end - start - len(values),
            "min": min(values, default=None),
            "max": max(values, default=None),
            "sum": sum(values),
        }
        start = end


def add_hours(tx: Connection, hours: Sequence[dict[str, Any]]) -> None:
    """Add readings that no row has counted yet."""
    write(tx, _added(tx.dialect.name), hours)


@cache
def _added(dialect: str) -> Insert:
    statement = upsert(dialect, reading_hour)
    old, new = reading_hour.c, statement.excluded
    added = {
        **{name: old[name] + new[name] for name in ("count", "faults", "sum")},
        "min": case((or_(old.min.is_(None), new.min < old.min), new.min), else_=old.min),
        "max": case((or_(old.max.is_(None), new.max > old.max), new.max), else_=old.max),
    }
    done: Insert = statement.on_conflict_do_update(index_elements=["sensor", "hour_ms"], set_=added)
    return done


def retell_hours(tx: Connection, sensor: int, from_ms: int, to_ms: int) -> None:
    """Count the hours from one instant to another anew."""
    first_ms, last_ms = from_ms - from_ms % HOUR_MS, to_ms - to_ms % HOUR_MS
    old = reading_hour.c
    tx.execute(delete(reading_hour).where(old.sensor == sensor, old.hour_ms.between(first_ms, last_ms)))
    row = reading.c
    hour_ms = (row.at_ms - row.at_ms % HOUR_MS).label("hour_ms")
    counted = (
        select(
            row.sensor,
            hour_ms,
            func.count(row.value),
            func.count() - func.count(row.value),
            func.min(row.value),
            func.max(row.value),
            cast(func.coalesce(func.sum(row.value), 0), BigInteger),
        )
        .where(row.sensor == sensor, row.at_ms.between(first_ms, last_ms + HOUR_MS - 1))
        .group_by(row.sensor, hour_ms)
    )
    names = ["sensor", "hour_ms", "count", "faults", "min", "max", "sum"]
    tx.execute(insert(reading_hour).from_select(names, counted))
