"""`/routes/{id}`: what one van is doing, and its way adjusted by hand, in the list or on the map."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext
from hub.errors import Refused
from hub.pages.route_acts import Asked, Done, change
from hub.pages.route_words import CHECKS, STATUSES, TASKS
from hub.pages.routes import heard_of
from hub.routes.again import earlier_of
from hub.routes.loading import check_loading
from hub.routes.progress import Progress, read_progress
from hub.routes.queries import list_routes, stops_of
from hub.routes.route_api import MAX_NAMED, progress
from hub.routes.vehicles import shift_ms
from hub.said import said_of
from hub.web.render import page

router = APIRouter()

Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]
Viewer = Annotated[Caller, Depends(require(Role.VIEWER))]
Key = Annotated[str, Form(max_length=64)]
KEY_CHARS = 65
MAX_INSTANT_MS = 2**62


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
    stop: Annotated[list[str], Form(max_length=MAX_NAMED)] = [],  # noqa: B006 - FastAPI copies it
    to: Key = "",
    before: Key = "",
    order: Annotated[str, Form(max_length=MAX_NAMED * KEY_CHARS)] = "",
    why: Annotated[str, Form(max_length=MAX_NOTE_CHARS)] = "",
    seen: Annotated[int | None, Form(ge=0, le=MAX_INSTANT_MS)] = None,
) -> Response:
    """Plan anew, give it to the device, or change the way of some stops; only as the route was seen."""
    asked = Asked(act, tuple(stop), to or route_id, before, tuple(order.split()), why, seen)
    try:
        done = change(hub, caller, route_id, asked)
    except Refused as error:
        return _one(request, hub, caller, route_id, status=409, problem=said_of(error), typed=asked)
    return _one(request, hub, caller, route_id, done=done)


def _one(
    request: Request,
    hub: HubContext,
    caller: Caller,
    route_id: str,
    *,
    status: int = 200,
    done: Done | None = None,
    problem: str = "",
    typed: Asked | None = None,
) -> Response:
    now_ms = hub.now_ms()
    with hub.database.read() as reader:
        one = progress(reader, route_id, now_ms)
        others = _others(reader, one, now_ms)
        loading = check_loading(reader, one, others)
        heard = heard_of(reader, hub, [one.route.device])
        earlier = earlier_of(reader, (at.stop for at in one.stops))
    return page(
        request,
        "route.html",
        status,
        one=one,
        route=one.route,
        shift=shift_ms(one.route.vehicle, one.route.day),
        others=[other.route for other in others],
        loading=loading,
        heard=heard,
        earlier=earlier,
        typed=typed or Asked(""),
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
