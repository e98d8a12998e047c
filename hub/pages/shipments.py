"""`/shipments`: what is to be delivered, and the file that says so."""

from collections import Counter
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import Response

from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext
from hub.errors import Refused
from hub.pages.route_words import CHECKS
from hub.routes.days import asked_day
from hub.routes.stops import follow_shipments
from hub.routes.vehicles import zone_of
from hub.said import said_of
from hub.shipments.keeping import Kept, keep_orders
from hub.shipments.order import FIELDS
from hub.shipments.queries import ShipmentFilters, list_shipments
from hub.shipments.reading import MAX_FILE_BYTES, read_file
from hub.web.render import page, without

router = APIRouter()

Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]
Viewer = Annotated[Caller, Depends(require(Role.VIEWER))]
ROWS: Final = 100
BAD_ROWS: Final = 200
"""Bad lines that the page lists; the counts say how many there are, by field, and the interface lists all."""


@router.get("/shipments")
def shipments_page(
    request: Request,
    hub: Hub,
    caller: Viewer,
    *,
    q: Annotated[str, Query(max_length=256)] = "",
    day: Annotated[str, Query(max_length=10)] = "",
    show: Annotated[str, Query(max_length=16)] = "",
    cursor: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> Response:
    """Shipments, the latest first."""
    return _page(request, hub, caller, ShipmentFilters(q.strip(), asked_day(day), _PLANNED.get(show)), cursor)


_PLANNED: Final = {"waiting": False, "planned": True}


@router.post("/shipments")
def upload(
    request: Request,
    hub: Hub,
    caller: Dispatcher,
    file: UploadFile,
    *,
    zone: Annotated[str, Form(max_length=64)] = "UTC",
) -> Response:
    """Take a file; good lines are kept, and each bad one is told."""
    data = file.file.read(MAX_FILE_BYTES + 1)
    name = file.filename or ""
    try:
        read = read_file(data, zone_of(zone.strip() or "UTC"), as_json=name.lower().endswith(".json"))
    except Refused as error:
        return _page(request, hub, caller, ShipmentFilters(), None, status=409, problem=said_of(error))
    with hub.database.write() as tx:
        now_ms = hub.now_ms()
        kept = keep_orders(tx, read, who=caller.name, now_ms=now_ms, source=name)
        routes = follow_shipments(tx, kept.numbers, now_ms)
    # What waits is on no route, and boards count it.
    hub.tell_routes(["", *routes])
    return _page(request, hub, caller, ShipmentFilters(), None, kept=kept, routes=routes)


def _page(
    request: Request,
    hub: HubContext,
    caller: Caller,
    wanted: ShipmentFilters,
    cursor: int | None,
    *,
    status: int = 200,
    problem: str = "",
    kept: Kept | None = None,
    routes: list[str] | None = None,
) -> Response:
    with hub.database.read() as reader:
        rows = list_shipments(reader, wanted, before=cursor, limit=ROWS)
    bad = kept.bad if kept else ()
    return page(
        request,
        "shipments.html",
        status,
        rows=rows,
        wanted=wanted,
        show=next((name for name, planned in _PLANNED.items() if planned is wanted.planned), ""),
        first=cursor is None,
        next_cursor=rows[-1].id if len(rows) == ROWS else None,
        kept_query=without(request.query_params, "cursor", "lang"),
        kept=kept,
        bad=bad[:BAD_ROWS],
        by_field=Counter(wrong.field for one in bad for wrong in one.wrong).most_common(),
        changed_routes=routes or [],
        fields=FIELDS,
        checks=CHECKS,
        may_plan=bool(caller.secret) and caller.may(Role.DISPATCHER),
        problem=problem,
    )
