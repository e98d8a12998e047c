"""Parcels and their chain of custody, for programs."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, StringConstraints

from contract.escape import escape_id
from contract.identity import display
from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.ahead import Ahead
from hub.archive.redaction import Personal
from hub.context import Hub, HubContext, Reader
from hub.problems import PROBLEM_RESPONSES, BadRequest, NotFound, Problem
from hub.routes.again import visits_of
from hub.routes.again_api import AttemptItem
from hub.timeline import TimeSource, epoch_ms
from hub.tracking.correcting import MAX_TARGETS, CorrectionUnusable, correction_of
from hub.tracking.custody import Deed, ParcelStatus
from hub.tracking.queries import (
    MAX_PAGE,
    BadCursor,
    EventView,
    ParcelFilters,
    ParcelView,
    When,
    parcel,
    parcel_events,
    parcels_page,
)
from hub.tracking.urls import RawPathRoute, parcel_key
from hub.trips.now import ColdNow, cold_now
from hub.web.times import utc

router = APIRouter(
    prefix="/api/v1",
    responses=PROBLEM_RESPONSES,
    dependencies=[Depends(require(Role.VIEWER))],
    tags=["tracking"],
    route_class=RawPathRoute,
)

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="At most so many items.")]
Cursor = Annotated[str, Query(max_length=4096, description="`next_cursor` of the page before.")]
Text = Annotated[str, Query(max_length=256)]


class Moment(BaseModel):
    """When something happened, and when the hub knew."""

    happened_at: datetime = Field(description="Corrected time.")
    known_at: datetime = Field(description="When the hub took the fact.")
    source: TimeSource = Field(description="Where the corrected time comes from.")
    uncertainty_ms: int | None = Field(description="How far it may be off; null where nothing bounds it.")

    @classmethod
    def of(cls, when: When) -> Self:
        """From the row."""
        return cls(
            happened_at=utc(when.at_ms),
            known_at=utc(when.known_ms),
            source=when.source,
            uncertainty_ms=when.uncertainty_ms,
        )


class Location(BaseModel):
    """A place on earth, WGS 84."""

    latitude: float
    longitude: float

    @classmethod
    def of(cls, lat_e7: int | None, lon_e7: int | None) -> "Location | None":
        """From degrees in 1e-7; none without a fix."""
        return None if lat_e7 is None or lon_e7 is None else cls(latitude=lat_e7 / 1e7, longitude=lon_e7 / 1e7)


class StepState(Moment):
    """The step that holds now."""

    step: Deed
    device: str
    actor: str
    place: str


class Sighting(Moment):
    """The latest event of any kind."""

    device: str
    place: str
    device_last_contact: datetime | None = Field(description="Any authentic message.")


class ColdThere(BaseModel):
    """The latest reading where a parcel is; of several sensors one with an alarm that lasts, else the warmest."""

    sensor: str
    celsius: float | None = Field(description="Null: a fault of the sensor.")
    measured_at: datetime
    alarmed: bool = Field(description="A limit of the sensor is exceeded for longer than it allows.")

    @classmethod
    def of(cls, now: ColdNow | None) -> "ColdThere | None":
        """From the query; none where nothing is measured."""
        if now is None:
            return None
        celsius = None if now.value is None else now.value / 100
        return cls(sensor=now.sensor, celsius=celsius, measured_at=utc(now.at_ms), alarmed=now.alarmed)


class ParcelItem(BaseModel):
    """A parcel as it is now."""

    id: str
    url_id: str = Field(description="The id as one segment of a URL.")
    kind: str = Field(description="What names it: `sscc gtin_serial gtin gs1 s10 carrier plain malformed`, or empty.")
    status: ParcelStatus
    step: StepState | None
    seen: Sighting
    known_at: datetime = Field(description="When the hub last learnt anything about it.")
    location: Location | None
    verdict: str = Field(description="How the last scan compared with the manifest.")
    cold_verdict: str
    cold_budget_s: int | None
    cold: ColdThere | None = Field(description="Null where it is nowhere, or no sensor is there.")
    route: str = Field(description="On which it is planned; of several attempts the latest. Empty: on none.")
    stop: str = Field(description="Where it is planned.")
    recipient: str
    withheld: list[Personal] = Field(
        description="Which of recipient and position (`fix`) were told and are withheld now."
    )
    events: int
    corrections: int
    after_delivery: int = Field(description="Events later than the delivery that could not undo it.")

    @classmethod
    def fields_of(cls, view: ParcelView, ahead: Ahead, cold: ColdNow | None) -> dict[str, object]:
        """From the query."""
        step = view.stepped and StepState(
            **Moment.of(view.stepped).model_dump(),
            step=Deed(view.step),
            device=view.step_device,
            actor=view.step_actor,
            place=view.step_place,
        )
        return {
            "id": view.key,
            "url_id": escape_id(view.key),
            "kind": view.kind,
            "status": view.status,
            "step": step,
            "seen": Sighting(
                **Moment.of(view.seen).model_dump(),
                device=view.seen_device,
                place=view.seen_place,
                device_last_contact=utc(ahead.contact_ms(view.seen_device, view.contact_ms, view.seen.known_ms)),
            ),
            "known_at": utc(view.known_ms),
            "location": Location.of(view.lat_e7, view.lon_e7),
            "cold": ColdThere.of(cold),
            "withheld": list(view.withheld),
            **{
                name: getattr(view, name)
                for name in (
                    "verdict",
                    "cold_verdict",
                    "cold_budget_s",
                    "route",
                    "stop",
                    "recipient",
                    "events",
                    "corrections",
                )
            },
            "after_delivery": view.after_delivery,
        }


class ParcelDetail(ParcelItem):
    """One parcel, where it is to be handed over, and the hub's clock to tell its freshness by."""

    visits: list[AttemptItem] = Field(
        description="Its stops in order, attempts before too; empty: nobody ordered it here."
    )
    now: datetime


class ParcelList(BaseModel):
    """Some parcels, the latest seen first."""

    items: list[ParcelItem]
    next_cursor: str | None
    now: datetime


class CustodyEventItem(Moment):
    """One link of the chain of custody."""

    fact_id: str = Field(description="Identity of the fact in the ledger, hex.")
    kind: str = Field(description="`scan`, `proof` or `correction`.")
    step: str
    device_at: datetime = Field(description="What the device's clock said.")
    mono_ms: int
    clock: str = Field(description="`synced` or `free`.")
    boot: str
    device: str
    incarnation: str
    ord: int
    actor: str
    place: str
    location: Location | None
    accuracy_m: int | None
    verdict: str
    cold_verdict: str
    cold_budget_s: int | None
    code: str | None = Field(description="The code as it may be shown: control characters escaped, clipped.")
    code_hex: str | None = Field(description="What the scanner sent, byte for byte.")
    aim: str
    code_kind: str
    port: str
    reason: str
    recipient: str
    withheld: list[Personal] = Field(description="Fields that were told once and are empty now: their time is over.")
    rescan_of: str | None = Field(description="The scan right before it that it only repeats, hex: scanned again.")
    corrected_by: str | None = Field(description="The correction because of which it no longer counts, hex.")
    ignored: bool = Field(description="Later than a delivery that it could not undo.")
    corrects_by: str = Field(description="Who decided a correction; its reason is in `reason`.")
    targets: list[str] = Field(description="The facts that a correction takes back, hex.")

    @classmethod
    def of_event(cls, event: EventView) -> Self:
        """From the query."""
        same = ("kind", "step", "mono_ms", "clock", "device", "ord", "actor", "place", "accuracy_m", "verdict")
        more = ("cold_verdict", "cold_budget_s", "aim", "code_kind", "port", "reason", "recipient", "ignored")
        return cls(
            **Moment.of(event.happened).model_dump(),
            **{name: getattr(event, name) for name in same + more},
            fact_id=event.fact_id.hex(),
            withheld=list(event.withheld),
            device_at=utc(event.raw_at_ms),
            boot=event.boot.hex(),
            incarnation=event.incarnation.hex(),
            location=Location.of(event.lat_e7, event.lon_e7),
            rescan_of=None if event.rescan_of is None else event.rescan_of.hex(),
            code=None if event.code is None else display(event.code),
            code_hex=None if event.code is None else event.code.hex(),
            corrected_by=None if event.corrected_by is None else event.corrected_by.hex(),
            corrects_by=event.actor if event.targets else "",
            targets=[target.hex() for target in event.targets],
        )


class CustodyEventList(BaseModel):
    """Some of a parcel's events in order."""

    items: list[CustodyEventItem]
    next_cursor: str | None
    now: datetime


@router.get("/parcels", summary="Parcels, the latest seen first")
def get_parcels(
    *,
    reader: Reader,
    hub: Hub,
    q: Annotated[str, Query(max_length=8192, description="A key, its start, or any code as scanned.")] = "",
    status: ParcelStatus | None = None,
    step: Deed | None = None,
    place: Text = "",
    route: Text = "",
    since: Annotated[datetime | None, Query(description="The hub learnt something about it then or later.")] = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> ParcelList:
    """Filters narrow each other down."""
    wanted = ParcelFilters(q, status, step.value if step else "", place, route, epoch_ms(since) if since else None)
    try:
        page = parcels_page(reader, wanted, cursor or None, limit)
    except BadCursor as error:
        raise BadRequest(str(error)) from error
    cold = cold_now(reader, [view.key for view in page.items])
    items = [
        ParcelItem.model_validate(ParcelItem.fields_of(view, hub.ahead, cold.get(view.key))) for view in page.items
    ]
    return ParcelList(items=items, next_cursor=page.next_cursor, now=utc(hub.now_ms()))


@router.get("/parcels/{parcel_id}", summary="One parcel")
def get_parcel(reader: Reader, hub: Hub, parcel_id: str) -> ParcelDetail:
    """Where it is, since when, and how fresh that is."""
    key = parcel_key(parcel_id)
    view = parcel(reader, key)
    if view is None:
        raise NotFound("parcel", key)
    cold = cold_now(reader, [key]).get(key)
    visits = [AttemptItem.of(one) for one in visits_of(reader, key)]
    told = {**ParcelItem.fields_of(view, hub.ahead, cold), "visits": visits, "now": utc(hub.now_ms())}
    return ParcelDetail.model_validate(told)


@router.get("/parcels/{parcel_id}/events", summary="The chain of custody of a parcel")
def get_parcel_events(
    *,
    reader: Reader,
    hub: Hub,
    parcel_id: str,
    cursor: Annotated[str, Query(pattern=r"^[0-9]{0,9}$", description="`next_cursor` of the page before.")] = "",
    limit: Limit = MAX_PAGE,
) -> CustodyEventList:
    """In order of corrected time, with what the device's clock said beside it."""
    key = parcel_key(parcel_id)
    events = parcel_events(reader, key)
    if not events:
        raise NotFound("parcel", key)
    start = int(cursor or 0)
    end = start + limit
    return CustodyEventList(
        items=[CustodyEventItem.of_event(event) for event in events[start:end]],
        next_cursor=str(end) if end < len(events) else None,
        now=utc(hub.now_ms()),
    )


class CorrectionBody(BaseModel):
    """What is taken back, what happened instead, and why."""

    facts: list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = Field(
        min_length=1, max_length=MAX_TARGETS, description="Identities of scans or proofs of this parcel, hex."
    )
    step: Deed | None = Field(default=None, description="What happened instead; null: nothing did.")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NOTE_CHARS)]


class Corrected(BaseModel):
    """A correction that was made."""

    fact_id: str = Field(description="Identity of the correction, which is a fact itself, hex.")
    corrected_by: str


@router.post(
    "/parcels/{parcel_id}/corrections",
    summary="Correct the chain of custody",
    status_code=201,
    responses={409: {"description": "A fact was corrected before, or is not of this parcel"}},
)
def correct(
    *,
    hub: Hub,
    parcel_id: str,
    body: CorrectionBody,
    caller: Annotated[Caller, Depends(require(Role.DISPATCHER))],
) -> Corrected:
    """The facts stay in the chain, marked; who and when are the caller's. A wrong correction is met by another one."""
    key = parcel_key(parcel_id)
    targets = tuple(bytes.fromhex(fact) for fact in body.facts)
    try:
        identity = correct_parcel(hub, key, targets, body.step, who=caller.name, why=body.reason)
    except CorrectionUnusable as error:
        raise Problem(409, "Cannot be corrected", str(error)) from error
    return Corrected(fact_id=identity.hex(), corrected_by=caller.name)


def correct_parcel(
    hub: HubContext, key: str, targets: Collection[bytes], step: Deed | None, *, who: str, why: str
) -> bytes:
    """Decide about facts of a parcel as they are now (`correction_of`), one person after the other; the correction's identity.

    Raises:
        NotFound: there is no such parcel.
        CorrectionUnusable: see there.
    """
    with hub.correcting:
        with hub.database.read() as conn:
            events = parcel_events(conn, key)
        if not events:
            raise NotFound("parcel", key)
        return hub.decide(correction_of(key, events, targets, step, who=who, why=why))
