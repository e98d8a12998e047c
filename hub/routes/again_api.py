"""Further attempts, for programs: what waits for a decision, another day for it, and all attempts of a shipment."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.deliveries.state import StopStatus
from hub.problems import PROBLEM_RESPONSES, NotFound
from hub.routes.again import MAX_OFFERED, Attempt, Undone, attempts_of, plan_again, undone
from hub.routes.days import asked_day
from hub.routes.progress import seen_parcels
from hub.routes.vehicles import today
from hub.shipments.api import Number as InPath
from hub.shipments.api import ParcelItem, ShipmentItem
from hub.shipments.queries import find_shipments
from hub.web.times import utc

router = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, tags=["shipments"])

Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]
Number = Annotated[int, Field(ge=1, le=2**62)]


class LeftItem(ParcelItem):
    """A parcel that was not handed over, and where it was seen last."""

    status: str
    place: str


class UndoneItem(BaseModel):
    """A shipment of which something could not be handed over, and nobody decided yet what is next."""

    shipment: ShipmentItem
    stop: str
    day: str = Field(description="When it was tried last.")
    route: str
    status: StopStatus
    reason: str = Field(description="Of the proof that the status comes from: a code or text.")
    delivery: str = Field(description="That proof.")
    left: list[LeftItem]

    @classmethod
    def of(cls, one: Undone, seen: dict[str, tuple[str, str]]) -> Self:
        """From the query."""
        proof = one.outcome.decided_by
        left = [
            LeftItem(id=item.parcel, code=item.code, what=item.what, status=status, place=place)
            for item in one.left
            for status, place in [seen.get(item.parcel, ("", ""))]
        ]
        return cls(
            shipment=ShipmentItem.of(one.shipment),
            stop=one.stop.stop,
            day=one.stop.day,
            route=one.stop.route,
            status=one.outcome.status,
            reason=proof.reason if proof else "",
            delivery=proof.id if proof else "",
            left=left,
        )


class UndoneList(BaseModel):
    """What waits for a decision, the latest attempts first."""

    items: list[UndoneItem]
    next_cursor: None = None


class Again(BaseModel):
    """Which shipments are to be tried again, and when."""

    shipments: list[Number] = Field(min_length=1, max_length=MAX_OFFERED, description="Their ids.")
    day: str = Field(max_length=10, description="Such as 2026-11-24; windows move to it.")
    reason: str = Field("", max_length=MAX_NOTE_CHARS)


class NewStop(BaseModel):
    """A stop that waits for a van."""

    stop: str
    shipments: list[int]


class Planned(BaseModel):
    """What waits for a van now."""

    day: str
    stops: list[NewStop]


class AttemptItem(BaseModel):
    """One stop of a shipment, and what came of it."""

    attempt: int
    stop: str
    route: str
    day: str
    status: StopStatus
    met_at: datetime | None = Field(description="By the corrected time of the device.")
    deliveries: list[str] = Field(description="All proofs of the stop, in order.")
    given_before: list[str] = Field(description="Parcels that were handed over at stops before, so not brought there.")

    @classmethod
    def of(cls, one: Attempt) -> Self:
        """From the query."""
        first = one.outcome.first
        return cls(
            attempt=one.number,
            stop=one.stop.stop,
            route=one.stop.route,
            day=one.stop.day,
            status=one.outcome.status,
            met_at=utc(first.happened_ms) if first else None,
            deliveries=[proof.id for proof in one.outcome.proofs],
            given_before=sorted(one.given_before),
        )


class ShipmentDetail(ShipmentItem):
    """A shipment with all its attempts in order."""

    attempts: list[AttemptItem]


@router.get("/shipments/undone", summary="What waits for a decision", dependencies=[Depends(require(Role.VIEWER))])
def get_undone(
    reader: Reader,
    hub: Hub,
    day: Annotated[str, Query(max_length=10, description="And the month before it; left out: today.")] = "",
) -> UndoneList:
    """Shipments that were tried and not all handed over: they are planned again, or cancelled and go back."""
    now_ms = hub.now_ms()
    found = undone(reader, asked_day(day) or today(None, now_ms), now_ms)
    seen = seen_parcels(reader, (item.parcel for one in found for item in one.left))
    return UndoneList(items=[UndoneItem.of(one, seen) for one in found])


@router.post("/shipments/again", summary="Try shipments again on another day")
def post_again(hub: Hub, caller: Dispatcher, body: Again) -> Planned:
    """New stops of that day with what was not handed over; they wait for a van. The stops before stay as they are."""
    made = plan_again(hub.database, body.shipments, body.day, who=caller.name, now_ms=hub.now_ms(), why=body.reason)
    hub.tell_routes([""])
    stops: dict[str, list[int]] = {}
    for number, stop in made.items():
        stops.setdefault(stop, []).append(number)
    return Planned(day=body.day, stops=[NewStop(stop=stop, shipments=several) for stop, several in stops.items()])


@router.get("/shipments/{shipment_id}", summary="One shipment", dependencies=[Depends(require(Role.VIEWER))])
def get_shipment(reader: Reader, shipment_id: InPath) -> ShipmentDetail:
    """With all its attempts, each a stop of its own with its proofs."""
    view = find_shipments(reader, [shipment_id]).get(shipment_id)
    if view is None:
        raise NotFound("shipment", str(shipment_id))
    attempts = [AttemptItem.of(one) for one in attempts_of(reader, shipment_id)]
    return ShipmentDetail(**ShipmentItem.of(view).model_dump(), attempts=attempts)
