"""Shipments, for programs of shippers and dispatchers."""

from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from contract.limits import MAX_NOTE_CHARS
from contract.route import Check, TaskKind
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.errors import Refused
from hub.problems import PROBLEM_RESPONSES, NotFound, Problem
from hub.routes.days import asked_day
from hub.routes.stops import follow_shipments
from hub.routes.vehicles import zone_of
from hub.shipments.keeping import Kept, cancel_shipment, keep_orders
from hub.shipments.order import OrderKind, Service
from hub.shipments.personal import PersonalField
from hub.shipments.queries import (
    MAX_PAGE,
    ShipmentFilters,
    ShipmentView,
    find_shipments,
    list_shipments,
)
from hub.shipments.reading import MAX_FILE_BYTES, BadLine, read_file
from hub.web.times import utc

router = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, tags=["shipments"])

Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]
Number = Annotated[int, Path(ge=0, le=2**62)]
CSV: Final = "text/csv"
JSON: Final = "application/json"


class ParcelItem(BaseModel):
    """A parcel of a shipment."""

    id: str = Field(description="Its key everywhere.")
    code: str = Field(description="As the shipper wrote it.")
    what: str


class TaskItem(BaseModel):
    """Something to be done at the address beside."""

    kind: TaskKind
    what: str
    parcel: str


class ShipmentItem(BaseModel):
    """An order of a shipper."""

    id: int
    reference: str
    shipper: str
    kind: OrderKind
    consignee: str
    address: str
    area: str
    latitude: float | None
    longitude: float | None
    day: str = Field(description="When it is to be done; empty: any day.")
    window_from: datetime | None
    window_to: datetime | None
    service: Service
    checks: list[Check]
    parcels: list[ParcelItem]
    tasks: list[TaskItem]
    notes: str
    phone: str
    weight_kg: float
    volume_l: float
    changed_at: datetime
    cancelled_at: datetime | None
    stop: str = Field(description="Its stop, of several attempts the latest; empty: it waits for a plan.")
    route: str
    stop_day: str = Field(description="Of its stop: for a further attempt another day than the one ordered.")
    attempt: int = Field(description="How many stops were made for it.")
    withheld: list[PersonalField] = Field(
        description="Fields that were told once and are empty now: their time is over."
    )

    @classmethod
    def of(cls, view: ShipmentView) -> Self:
        """From the query."""
        order = view.order
        same = ("reference", "shipper", "kind", "consignee", "address", "area", "day", "service", "notes", "phone")
        return cls(
            id=view.id,
            **{name: getattr(order, name) for name in same},
            latitude=None if order.lat_e7 is None else order.lat_e7 / 1e7,
            longitude=None if order.lon_e7 is None else order.lon_e7 / 1e7,
            window_from=utc(order.window_from_ms),
            window_to=utc(order.window_to_ms),
            checks=list(order.checks),
            parcels=[ParcelItem(id=one.parcel, code=one.code, what=one.what) for one in order.items],
            tasks=[TaskItem(kind=one.kind, what=one.what, parcel=one.parcel) for one in order.tasks],
            weight_kg=order.weight_g / 1000,
            volume_l=order.volume_ml / 1000,
            changed_at=utc(view.changed_ms),
            cancelled_at=utc(view.cancelled_ms),
            stop=view.stop,
            route=view.route,
            stop_day=view.stop_day,
            attempt=view.attempt,
            withheld=list(view.withheld),
        )


class ShipmentList(BaseModel):
    """Some shipments, the latest first."""

    items: list[ShipmentItem]
    next_cursor: str | None


class WrongField(BaseModel):
    """Why a field cannot be used."""

    field: str
    got: str
    expected: str


class BadLineItem(BaseModel):
    """A line of which nothing was kept; of CSV counted from 1 with the header, of JSON the order's place in the list."""

    line: int
    reference: str
    wrong: list[WrongField]

    @classmethod
    def of(cls, bad: BadLine) -> Self:
        """From the file."""
        wrong = [WrongField(field=one.field, got=one.got, expected=one.expected) for one in bad.wrong]
        return cls(line=bad.line, reference=bad.reference, wrong=wrong)


class Report(BaseModel):
    """What a file came to. All good lines are kept, whatever is wrong with others."""

    created: int
    changed: int
    unchanged: int
    refused: int
    bad: list[BadLineItem]
    routes: list[str] = Field(description="Routes that changed with their shipments; assign them again.")

    @classmethod
    def of(cls, kept: Kept, routes: list[str]) -> Self:
        """From what was kept."""
        return cls(
            created=len(kept.created),
            changed=len(kept.changed),
            unchanged=len(kept.unchanged),
            refused=len(kept.bad),
            bad=[BadLineItem.of(one) for one in kept.bad],
            routes=routes,
        )


class Cancellation(BaseModel):
    """Why nobody is to deliver it."""

    reason: str = Field("", max_length=MAX_NOTE_CHARS)


async def body_of(request: Request) -> bytes:
    """The body, no more of it than a file may have."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_FILE_BYTES:
            raise Problem(413, "Too large", f"At most {MAX_FILE_BYTES} bytes are taken at once; send it in parts.")
    return bytes(found)


@router.post(
    "/shipments",
    summary="Import shipments",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"type": "array", "items": {"type": "object"}}},
                CSV: {"schema": {"type": "string"}},
            },
        }
    },
    responses={413: {"description": "Larger than one file may be"}, 415: {"description": "Neither JSON nor CSV"}},
)
def post_shipments(
    *,
    hub: Hub,
    caller: Dispatcher,
    request: Request,
    body: Annotated[bytes, Depends(body_of)],
    zone: Annotated[str, Query(max_length=64, description="IANA time zone of times that name none.")] = "UTC",
    source: Annotated[str, Query(max_length=256, description="What the audit trail calls the file.")] = "",
) -> Report:
    """Each bad line is told with its field, what stood there and what was expected; the good ones are kept.

    A reference that is known already changes its shipment, or tells that nothing changed.
    """
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind not in {JSON, CSV}:
        raise Problem(415, "Neither JSON nor CSV", f"Expected {JSON} or {CSV}, not {kind!r}.")
    try:
        read = read_file(body, zone_of(zone), as_json=kind == JSON)
    except Refused as error:
        raise Problem(422, "File unusable", str(error)) from error
    with hub.database.write() as tx:
        now_ms = hub.now_ms()
        kept = keep_orders(tx, read, who=caller.name, now_ms=now_ms, source=source)
        routes = follow_shipments(tx, kept.numbers, now_ms)
    hub.tell_routes(["", *routes])
    return Report.of(kept, routes)


@router.get("/shipments", summary="Shipments, the latest first", dependencies=[Depends(require(Role.VIEWER))])
def get_shipments(
    *,
    reader: Reader,
    q: Annotated[str, Query(max_length=256, description="Part of reference, consignee or address; or a parcel.")] = "",
    day: Annotated[str, Query(max_length=10)] = "",
    planned: Annotated[bool | None, Query(description="On a route, or waiting.")] = None,
    cursor: Annotated[int | None, Query(ge=0, le=2**62, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> ShipmentList:
    """Filters narrow each other down."""
    found = list_shipments(reader, ShipmentFilters(q.strip(), asked_day(day), planned), before=cursor, limit=limit)
    more = str(found[-1].id) if len(found) == limit else None
    return ShipmentList(items=[ShipmentItem.of(view) for view in found], next_cursor=more)


@router.post("/shipments/{shipment_id}/cancel", summary="Cancel a shipment")
def post_cancel(hub: Hub, caller: Dispatcher, shipment_id: Number, body: Cancellation) -> ShipmentItem:
    """Its parcels need not be delivered any more; the stop stays for those of others."""
    with hub.database.write() as tx:
        if not find_shipments(tx, [shipment_id]):
            raise NotFound("shipment", str(shipment_id))
        now_ms = hub.now_ms()
        cancel_shipment(tx, shipment_id, who=caller.name, now_ms=now_ms, why=body.reason)
        routes = follow_shipments(tx, [shipment_id], now_ms)
        told = ShipmentItem.of(find_shipments(tx, [shipment_id])[shipment_id])
    hub.tell_routes(["", *routes])
    return told
