"""Makes, plans and changes routes: read, compute outside any transaction, then write if nothing moved meanwhile."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from threading import Lock
from typing import Final

from msgspec import Struct, structs
from sqlalchemy import Connection, bindparam, insert, select, update

from hub.accounts.audit import audit
from hub.accounts.tables import audit_trail
from hub.db import Database
from hub.deliveries.figures import work_out
from hub.errors import Refused
from hub.routes.planning import Drawn, Planned, bound, by_hand, draw, pose
from hub.routes.progress import Progress, read_progress
from hub.routes.queries import (
    RouteView,
    StopView,
    find_route,
    find_stops,
    list_routes,
    stops_of,
    vehicles,
    waiting_stops,
)
from hub.routes.roads import ESTIMATE, Remembered, Roads
from hub.routes.solver import solve
from hub.routes.stops import add_stops, changed_at, merge
from hub.routes.tables import route, route_stop
from hub.routes.vehicles import read_day
from hub.said import Said
from hub.shipments.queries import unplanned

MAX_SECONDS: Final = 120
MAX_STOPS_AT_ONCE: Final = 5_000
"""Of one plan: road times of 25 million pairs take 200 MB."""
SAME_CHANGE_MS: Final = 1_000
"""A change and its line in the audit trail are dated no further apart, where changes of one instant are told apart."""
_r, _st = route.c, route_stop.c
_planning = Lock()
"""One plan at a time: each may keep a core busy for a minute or two."""


class Desk(Struct, frozen=True):
    """Who does it, with what and when."""

    database: Database
    roads: Roads
    who: str
    now_ms: int


def make_routes(desk: Desk, day: str, wanted: Sequence[str] = (), references: Sequence[str] = ()) -> list[str]:
    """Make stops of the shipments that wait, and a route for each van that has none that day; the ids of the vans' routes.

    Args:
        desk: who does it.
        day: ISO 8601 date.
        wanted: ids of vans; none: all.
        references: of shipments; none: all that wait for this day or any.

    Raises:
        Refused: an unknown van, or none.
    """
    read_day(day)
    with desk.database.write() as tx:
        vans = {van.id: van for van in vehicles(tx)}
        if unknown := [name for name in wanted if name not in vans]:
            raise Refused(Said("there is no van {name}", name=repr(unknown[0])))
        chosen = [vans[name] for name in dict.fromkeys(wanted)] or list(vans.values())
        if not chosen:
            raise Refused(Said("there is no van yet; say first which there are"))
        there = {one.vehicle.id: one.id for one in list_routes(tx, day=day)}
        made = []
        for van in chosen:
            if van.id in there:
                continue
            there[van.id] = name = f"{day}-{van.id}"
            named = {"id": name, "name": van.name, "day": day, "vehicle": van.id, "device": "", "roads": ""}
            known = {"made_ms": desk.now_ms, "changed_ms": desk.now_ms, "metres": 0, "version": 0}
            tx.execute(insert(route), {**named, **known})
            made.append(name)
        merged = merge(unplanned(tx, day, references))
        add_stops(tx, merged, day)
        told = f"{len(made)} routes, {len(merged)} stops"
        audit(tx, at_ms=desk.now_ms, who=desk.who, action="route.make", subject=day, new=told)
        return [there[van.id] for van in chosen]


def optimise(desk: Desk, names: Sequence[str], seconds: float, *, waiting: bool) -> Drawn:
    """Plan these routes of one day together and keep the plan.

    Args:
        desk: who does it.
        names: of routes.
        seconds: how long to search.
        waiting: take stops of that day that are on no route, too.

    Raises:
        Refused: the routes changed meanwhile, another plan is being made, or there is none.
    """
    if not _planning.acquire(blocking=False):
        raise Refused(Said("another plan is being computed; try again when it is done"))
    try:
        with desk.database.read() as conn:
            planned = _posed(conn, desk, names, waiting=waiting)
            before = _state(conn, planned)
        if len(planned.stops) > MAX_STOPS_AT_ONCE:
            raise Refused(
                Said(
                    "{number} stops at once; at most {most} are planned together",
                    number=len(planned.stops),
                    most=MAX_STOPS_AT_ONCE,
                )
            )
        problem = bound(planned.problem)
        drawn = draw(planned, solve(problem, min(seconds, MAX_SECONDS)))
    finally:
        _planning.release()
    with desk.database.write() as tx:
        if _state(tx, planned) != before:
            raise Refused(Said("the routes changed while the plan was computed; nothing was changed, plan again"))
        _keep(tx, desk, planned, drawn, action="route.optimise")
    return drawn


class Change(Struct, frozen=True):
    """What a person changes of a route; None and empty: that stays.

    Attributes:
        name: what it is called.
        stops: all its open stops in order: those of other routes come here, those left out wait.
        cancel: where nobody is to go any more. What was proved there stays, and a proof that comes is kept and shown.
        restore: where somebody is to go after all.
        why: for the audit trail.
    """

    name: str | None = None
    stops: tuple[str, ...] | None = None
    cancel: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    why: str = ""


class Overtaken(Refused):
    """Somebody else changed the route since it was looked at."""


def check_seen(conn: Connection, name: str, seen: int | None) -> None:
    """See that a route is still as a person saw it, by `RouteView.changed_ms`; None: whatever it has become.

    Raises:
        Overtaken: it is another one by now.
        Refused: there is no such route.
    """
    view = _found(conn, name)
    if seen is not None and seen != view.changed_ms:
        raise Overtaken(_by_whom(conn, view))


def change_route(
    desk: Desk, name: str, change: Change, *, seen: int | None = None, beside: tuple[str, int | None] | None = None
) -> None:
    """Change a route: all of it, or nothing.

    Args:
        desk: who does it.
        name: of the route.
        change: what.
        seen: as of `check_seen`.
        beside: another route that stops are taken from, and how that was seen.

    Raises:
        Overtaken: it is another one by now.
        Refused: something of it cannot be.
    """
    desk = _asked_before(desk, name, change)
    with desk.database.write() as tx:
        check_seen(tx, name, seen)
        if beside is not None:
            check_seen(tx, *beside)
        view = _found(tx, name)
        if change.name is not None and change.name != view.name:
            _rename(tx, desk, view, change.name)
        _cancel(tx, desk, name, change.cancel, change.why, at_ms=desk.now_ms)
        _cancel(tx, desk, name, change.restore, change.why, at_ms=None)
        if change.stops is not None:
            _reorder(tx, desk, name, change.stops, change.why)


def _by_whom(conn: Connection, view: RouteView) -> Said:
    """Who made the last change; a shipper's file leaves no name with the route."""
    c = audit_trail.c
    query = select(c.who, c.action, c.at_ms).where(c.subject == view.id).order_by(c.id.desc()).limit(1)
    last = conn.execute(query).first()
    if last is None or abs(view.changed_ms - last.at_ms) > SAME_CHANGE_MS:
        return Said("the route was changed meanwhile; nothing of yours was kept, look at it as it is now")
    return Said(
        "the route was changed meanwhile by {who} ({action}); nothing of yours was kept, look at it as it is now",
        who=last.who,
        action=_ACTIONS.get(last.action, last.action),
    )


_ACTIONS: Final = {
    "route.optimise": Said("planned it anew"),
    "route.reorder": Said("moved stops"),
    "route.rename": Said("renamed it"),
    "stop.cancel": Said("cancelled stops"),
    "stop.restore": Said("restored stops"),
}


def _asked_before(desk: Desk, name: str, change: Change) -> Desk:
    """With the road times that the change needs, if these must be asked for: the writer does not wait for a service."""
    if change.stops is None or desk.roads.name == ESTIMATE:
        return desk
    known = Remembered(desk.roads)
    with desk.database.read() as conn:
        places = _posed_with(conn, structs.replace(desk, roads=known), name, change.stops).places
    known.ask(places)
    return structs.replace(desk, roads=known)


def _posed_with(conn: Connection, desk: Desk, name: str, stops: Sequence[str]) -> Planned:
    """A route with the routes that these stops come from."""
    views, day = find_stops(conn, stops), _found(conn, name).day
    others = {view.route for view in views.values() if view.route and view.route != name}
    for stop in stops:
        if stop not in views:
            raise Refused(Said("there is no stop {name}", name=repr(stop)))
    if len(set(stops)) != len(stops):
        raise Refused(Said("a stop stands twice in the order; each is met once"))
    for view in views.values():
        if not view.route and view.day != day:
            raise Refused(
                Said(
                    "{name} waits for {day}, and this is a route of {other}; put it on a route of its own day",
                    name=view.name,
                    day=view.day,
                    other=day,
                )
            )
    return _posed(conn, desk, [name, *sorted(others)], waiting=False, also=views.values())


def _reorder(tx: Connection, desk: Desk, name: str, stops: Sequence[str], why: str) -> None:
    planned = _posed_with(tx, desk, name, stops)
    _refuse_moved(planned.routes, name, stops)
    wanted = set(stops)
    orders: dict[str, list[str]] = {name: list(stops)}
    for other in planned.routes[1:]:
        orders[other.route.id] = [at.stop.stop for at in other.stops if at.open and at.stop.stop not in wanted]
    _keep(tx, desk, planned, by_hand(planned, orders), action="route.reorder", why=why)


def _refuse_moved(routes: Sequence[Progress], name: str, stops: Sequence[str]) -> None:
    """Nobody can go twice where somebody was, and parcels in a van do not change vans by a click."""
    wanted = set(stops)
    for one in routes:
        for at in one.stops:
            here = at.stop.stop in wanted
            if here and not at.open:
                raise Refused(
                    Said("{name}: somebody was there, or it is cancelled; it stays as it is", name=at.stop.name)
                )
            moves = here is not (one.route.id == name)
            leaves = moves and (one.route.id == name or here)
            if at.open and at.aboard and leaves:
                raise Refused(
                    Said(
                        "{name} has parcels in {route} ({number}); unload them first, or leave it there",
                        name=at.stop.name,
                        number=len(at.aboard),
                        route=one.route.name,
                    )
                )


def _cancel(tx: Connection, desk: Desk, name: str, stops: Sequence[str], why: str, *, at_ms: int | None) -> None:
    if not stops:
        return
    known = {view.stop: view for view in stops_of(tx, [name])[name]}
    for stop in stops:
        if stop not in known:
            raise Refused(Said("there is no stop {name} on this route", name=repr(stop)))
        if at_ms is None and all(one.cancelled_ms is not None for one in known[stop].shipments):
            raise Refused(
                Said(
                    "{name}: its shipments were cancelled, or are planned again; nothing is left to do there",
                    name=known[stop].name,
                )
            )
    c = route_stop.c
    tx.execute(update(route_stop).where(c.stop.in_(stops), c.route == name).values(cancelled_ms=at_ms))
    tx.execute(update(route).where(_r.id == name).values(changed_ms=changed_at(desk.now_ms)))
    action = "stop.restore" if at_ms is None else "stop.cancel"
    for stop in stops:
        # Its key alone: the audit trail is for ever, the name of a consignee is not.
        audit(tx, at_ms=desk.now_ms, who=desk.who, action=action, subject=name, new=stop, why=why)
    work_out(tx, _found(tx, name).day, name, desk.now_ms)


def _rename(tx: Connection, desk: Desk, view: RouteView, to: str) -> None:
    tx.execute(update(route).where(_r.id == view.id).values(name=to, changed_ms=changed_at(desk.now_ms)))
    audit(tx, at_ms=desk.now_ms, who=desk.who, action="route.rename", subject=view.id, old=view.name, new=to)


def _found(conn: Connection, name: str) -> RouteView:
    view = find_route(conn, name)
    if view is None:
        raise Refused(Said("there is no route {name}", name=repr(name)))
    return view


def _posed(
    conn: Connection, desk: Desk, names: Sequence[str], *, waiting: bool, also: Iterable[StopView] = ()
) -> Planned:
    views = [_found(conn, name) for name in dict.fromkeys(names)]
    if not views:
        raise Refused(Said("no route to plan"))
    if len({view.day for view in views}) > 1:
        raise Refused(Said("routes of several days cannot be planned together"))
    progress = read_progress(conn, views, stops_of(conn, [view.id for view in views]), desk.now_ms)
    extra = {stop.stop: stop for stop in waiting_stops(conn, views[0].day)} if waiting else {}
    extra |= {stop.stop: stop for stop in also if not stop.route and stop.cancelled_ms is None}
    return pose(conn, progress, list(extra.values()), desk.roads, desk.now_ms)


def _state(conn: Connection, planned: Planned) -> object:
    """What a plan was made of, but for the clock."""
    names = [one.route.id for one in planned.routes]
    routes = read_progress(conn, [_found(conn, name) for name in names], stops_of(conn, names), planned.base_ms)
    stops = find_stops(conn, (stop.stop for stop in planned.stops))
    return (
        [(one.route.changed_ms, [(at.stop.stop, at.open, at.aboard) for at in one.stops]) for one in routes],
        stops,
    )


def _keep(tx: Connection, desk: Desk, planned: Planned, drawn: Drawn, *, action: str, why: str = "") -> None:
    settled = {one.route.id: [at.stop.stop for at in one.stops if not at.open] for one in planned.routes}
    for new in drawn.orders:
        _keep_order(tx, new.route, settled[new.route], dict(new.stops))
        c = route.c
        values = {"end_ms": new.end_ms, "metres": new.metres, "roads": drawn.roads}
        # Where a day began stays, for what is expected is reckoned from there.
        has_left = next(one.has_left for one in planned.routes if one.route.id == new.route)
        values |= {} if has_left else {"start_ms": new.start_ms}
        tx.execute(update(route).where(c.id == new.route).values(**values, changed_ms=changed_at(desk.now_ms)))
        told = f"{len(new.stops)} stops, {new.metres // 1000} km"
        audit(tx, at_ms=desk.now_ms, who=desk.who, action=action, subject=new.route, new=told, why=why)
    if drawn.waiting:
        rows = [{"key": stop, "reason": reason.value, "figure": value} for stop, reason, value in drawn.waiting]
        change = update(route_stop).where(_st.stop == bindparam("key"))
        tx.execute(
            change.values(route="", seq=0, eta_ms=None, why=bindparam("reason"), why_value=bindparam("figure")), rows
        )
    for one in planned.routes:
        work_out(tx, one.route.day, one.route.id, desk.now_ms)


def _keep_order(tx: Connection, name: str, settled: Collection[str], etas: Mapping[str, int]) -> None:
    change = update(route_stop).where(_st.stop == bindparam("key"))
    fixed = [{"key": stop, "at": n} for n, stop in enumerate(settled)]
    if fixed:
        tx.execute(change.values(seq=bindparam("at")), fixed)
    moved = [{"key": s, "at": n, "eta": eta} for n, (s, eta) in enumerate(etas.items(), start=len(fixed))]
    if moved:
        placed = change.values(route=name, seq=bindparam("at"), eta_ms=bindparam("eta"), why="", why_value=0)
        tx.execute(placed, moved)
