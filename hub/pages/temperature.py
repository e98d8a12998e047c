"""`/temperature`: how cold is everything? And the chart of one sensor."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.coldchain.queries import SensorFilters, SensorView, sensor, sensor_readings, sensors_page
from hub.context import Hub, Reader
from hub.problems import NotFound
from hub.web.reading import READING_ORDER, ReadingState, Seen, state_of
from hub.web.render import page

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

MAX_SENSORS: Final = 5_000
"""Read for one page; a larger fleet is searched by place."""
READ_AT_ONCE: Final = 500
NODES_PER_GROUP: Final = 8
NODES_PER_CELL: Final = 2
MAX_NODES: Final = 4_000
"""What a page may hold in its document and still answer at once on a wall display's small computer."""
CHART_POINTS: Final = 2_000
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One sensor at a glance."""

    view: SensorView
    name: str
    """Its id without the device, which heads the group."""
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


def group_cells(views: Iterable[SensorView], now_ms: int, *, only_trouble: bool = False) -> list[Group]:
    """Sensors by device, the device with the worst trouble first."""
    by_device: defaultdict[str, list[SensorView]] = defaultdict(list)
    for view in views:
        by_device[view.device].append(view)
    groups = []
    for device, members in by_device.items():
        cells = tuple(
            Cell(view, view.id.removeprefix(f"{device}."), state)
            for view in members
            if (state := state_of(seen(view), now_ms)) is not ReadingState.FRESH or not only_trouble
        )
        if cells:
            groups.append(Group(device, members[0].place, members[0].contact_ms, cells))
    return sorted(groups, key=lambda group: (group.worst, group.place, group.device))


def seen(view: SensorView) -> Seen:
    """What is known of a sensor's freshness."""
    latest = view.latest
    return Seen(
        at_ms=latest and latest.at_ms,
        value=latest and latest.value,
        every_ms=latest.interval_ms if latest else None,
        contact_ms=max((ms for ms in (view.contact_ms, latest and latest.known_ms) if ms is not None), default=None),
    )


def paged(groups: list[Group]) -> list[list[Group]]:
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


@router.get("/temperature")
def temperature_page(
    request: Request,
    reader: Reader,
    hub: Hub,
    *,
    q: Annotated[str, Query(max_length=128)] = "",
    only: Annotated[str, Query(max_length=16)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """All sensors at a glance, by device, trouble first."""
    now_ms = hub.now_ms()
    views = _all_sensors(reader, SensorFilters(q=q.strip()))
    pages = paged(group_cells(views, now_ms, only_trouble=only == "trouble"))
    number = min(number, len(pages))
    counts: defaultdict[str, int] = defaultdict(int)
    for view in views:
        counts[state_of(seen(view), now_ms)] += 1
    return page(
        request,
        "temperature.html",
        groups=pages[number - 1],
        pages=len(pages),
        number=number,
        counts=counts,
        sensors=len(views),
        q=q,
        only=only,
    )


def _all_sensors(reader: Any, filters: SensorFilters) -> list[SensorView]:
    views: list[SensorView] = []
    cursor: str | None = None
    while len(views) < MAX_SENSORS:
        part = sensors_page(reader, filters, cursor, READ_AT_ONCE)
        views += part.items
        cursor = part.next_cursor
        if cursor is None:
            break
    return views


@router.get("/temperature/{sensor_id}/chart")
def chart_data(
    reader: Reader, hub: Hub, sensor_id: str, hours: Annotated[int, Query(ge=1, le=24 * 366)] = 24
) -> dict[str, Any]:
    """Columns for the chart: epoch seconds and values, null where there is no line to draw."""
    view = sensor(reader, sensor_id)
    if view is None:
        raise NotFound("sensor", sensor_id)
    now_ms = hub.now_ms()
    chart = sensor_readings(reader, sensor_id, now_ms - hours * HOUR_MS, now_ms, CHART_POINTS)
    points = [(p.at_ms, p.value) for p in chart.points] + [((a + b) // 2, None) for a, b in chart.gaps]
    points.sort(key=lambda point: point[0])
    return {
        "from": (now_ms - hours * HOUR_MS) / 1000,
        "to": now_ms / 1000,
        "times": [at_ms / 1000 for at_ms, _ in points],
        "values": [None if value is None else value / 100 for _, value in points],
        "gaps": [[a / 1000, b / 1000] for a, b in chart.gaps],
        "readings": chart.readings,
        "thinned": chart.thinned,
    }


@router.get("/temperature/{sensor_id}")
def sensor_page(
    request: Request,
    reader: Reader,
    hub: Hub,
    sensor_id: str,
    hours: Annotated[int, Query(ge=1, le=24 * 366)] = 24,
) -> Response:
    """One sensor: its latest reading, and its chart."""
    view = sensor(reader, sensor_id)
    if view is None:
        raise NotFound("sensor", sensor_id)
    return page(
        request, "sensor.html", view=view, seen=seen(view), state=state_of(seen(view), hub.now_ms()), hours=hours
    )
