"""What pages and the interface read about sensors."""

from enum import StrEnum

from msgspec import Struct
from sqlalchemy import Connection

from contract.event import Quantity
from hub.timeline import TimeSource


class Freshness(StrEnum):
    """What the age of the latest reading says, judged by how often the sensor is read."""

    FRESH = "fresh"
    LATE = "late"
    SILENT = "silent"


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

    def freshness(self, now_ms: int) -> Freshness:
        """Fresh, late or silent at this instant."""
        raise NotImplementedError


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


class ChartPoint(Struct, frozen=True):
    """One reading of a chart."""

    at_ms: int
    value: int | None
    flags: int


class Chart(Struct, frozen=True):
    """Readings of a sensor, thinned where `thinned`: of each stretch the first, last, lowest, highest and faults are kept.

    `gaps` are (from, to) without any reading for longer than the schedule allows; draw no line across them.
    """

    points: tuple[ChartPoint, ...]
    gaps: tuple[tuple[int, int], ...]
    readings: int
    thinned: bool


class SensorCounts(Struct, frozen=True):
    """Sensors by freshness; `faulty` are those whose latest reading is a fault, whatever their age."""

    fresh: int
    late: int
    silent: int
    faulty: int


def sensors_page(conn: Connection, filters: SensorFilters, cursor: str | None = None, limit: int = 100) -> SensorPage:
    """One page of sensors, by id.

    Raises:
        BadCursor: the cursor is not one that this function gave.
    """
    raise NotImplementedError


def sensor(conn: Connection, sensor_id: str) -> SensorView | None:
    """One sensor by its id."""
    raise NotImplementedError


def sensor_readings(conn: Connection, sensor_id: str, from_ms: int, to_ms: int, points: int = 1000) -> Chart:
    """Readings of a sensor, both ends included, thinned to about `points` with every extreme kept."""
    raise NotImplementedError


def sensor_counts(conn: Connection, now_ms: int) -> SensorCounts:
    """Sensors by freshness, for headers."""
    raise NotImplementedError
