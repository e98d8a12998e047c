"""`/routes`: is everybody on time, and what is planned for no van; `/routes/{id}`: one route, adjusted by hand."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext
from hub.deliveries.figures import figure_changes, figures_of
from hub.errors import Refused
from hub.pages.route_words import CHECKS, FIGURES, STATUSES, TASKS, WHYS, why_values
from hub.problems import BadRequest
from hub.routes.assigning import assign, withdraw
from hub.routes.keeping import cancel_stops, make_routes, optimise, reorder
from hub.routes.loading import check_loading
from hub.routes.progress import Progress, read_progress
from hub.routes.queries import Vehicle, list_routes, stops_of, vehicles, waiting_stops
from hub.routes.route_api import desk, progress
from hub.routes.vehicles import keep_vehicle, read_day, shift_ms, today
from hub.shipments.queries import shipment_counts
from hub.web.formats import duration
from hub.web.i18n import Words, language_of
from hub.web.render import page

router = APIRouter()

Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]
Viewer = Annotated[Caller, Depends(require(Role.VIEWER))]
Line = Annotated[str, Form(max_length=100)]
Day = Annotated[str, Form(max_length=10)]
Why = Annotated[str, Form(max_length=MAX_NOTE_CHARS)]

PLAN_S: Final = 5.0
"""What a person waits for; programs may ask for more."""
WAITING_ROWS: Final = 200
MAX_MINUTES: Final = 24 * 60


@router.get("/routes")
def routes_page(request: Request, hub: Hub, caller: Viewer, day: Annotated[str, Query(max_length=10)] = "") -> Response:
    """The board of a day."""
    return _board(request, hub, caller, day)


@router.post("/routes")
def plan_day(request: Request, hub: Hub, caller: Dispatcher, *, day: Day = "") -> Response:
    """Make routes of what waits, and plan all that have not left."""
    try:
        at = desk(hub, caller)
        drawn = optimise(at, make_routes(at, day), PLAN_S, waiting=True)
    except Refused as error:
        return _board(request, hub, caller, day, status=409, problem=str(error))
    done = "Planned. Some stops fit into no van; they are listed below with why." if drawn.waiting else "Planned."
    return _board(request, hub, caller, day, done=done)


@router.post("/routes/vehicles")
def add_vehicle(
    request: Request,
    hub: Hub,
    caller: Dispatcher,
    *,
    name: Line = "",
    device: Annotated[str, Form(max_length=64)] = "",
    depot: Line = "",
    place: Line = "",
    weight_kg: Line = "",
    shift_from: Line = "08:00",
    shift_to: Line = "18:00",
    zone: Annotated[str, Form(max_length=64)] = "UTC",
    day: Day = "",
) -> Response:
    """Say which van there is."""
    try:
        van = _van(name, device, depot, place, weight_kg, (shift_from, shift_to), zone)
        with hub.database.write() as tx:
            keep_vehicle(tx, van, who=caller.name, now_ms=hub.now_ms())
    except Refused as error:
        return _board(request, hub, caller, day, status=409, problem=str(error))
    return _board(request, hub, caller, day, done="The van is known.")


def _van(  # noqa: PLR0917 - as many as the form has fields
    name: str, device: str, depot: str, place: str, weight_kg: str, shift: tuple[str, str], zone: str
) -> Vehicle:
    lat, _, lon = place.partition(",")
    from_min, to_min = (_minutes(text) for text in shift)
    return Vehicle(
        id="-".join("".join(sign if sign.isascii() and sign.isalnum() else " " for sign in name.lower()).split()),
        name=name.strip(),
        device=device.strip(),
        depot=depot.strip(),
        depot_lat_e7=round(_number(lat, 90, "the depot's latitude and longitude, such as 31.2304, 121.4737") * 1e7),
        depot_lon_e7=round(_number(lon, 180, "the depot's latitude and longitude, such as 31.2304, 121.4737") * 1e7),
        weight_g=round(_number(weight_kg, 1e6, "kilograms") * 1000) if weight_kg.strip() else None,
        volume_ml=None,
        parcels=None,
        shift_from_min=from_min,
        shift_to_min=to_min if to_min > from_min else to_min + MAX_MINUTES,
        zone=zone.strip() or "UTC",
    )


def _number(text: str, most: float, what: str) -> float:
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        raise Refused(f"expected {what}, not {text.strip()!r}") from None
    if not -most <= number <= most:
        raise Refused(f"expected {what}, not {text.strip()!r}")
    return number


def _minutes(text: str) -> int:
    hours, _, minutes = text.strip().partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and len(text) <= len("24:00")):
        raise Refused(f"expected a time such as 08:00, not {text!r}")
    return int(hours) * 60 + int(minutes)


def _board(
    request: Request,
    hub: HubContext,
    caller: Caller,
    day: str,
    *,
    status: int = 200,
    done: str = "",
    problem: str = "",
) -> Response:
    now_ms = hub.now_ms()
    with hub.database.read() as reader:
        vans = vehicles(reader)
        shown = _day(day, vans, now_ms)
        views = list_routes(reader, day=shown)
        told = read_progress(reader, views, stops_of(reader, [view.id for view in views]), now_ms)
        waiting = waiting_stops(reader, shown)
        waits, shipments = shipment_counts(reader, shown)
        figures = figures_of(reader, shown)
        changes = figure_changes(reader, shown, 20)
    return page(
        request,
        "routes.html",
        status,
        day=shown,
        routes=sorted(told, key=lambda one: (-len(one.late), -one.conflicts, one.route.name)),
        vans=vans,
        waiting=[(stop, _why(request, stop)) for stop in waiting[:WAITING_ROWS]],
        waiting_all=len(waiting),
        shipments_waiting=waits,
        shipments=shipments,
        figures=figures,
        figure_words=FIGURES,
        changes=changes,
        names={one.route.id: one.route.name for one in told},
        may_plan=bool(caller.secret) and caller.may(Role.DISPATCHER),
        done=done,
        problem=problem,
    )


def _why(request: Request, stop: Any) -> tuple[str, dict[str, object]]:
    words = Words(language_of(request))
    return WHYS.get(stop.why, "not planned yet"), why_values(stop.why_value, duration(words, stop.why_value * 1000))


def _day(day: str, vans: Sequence[Vehicle], now_ms: int) -> str:
    if not day:
        return today(next(iter(vans), None), now_ms)
    try:
        return read_day(day).isoformat()
    except Refused as error:
        raise BadRequest(str(error)) from error


# -- one route ---------------------------------------------------------------------------------------------------------


@router.get("/routes/{route_id}")
def route_page(request: Request, hub: Hub, caller: Viewer, route_id: str) -> Response:
    """Its stops with what came of them, its loading, and the map."""
    return _one(request, hub, caller, route_id)


@router.post("/routes/{route_id}")
def change_route(
    request: Request,
    hub: Hub,
    caller: Dispatcher,
    route_id: str,
    *,
    act: Annotated[str, Form(max_length=16)] = "",
    stop: Annotated[str, Form(max_length=64)] = "",
    to: Annotated[str, Form(max_length=64)] = "",
    why: Why = "",
) -> Response:
    """Plan anew, give it to the device, or change the way of one stop."""
    try:
        done = _change(hub, caller, route_id, (act, stop, to, why))
    except Refused as error:
        return _one(request, hub, caller, route_id, status=409, problem=str(error))
    return _one(request, hub, caller, route_id, done=done)


def _change(hub: HubContext, caller: Caller, route_id: str, asked: tuple[str, str, str, str]) -> str:
    act, stop, to, why = asked
    at = desk(hub, caller)
    with hub.database.read() as conn:
        order = [one.stop.stop for one in progress(conn, route_id, at.now_ms).stops if one.open]
    match act:
        case "optimise":
            drawn = optimise(at, [route_id], PLAN_S, waiting=False)
            return "Planned anew. Stops that do not fit wait on the board." if drawn.waiting else "Planned anew."
        case "assign":
            told, changed = assign(hub.database, hub.decide, route_id, to, who=caller.name, now_ms=at.now_ms)
            hub.send_documents(changed)
            return "Given to its device." if told.device in changed else "Its device has it just so already."
        case "withdraw":
            hub.send_documents(withdraw(hub.database, hub.decide, route_id, who=caller.name, now_ms=at.now_ms, why=why))
            return "Taken from its device."
        case "up" | "down" if stop in order:
            here = order.index(stop)
            there = max(0, here - 1) if act == "up" else min(len(order) - 1, here + 1)
            order.insert(there, order.pop(here))
            reorder(at, route_id, order, why)
            return "The order is changed. Give it to the device when it is as you want it."
        case "off" if stop in order:
            reorder(at, route_id, [one for one in order if one != stop], why)
            return "The stop waits on the board for another van."
        case "move" if stop in order:
            with hub.database.read() as conn:
                theirs = [one.stop.stop for one in progress(conn, to, at.now_ms).stops if one.open]
            reorder(at, to, [*theirs, stop], why)
            return "The stop is now the last of the other route; plan that one anew, or put it where you want it."
        case "cancel" | "restore":
            cancel_stops(at, route_id, [stop], why, restore=act == "restore")
            if act == "restore":
                return "Restored. Give the route to the device so that it is told."
            return "Cancelled. Give the route to the device so that it is told."
        case _:
            raise Refused("this stop is not open on this route any more; look at it as it is now")


def _one(
    request: Request,
    hub: HubContext,
    caller: Caller,
    route_id: str,
    *,
    status: int = 200,
    done: str = "",
    problem: str = "",
) -> Response:
    now_ms = hub.now_ms()
    with hub.database.read() as reader:
        one = progress(reader, route_id, now_ms)
        others = _others(reader, one, now_ms)
        loading = check_loading(reader, one, others)
    return page(
        request,
        "route.html",
        status,
        one=one,
        route=one.route,
        shift=shift_ms(one.route.vehicle, one.route.day),
        others=[other.route for other in others],
        loading=loading,
        statuses=STATUSES,
        checks=CHECKS,
        tasks=TASKS,
        source=hub.map,
        may_plan=bool(caller.secret) and caller.may(Role.DISPATCHER),
        done=done,
        problem=problem,
    )


def _others(reader: Connection, one: Progress, now_ms: int) -> list[Progress]:
    views = [view for view in list_routes(reader, day=one.route.day) if view.id != one.route.id]
    return read_progress(reader, views, stops_of(reader, [view.id for view in views]), now_ms)
