"""What the chart of one sensor draws: its line, what holds for it, and what was found. Times are epoch s, values in units."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, select

from contract.coldchain.profile import Profile, Side
from hub.ahead import Ahead
from hub.coldchain.excursions import ExcursionFilters, ExcursionView, list_excursions
from hub.coldchain.freshness import MISSED_READINGS
from hub.coldchain.profiles import find_profile
from hub.coldchain.queries import EXACT_RANGE_MS, SensorView, sensor_readings
from hub.coldchain.tables import reading_block, sensor, sensor_assignment
from hub.pages.stretch import Stretch
from hub.pages.verdicts import allowed_ms, verdict_of
from hub.web.formats import LATE_KNOWN_MS

CHART_POINTS: Final = 2_000
MAX_EXCURSIONS: Final = 200
"""More spans than that are not told apart on a screen; the list has them all."""


class LimitLine(Struct, frozen=True, rename="camel"):
    """One limit over the time that it holds."""

    from_s: float
    to_s: float
    name: str
    side: Side
    value: float


class Band(Struct, frozen=True, rename="camel"):
    """What the profile allows for ever; None: nothing is too low, or too high."""

    from_s: float
    to_s: float
    low: float | None
    high: float | None


class Span(Struct, frozen=True, rename="camel"):
    """One excursion."""

    id: str
    from_s: float
    to_s: float
    level: str
    alarm: bool
    used_ms: int
    allowed_ms: int | None
    extreme: float | None


class ChartData(Struct, frozen=True, rename="camel"):
    """All of it.

    Attributes:
        times, values: the line, null where there is none to draw.
        gaps: without readings. late: known to the hub much later than it happened.
        allowed: how long after its last reading the next is missed, in seconds.
        live: whether the chart ends now, so that what comes lengthens it.
    """

    from_s: float
    to_s: float
    live: bool
    times: list[float]
    values: list[float | None]
    gaps: list[tuple[float, float]]
    late: list[tuple[float, float]]
    limits: list[LimitLine]
    bands: list[Band]
    excursions: list[Span]
    readings: int
    allowed: float


def chart_data(reader: Connection, ahead: Ahead, view: SensorView, stretch: Stretch) -> ChartData:
    """Read what a chart of this sensor over this stretch shows."""
    from_ms, to_ms = stretch.from_ms, stretch.to_ms
    chart = sensor_readings(reader, view.id, from_ms, to_ms, CHART_POINTS)
    points = [(p.at_ms, p.value) for p in chart.points] + [((a + b) // 2, None) for a, b in chart.gaps]
    points.sort(key=lambda point: point[0])
    seen = view.seen(ahead)
    if stretch.hours is not None and not seen.kept and seen.at_ms is not None:
        points.append((seen.at_ms, seen.value))
    assigned = list(_assigned(reader, view.id, from_ms, to_ms))
    return ChartData(
        from_s=from_ms / 1000,
        to_s=to_ms / 1000,
        live=stretch.hours is not None,
        times=[at_ms / 1000 for at_ms, _ in points],
        values=[_units(value) for _, value in points],
        gaps=[_seconds(a, b) for a, b in chart.gaps],
        late=_late(reader, view.id, from_ms, to_ms),
        limits=[line for a, b, profile in assigned for line in _lines(a, b, profile)],
        bands=[_band(*one) for one in assigned],
        excursions=_spans(reader, view.id, from_ms, to_ms),
        readings=chart.readings,
        allowed=MISSED_READINGS * (seen.every_ms or 0) / 1000,
    )


def _units(hundredths: int | None) -> float | None:
    return None if hundredths is None else hundredths / 100


def _seconds(from_ms: int, to_ms: int) -> tuple[float, float]:
    return from_ms / 1000, to_ms / 1000


def _assigned(reader: Connection, sensor_id: str, from_ms: int, to_ms: int) -> Iterator[tuple[int, int, Profile]]:
    """The profiles that hold in this stretch, each with its time."""
    row = sensor_assignment.c
    query = select(row.from_ms, row.profile).where(row.sensor == sensor_id).order_by(row.from_ms)
    told = [(at_ms, name) for at_ms, name in reader.execute(query)]
    for (since_ms, name), (until_ms, _) in pairwise([*told, (to_ms, "")]):
        profile = find_profile(reader, name) if name and until_ms > from_ms and since_ms < to_ms else None
        if profile is not None:
            yield max(since_ms, from_ms), min(until_ms, to_ms), profile


def _lines(from_ms: int, to_ms: int, profile: Profile) -> Iterator[LimitLine]:
    for limit in profile.limits:
        yield LimitLine(from_ms / 1000, to_ms / 1000, limit.name, limit.side, limit.threshold / 100)


def _band(from_ms: int, to_ms: int, profile: Profile) -> Band:
    low = max((x.threshold for x in profile.limits if x.side is Side.BELOW), default=None)
    high = min((x.threshold for x in profile.limits if x.side is Side.ABOVE), default=None)
    return Band(from_ms / 1000, to_ms / 1000, _units(low), _units(high))


def _late(reader: Connection, sensor_id: str, from_ms: int, to_ms: int) -> list[tuple[float, float]]:
    """Where readings came late. Longer charts are drawn from hours, where it does not show."""
    if to_ms - from_ms > EXACT_RANGE_MS:
        return []
    block = reading_block.c
    own = select(sensor.c.number).where(sensor.c.sensor == sensor_id).scalar_subquery()
    touching = (block.sensor == own, block.last_ms >= from_ms, block.happened_ms <= to_ms)
    late = block.known_ms - block.last_ms > LATE_KNOWN_MS
    query = select(block.happened_ms, block.last_ms + block.interval_ms).where(*touching, late).order_by(block.last_ms)
    joined: list[tuple[int, int]] = []
    for began_ms, ended_ms in reader.execute(query):
        if joined and began_ms <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(ended_ms, joined[-1][1])
        else:
            joined.append((began_ms, ended_ms))
    return [_seconds(*one) for one in joined]


def _spans(reader: Connection, sensor_id: str, from_ms: int, to_ms: int) -> list[Span]:
    filters = ExcursionFilters(sensor=sensor_id, from_ms=from_ms, to_ms=to_ms, withdrawn=False)
    found = list_excursions(reader, filters, None, MAX_EXCURSIONS).items
    known = {name: find_profile(reader, name) for name in {e.profile for e in found}}
    return [_span(e, allowed_ms(e, known[e.profile]), to_ms) for e in found]


def _span(e: ExcursionView, allowed: int | None, to_ms: int) -> Span:
    until_ms = to_ms if e.found.ended_ms is None else e.found.ended_ms
    return Span(
        id=e.id,
        from_s=e.found.started_ms / 1000,
        to_s=until_ms / 1000,
        level=verdict_of(e).level,
        alarm=e.alarmed,
        used_ms=e.found.beyond_ms,
        allowed_ms=allowed,
        extreme=_units(e.found.extreme),
    )
