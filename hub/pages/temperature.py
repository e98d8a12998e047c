"""`/temperature`: how cold is everything? And the chart of one sensor."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.coldchain.freshness import MISSED_READINGS, freshness_of, sensor_counts
from hub.coldchain.queries import measured_since, sensor, sensor_readings
from hub.context import Hub, Reader
from hub.pages.glance import all_sensors, grouped, paged, probe_of
from hub.problems import NotFound
from hub.web.render import page

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

CHART_POINTS: Final = 2_000
HOUR_MS: Final = 3_600_000
DAY_H: Final = 24
STRETCHES_H: Final = (1, 6, DAY_H, 7 * DAY_H, 30 * DAY_H)
"""Hours that a chart shows; the shortest that holds all readings is shown first."""

Hours = Annotated[int, Query(ge=1, le=24 * 366)]


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
    views = all_sensors(reader, q)
    pages = paged(grouped(views, hub.ahead, now_ms, only_trouble=only == "trouble"))
    number = min(number, len(pages))
    return page(
        request,
        "temperature.html",
        groups=pages[number - 1],
        pages=len(pages),
        number=number,
        counts=sensor_counts((view.seen(hub.ahead) for view in views), now_ms),
        sensors=len(views),
        q=q,
        only=only,
    )


@router.get("/temperature/{sensor_id}/chart")
def chart_data(reader: Reader, hub: Hub, sensor_id: str, hours: Hours = 24) -> dict[str, Any]:
    """Columns for the chart: epoch seconds and values, null where there is no line to draw."""
    view = sensor(reader, sensor_id)
    if view is None:
        raise NotFound("sensor", sensor_id)
    now_ms = hub.now_ms()
    chart = sensor_readings(reader, sensor_id, now_ms - hours * HOUR_MS, now_ms, CHART_POINTS)
    points = [(p.at_ms, p.value) for p in chart.points] + [((a + b) // 2, None) for a, b in chart.gaps]
    points.sort(key=lambda point: point[0])
    seen = view.seen(hub.ahead)
    if not seen.kept and seen.at_ms is not None:
        points.append((seen.at_ms, seen.value))
    return {
        "from": (now_ms - hours * HOUR_MS) / 1000,
        "to": now_ms / 1000,
        "times": [at_ms / 1000 for at_ms, _ in points],
        "values": [None if value is None else value / 100 for _, value in points],
        "gaps": [[a / 1000, b / 1000] for a, b in chart.gaps],
        "readings": chart.readings,
        "allowed": MISSED_READINGS * (seen.every_ms or 0) / 1000,
    }


@router.get("/temperature/{sensor_id}")
def sensor_page(request: Request, reader: Reader, hub: Hub, sensor_id: str, hours: Hours | None = None) -> Response:
    """One sensor: its latest reading, and its chart."""
    view = sensor(reader, sensor_id)
    if view is None:
        raise NotFound("sensor", sensor_id)
    now_ms = hub.now_ms()
    seen = view.seen(hub.ahead)
    return page(
        request,
        "sensor.html",
        view=view,
        probe=probe_of(view),
        seen=seen,
        freshness=freshness_of(seen, now_ms),
        hours=hours or _stretch_h(measured_since(reader, sensor_id), now_ms),
        stretches=STRETCHES_H,
    )


def _stretch_h(since_ms: int | None, now_ms: int) -> int:
    length_ms = 0 if since_ms is None else now_ms - since_ms
    return next((hours for hours in STRETCHES_H if length_ms <= hours * HOUR_MS and hours <= DAY_H), DAY_H)
