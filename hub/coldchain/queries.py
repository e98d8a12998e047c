"""What pages and the interface read about sensors."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select

from contract.columns import THINNED
from contract.event import Quantity
from hub.ahead import Ahead
from hub.coldchain.chart import ChartPoint, thin
from hub.coldchain.freshness import MISSED_READINGS, Seen
from hub.coldchain.hours import HOUR_MS
from hub.coldchain.tables import reading, reading_block, reading_conflict, reading_hour, sensor_latest
from hub.coldchain.tables import sensor as sensor_table
from hub.tables import device, device_contact
from hub.timeline import TimeSource

MAX_PAGE: Final = 500
EXACT_RANGE_MS: Final = 7 * 86_400_000
"""Charts over longer ranges are drawn from hours."""


class LatestView(Struct, frozen=True):
    """The latest reading. `value` in hundredths, None for a fault of the sensor; `interval_ms`: how often it is read."""

    at_ms: int
    known_ms: int
    value: int | None
    flags: int
    interval_ms: int
    source: TimeSource
    uncertainty_ms: int | None


class SensorView(Struct, frozen=True):
    """A sensor. `place` and `contact_ms` are its device's (last hello; None where it never said one)."""

    id: str
    device: str
    quantity: Quantity
    place: str
    contact_ms: int | None
    latest: LatestView | None
    conflicts: int
    """Readings that two blocks tell differently."""

    def seen(self, ahead: Ahead) -> Seen:
        """The newest that is known of it. A reading that came is a sign of its device's life too."""
        latest, live = self.latest, ahead.reading(self.device, self.id)
        known_ms = (latest.known_ms if latest else None, live.known_ms if live else None)
        contact_ms = ahead.contact_ms(self.device, self.contact_ms, *known_ms)
        if live is not None and (latest is None or live.at_ms > latest.at_ms):
            every_ms = latest.interval_ms if latest else None
            return Seen(live.at_ms, live.value, every_ms, contact_ms, live.known_ms, kept=False)
        if latest is None:
            return Seen(None, None, None, contact_ms)
        return Seen(latest.at_ms, latest.value, latest.interval_ms, contact_ms, latest.known_ms)


class SensorFilters(Struct, frozen=True):
    """Which sensors; empty means any. `q` is part of the sensor id or of its device's place."""

    q: str = ""
    device: str = ""
    place: str = ""
    quantity: Quantity | None = None


class SensorPage(Struct, frozen=True):
    """By sensor id."""

    items: tuple[SensorView, ...]
    next_cursor: str | None


class Chart(Struct, frozen=True):
    """Readings of a sensor for a line.

    Attributes:
        points: in order of time; where `thinned`, of each stretch the first, last, lowest, highest and faults are kept.
        gaps: (from, to) without any reading for longer than the schedule allows; draw no line across them.
        readings: how many there are in the range.
        thinned: whether points were left out.
        resolution_ms: 0 for readings themselves; else each point is the lowest or highest of so much time from its instant on.
    """

    points: tuple[ChartPoint, ...]
    gaps: tuple[tuple[int, int], ...]
    readings: int
    thinned: bool
    resolution_ms: int = 0


_conflicts: Final = (
    select(func.count())
    .select_from(reading_conflict)
    .where(reading_conflict.c.sensor == sensor_table.c.number)
    .scalar_subquery()
)
_joined: Final = (
    select(
        sensor_table.c.sensor.label("id"),
        sensor_table.c.device,
        sensor_table.c.quantity,
        func.coalesce(device.c.place, "").label("place"),
        device_contact.c.contact_ms,
        _conflicts.label("conflicts"),
        sensor_latest.c.at_ms,
        sensor_latest.c.known_ms,
        sensor_latest.c.value,
        sensor_latest.c.flags,
        sensor_latest.c.interval_ms,
        sensor_latest.c.time_source,
        sensor_latest.c.uncertainty_ms,
    )
    .outerjoin(sensor_latest, sensor_latest.c.sensor == sensor_table.c.number)
    .outerjoin(device, device.c.id == sensor_table.c.device)
    .outerjoin(device_contact, device_contact.c.device == sensor_table.c.device)
)


def _view(row: RowMapping) -> SensorView:
    latest = None
    if row["at_ms"] is not None:
        latest = LatestView(
            at_ms=row["at_ms"],
            known_ms=row["known_ms"],
            value=row["value"],
            flags=row["flags"],
            interval_ms=row["interval_ms"],
            source=TimeSource(row["time_source"]),
            uncertainty_ms=row["uncertainty_ms"],
        )
    return SensorView(
        id=row["id"],
        device=row["device"],
        quantity=Quantity(row["quantity"]),
        place=row["place"],
        contact_ms=row["contact_ms"],
        latest=latest,
        conflicts=row["conflicts"],
    )


def sensors_page(conn: Connection, filters: SensorFilters, cursor: str | None = None, limit: int = 100) -> SensorPage:
    """One page of sensors, by id. The cursor is the last id of the page before."""
    query = _joined.where(*_wanted(filters)).order_by(sensor_table.c.sensor)
    if cursor:
        query = query.where(sensor_table.c.sensor > cursor)
    size = max(1, min(limit, MAX_PAGE))
    views = tuple(_view(row) for row in conn.execute(query.limit(size + 1)).mappings())
    return SensorPage(views[:size], views[size - 1].id if len(views) > size else None)


def _wanted(filters: SensorFilters) -> Iterator[ColumnElement[bool]]:
    if q := filters.q.strip():
        yield or_(
            sensor_table.c.sensor.icontains(q, autoescape=True),
            device.c.place.icontains(q, autoescape=True),
        )
    if filters.device:
        yield sensor_table.c.device == filters.device
    if filters.place:
        yield device.c.place == filters.place
    if filters.quantity is not None:
        yield sensor_table.c.quantity == filters.quantity.value


def sensor(conn: Connection, sensor_id: str) -> SensorView | None:
    """One sensor by its id."""
    row = conn.execute(_joined.where(sensor_table.c.sensor == sensor_id)).mappings().first()
    return None if row is None else _view(row)


def measured_since(conn: Connection, sensor_id: str) -> int | None:
    """When the oldest reading that the hub has of a sensor was measured."""
    block = reading_block.c
    own = select(sensor_table.c.number).where(sensor_table.c.sensor == sensor_id).scalar_subquery()
    since_ms: int | None = conn.scalar(select(func.min(block.happened_ms)).where(block.sensor == own))
    return since_ms


def sensor_readings(conn: Connection, sensor_id: str, from_ms: int, to_ms: int, points: int = 1000) -> Chart:
    """Readings of a sensor, both ends included, thinned to about `points` with every extreme kept."""
    number = conn.scalar(select(sensor_table.c.number).where(sensor_table.c.sensor == sensor_id))
    if number is None or from_ms > to_ms:
        return Chart((), (), 0, thinned=False)
    if to_ms - from_ms > EXACT_RANGE_MS:
        return _chart_of_hours(conn, number, from_ms, to_ms, points)
    row = reading.c
    query = (
        select(row.at_ms, row.value, row.flags)
        .where(row.sensor == number, row.at_ms.between(from_ms, to_ms))
        .order_by(row.at_ms)
    )
    told = [ChartPoint(*values) for values in conn.execute(query)]
    interval_ms = _interval(conn, number, from_ms, to_ms)
    kept = thin(told, from_ms, to_ms, points)
    return Chart(kept, _gaps(told, interval_ms * MISSED_READINGS), len(told), thinned=len(kept) < len(told))


def _interval(conn: Connection, number: int, from_ms: int, to_ms: int) -> int:
    """The slowest schedule in this range."""
    block = reading_block.c
    touching = (block.sensor == number, block.last_ms >= from_ms, block.happened_ms <= to_ms)
    return conn.scalar(select(func.max(block.interval_ms)).where(*touching)) or 0


def _gaps(told: list[ChartPoint], allowed_ms: int) -> tuple[tuple[int, int], ...]:
    pairs = pairwise(told)
    # Between thinned readings others were measured; they had to make room.
    return tuple(
        (a.at_ms, b.at_ms) for a, b in pairs if b.at_ms - a.at_ms > allowed_ms and not a.flags & b.flags & THINNED
    )


def _chart_of_hours(conn: Connection, number: int, from_ms: int, to_ms: int, points: int) -> Chart:
    hour = reading_hour.c
    query = (
        select(hour.hour_ms, hour.min, hour.max, hour.count + hour.faults)
        .where(hour.sensor == number, hour.hour_ms.between(from_ms - from_ms % HOUR_MS, to_ms))
        .order_by(hour.hour_ms)
    )
    told: list[ChartPoint] = []
    readings = 0
    for at_ms, low, high, count in conn.execute(query):
        told += [ChartPoint(at_ms, value, 0) for value in dict.fromkeys((low, high))]
        readings += count
    kept = thin(told, from_ms, to_ms, points)
    return Chart(kept, _gaps(told, HOUR_MS), readings, thinned=True, resolution_ms=HOUR_MS)
