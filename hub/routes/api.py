"""Vehicles, for programs; and what the interface says of routes."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from contract.limits import MAX_NOTE_CHARS
from contract.route import Check
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.deliveries.state import StopStatus
from hub.problems import PROBLEM_RESPONSES, NotFound
from hub.routes.loading import Loading
from hub.routes.plan import Why
from hub.routes.planning import Drawn
from hub.routes.progress import Progress, StopProgress
from hub.routes.queries import Vehicle, find_vehicle, vehicles
from hub.routes.vehicles import MINUTES_OF_DAY, keep_vehicle
from hub.shipments.personal import PersonalField
from hub.web.times import utc

router = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, tags=["routes"])

Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]
Line = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Minute = Annotated[int, Field(ge=0, le=2 * MINUTES_OF_DAY)]
Note = Annotated[str, Field(max_length=MAX_NOTE_CHARS)]
Amount = Annotated[float | None, Field(ge=0, le=1_000_000)]


def _maybe(units: int | None, scale: int = 1000) -> float | None:
    return None if units is None else units / scale


def _scaled(units: float | None) -> int | None:
    return None if units is None else round(units * 1000)


class VehicleBody(BaseModel):
    """A van as it is said."""

    name: Line = Field("", description="As people call it; its id where left out.")
    device: str = Field("", max_length=64, description="The device that rides in it.")
    depot: Line = Field("", description="Devices whose place begins so are devices of that dock.")
    depot_latitude: float = Field(ge=-90, le=90)
    depot_longitude: float = Field(ge=-180, le=180)
    weight_kg: Amount = Field(None, description="At most; null: not said.")
    volume_l: Amount = None
    parcels: int | None = Field(None, ge=1, le=100_000)
    shift_from_min: Minute = Field(480, description="Minutes after midnight there.")
    shift_to_min: Minute = Field(1080, description="Minutes after midnight there; more than 1440: on the next day.")
    zone: str = Field("UTC", max_length=64, description="IANA time zone.")
    retired: bool = False

    def vehicle(self, name: str, now_ms: int) -> Vehicle:
        """As it is kept."""
        return Vehicle(
            id=name,
            name=self.name.strip() or name,
            device=self.device,
            depot=self.depot.strip(),
            depot_lat_e7=round(self.depot_latitude * 1e7),
            depot_lon_e7=round(self.depot_longitude * 1e7),
            weight_g=_scaled(self.weight_kg),
            volume_ml=_scaled(self.volume_l),
            parcels=self.parcels,
            shift_from_min=self.shift_from_min,
            shift_to_min=self.shift_to_min,
            zone=self.zone,
            retired_ms=now_ms if self.retired else None,
        )


class VehicleItem(VehicleBody):
    """A van."""

    id: str

    @classmethod
    def of(cls, van: Vehicle) -> Self:
        """From the query."""
        same = ("id", "name", "device", "depot", "parcels", "shift_from_min", "shift_to_min", "zone")
        return cls(
            **{name: getattr(van, name) for name in same},
            depot_latitude=van.depot_lat_e7 / 1e7,
            depot_longitude=van.depot_lon_e7 / 1e7,
            weight_kg=_maybe(van.weight_g),
            volume_l=_maybe(van.volume_ml),
            retired=van.retired_ms is not None,
        )


class VehicleList(BaseModel):
    """All vans by id."""

    items: list[VehicleItem]
    next_cursor: None = None


class EtaItem(BaseModel):
    """When a van will be somewhere: most likely within these."""

    earliest: datetime
    latest: datetime


class StopItem(BaseModel):
    """A stop of a route."""

    stop: str
    name: str
    address: str
    area: str
    latitude: float | None
    longitude: float | None
    window_from: datetime | None
    window_to: datetime | None
    planned_at: datetime | None
    expected: EtaItem | None
    status: StopStatus
    met_at: datetime | None = Field(description="By the corrected time of the device.")
    delivery: str = Field(description="The proof that the status comes from; empty: none.")
    deliveries: list[str] = Field(description="All proofs, attempts too, in order.")
    conflict: bool = Field(description="Devices say different things; all proofs are kept.")
    cancelled: bool
    late_s: float
    checks: list[Check]
    parcels: list[str]
    aboard: list[str] = Field(description="Parcels that its van has.")
    references: list[str] = Field(description="Of its shipments.")
    attempt: int = Field(description="Which one it is, from 1, for those of its shipments that were tried most.")
    withheld: list[PersonalField] = Field(
        description="Fields that were told once and are empty now: their time is over."
    )

    @classmethod
    def of(cls, at: StopProgress) -> Self:
        """From the query."""
        stop, outcome = at.stop, at.outcome
        same = ("stop", "name", "address", "area")
        return cls(
            **{name: getattr(stop, name) for name in same},
            latitude=_maybe(stop.lat_e7, 10**7),
            longitude=_maybe(stop.lon_e7, 10**7),
            window_from=utc(stop.window_from_ms),
            window_to=utc(stop.window_to_ms),
            planned_at=utc(stop.eta_ms),
            expected=EtaItem(earliest=utc(at.eta.from_ms), latest=utc(at.eta.to_ms)) if at.eta else None,
            status=outcome.status,
            met_at=utc(outcome.decided_by.happened_ms) if outcome.decided_by else None,
            delivery=outcome.decided_by.id if outcome.decided_by else "",
            deliveries=[proof.id for proof in outcome.proofs],
            conflict=outcome.conflict,
            cancelled=stop.cancelled_ms is not None,
            late_s=at.late_ms / 1000,
            checks=list(stop.checks),
            parcels=list(stop.parcels),
            aboard=list(at.aboard),
            references=[one.order.reference for one in stop.shipments],
            attempt=stop.attempt,
            withheld=list(stop.withheld),
        )


class RouteItem(BaseModel):
    """What a van is to do on a day, and how far it is."""

    id: str
    name: str
    day: str
    vehicle: str
    device: str = Field(description="That has it; empty: none yet.")
    start_at: datetime | None
    end_at: datetime | None
    kilometres: float
    roads: str = Field(description="Where road times come from: `estimate`, or the service.")
    assigned_at: datetime | None
    version: int = Field(description="Of the document on the device.")
    revision: int = Field(description="Another one after each change; as the ETag of the route.")
    stale: bool = Field(description="Changed after the device got it; assign it again.")
    stops: int
    visited: int
    done: int
    late: int = Field(description="Open stops that are late, or most likely will be.")
    conflicts: int
    ends: EtaItem | None

    @classmethod
    def fields_of(cls, one: Progress) -> dict[str, object]:
        """From the query."""
        view = one.route
        return {
            **{name: getattr(view, name) for name in ("id", "name", "day", "device", "roads", "version", "stale")},
            "vehicle": view.vehicle.id,
            "revision": view.changed_ms,
            "start_at": utc(view.start_ms),
            "end_at": utc(view.end_ms),
            "kilometres": view.metres / 1000,
            "assigned_at": utc(view.assigned_ms),
            "stops": one.wanted,
            "visited": one.visited,
            "done": one.done,
            "late": len(one.late),
            "conflicts": one.conflicts,
            "ends": EtaItem(earliest=utc(one.ends.from_ms), latest=utc(one.ends.to_ms)) if one.ends else None,
        }


class RouteList(BaseModel):
    """Some routes, the latest day first."""

    items: list[RouteItem]
    next_cursor: str | None
    now: datetime


class RouteDetail(RouteItem):
    """A route with its stops in order."""

    items: list[StopItem]
    now: datetime

    @classmethod
    def of(cls, one: Progress) -> Self:
        """From the query."""
        items = [StopItem.of(at) for at in one.stops]
        return cls.model_validate({**cls.fields_of(one), "items": items, "now": utc(one.now_ms)})


class WaitingItem(BaseModel):
    """A stop that no van takes, and why; `value` is what the reason says it with: grams, millilitres, parcels, seconds."""

    stop: str
    why: Why
    value: int


class PlannedRoute(BaseModel):
    """What a plan makes of a route."""

    id: str
    stops: int
    late: list[str] = Field(description="Stops that are met after their window.")
    over_s: int = Field(description="After the van's shift.")
    overloaded: bool


class PlanTold(BaseModel):
    """What came of planning."""

    routes: list[PlannedRoute]
    waiting: list[WaitingItem]
    roads: str

    @classmethod
    def of(cls, drawn: Drawn) -> Self:
        """From the plan."""
        return cls(
            routes=[
                PlannedRoute(
                    id=one.route,
                    stops=len(one.stops),
                    late=list(one.late),
                    over_s=one.over_s,
                    overloaded=one.overloaded,
                )
                for one in drawn.orders
            ],
            waiting=[WaitingItem(stop=stop, why=why, value=value) for stop, why, value in drawn.waiting],
            roads=drawn.roads,
        )


class MissingParcel(BaseModel):
    """A parcel that its van does not have, and where it was seen last."""

    parcel: str
    what: str
    stop: str
    name: str
    status: str
    place: str


class ExtraParcel(BaseModel):
    """A parcel in the wrong van, and the van that it is for."""

    parcel: str
    belongs: str


class LoadingTold(BaseModel):
    """How completely a van is loaded."""

    wanted: int
    loaded: int
    complete: bool
    missing: list[MissingParcel]
    extra: list[ExtraParcel]
    now: datetime

    @classmethod
    def of(cls, told: Loading, now_ms: int) -> Self:
        """From the query."""
        names = MissingParcel.model_fields
        return cls(
            wanted=told.wanted,
            loaded=told.loaded,
            complete=told.complete,
            missing=[MissingParcel(**{name: getattr(one, name) for name in names}) for one in told.missing],
            extra=[ExtraParcel(parcel=one.parcel, belongs=one.belongs) for one in told.extra],
            now=utc(now_ms),
        )


@router.get("/vehicles", summary="Vans", dependencies=[Depends(require(Role.VIEWER))])
def get_vehicles(reader: Reader) -> VehicleList:
    """Those that can be planned with, and those that were retired."""
    return VehicleList(items=[VehicleItem.of(van) for van in vehicles(reader, retired=True)])


@router.put("/vehicles/{vehicle_id}", summary="Say what a van is")
def put_vehicle(hub: Hub, caller: Dispatcher, vehicle_id: str, body: VehicleBody) -> VehicleItem:
    """Under its id; what is left out is as if never said."""
    with hub.database.write() as tx:
        now_ms = hub.now_ms()
        keep_vehicle(tx, body.vehicle(vehicle_id, now_ms), who=caller.name, now_ms=now_ms)
        van = find_vehicle(tx, vehicle_id)
    if van is None:
        raise NotFound("van", vehicle_id)
    return VehicleItem.of(van)
