"""Hours of sensors, for charts over weeks: added up as readings follow each other, told anew where late ones came between."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, case, cast, delete, func, or_, select
from sqlalchemy import insert as insert_from

from contract.columns import Reading
from hub.coldchain.tables import reading, reading_hour
from hub.db import insert

HOUR_MS: Final = 3_600_000


def hours_of(sensor: int, base_ms: int, readings: Sequence[Reading]) -> Iterable[dict[str, Any]]:
    """The readings of one block by the hour."""
    for hour, those in groupby(readings, lambda reading: (base_ms + reading.offset_ms) // HOUR_MS):
        told = [reading.value for reading in those]
        values = [value for value in told if value is not None]
        yield {
            "sensor": sensor,
            "hour_ms": hour * HOUR_MS,
            "count": len(values),
            "faults": len(told) - len(values),
            "min": min(values, default=None),
            "max": max(values, default=None),
            "sum": sum(values),
        }


def add_hours(tx: Connection, hours: Sequence[dict[str, Any]]) -> None:
    """Add readings that no row has counted yet."""
    if not hours:
        return
    upsert = insert(tx, reading_hour)
    old, new = reading_hour.c, upsert.excluded
    added = {
        **{name: old[name] + new[name] for name in ("count", "faults", "sum")},
        "min": case((or_(old.min.is_(None), new.min < old.min), new.min), else_=old.min),
        "max": case((or_(old.max.is_(None), new.max > old.max), new.max), else_=old.max),
    }
    tx.execute(upsert.on_conflict_do_update(index_elements=["sensor", "hour_ms"], set_=added), hours)


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
    tx.execute(insert_from(reading_hour).from_select(names, counted))
