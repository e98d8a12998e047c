"""How far a route is: what came of its stops, what is in its van, and when it will be where. Pure, but for `read_progress`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, select

from hub.deliveries.queries import outcomes_of
from hub.deliveries.state import DONE, StopOutcome, StopStatus
from hub.routes.queries import RouteView, StopView, cancelled_of
from hub.timeline import chunks
from hub.tracking.tables import parcel as parcel_table
from hub.trips.tables import stay

LEAST_SPREAD_MS: Final = 5 * 60_000
"""Nobody knows better when a van is at the next door."""
SPREAD: Final = 0.25
"""Of the time that is planned until then: how far days in cities stray, for lack of any figures of one's own."""
PACE: Final = (0.6, 1.8)
"""How much slower or quicker than planned a day may go on as it began."""
PACE_FROM_MS: Final = 20 * 60_000
"""Planned time that must have gone by before the pace tells anything."""
LATE_MS: Final = 0


class Eta(Struct, frozen=True):
    """When a van will be at a stop, as a range."""

    from_ms: int
    to_ms: int


class StopProgress(Struct, frozen=True):
    """A stop and what came of it. `aboard`: parcels that its van has; `late_ms`: how late it is, or most likely will be."""

    stop: StopView
    outcome: StopOutcome
    aboard: tuple[str, ...]
    eta: Eta | None
    late_ms: int

    @property
    def open(self) -> bool:
        """Whether somebody still has to go there."""
        return not self.outcome.visited and self.stop.cancelled_ms is None

    @property
    def missing(self) -> tuple[str, ...]:
        """Parcels that its van does not have."""
        return tuple(parcel for parcel in self.stop.parcels if parcel not in self.aboard)


class Progress(Struct, frozen=True):
    """A route with all that is known of it."""

    route: RouteView
    stops: tuple[StopProgress, ...]
    has_left: bool
    now_ms: int

    @property
    def wanted(self) -> int:
        """Stops that count."""
        return sum(one.outcome.status is not StopStatus.CANCELLED for one in self.stops)

    @property
    def done(self) -> int:
        """Stops that were met."""
        return sum(one.outcome.status in DONE for one in self.stops)

    @property
    def visited(self) -> int:
        """Stops where somebody was."""
        return sum(one.outcome.visited for one in self.stops)

    @property
    def late(self) -> tuple[StopProgress, ...]:
        """Stops that are open and late, or most likely will be."""
        return tuple(one for one in self.stops if one.open and one.late_ms > LATE_MS)

    @property
    def conflicts(self) -> int:
        """Stops of which devices say different things."""
        return sum(one.outcome.conflict for one in self.stops)

    @property
    def ends(self) -> Eta | None:
        """When the last stop will be met."""
        return next((one.eta for one in reversed(self.stops) if one.eta is not None), None)


def read_progress(
    conn: Connection, routes: Sequence[RouteView], stops: Mapping[str, Sequence[StopView]], now_ms: int
) -> list[Progress]:
    """How far these routes are now."""
    every = [stop for route in routes for stop in stops[route.id]]
    outcomes = outcomes_of(conn, (stop.stop for stop in every), cancelled_of(every))
    where = aboard_devices(conn, (parcel for stop in every for parcel in stop.parcels))
    return [progress_of(route, stops[route.id], outcomes, where, now_ms) for route in routes]


def aboard_devices(conn: Connection, parcels: Iterable[str]) -> dict[str, str]:
    """By parcel, the device that carries it now."""
    s = stay.c
    found: dict[str, str] = {}
    for some in chunks(list(dict.fromkeys(parcels))):
        query = select(s.parcel, s.device).where(s.parcel.in_(some), s.aboard.is_(True), s.to_ms.is_(None))
        found.update({row.parcel: row.device for row in conn.execute(query)})
    return found


def seen_parcels(conn: Connection, parcels: Iterable[str]) -> dict[str, tuple[str, str]]:
    """By parcel, its status and where it was seen last; those never scanned are left out."""
    p = parcel_table.c
    found: dict[str, tuple[str, str]] = {}
    for some in chunks(list(dict.fromkeys(parcels))):
        rows = conn.execute(select(p.parcel, p.status, p.seen_place).where(p.parcel.in_(some)))
        found.update({row.parcel: (row.status, row.seen_place) for row in rows})
    return found


def progress_of(
    route: RouteView,
    stops: Sequence[StopView],
    outcomes: Mapping[str, StopOutcome],
    where: Mapping[str, str],
    now_ms: int,
) -> Progress:
    """How far a route is, from what is known of its stops and parcels."""
    device = route.device or route.vehicle.device
    has_left = any(outcomes[stop.stop].visited for stop in stops)
    etas = expected(stops, outcomes, route.start_ms, now_ms)
    return Progress(
        route,
        tuple(
            StopProgress(
                stop,
                outcomes[stop.stop],
                tuple(parcel for parcel in stop.parcels if device and where.get(parcel) == device),
                etas.get(stop.stop),
                _late_ms(stop, outcomes[stop.stop], etas.get(stop.stop), now_ms),
            )
            for stop in stops
        ),
        has_left,
        now_ms,
    )


def _late_ms(stop: StopView, outcome: StopOutcome, eta: Eta | None, now_ms: int) -> int:
    """After its window closed; of open stops, by the middle of what is expected, but no less than it is already."""
    if stop.window_to_ms is None or stop.cancelled_ms is not None:
        return 0
    first = outcome.first
    if first is not None:
        return max(0, first.happened_ms - stop.window_to_ms)
    middle = now_ms if eta is None else (eta.from_ms + eta.to_ms) // 2
    return max(0, max(middle, now_ms) - stop.window_to_ms)


def expected(
    stops: Sequence[StopView], outcomes: Mapping[str, StopOutcome], start_ms: int | None, now_ms: int
) -> dict[str, Eta]:
    """When the open stops will be met: as planned, from where the day has come to, at the pace that it has."""
    visited = [(stop, first) for stop in stops if (first := outcomes[stop.stop].first) is not None and stop.eta_ms]
    ahead = [s for s in stops if not outcomes[s.stop].visited and s.cancelled_ms is None and s.eta_ms is not None]
    if not ahead:
        return {}
    if visited:
        last, proof = max(visited, key=lambda one: one[1].happened_ms)
        planned_ms, met_ms = last.eta_ms or 0, proof.happened_ms
        pace = _pace(planned_ms - (start_ms or planned_ms), met_ms - (start_ms or planned_ms))
    else:
        planned_ms = start_ms or min(stop.eta_ms or 0 for stop in ahead)
        met_ms, pace = max(planned_ms, now_ms), 1.0
    # Stops out of turn: what is planned before the last one met is met first, at once.
    shift_ms = min(0, min(stop.eta_ms or 0 for stop in ahead) - planned_ms)
    found = {}
    before_ms = now_ms
    for stop in ahead:
        way_ms = (stop.eta_ms or 0) - planned_ms - shift_ms
        # Who waits at one door is later at the next.
        at_ms = before_ms = max(met_ms + round(way_ms * pace), before_ms, stop.window_from_ms or 0)
        spread_ms = max(LEAST_SPREAD_MS, round(way_ms * SPREAD))
        found[stop.stop] = Eta(max(now_ms, at_ms - spread_ms), at_ms + spread_ms)
    return found


def _pace(planned_ms: int, took_ms: int) -> float:
    if planned_ms < PACE_FROM_MS:
        return 1.0
    return min(max(took_ms / planned_ms, PACE[0]), PACE[1])


def settled(stops: Iterable[StopProgress]) -> Collection[str]:
    """Keys of stops that no plan may touch any more: visited, or cancelled."""
    return {one.stop.stop for one in stops if not one.open}
