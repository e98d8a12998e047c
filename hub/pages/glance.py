"""All sensors at one glance: what state each is in, by device, trouble first."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from hub.coldchain.queries import SensorFilters, SensorView, sensors_page
from hub.web.reading import READING_ORDER, TROUBLE, ReadingState, Seen, state_of

MAX_SENSORS: Final = 5_000
"""Read for one page; a larger fleet is searched by place."""
READ_AT_ONCE: Final = 500
NODES_PER_GROUP: Final = 7
NODES_PER_CELL: Final = 2
MAX_NODES: Final = 4_700
"""What a page may hold in its document and still answer at once on a wall display's small computer."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One sensor."""

    view: SensorView
    name: str
    """Its id without the device, which heads the group, and without what it measures, which the unit says."""
    state: ReadingState


@dataclass(frozen=True, slots=True)
class Group:
    """The sensors of one device."""

    device: str
    place: str
    contact_ms: int | None
    cells: tuple[Cell, ...]

    @property
    def worst(self) -> int:
        """Its worst cell's place in the order of trouble."""
        return min(READING_ORDER[cell.state] for cell in self.cells)


def all_sensors(reader: Connection, q: str = "") -> list[SensorView]:
    """Every sensor, or those whose id or place has `q` in it; at most MAX_SENSORS."""
    views: list[SensorView] = []
    cursor: str | None = None
    while len(views) < MAX_SENSORS:
        part = sensors_page(reader, SensorFilters(q=q.strip()), cursor, READ_AT_ONCE)
        views += part.items
        cursor = part.next_cursor
        if cursor is None:
            break
    return views


def seen(view: SensorView) -> Seen:
    """What is known of a sensor's freshness. A reading that came is a sign of its device's life too."""
    latest = view.latest
    known = (view.contact_ms, latest.known_ms if latest else None)
    return Seen(
        at_ms=latest.at_ms if latest else None,
        value=latest.value if latest else None,
        every_ms=latest.interval_ms if latest else None,
        contact_ms=max((ms for ms in known if ms is not None), default=None),
    )


def short_name(view: SensorView) -> str:
    """Its id without what it measures, which the unit says."""
    return view.id.removesuffix(f".{view.quantity.value}")


def count_states(views: Iterable[SensorView], now_ms: int) -> Counter[ReadingState]:
    """How many sensors are in each state."""
    return Counter(state_of(seen(view), now_ms) for view in views)


def grouped(views: Iterable[SensorView], now_ms: int, *, only_trouble: bool = False) -> list[Group]:
    """Sensors by device, the device with the worst trouble first."""
    by_device: defaultdict[str, list[SensorView]] = defaultdict(list)
    for view in views:
        by_device[view.device].append(view)
    groups = [_group(device, members, now_ms, only_trouble=only_trouble) for device, members in by_device.items()]
    return sorted((g for g in groups if g.cells), key=lambda group: (group.worst, group.place, group.device))


def _group(device: str, members: Sequence[SensorView], now_ms: int, *, only_trouble: bool) -> Group:
    contacts = [seen(view).contact_ms for view in members]
    states = ((view, state_of(seen(view), now_ms)) for view in members)
    return Group(
        device,
        members[0].place,
        max((ms for ms in contacts if ms is not None), default=None),
        tuple(
            Cell(view, short_name(view).removeprefix(f"{device}."), state)
            for view, state in states
            if state in TROUBLE or not only_trouble
        ),
    )


def paged(groups: Iterable[Group]) -> list[list[Group]]:
    """Groups in pages of at most MAX_NODES; a device is never torn apart."""
    pages: list[list[Group]] = [[]]
    room = MAX_NODES
    for group in groups:
        needs = NODES_PER_GROUP + NODES_PER_CELL * len(group.cells)
        if pages[-1] and needs > room:
            pages.append([])
            room = MAX_NODES
        pages[-1].append(group)
        room -= needs
    return pages
