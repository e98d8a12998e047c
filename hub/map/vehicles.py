"""Vehicles on the map: devices with a position, each with the one sensor that needs a person most."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, select

from contract.event import Quantity
from hub.ahead import Ahead
from hub.coldchain.excursions import ExcursionKind, ExcursionView, open_by_sensor
from hub.coldchain.freshness import TROUBLE_FIRST, Freshness, Seen, freshness_of
from hub.coldchain.queries import SensorView
from hub.fleet.freshness import is_silent
from hub.pages.glance import all_sensors
from hub.tables import device, device_contact
from hub.tracking.positions import DevicePosition, device_positions


class Level(StrEnum):
    """What a vehicle needs; in the order in which a person should look."""

    ALARM = "alarm"
    ATTENTION = "attention"
    SILENCE = "silence"
    OK = "ok"


MAX_LAT_E7: Final = 900_000_000
MAX_LON_E7: Final = 1_800_000_000
"""A broken receiver tells more; a map cannot draw that, and would draw nothing at all."""
WORST_FIRST: Final[dict[Level, int]] = {level: order for order, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Figure:
    """A sensor of a vehicle."""

    view: SensorView
    seen: Seen
    freshness: Freshness
    level: Level

    @property
    def order(self) -> tuple[int, int, str]:
        """What needs a person most comes first."""
        return WORST_FIRST[self.level], TROUBLE_FIRST[self.freshness], self.view.id


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A device with a position.

    Attributes:
        contact_ms: when it was heard last; None where it never said hello.
        level: the worst of its sensors' and its own.
        figure: the sensor that needs a person most; None where it has none.
    """

    position: DevicePosition
    place: str
    contact_ms: int | None
    level: Level
    figure: Figure | None

    @property
    def device(self) -> str:
        """Its id."""
        return self.position.device

    @property
    def on_earth(self) -> bool:
        """Whether there is such a place."""
        return abs(self.position.lat_e7) <= MAX_LAT_E7 and abs(self.position.lon_e7) <= MAX_LON_E7


def vehicles(reader: Connection, ahead: Ahead, now_ms: int) -> list[Vehicle]:
    """All vehicles in use, worst first, then by id."""
    contacts = _contacts(reader)
    positions = [position for position in device_positions(reader) if position.device in contacts]
    if not positions:
        return []
    figures = _figures(reader, ahead, now_ms)
    found = []
    for position in positions:
        place, kept_ms = contacts[position.device]
        worst = min(figures[position.device], key=lambda figure: figure.order, default=None)
        contact_ms = ahead.contact_ms(position.device, kept_ms, worst.seen.contact_ms if worst else None)
        own = Level.SILENCE if is_silent(contact_ms, now_ms) else Level.OK
        level = worst_of([own, worst.level if worst else Level.OK])
        found.append(Vehicle(position, place, contact_ms, level, worst))
    return sorted(found, key=lambda vehicle: (WORST_FIRST[vehicle.level], vehicle.device))


def worst_of(levels: Iterable[Level]) -> Level:
    """The level of a whole by those of its parts."""
    return min(levels, key=WORST_FIRST.__getitem__, default=Level.OK)


def _contacts(reader: Connection) -> dict[str, tuple[str, int | None]]:
    """Place and last hello of each device that is in use."""
    joined = device.outerjoin(device_contact, device_contact.c.device == device.c.id)
    query = select(device.c.id, device.c.place, device_contact.c.contact_ms).select_from(joined)
    rows = reader.execute(query.where(device.c.revoked_ms.is_(None)))
    return {name: (place, contact_ms) for name, place, contact_ms in rows}


def _figures(reader: Connection, ahead: Ahead, now_ms: int) -> Mapping[str, Sequence[Figure]]:
    """Temperature sensors by device."""
    lasting = open_by_sensor(reader)
    found: defaultdict[str, list[Figure]] = defaultdict(list)
    for view in all_sensors(reader):
        if view.quantity is Quantity.TEMPERATURE_C:
            seen = view.seen(ahead)
            freshness = freshness_of(seen, now_ms)
            level = worst_of([_of_freshness(freshness), *map(_of_excursion, lasting.get(view.id, ()))])
            found[view.device].append(Figure(view, seen, freshness, level))
    return found


def _of_freshness(freshness: Freshness) -> Level:
    return Level.ATTENTION if freshness in {Freshness.FAULT, Freshness.LOST} else Level.OK


def _of_excursion(view: ExcursionView) -> Level:
    """Time without data is no temperature beyond a limit, and one within the allowed time is no alarm yet."""
    return Level.ALARM if view.alarmed and view.kind is ExcursionKind.EXCURSION else Level.ATTENTION
