"""What a dispatcher does to a route by hand, and the sentence that says what came of it."""

from collections.abc import Sequence
from itertools import pairwise
from math import cos, hypot, inf, radians
from typing import Final

from msgspec import Struct

from hub.accounts.deps import Caller
from hub.context import HubContext
from hub.deliveries.queries import outcomes_of
from hub.errors import Refused
from hub.routes.assigning import assign, withdraw
from hub.routes.keeping import Change, Desk, change_route, check_seen, optimise
from hub.routes.progress import Progress
from hub.routes.queries import StopView, cancelled_of, find_stops
from hub.routes.route_api import desk, progress
from hub.said import Said

PLAN_S: Final = 5.0
"""What a person waits for; programs may ask for more."""
BEST: Final = "best"
"""Where a stop lengthens the way the least."""
Place = tuple[int, int]


class Asked(Struct, frozen=True):
    """What the page asks for.

    Attributes:
        act: one of those that `change` knows.
        stops: that are meant.
        to: a route, or of `assign` a device.
        before: the stop before which they come; empty: they come last; `BEST`.
        order: all open stops as they were, of `undo`.
        why: for the audit trail.
        seen: the revision of the route that the page was drawn from; None: nobody knows.
    """

    act: str
    stops: tuple[str, ...] = ()
    to: str = ""
    before: str = ""
    order: tuple[str, ...] = ()
    why: str = ""
    seen: int | None = None


class Done(Struct, frozen=True):
    """What was done: a key of the catalogue with its values; `to`: another route that changed; `undo`: the order before."""

    said: str
    n: int = 0
    to: str = ""
    name: str = ""
    undo: tuple[str, ...] = ()


def change(hub: HubContext, caller: Caller, name: str, asked: Asked) -> Done:
    """Do it, and tell the pages that are open.

    Raises:
        Overtaken: somebody else changed the route since it was drawn; it says who.
        Refused: it cannot be done, with why.
        NotFound: there is no such route.
    """
    try:
        return _change(hub, caller, name, asked)
    finally:
        hub.tell_routes(dict.fromkeys((name, asked.to)))


def _change(hub: HubContext, caller: Caller, name: str, asked: Asked) -> Done:
    at = desk(hub, caller)
    with at.database.read() as conn:
        # What changes the route looks again as it writes; plans and devices take it as it is.
        check_seen(conn, name, asked.seen)
    match asked.act:
        case "optimise":
            drawn = optimise(at, [name], PLAN_S, waiting=False)
            return Done("Planned anew. Stops that do not fit wait on the board." if drawn.waiting else "Planned anew.")
        case "assign":
            to = "" if asked.to == name else asked.to
            told, changed = assign(hub.database, hub.decide, name, to, who=caller.name, now_ms=at.now_ms)
            hub.send_documents(changed)
            return Done("Given to its device." if told.device in changed else "Its device has it just so already.")
        case "withdraw":
            gone = withdraw(hub.database, hub.decide, name, who=caller.name, now_ms=at.now_ms, why=asked.why)
            hub.send_documents(gone)
            return Done("Taken from its device.")
        case "place" | "off":
            return _moved(at, name, asked)
        case "undo":
            return _undone(at, name, asked)
        case "cancel" | "restore" if asked.stops:
            back = asked.act == "restore"
            named = Change(cancel=() if back else asked.stops, restore=asked.stops if back else (), why=asked.why)
            change_route(at, name, named, seen=asked.seen)
            if back:
                return Done("Restored. Give the route to the device so that it is told.")
            return Done("Cancelled. Give the route to the device so that it is told.")
        case _:
            raise Refused(Said("choose a stop first, then what is to be done with it"))


def _moved(at: Desk, name: str, asked: Asked) -> Done:
    with at.database.read() as conn:
        here = progress(conn, name, at.now_ms)
        there = here if asked.to == name else progress(conn, asked.to, at.now_ms)
    order = _open(here)
    stops = [stop for stop in order if stop in asked.stops]
    if not stops or len(stops) < len(set(asked.stops)):
        raise Refused(Said("a chosen stop is not open on this route any more; look at it as it is now"))
    rest = [stop for stop in order if stop not in asked.stops]
    if asked.act == "off":
        change_route(at, name, Change(stops=tuple(rest), why=asked.why), seen=asked.seen)
        return Done("{n} stops wait on the board for another van.", len(stops), undo=tuple(order))
    views = {one.stop.stop: one.stop for one in (*here.stops, *there.stops)}
    if there is here:
        new = _put(rest, stops, asked.before, views, here)
        if new == order:
            return Done("The order is as it was.")
        change_route(at, name, Change(stops=tuple(new), why=asked.why), seen=asked.seen)
        return Done("The order is changed.", undo=tuple(order))
    moved = Change(stops=tuple(_put(_open(there), stops, asked.before, views, there)), why=asked.why)
    change_route(at, asked.to, moved, beside=(name, asked.seen))
    return Done("{n} stops are on {name} now.", len(stops), asked.to, there.route.name, tuple(order))


def _undone(at: Desk, name: str, asked: Asked) -> Done:
    """Bring the order back that was, but for stops where somebody was meanwhile."""
    with at.database.read() as conn:
        here = progress(conn, name, at.now_ms)
        stops = find_stops(conn, asked.order)
        outcomes = outcomes_of(conn, stops, cancelled_of(stops.values()))
    again = [
        key for key in asked.order if key in stops and stops[key].cancelled_ms is None and not outcomes[key].visited
    ]
    if not again or not set(_open(here)) <= set(again):
        raise Refused(Said("the route has changed since; look at it as it is now, and move stops back by hand"))
    change_route(at, name, Change(stops=tuple(again)), seen=asked.seen)
    return Done("Moved back.")


def _open(one: Progress) -> list[str]:
    return [at.stop.stop for at in one.stops if at.open]


def _put(
    rest: Sequence[str], stops: Sequence[str], before: str, views: dict[str, StopView], one: Progress
) -> list[str]:
    """The stops among the others: before one of these, last, or each where it lengthens the way the least."""
    order = list(rest)
    if before != BEST:
        if before and before not in order:
            raise Refused(
                Said("the stop before which they were to come is not open there any more; look at it as it is now")
            )
        at = order.index(before) if before else len(order)
        return [*order[:at], *stops, *order[at:]]
    begins = _begins(one)
    depot = one.route.vehicle.depot_lat_e7, one.route.vehicle.depot_lon_e7
    for stop in stops:
        place = _place(views[stop])
        ways = [begins, *(_place(views[other]) for other in order), depot]
        costs = [_detour(a, place, b) for a, b in pairwise(ways)] if place else []
        order.insert(costs.index(min(costs)) if costs else len(order), stop)
    return order


def _begins(one: Progress) -> Place:
    """Where the van was last that anybody knows of."""
    met = [at for at in one.stops if at.outcome.first is not None and _place(at.stop)]
    if not met:
        return one.route.vehicle.depot_lat_e7, one.route.vehicle.depot_lon_e7
    last = max(met, key=lambda at: at.outcome.first.happened_ms if at.outcome.first else 0)
    return _place(last.stop) or (0, 0)


def _place(stop: StopView) -> Place | None:
    return None if stop.lat_e7 is None or stop.lon_e7 is None else (stop.lat_e7, stop.lon_e7)


def _detour(a: Place | None, via: Place, b: Place | None) -> float:
    """How much longer the line of flight from `a` to `b` is by way of `via`; nobody knows beside one that is nowhere."""
    if a is None or b is None:
        return inf
    return _far(a, via) + _far(via, b) - _far(a, b)


def _far(a: Place, b: Place) -> float:
    return hypot(a[0] - b[0], (a[1] - b[1]) * cos(radians((a[0] + b[0]) / 2e7)))
