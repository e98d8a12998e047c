"""Figures of a day, its routes and areas: on time, at the first attempt; by when things happened, not when they were known.

They are worked out anew whenever a proof comes. Where one comes so late that people may have read the figures before, or is
corrected, what they read and what holds now is logged.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, insert, select

from contract.event import Outcome
from hub.deliveries.queries import outcomes_of
from hub.deliveries.state import DONE, StopOutcome, StopStatus
from hub.deliveries.tables import delivery, figure, figure_change
from hub.routes.tables import route_shipment, route_stop
from hub.timeline import chunks

LATE_FACT_MS: Final = 15 * 60_000
"""Known so much later than it happened, a fact changes what people may have read."""
_st, _rs, _f = route_stop.c, route_shipment.c, figure.c


class Figures(Struct, frozen=True):
    """Counts of stops; see `hub.deliveries.tables.FigureRow`."""

    stops: int = 0
    done: int = 0
    attempted: int = 0
    refused: int = 0
    open: int = 0
    windowed: int = 0
    on_time: int = 0
    visited: int = 0
    first_attempt: int = 0


Scopes = dict[tuple[str, str], Figures]
"""By scope and name."""


class FigureView(Struct, frozen=True):
    """Figures of a scope: `day`, `route` or `area`, and which one."""

    day: str
    scope: str
    name: str
    figures: Figures
    worked_ms: int


class FigureChange(Struct, frozen=True):
    """What a late proof changed."""

    at_ms: int
    day: str
    scope: str
    name: str
    before: Figures
    after: Figures
    cause: bytes


def count_stops(stops: Iterable[tuple[Row[Any], StopOutcome]], again: Collection[str] = frozenset()) -> Figures:
    """Count stops by what they have come to. Pure.

    Args:
        stops: with their windows.
        again: keys of those that are further attempts for all that is brought there: they were no first one.
    """
    n: defaultdict[str, int] = defaultdict(int)
    for stop, outcome in stops:
        if outcome.status is StopStatus.CANCELLED:
            continue
        n["stops"] += 1
        n["done"] += outcome.status in DONE
        n["attempted"] += outcome.status is StopStatus.ATTEMPTED
        n["refused"] += outcome.status in {StopStatus.REFUSED, StopStatus.RETURNED}
        n["open"] += not outcome.visited
        first = outcome.first
        if first is not None:
            if stop.stop not in again:
                n["visited"] += 1
                n["first_attempt"] += first.outcome in {Outcome.DELIVERED, Outcome.PICKED_UP} and outcome.status in DONE
            if stop.window_from_ms is not None:
                n["windowed"] += 1
                n["on_time"] += stop.window_from_ms <= first.happened_ms <= stop.window_to_ms
    return Figures(**n)


def routes_of_proofs(
    tx: Connection, proofs: Collection[bytes], corrected: Collection[bytes] = frozenset()
) -> dict[tuple[str, str], bytes | None]:
    """Days and routes of the stops of these proofs, each with one that came late or that somebody corrected, if any."""
    found: dict[tuple[str, str], bytes | None] = {}
    d = delivery.c
    for some in chunks(sorted(proofs)):
        query = select(_st.day, _st.route, d.fact_id, d.known_ms, d.happened_ms).join(delivery, d.stop == _st.stop)
        for row in tx.execute(query.where(d.fact_id.in_(some), _st.route != "").order_by(d.fact_id)):
            late = row.known_ms - row.happened_ms > LATE_FACT_MS or row.fact_id in corrected
            of = row.day, row.route
            found[of] = row.fact_id if late else found.get(of)
    return found


def work_out(tx: Connection, day: str, route: str, now_ms: int, cause: bytes | None = None) -> None:
    """Work out the figures of a route anew; `cause` is the late or corrected proof to log changes with."""
    stops = tx.execute(select(route_stop).where(_st.route == route)).all()
    cancelled = frozenset(stop.stop for stop in stops if stop.cancelled_ms is not None)
    outcomes = outcomes_of(tx, [stop.stop for stop in stops], cancelled)
    areas: defaultdict[str, list[tuple[Row[Any], StopOutcome]]] = defaultdict(list)
    for stop in stops:
        areas[stop.area].append((stop, outcomes[stop.stop]))
    again = _further_attempts(tx, [stop.stop for stop in stops])
    after = {area: count_stops(several, again) for area, several in areas.items()}
    rows = tx.execute(select(figure).where(_f.day == day, _f.route == route)).all()
    if after == {row.area: _figures(row) for row in rows}:
        return
    before = _by_scope(figures_of(tx, day)) if cause is not None else {}
    tx.execute(delete(figure).where(_f.day == day, _f.route == route))
    told = [
        {"day": day, "route": route, "area": area, **msgspec.structs.asdict(figures), "worked_ms": now_ms}
        for area, figures in after.items()
    ]
    if told:
        tx.execute(insert(figure), told)
    if cause is not None:
        _log(tx, day, before, now_ms, cause)


def _further_attempts(tx: Connection, stops: Sequence[str]) -> frozenset[str]:
    """Those where nothing is brought for the first time."""
    query = select(_rs.stop).group_by(_rs.stop).having(func.min(_rs.attempt) > 1)
    return frozenset(stop for some in chunks(stops) for stop in tx.scalars(query.where(_rs.stop.in_(some))))


def _log(tx: Connection, day: str, before: Scopes, now_ms: int, cause: bytes) -> None:
    after = _by_scope(figures_of(tx, day))
    rows = [
        {
            "at_ms": now_ms,
            "day": day,
            "scope": scope[0],
            "name": scope[1],
            "before": msgspec.json.encode(before[scope]).decode(),
            "after": msgspec.json.encode(after[scope]).decode(),
            "cause": cause,
        }
        for scope in sorted(before.keys() & after.keys())
        if before[scope] != after[scope]
    ]
    if rows:
        tx.execute(insert(figure_change), rows)


def figures_of(conn: Connection, day: str) -> list[FigureView]:
    """All figures of a day: the day itself, then its routes and areas by name."""
    sums: defaultdict[tuple[int, str, str], list[Row[Any]]] = defaultdict(list)
    for row in conn.execute(select(figure).where(_f.day == day)):
        for key in ((0, "day", ""), (1, "route", row.route), (2, "area", row.area)):
            sums[key].append(row)
    return [
        FigureView(day, scope, name, _sum(rows), max(row.worked_ms for row in rows))
        for (_, scope, name), rows in sorted(sums.items(), key=lambda item: item[0])
    ]


def _sum(rows: Sequence[Row[Any]]) -> Figures:
    return Figures(**{name: sum(getattr(row, name) for row in rows) for name in Figures.__struct_fields__})


def _by_scope(views: Iterable[FigureView]) -> Scopes:
    return {(view.scope, view.name): view.figures for view in views}


def figure_changes(conn: Connection, day: str, limit: int = 100) -> list[FigureChange]:
    """What late proofs changed of a day's figures, the latest first."""
    c = figure_change.c
    rows = conn.execute(select(figure_change).where(c.day == day).order_by(c.id.desc()).limit(limit))
    return [
        FigureChange(
            row.at_ms,
            row.day,
            row.scope,
            row.name,
            msgspec.json.decode(row.before, type=Figures),
            msgspec.json.decode(row.after, type=Figures),
            row.cause,
        )
        for row in rows
    ]


def _figures(row: Row[Any]) -> Figures:
    return Figures(**{name: getattr(row, name) for name in Figures.__struct_fields__})
