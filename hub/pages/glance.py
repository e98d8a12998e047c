"""All sensors at one glance: what state each is in, by device, trouble first."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from contract.event import Quantity
from hub.ahead import Ahead
from hub.coldchain.freshness import TROUBLE, TROUBLE_FIRST, Freshness, Seen, freshness_of
from hub.coldchain.queries import SensorFilters, SensorView, sensors_page

MAX_SENSORS: Final = 5_000
"""Read for one page; a larger fleet is searched by place."""
READ_AT_ONCE: Final = 500
NODES_PER_GROUP: Final = 7
NODES_PER_CELL: Final = 2
_QUANTITIES: Final = (Quantity.TEMPERATURE_C, Quantity.HUMIDITY_RH)
"""In the order in which they are read."""
MAX_NODES: Final = 4_700
"""What a page may hold in its document and still answer at once on a wall display's small computer."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One sensor."""

    view: SensorView
    seen: Seen
    freshness: Freshness

    @property
    def probe(self) -> str:
        """What it belongs to on its device; its quantities stand side by side."""
        return probe_of(self.view)

    @property
    def order(self) -> int:
        """Its place in the order of trouble."""
        return TROUBLE_FIRST[self.freshness]


@dataclass(frozen=True, slots=True)
class Group:
    """The sensors of one device."""

    device: str
    place: str
    contact_ms: int | None
    cells: tuple[Cell, ...]

    @property
    def paired(self) -> bool:
        """Whether probes of it measure two quantities, which then stand side by side."""
        return any(cell.view.quantity is not _QUANTITIES[0] for cell in self.cells)

    @property
    def worst(self) -> int:
        """Its worst cell's place in the order of trouble."""
        return min(cell.order for cell in self.cells)


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


def probe_of(view: SensorView) -> str:
    """Its id in words, without its device and without what it measures."""
    own = view.id.removeprefix(f"{view.device}.").removesuffix(f".{view.quantity.value}")
    return own.replace(".", " ").replace("_", " ")


def grouped(views: Iterable[SensorView], ahead: Ahead, now_ms: int, *, only_trouble: bool = False) -> list[Group]:
    """Sensors by device, the device with the worst trouble first."""
    by_device: defaultdict[str, list[Cell]] = defaultdict(list)
    for view in views:
        seen = view.seen(ahead)
        by_device[view.device].append(Cell(view, seen, freshness_of(seen, now_ms)))
    groups = [_group(cells, only_trouble=only_trouble) for cells in by_device.values()]
    return sorted((g for g in groups if g.cells), key=lambda group: (group.worst, group.place, group.device))


def _group(cells: Sequence[Cell], *, only_trouble: bool) -> Group:
    first = cells[0]
    worst: defaultdict[str, int] = defaultdict(lambda: len(TROUBLE_FIRST))
    for cell in cells:
        worst[cell.probe] = min(worst[cell.probe], cell.order)
    shown = [cell for cell in cells if cell.freshness in TROUBLE or not only_trouble]
    shown.sort(key=lambda cell: (worst[cell.probe], cell.probe, _QUANTITIES.index(cell.view.quantity), cell.view.id))
    contacts = (cell.seen.contact_ms for cell in cells)
    return Group(
        first.view.device,
        first.view.place,
        max((ms for ms in contacts if ms is not None), default=None),
        tuple(shown),
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
