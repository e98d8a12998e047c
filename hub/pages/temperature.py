"""`/temperature`: how cold is everything? A table with the worst first, or all sensors as tiles."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from markupsafe import Markup
from sqlalchemy import Connection, and_, select

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.coldchain.hours import HOUR_MS
from hub.coldchain.tables import reading, reading_hour, sensor, sensor_latest
from hub.context import Hub, Reader
from hub.pages.glance import all_sensors, grouped, paged
from hub.pages.sparkline import HOURS, sparkline
from hub.pages.standing import Standing, all_standings
from hub.pages.tile import tile
from hub.web.render import page, without

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

ROWS: Final = 80
TREND_MS: Final = 900_000
TREND_SLACK_MS: Final = 600_000
"""A reading up to so much older still tells where it comes from; without one there is no trend."""


class Order(StrEnum):
    """How sensors are listed."""

    WORST = "worst"
    VAN = "van"
    PLACE = "place"


class Look(StrEnum):
    """What the page shows of each."""

    TABLE = "table"
    TILES = "tiles"


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours of a sensor, and where it comes from; values in hundredths."""

    low: int | None
    high: int | None
    before: int | None
    """The value a quarter of an hour before the latest."""
    line: Markup


@router.get("/temperature")
def temperature_page(
    request: Request,
    reader: Reader,
    hub: Hub,
    *,
    q: Annotated[str, Query(max_length=128)] = "",
    place: Annotated[str, Query(max_length=256)] = "",
    profile: Annotated[str, Query(max_length=256)] = "",
    only: Annotated[str, Query(max_length=16)] = "",
    by: Order = Order.WORST,
    look: Look | None = None,
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """All sensors; a wall display shows tiles, which need no turning of pages."""
    now_ms = hub.now_ms()
    everything = all_standings(reader, hub.ahead, all_sensors(reader), now_ms)
    fitting = [one for one in everything if _fits(one, q.strip().casefold(), place, profile)]
    shown = [one for one in fitting if one.word.level != "ok"] if only else fitting
    wall = request.query_params.get("wall") == "1"
    look = look or (Look.TILES if wall else Look.TABLE)
    groups = paged(grouped(shown)) if look is Look.TILES else []
    pages = len(groups) or -(-len(shown) // ROWS) or 1
    number = min(number, pages)
    rows = _sorted(shown, by)[(number - 1) * ROWS : number * ROWS] if look is Look.TABLE else []
    return page(
        request,
        "temperature.html",
        groups=groups[number - 1] if groups else [],
        rows=rows,
        days=days_of(reader, rows, now_ms),
        pages=pages,
        number=number,
        counts=counts_of(fitting),
        sensors=len(fitting),
        tile=tile,
        places=sorted({one.place for one in everything if one.place}),
        profiles=sorted({one.profile.name for one in everything if one.profile}),
        q=q,
        place=place,
        profile=profile,
        only=only,
        by=by,
        look=look,
        orders=list(Order),
        kept_query=without(request.query_params, "page", "lang"),
    )


def counts_of(standings: list[Standing]) -> dict[tuple[str, str, int, str], int]:
    """How many stand in each way: (level, sign, rank, word), worst first."""
    counted: dict[tuple[str, str, int, str], int] = {}
    for one in standings:
        if one.word.level != "ok":
            key = (one.word.level, one.word.sign, one.word.rank, one.word.text)
            counted[key] = counted.get(key, 0) + 1
    return dict(sorted(counted.items(), key=lambda item: item[0][2]))


def _fits(one: Standing, q: str, place: str, profile: str) -> bool:
    if place and one.place != place:
        return False
    if profile and (one.profile is None or one.profile.name != profile):
        return False
    return not q or any(q in text.casefold() for text in (one.id, one.name, one.place))


def _sorted(standings: list[Standing], by: Order) -> list[Standing]:
    if by is Order.WORST:
        return standings
    return sorted(standings, key=lambda one: (one.device if by is Order.VAN else one.place, one.id))


def days_of(reader: Connection, rows: list[Standing], now_ms: int) -> dict[str, Day]:
    """The last day of each of these sensors, in two queries."""
    numbers = select(sensor.c.sensor, sensor.c.number).where(sensor.c.sensor.in_([one.id for one in rows]))
    named = {row.sensor: row.number for row in reader.execute(numbers)}
    first_ms = now_ms - now_ms % HOUR_MS - (HOURS - 1) * HOUR_MS
    hour = reading_hour.c
    told: dict[int, list[tuple[int, int, int]]] = {number: [] for number in named.values()}
    in_day = and_(hour.sensor.in_(told), hour.hour_ms >= first_ms, hour.hour_ms <= now_ms, hour.min.is_not(None))
    for number, at_ms, low, high in reader.execute(select(hour.sensor, hour.hour_ms, hour.min, hour.max).where(in_day)):
        told[number].append(((at_ms - first_ms) // HOUR_MS, low, high))
    then = _values_before(reader, list(told))
    days = {}
    for one in rows:
        hours = told.get(named.get(one.id, -1), [])
        low, high = min((h[1] for h in hours), default=None), max((h[2] for h in hours), default=None)
        days[one.id] = Day(low, high, then.get(named.get(one.id, -1)), sparkline(hours, *one.bounds))
    return days


def _values_before(reader: Connection, numbers: list[int]) -> dict[int, int | None]:
    """What each sensor measured TREND_MS before its latest reading."""
    row, latest = reading.c, sensor_latest.c
    until_ms = latest.at_ms - TREND_MS
    near = and_(row.sensor == latest.sensor, row.at_ms <= until_ms, row.at_ms >= until_ms - TREND_SLACK_MS)
    value = select(row.value).where(near).order_by(row.at_ms.desc()).limit(1).scalar_subquery()
    found = reader.execute(select(latest.sensor, value).where(latest.sensor.in_(numbers)))
    return {row[0]: row[1] for row in found}
