"""All sensors as tiles: by device, trouble first."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from hub.coldchain.queries import SensorFilters, SensorView, sensors_page
from hub.pages import naming
from hub.pages.standing import Standing

MAX_SENSORS: Final = 5_000
"""Read for one page; a larger fleet is searched by place."""
READ_AT_ONCE: Final = 500
NODES_PER_GROUP: Final = 7
NODES_PER_CELL: Final = 2
MAX_NODES: Final = 4_700
"""What a page may hold in its document and still answer at once on a wall display's small computer."""


@dataclass(frozen=True, slots=True)
class Group:
    """The sensors of one device."""

    device: str
    place: str
    contact_ms: int | None
    cells: tuple[Standing, ...]

    @property
    def paired(self) -> bool:
        """Whether probes of it measure two quantities, which then stand side by side."""
        return any(humid(cell) for cell in self.cells)

    @property
    def worst(self) -> int:
        """Its worst cell's place in the order of trouble."""
        return min(cell.word.rank for cell in self.cells)


def humid(cell: Standing) -> bool:
    """Whether it measures humidity."""
    return cell.unit == "%"


def all_sensors(reader: Connection) -> list[SensorView]:
    """Every sensor; at most MAX_SENSORS."""
    views: list[SensorView] = []
    cursor: str | None = None
    while len(views) < MAX_SENSORS:
        part = sensors_page(reader, SensorFilters(), cursor, READ_AT_ONCE)
        views += part.items
        cursor = part.next_cursor
        if cursor is None:
            break
    return views


def probe_of(view: SensorView) -> str:
    """What it belongs to on its device, in words."""
    return naming.probe_of(view.id, view.device)


def grouped(standings: Iterable[Standing]) -> list[Group]:
    """Sensors by device, the device with the worst trouble first."""
    by_device: defaultdict[str, list[Standing]] = defaultdict(list)
    for one in standings:
        by_device[one.device].append(one)
    groups = [_group(cells) for cells in by_device.values()]
    return sorted(groups, key=lambda group: (group.worst, group.place, group.device))


def _group(cells: Sequence[Standing]) -> Group:
    first = cells[0]
    worst: dict[str, int] = {}
    for cell in cells:
        probe = naming.probe_of(cell.id, cell.device)
        worst[probe] = min(worst.get(probe, cell.word.rank), cell.word.rank)

    def order(cell: Standing) -> tuple[int, str, bool, str]:
        probe = naming.probe_of(cell.id, cell.device)
        return worst[probe], probe, humid(cell), cell.id

    contacts = (cell.seen.contact_ms for cell in cells)
    return Group(
        first.device,
        first.place,
        max((ms for ms in contacts if ms is not None), default=None),
        tuple(sorted(cells, key=order)),
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
