"""What hangs on the wall: figures, what is wrong first, then the rest in pages. Nothing about people."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from hub.ahead import Ahead
from hub.coldchain.excursions import ExcursionKind, ExcursionView, open_by_sensor, sensor_records
from hub.coldchain.freshness import TROUBLE, Freshness, Seen, freshness_of
from hub.coldchain.queries import MAX_PAGE, SensorFilters, SensorView, sensors_page
from hub.tracking.custody import ParcelStatus
from hub.tracking.queries import ParcelFilters, ParcelView, parcel_counts, parcels_page

MAX_STAYING: Final = 60
"""What is wrong turns its own pages where it is more than fits; beyond this the count says the rest."""
MAX_TURNING: Final = 400
MAX_SENSORS: Final = 5_000


@dataclass(frozen=True, slots=True)
class TrackingWall:
    """Parcels: how many stand how, those that need a decision, and the latest of the rest."""

    counts: Mapping[ParcelStatus, int]
    wrong: tuple[ParcelView, ...]
    rest: tuple[ParcelView, ...]


@dataclass(frozen=True, slots=True)
class SensorOnWall:
    """A sensor.

    Attributes:
        name: what people call it.
        place: where it hangs.
        seen: its newest value.
        state: `above`, `below`, `no_data`, `attention`, or how fresh the value is.
        since_ms: since when it is beyond its limit or without data.
        taken: somebody has acknowledged it.
    """

    id: str
    name: str
    place: str
    unit: str
    seen: Seen
    state: str
    since_ms: int | None
    taken: bool

    @property
    def alarms(self) -> bool:
        """Whether it must be seen from across the room."""
        return self.state in ALARMS


ALARMS: Final = ("above", "below", "no_data")


@dataclass(frozen=True, slots=True)
class TemperatureWall:
    """Sensors: those that alarm, those in other trouble, and the rest by place."""

    wrong: tuple[SensorOnWall, ...]
    rest: tuple[SensorOnWall, ...]
    sensors: int
    alarms: int
    attention: int
    trouble: int
    well: int


def tracking_wall(reader: Connection) -> TrackingWall:
    """What is where."""
    wrong = parcels_page(reader, ParcelFilters(status=ParcelStatus.EXCEPTION), limit=MAX_STAYING).items
    latest = parcels_page(reader, ParcelFilters(), limit=MAX_TURNING).items
    over = {ParcelStatus.EXCEPTION, ParcelStatus.DELIVERED, ParcelStatus.RETURNED}
    return TrackingWall(parcel_counts(reader), wrong, tuple(view for view in latest if view.status not in over))


def temperature_wall(reader: Connection, ahead: Ahead, now_ms: int) -> TemperatureWall:
    """How cold it is where."""
    lasting, records = open_by_sensor(reader), sensor_records(reader)
    told = []
    for view in _all_sensors(reader):
        record = records.get(view.id)
        if record is not None and record.replaced_by:
            continue
        seen = view.seen(ahead)
        state, worst = _state(lasting.get(view.id, ()), freshness_of(seen, now_ms))
        told.append(
            SensorOnWall(
                id=view.id,
                name=(record.name if record else "") or view.id.removeprefix(f"{view.device}.").rpartition(".")[0],
                place=(record.place if record else "") or view.place or view.device,
                unit="%" if view.quantity.value == "humidity_rh" else "°C",
                seen=seen,
                state=state,
                since_ms=worst.found.started_ms if worst else None,
                taken=worst is not None and worst.covered,
            )
        )
    wrong = sorted((s for s in told if s.alarms), key=lambda s: (s.taken, s.state == "no_data", s.since_ms or 0))
    rest = sorted((s for s in told if not s.alarms), key=lambda s: (s.state not in _NEXT, s.place, s.name, s.id))
    states = Counter(s.state for s in told)
    silent, attention = states["no_data"], states["attention"]
    trouble = silent + sum(states[freshness.value] for freshness in TROUBLE)
    alarms = len(wrong) - silent
    return TemperatureWall(
        wrong=tuple(wrong[:MAX_STAYING]),
        rest=tuple(rest),
        sensors=len(told),
        alarms=alarms,
        attention=attention,
        trouble=trouble,
        well=len(told) - alarms - attention - trouble,
    )


_NEXT: Final = frozenset({"attention", *(freshness.value for freshness in TROUBLE)})
"""After the alarms."""


def _state(lasting: tuple[ExcursionView, ...], freshness: Freshness) -> tuple[str, ExcursionView | None]:
    alarms = [found for found in lasting if found.alarmed]
    # What is too warm now can still be saved; silence is asked for after that.
    worst = min(alarms, key=lambda found: (found.kind is ExcursionKind.NO_DATA, found.found.started_ms), default=None)
    if worst is None:
        return ("attention", lasting[0]) if lasting and freshness is Freshness.FRESH else (freshness.value, None)
    if worst.kind is ExcursionKind.NO_DATA or worst.side is None:
        return "no_data", worst
    return worst.side.value, worst


def _all_sensors(reader: Connection) -> Iterator[SensorView]:
    cursor: str | None = None
    for _ in range(MAX_SENSORS // MAX_PAGE):
        found = sensors_page(reader, SensorFilters(), cursor, MAX_PAGE)
        yield from found.items
        cursor = found.next_cursor
        if cursor is None:
            return
