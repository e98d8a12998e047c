"""Routes, for programs: make, plan, adjust, give to a device, check the loading."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext, Reader
from hub.problems import PROBLEM_RESPONSES, BadRequest, NotFound, Problem
from hub.routes.api import Line, LoadingTold, Note, PlanTold, RouteDetail, RouteItem, RouteList
from hub.routes.assigning import assign, withdraw
from hub.routes.days import asked_day
from hub.routes.keeping import MAX_SECONDS, Change, Desk, Overtaken, change_route, make_routes, optimise
from hub.routes.loading import check_loading
from hub.routes.planning import Drawn
from hub.routes.progress import Progress, read_progress
from hub.routes.queries import MAX_PAGE, find_route, list_routes, stops_of
from hub.web.i18n import Words, language_of
from hub.web.times import utc

router = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, tags=["routes"])

Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]
Key = Annotated[str, Field(min_length=1, max_length=256)]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
MAX_NAMED: Final = 5_000
PDF: Final = "application/pdf"
MAX_DIGITS: Final = 18
"""Of an instant in milliseconds, and what a database can compare with."""


class NewRoutes(BaseModel):
    """Routes of a day."""

    day: str = Field(max_length=10, description="Such as 2026-11-23.")
    vehicles: list[Key] = Field([], max_length=MAX_NAMED, description="None: all vans.")
    shipments: list[Key] = Field(
        [], max_length=50_000, description="References; none: all that wait for this day or any."
    )
    optimise: bool = True
    seconds: Seconds = 5


class Wishes(BaseModel):
    """What is planned together, and how long to search."""

    together: list[Key] = Field([], max_length=MAX_NAMED, description="Further routes of that day.")
    waiting: bool = Field(False, description="Stops of that day that are on no route, too.")
    seconds: Seconds = 5


class RoutePatch(BaseModel):
    """Changes to a route; what is left out stays."""

    name: Line | None = None
    stops: list[Key] | None = Field(
        None,
        max_length=MAX_NAMED,
        description="All open stops in order; those of other routes come, those left out wait.",
    )
    cancel: list[Key] = Field([], max_length=MAX_NAMED, description="Stops where nobody is to go any more.")
    restore: list[Key] = Field([], max_length=MAX_NAMED, description="Stops where somebody is to go after all.")
    why: Note = ""


class NewAssignment(BaseModel):
    """To which device."""

    device: str = Field("", max_length=64, description="The one in its van when left out.")


class AssignedTold(BaseModel):
    """What a device was given."""

    device: str
    version: int = Field(description="Of its document; the same as before where nothing changed.")
    stops: int
    parcels: int
    told: list[str] = Field(description="Devices that have new documents; those in contact get them at once.")


class Reason(BaseModel):
    """Why."""

    reason: Note = ""


@router.get("/routes", summary="Routes, the latest day first", dependencies=[Depends(require(Role.VIEWER))])
def get_routes(
    *,
    reader: Reader,
    hub: Hub,
    day: Annotated[str, Query(max_length=10)] = "",
    device: Annotated[str, Query(max_length=64, description="That has it.")] = "",
    cursor: Annotated[str, Query(max_length=128, description="`next_cursor` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> RouteList:
    """Each with how far it is."""
    after = None
    if cursor:
        last_day, _, name = cursor.partition(" ")
        if not name:
            raise BadRequest(f"The cursor {cursor!r} is not a `next_cursor` of this list.")
        after = last_day, name
    views = list_routes(reader, day=asked_day(day), device=device, after=after, limit=limit)
    told = read_progress(reader, views, stops_of(reader, [view.id for view in views]), hub.now_ms())
    more = f"{views[-1].day} {views[-1].id}" if len(views) == limit else None
    items = [RouteItem.model_validate(RouteItem.fields_of(one)) for one in told]
    return RouteList(items=items, next_cursor=more, now=utc(hub.now_ms()))


@router.get("/routes/{route_id}", summary="One route", dependencies=[Depends(require(Role.VIEWER))])
def get_route(reader: Reader, hub: Hub, response: Response, route_id: str) -> RouteDetail:
    """Its stops in order, with what came of them and when the others are expected. Its ETag is for `If-Match`."""
    return _tagged(response, progress(reader, route_id, hub.now_ms()))


@router.get("/routes/{route_id}/loading", summary="What is in the van", dependencies=[Depends(require(Role.VIEWER))])
def get_loading(reader: Reader, hub: Hub, route_id: str) -> LoadingTold:
    """Which parcels are missing and where they were seen last; which are in the wrong van."""
    one = progress(reader, route_id, hub.now_ms())
    views = [view for view in list_routes(reader, day=one.route.day) if view.id != route_id]
    others = read_progress(reader, views, stops_of(reader, [view.id for view in views]), hub.now_ms())
    return LoadingTold.of(check_loading(reader, one, others), hub.now_ms())


@router.get(
    "/routes/{route_id}/labels.pdf",
    summary="Labels of all parcels of a route",
    response_class=Response,
    responses={200: {"content": {PDF: {}}}},
    dependencies=[Depends(require(Role.VIEWER))],
)
def get_labels(reader: Reader, request: Request, route_id: str) -> Response:
    """In the order of its stops."""
    # Here, because drawing and printing load for a second.
    from hub.labels.parcels import route_labels  # noqa: PLC0415 see above
    from hub.labels.printing import print_sheet  # noqa: PLC0415 see above

    if find_route(reader, route_id) is None:
        raise NotFound("route", route_id)
    sheet = route_labels(reader, route_id, Words(language_of(request)))
    return Response(print_sheet(sheet), media_type=PDF)


@router.post("/routes", summary="Make routes of a day")
def post_routes(hub: Hub, caller: Dispatcher, body: NewRoutes) -> PlanTold:
    """A route for each van, stops out of the shipments that wait, and a plan, unless none is wanted."""
    at = desk(hub, caller)
    names = make_routes(at, body.day, body.vehicles, body.shipments)
    hub.tell_routes(names)
    if not body.optimise:
        return PlanTold(routes=[], waiting=[], roads="")
    return _planned(hub, optimise(at, names, body.seconds, waiting=True))


@router.post("/routes/{route_id}/optimise", summary="Plan a route, or several together")
def post_optimise(hub: Hub, caller: Dispatcher, route_id: str, body: Wishes) -> PlanTold:
    """Parcels that are in a van stay in it, and what was met stays as it is. Says which stops no van can take, and why."""
    names = [route_id, *body.together]
    return _planned(hub, optimise(desk(hub, caller), names, body.seconds, waiting=body.waiting))


def _planned(hub: HubContext, drawn: Drawn) -> PlanTold:
    hub.tell_routes(one.route for one in drawn.orders)
    return PlanTold.of(drawn)


@router.patch(
    "/routes/{route_id}",
    summary="Adjust a route",
    responses={412: {"description": "Somebody else changed it since"}},
)
def patch_route(
    *,
    hub: Hub,
    caller: Dispatcher,
    response: Response,
    route_id: str,
    body: RoutePatch,
    if_match: Annotated[
        str, Header(description="The ETag of the route as you saw it; then it is changed no other.")
    ] = "",
) -> RouteDetail:
    """Order, stops and name: all of it, or nothing. Its device has the change when the route is assigned again."""
    if body.name is not None and not body.name.strip():
        raise Problem(422, "Unusable", "A route has a name.")
    change = Change(
        name=None if body.name is None else body.name.strip(),
        stops=None if body.stops is None else tuple(body.stops),
        cancel=tuple(body.cancel),
        restore=tuple(body.restore),
        why=body.why,
    )
    try:
        change_route(desk(hub, caller), route_id, change, seen=_revision(if_match))
    except Overtaken as error:
        raise Problem(412, "Changed meanwhile", str(error)) from error
    hub.tell_routes(["", route_id])
    with hub.database.read() as conn:
        return _tagged(response, progress(conn, route_id, hub.now_ms()))


def _tagged(response: Response, one: Progress) -> RouteDetail:
    response.headers["ETag"] = f'"{one.route.changed_ms}"'
    return RouteDetail.of(one)


def _revision(if_match: str) -> int | None:
    text = if_match.strip().removeprefix("W/").strip('"')
    if text in {"", "*"}:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        raise BadRequest(f"If-Match {if_match[:40]!r}: expected the ETag of a route.")
    return int(text)


@router.post("/routes/{route_id}/assign", summary="Give a route to a device")
def post_assign(hub: Hub, caller: Dispatcher, route_id: str, body: NewAssignment) -> AssignedTold:
    """The route and the day's manifest become documents of the device; without a change their versions stay."""
    told, changed = assign(hub.database, hub.decide, route_id, body.device, who=caller.name, now_ms=hub.now_ms())
    hub.send_documents(changed)
    hub.tell_routes([route_id])
    return AssignedTold(
        device=told.device, version=told.version, stops=told.stops, parcels=told.parcels, told=sorted(changed)
    )


@router.post("/routes/{route_id}/withdraw", summary="Take a route from its device")
def post_withdraw(hub: Hub, caller: Dispatcher, route_id: str, body: Reason) -> RouteDetail:
    """What was proved on it stays."""
    hub.send_documents(
        withdraw(hub.database, hub.decide, route_id, who=caller.name, now_ms=hub.now_ms(), why=body.reason)
    )
    hub.tell_routes([route_id])
    with hub.database.read() as conn:
        return RouteDetail.of(progress(conn, route_id, hub.now_ms()))


def desk(hub: HubContext, caller: Caller) -> Desk:
    """Who does it, with what and when."""
    return Desk(hub.database, hub.roads, caller.name, hub.now_ms())


def progress(conn: Connection, route_id: str, now_ms: int) -> Progress:
    """How far a route is.

    Raises:
        NotFound: there is no such route.
    """
    view = find_route(conn, route_id)
    if view is None:
        raise NotFound("route", route_id)
    return read_progress(conn, [view], stops_of(conn, [route_id]), now_ms)[0]
