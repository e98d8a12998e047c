"""Figures of a day, its routes and areas: on time, at the first attempt; by when things happened, not when they were known.

They are worked out anew whenever a proof comes. Where one comes so late that people may have read the figures before, what they
read and what holds now is logged.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, delete, insert, select

from contract.event import Outcome
from hub.deliveries.queries import outcomes_of
from hub.deliveries.state import DONE, StopOutcome, StopStatus
from hub.deliveries.tables import delivery, figure, figure_change
from hub.routes.tables import route_stop
from hub.timeline import chunks

LATE_FACT_MS: Final = 15 * 60_000
"""Known so much later than it happened, a fact changes what people may have read."""
_st, _f = route_stop.c, figure.c


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


def count_stops(stops: Iterable[tuple[Row[Any], StopOutcome]]) -> Figures:
    """Count stops by what they have come to. Pure."""
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
            n["visited"] += 1
            n["first_attempt"] += first.outcome in {Outcome.DELIVERED, Outcome.PICKED_UP} and outcome.status in DONE
            if stop.window_from_ms is not None:
                n["windowed"] += 1
                n["on_time"] += stop.window_from_ms <= first.happened_ms <= stop.window_to_ms
    return Figures(**n)


def days_of_stops(tx: Connection, proofs: Collection[bytes]) -> dict[str, bytes | None]:
    """The days of the stops of these proofs, each with one proof that came late, if any did."""
    found: dict[str, bytes | None] = {}
    d = delivery.c
    for some in chunks(sorted(proofs)):
        query = select(_st.day, d.fact_id, d.known_ms, d.happened_ms).join(delivery, d.stop == _st.stop)
        for row in tx.execute(query.where(d.fact_id.in_(some)).order_by(d.fact_id)):
            late = row.known_ms - row.happened_ms > LATE_FACT_MS
            found[row.day] = row.fact_id if late else found.get(row.day)
    return found


def work_out(tx: Connection, day: str, now_ms: int, cause: bytes | None = None) -> None:
    """Work out a day's figures anew; `cause` is the late proof to log changes with."""
    stops = tx.execute(select(route_stop).where(_st.day == day, _st.route != "")).all()
    cancelled = frozenset(stop.stop for stop in stops if stop.cancelled_ms is not None)
    outcomes = outcomes_of(tx, [stop.stop for stop in stops], cancelled)
    scopes: defaultdict[tuple[str, str], list[tuple[Row[Any], StopOutcome]]] = defaultdict(list)
    for stop in stops:
        one = stop, outcomes[stop.stop]
        for scope in (("day", ""), ("route", stop.route), ("area", stop.area)):
            scopes[scope].append(one)
    before = {(view.scope, view.name): view.figures for view in figures_of(tx, day)}
    after = {scope: count_stops(several) for scope, several in scopes.items()}
    if before == after:
        return
    if cause is not None:
        _log(tx, day, before, after, now_ms=now_ms, cause=cause)
    tx.execute(delete(figure).where(_f.day == day))
    rows = [
        {"day": day, "scope": scope, "name": name, **msgspec.structs.asdict(figures), "worked_ms": now_ms}
        for (scope, name), figures in after.items()
    ]
    if rows:
        tx.execute(insert(figure), rows)


def _log(
    tx: Connection,
    day: str,
    before: dict[tuple[str, str], Figures],
    after: dict[tuple[str, str], Figures],
    *,
    now_ms: int,
    cause: bytes,
) -> None:
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
    """All figures of a day: the day itself, then routes and areas by name."""
    rows = conn.execute(select(figure).where(_f.day == day).order_by(_f.scope.desc(), _f.name)).all()
    views = [FigureView(day, row.scope, row.name, _figures(row), row.worked_ms) for row in rows]
    return sorted(views, key=lambda view: (("day", "route", "area").index(view.scope), view.name))


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
