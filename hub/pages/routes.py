"""`/routes`: is everybody on time, and what is planned for no van."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from msgspec import Struct
from pydantic import Field
from sqlalchemy import Connection

from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext
from hub.deliveries.figures import figures_of
from hub.errors import Refused
from hub.fleet.queries import devices_by_id
from hub.pages.route_sheet import sheet_of
from hub.pages.route_words import REASONS, STATUSES, WHYS, said, why_values
from hub.routes.again import MAX_OFFERED, plan_again, undone
from hub.routes.days import asked_day
from hub.routes.keeping import make_routes, optimise
from hub.routes.progress import read_progress
from hub.routes.queries import Vehicle, list_routes, stops_of, vehicles, waiting_stops
from hub.routes.route_api import desk
from hub.routes.vehicles import keep_vehicle, today
from hub.said import Said, said_of
from hub.shipments.queries import shipment_counts
from hub.web.formats import duration
from hub.web.i18n import Words, language_of
from hub.web.render import page

router = APIRouter()

Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]
Viewer = Annotated[Caller, Depends(require(Role.VIEWER))]
Line = Annotated[str, Form(max_length=100)]
Day = Annotated[str, Form(max_length=10)]

PLAN_S: Final = 5.0
"""What a person waits for; programs may ask for more."""
WAITING_ROWS: Final = 200
UNDONE_ROWS: Final = 200
MAX_MINUTES: Final = 24 * 60


@router.get("/routes/map")
def board_map(hub: Hub, caller: Viewer, day: Annotated[str, Query(max_length=10)] = "") -> Response:  # noqa: ARG001 - the role
    """What the map of the board draws (`hub.pages.route_sheet.Sheet`)."""
    now_ms = hub.now_ms()
    with hub.database.read() as reader:
        views = list_routes(reader, day=day_of(day, vehicles(reader), now_ms))
        told = read_progress(reader, views, stops_of(reader, [view.id for view in views]), now_ms)
    return Response(msgspec.json.encode(sheet_of(told)), media_type="application/json")


class Again(Struct, frozen=True):
    """What a person typed who plans again."""

    shipments: tuple[int, ...] = ()
    day: str = ""
    why: str = ""


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
        return _board(request, hub, caller, day, status=409, problem=said_of(error))
    hub.tell_routes(["", *(one.route for one in drawn.orders)])
    done = "Planned. Some stops fit into no van; they are listed below with why." if drawn.waiting else "Planned."
    return _board(request, hub, caller, day, done=done)


@router.post("/routes/again")
def again(
    request: Request,
    hub: Hub,
    caller: Dispatcher,
    *,
    shipment: Annotated[list[Annotated[int, Field(ge=1, le=2**62)]], Form(max_length=MAX_OFFERED)] = [],  # noqa: B006 - FastAPI copies it
    to: Day = "",
    why: Annotated[str, Form(max_length=MAX_NOTE_CHARS)] = "",
    day: Day = "",
) -> Response:
    """Let what could not be handed over wait for a van on another day."""
    typed = Again(tuple(shipment), to, why)
    if not shipment:
        problem = Said("choose first what is to be tried again")
        return _board(request, hub, caller, day, status=409, problem=problem, typed=typed)
    try:
        made = plan_again(hub.database, shipment, to, who=caller.name, now_ms=hub.now_ms(), why=why)
    except Refused as error:
        return _board(request, hub, caller, day, status=409, problem=said_of(error), typed=typed)
    hub.tell_routes([""])
    done = Said("{n} shipments wait for the plan of {day}.", n=len(made), day=to)
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
        return _board(request, hub, caller, day, status=409, problem=said_of(error))
    hub.tell_routes([""])
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
        depot_lat_e7=round(
            _number(lat, 90, Said("the depot's latitude and longitude, such as 31.2304, 121.4737")) * 1e7
        ),
        depot_lon_e7=round(
            _number(lon, 180, Said("the depot's latitude and longitude, such as 31.2304, 121.4737")) * 1e7
        ),
        weight_g=round(_number(weight_kg, 1e6, Said("kilograms")) * 1000) if weight_kg.strip() else None,
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
        raise Refused(Said("expected {what}, not “{got}”", what=what, got=text.strip())) from None
    if not -most <= number <= most:
        raise Refused(Said("expected {what}, not “{got}”", what=what, got=text.strip()))
    return number


def _minutes(text: str) -> int:
    hours, _, minutes = text.strip().partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and len(text) <= len("24:00")):
        raise Refused(Said("expected a time such as 08:00, not “{got}”", got=text))
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
    typed: Again | None = None,
) -> Response:
    now_ms = hub.now_ms()
    with hub.database.read() as reader:
        vans = vehicles(reader)
        shown = day_of(day, vans, now_ms)
        views = list_routes(reader, day=shown)
        told = read_progress(reader, views, stops_of(reader, [view.id for view in views]), now_ms)
        waiting = waiting_stops(reader, shown)
        waits, shipments = shipment_counts(reader, shown)
        whole = next((view for view in figures_of(reader, shown) if view.scope == "day"), None)
        heard = heard_of(reader, hub, (view.device for view in views))
        tried = undone(reader, shown, now_ms)
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
        whole=whole,
        heard=heard,
        tried=[
            (one, said(REASONS, one.outcome.decided_by.reason if one.outcome.decided_by else ""))
            for one in tried[:UNDONE_ROWS]
        ],
        tried_all=len(tried),
        typed=typed or Again(day=_next(shown, any(one.stop.day == shown for one in tried))),
        statuses=STATUSES,
        source=hub.map,
        may_plan=bool(caller.secret) and caller.may(Role.DISPATCHER),
        done=done,
        problem=problem,
    )


def _next(shown: str, tried_then: bool) -> str:
    """What was tried that day is tried the day after; what is left of days before can go along that day."""
    return (date.fromisoformat(shown) + timedelta(days=tried_then)).isoformat()


def heard_of(reader: Connection, hub: HubContext, devices: Iterable[str]) -> dict[str, int | None]:
    """When these devices were heard last: what is told of their routes is no fresher."""
    names = sorted({name for name in devices if name})
    return {row.id: row.heard_ms for row in devices_by_id(reader, hub.ahead, names)}


def _why(request: Request, stop: Any) -> tuple[str, dict[str, object]]:
    words = Words(language_of(request))
    return WHYS.get(stop.why, "not planned yet"), why_values(stop.why_value, duration(words, stop.why_value * 1000))


def day_of(day: str, vans: Sequence[Vehicle], now_ms: int) -> str:
    """The day that is asked for; today where none is.

    Raises:
        BadRequest: it is none.
    """
    return asked_day(day) or today(next(iter(vans), None), now_ms)
