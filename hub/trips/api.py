"""Trips of vehicles and the temperature histories of parcels, for programs."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from contract.coldchain.findings import Excursion, Judgement
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.problems import PROBLEM_RESPONSES, BadRequest, NotFound
from hub.timeline import epoch_ms
from hub.tracking.queries import BadCursor, parcel
from hub.tracking.urls import RawPathRoute, parcel_key
from hub.trips.history import Cause, ColdVerdict, Judged, Missing, ParcelHistory, StayHistory, WatchedBy
from hub.trips.queries import (
    MAX_PAGE,
    Trip,
    TripFilters,
    TripParcel,
    TripSensor,
    TripView,
    find_trip,
    list_trips,
    parcel_history,
)
from hub.web.times import utc

router = APIRouter(
    prefix="/api/v1",
    responses=PROBLEM_RESPONSES,
    dependencies=[Depends(require(Role.VIEWER))],
    tags=["trips"],
    route_class=RawPathRoute,
)


def _maybe(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else utc(at_ms)


def _units(hundredths: int | None) -> float | None:
    return None if hundredths is None else hundredths / 100


class ExcursionItem(BaseModel):
    """One run beyond one limit."""

    limit: str
    started_at: datetime
    alarm_at: datetime | None = Field(description="When more than what is allowed was used; null: never.")
    ended_at: datetime | None
    extreme: float
    beyond_s: float

    @classmethod
    def of(cls, found: Excursion) -> Self:
        """From the judgement."""
        return cls(
            limit=found.limit,
            started_at=utc(found.started_ms),
            alarm_at=_maybe(found.alarm_ms),
            ended_at=_maybe(found.ended_ms),
            extreme=found.extreme / 100,
            beyond_s=found.beyond_ms / 1000,
        )


class BudgetItem(BaseModel):
    """How much of what a limit allows is used."""

    limit: str
    used_s: float
    allowed_s: float
    left_s: float


class JudgementItem(BaseModel):
    """How a profile judges a stretch of time."""

    profile: str
    from_at: datetime
    to_at: datetime
    excursions: list[ExcursionItem]
    budgets: list[BudgetItem]
    inside_s: float
    above_s: float
    below_s: float
    no_data_s: float
    readings: int
    low: float | None
    high: float | None
    freeze_thaws: int

    @classmethod
    def of(cls, profile: str, told: Judgement) -> Self:
        """From the judgement."""
        return cls(
            profile=profile,
            from_at=utc(told.from_ms),
            to_at=utc(told.to_ms),
            excursions=[ExcursionItem.of(found) for found in told.excursions],
            budgets=[
                BudgetItem(
                    limit=budget.limit,
                    used_s=budget.used_ms / 1000,
                    allowed_s=budget.allowed_ms / 1000,
                    left_s=budget.left_ms / 1000,
                )
                for budget in told.budgets
            ],
            inside_s=told.inside_ms / 1000,
            above_s=told.above_ms / 1000,
            below_s=told.below_ms / 1000,
            no_data_s=told.no_data_ms / 1000,
            readings=told.readings,
            low=_units(told.low),
            high=_units(told.high),
            freeze_thaws=told.freeze_thaws,
        )


class MissingItem(BaseModel):
    """A stretch of which something is not known."""

    cause: Cause
    where: str
    sensor: str
    from_at: datetime
    to_at: datetime

    @classmethod
    def of(cls, gap: Missing) -> Self:
        """From the history."""
        return cls(cause=gap.cause, where=gap.where, sensor=gap.sensor, from_at=utc(gap.from_ms), to_at=utc(gap.to_ms))


class WatchedItem(BaseModel):
    """One sensor over one stay."""

    sensor: str
    device: str
    name: str
    place: str
    profile: str | None = Field(description="In force when the stay began; null: nobody has said.")
    readings: int
    low: float | None
    high: float | None
    worst: bool = Field(description="The parcel is judged by its readings.")

    @classmethod
    def of(cls, told: WatchedBy) -> Self:
        """From the history."""
        same = ("sensor", "device", "name", "place", "profile", "readings", "worst")
        return cls(**{name: getattr(told, name) for name in same}, low=_units(told.low), high=_units(told.high))


class StayItem(BaseModel):
    """One stretch of the way of a parcel."""

    where: str
    device: str
    place: str
    aboard: bool = Field(description="On board of the device; otherwise at the place.")
    from_at: datetime
    to_at: datetime | None = Field(description="Null: it is still there.")
    known_at: datetime
    opened_by: str = Field(description="The fact that says so, hex.")
    opened_step: str
    closed_by: str | None
    closed_step: str
    trip: str = Field(description="Id of the trip of the vehicle; empty at a place.")
    sensors: list[WatchedItem]

    @classmethod
    def of(cls, stay: StayHistory) -> Self:
        """From the history."""
        same = ("where", "device", "place", "aboard", "opened_step", "closed_step", "trip")
        return cls(
            **{name: getattr(stay, name) for name in same},
            from_at=utc(stay.from_ms),
            to_at=_maybe(stay.to_ms),
            known_at=utc(stay.known_ms),
            opened_by=stay.opened_by.hex(),
            closed_by=None if stay.closed_by is None else stay.closed_by.hex(),
            sensors=[WatchedItem.of(told) for told in stay.sensors],
        )


class ParcelTemperature(BaseModel):
    """The way of a parcel, and what is known of its temperature."""

    id: str
    verdict: ColdVerdict
    complete: bool
    running: bool = Field(description="Still on its way.")
    from_at: datetime | None
    to_at: datetime | None
    stays: list[StayItem]
    judgements: list[JudgementItem] = Field(
        description="One for each profile on its way; budgets run on from stay to stay."
    )
    missing: list[MissingItem]
    now: datetime

    @classmethod
    def of(cls, key: str, told: ParcelHistory | None, now_ms: int) -> Self:
        """From the history; a parcel that never stayed anywhere was never judged."""
        return cls(
            id=key,
            verdict=told.verdict if told else ColdVerdict.NOT_JUDGED,
            complete=bool(told and told.complete),
            running=bool(told and told.running),
            from_at=utc(told.from_ms) if told else None,
            to_at=utc(told.to_ms) if told else None,
            stays=[StayItem.of(stay) for stay in told.stays] if told else [],
            judgements=[_judgement(way) for way in told.judged] if told else [],
            missing=[MissingItem.of(gap) for gap in told.missing] if told else [],
            now=utc(now_ms),
        )


def _judgement(way: Judged) -> JudgementItem:
    return JudgementItem.of(way.profile.name, way.judgement)


class TripItem(BaseModel):
    """One run of a vehicle: from its first load after being empty until it is empty again."""

    id: str = Field(description="Follows from the fact that loaded first; ids of earlier times go on being understood.")
    device: str
    place: str
    from_at: datetime
    to_at: datetime | None = Field(description="Null: something is still on board.")
    parcels: int
    aboard: int = Field(description="Parcels of which no unloading is known.")
    known_at: datetime

    @classmethod
    def fields_of(cls, view: TripView) -> dict[str, object]:
        """From the query."""
        return {
            **{name: getattr(view, name) for name in ("id", "device", "place", "parcels", "aboard")},
            "from_at": utc(view.from_ms),
            "to_at": _maybe(view.to_ms),
            "known_at": utc(view.known_ms),
        }


class TripList(BaseModel):
    """Some trips, the latest begun first."""

    items: list[TripItem]
    next_cursor: str | None
    now: datetime


class TripParcelItem(BaseModel):
    """A parcel on a trip."""

    id: str
    from_at: datetime
    to_at: datetime | None
    closed_step: str
    verdict: ColdVerdict = Field(description="Of its time on board of this trip alone.")
    complete: bool = Field(description="Of its time on board: every moment is covered by a sensor of each profile.")

    @classmethod
    def of(cls, told: TripParcel) -> Self:
        """From the trip."""
        return cls(
            id=told.parcel,
            from_at=utc(told.from_ms),
            to_at=_maybe(told.to_ms),
            closed_step=told.closed_step,
            verdict=told.verdict,
            complete=told.complete,
        )


class TripSensorItem(BaseModel):
    """A sensor of the vehicle over the trip."""

    id: str
    name: str
    readings: int
    judgement: JudgementItem | None = Field(description="Null: nobody has said which profile holds.")

    @classmethod
    def of(cls, told: TripSensor) -> Self:
        """From the trip."""
        by = JudgementItem.of(told.profile.name, told.judgement) if told.profile and told.judgement else None
        return cls(id=told.sensor, name=told.name, readings=len(told.readings), judgement=by)


class TripDetail(TripItem):
    """A trip with its parcels and sensors."""

    complete: bool = Field(description="Every moment is covered by a sensor of each profile that judges.")
    items: list[TripParcelItem]
    sensors: list[TripSensorItem]
    missing: list[MissingItem]
    now: datetime

    @classmethod
    def of(cls, told: Trip, now_ms: int) -> Self:
        """From the query."""
        return cls.model_validate(
            {
                **cls.fields_of(told.view),
                "complete": told.complete,
                "items": [TripParcelItem.of(one) for one in told.parcels],
                "sensors": [TripSensorItem.of(one) for one in told.sensors],
                "missing": [MissingItem.of(gap) for gap in told.missing],
                "now": utc(now_ms),
            }
        )


@router.get("/trips", summary="Trips, the latest begun first")
def get_trips(
    *,
    reader: Reader,
    hub: Hub,
    device: Annotated[str, Query(max_length=64, description="The vehicle.")] = "",
    since: Annotated[datetime | None, Query(description="Not ended before.")] = None,
    until: Annotated[datetime | None, Query(description="Begun by then.")] = None,
    cursor: Annotated[str, Query(max_length=512, description="`next_cursor` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="At most so many items.")] = 100,
) -> TripList:
    """Filters narrow each other down."""
    wanted = TripFilters(device, epoch_ms(since) if since else None, epoch_ms(until) if until else None)
    try:
        page = list_trips(reader, wanted, cursor or None, limit)
    except BadCursor as error:
        raise BadRequest(str(error)) from error
    items = [TripItem.model_validate(TripItem.fields_of(view)) for view in page.items]
    return TripList(items=items, next_cursor=page.next_cursor, now=utc(hub.now_ms()))


@router.get("/trips/{trip_id}", summary="One trip")
def get_trip(reader: Reader, hub: Hub, trip_id: str) -> TripDetail:
    """Its parcels with the verdicts of their time on board, its sensors, and what is not known."""
    now_ms = hub.now_ms()
    told = find_trip(reader, trip_id, now_ms)
    if told is None:
        raise NotFound("trip", trip_id)
    return TripDetail.of(told, now_ms)


@router.get("/parcels/{parcel_id}/temperature", summary="The temperature history of a parcel")
def get_parcel_temperature(reader: Reader, hub: Hub, parcel_id: str) -> ParcelTemperature:
    """Across vans and docks: where it stayed, which sensors watched it there, how that is judged, and what is not known."""
    key = parcel_key(parcel_id)
    if parcel(reader, key) is None:
        raise NotFound("parcel", key)
    now_ms = hub.now_ms()
    return ParcelTemperature.of(key, parcel_history(reader, key, now_ms), now_ms)
