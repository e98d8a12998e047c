"""Temperature profiles, and what people say of sensors, for programs: each change is a decision, so a fact."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Self

import msgspec
from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection, select

from contract.coldchain.profile_text import profile_json, read_profile
from contract.errors import ProfileUnusable
from contract.event import Decision
from contract.limits import MAX_NOTE_CHARS, MAX_TEXT_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.coldchain.decisions import ASSIGN_PROFILE, DEFINE_PROFILE, DESCRIBE_SENSOR, SENSOR_ID, Assigned, Described
from hub.coldchain.excursion_api import WORDS
from hub.coldchain.excursions import ProfileView, SensorRecord, profiles, sensor_record
from hub.coldchain.queries import sensor
from hub.context import Hub, HubContext, Reader
from hub.problems import PROBLEM_RESPONSES, NotFound, Problem
from hub.tables import device
from hub.timeline import EPOCH, MAX_AHEAD_MS, epoch_ms
from hub.web.times import utc

MAX_CHARS: Final = 100
"""Of a name or a place; it must fit into a line."""
MAX_BACK_MS: Final = 2 * 366 * 86_400_000
"""Judged again from then on: readings of more than two years are no mistake to make by a slip of the pen."""

router = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, tags=["cold chain"])

Operator = Annotated[Caller, Depends(require(Role.OPERATOR))]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_CHARS, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_TEXT_CHARS)]
Why = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_NOTE_CHARS, pattern=WORDS)]


class ProfileItem(BaseModel):
    """A temperature profile."""

    name: str
    profile: dict[str, Any] = Field(description="Limits with thresholds in hundredths, and times in seconds.")
    known_at: datetime | None = Field(description="When it was defined; null for one that comes with Holdfast.")
    who: str

    @classmethod
    def of(cls, view: ProfileView) -> Self:
        """From the query."""
        told = msgspec.json.decode(profile_json(view.profile))
        return cls(name=view.profile.name, profile=told, known_at=utc(view.known_ms), who=view.who)


class ProfileList(BaseModel):
    """All profiles by name."""

    items: list[ProfileItem]
    next_cursor: None = None


class RecordItem(BaseModel):
    """What people say of a sensor."""

    sensor: str
    name: str
    place: str = Field(description="Empty: where its device is.")
    calibration_due: date | None
    replaced_by: str
    profile: str = Field(description="By which it is judged, as decided last; empty: by none.")
    profile_from: datetime | None

    @classmethod
    def of(cls, record: SensorRecord) -> Self:
        """From the query."""
        due = utc(record.calibration_due_ms)
        return cls(
            sensor=record.sensor,
            name=record.name,
            place=record.place,
            calibration_due=None if due is None else due.date(),
            replaced_by=record.replaced_by,
            profile=record.profile,
            profile_from=utc(record.profile_from_ms),
        )


class NewRecord(BaseModel):
    """All of a sensor's record; what is left out is empty from now on."""

    name: Line = ""
    place: Line = ""
    calibration_due: date | None = None
    replaced_by: Name = Field("", description="Id of the sensor that took its place.")
    why: Why = ""


class NewAssignment(BaseModel):
    """By which profile a sensor is judged."""

    profile: Name = Field(description="Empty: by none.")
    since: datetime | None = Field(None, alias="from", description="Now when left out; judged again from then on.")
    why: Why = ""


class Decided(BaseModel):
    """The fact that was stated."""

    fact_id: str


@router.get("/profiles", summary="Temperature profiles", dependencies=[Depends(require(Role.VIEWER))])
def get_profiles(reader: Reader) -> ProfileList:
    """Those that come with Holdfast, and those that people defined."""
    return ProfileList(items=[ProfileItem.of(view) for view in profiles(reader).values()])


@router.put("/profiles", summary="Define a temperature profile")
def put_profile(hub: Hub, caller: Operator, body: Annotated[dict[str, Any], Body()]) -> Decided:
    """Under its name, in the place of one of that name: all that is judged by it is judged again."""
    try:
        profile = read_profile(msgspec.json.encode(body))
    except ProfileUnusable as error:
        raise Problem(422, "Profile unusable", str(error)) from error
    return _stated(hub, Decision(DEFINE_PROFILE, (), caller.name, "", profile.name, profile_json(profile)))


@router.get(
    "/sensors/{sensor_id}/record", summary="What people say of a sensor", dependencies=[Depends(require(Role.VIEWER))]
)
def get_record(reader: Reader, sensor_id: str) -> RecordItem:
    """Empty where they said nothing."""
    return RecordItem.of(_known(reader, sensor_id))


@router.put("/sensors/{sensor_id}/record", summary="Describe a sensor")
def put_record(reader: Reader, hub: Hub, caller: Operator, sensor_id: str, body: NewRecord) -> Decided:
    """Also one that was never heard yet, of a device that is enrolled."""
    _known(reader, sensor_id)
    if body.replaced_by:
        _known(reader, body.replaced_by)
    if body.replaced_by == sensor_id:
        raise Problem(422, "Unusable", "A sensor cannot take its own place; name the one that did.")
    due = body.calibration_due
    if due is not None and due < EPOCH.date():
        raise Problem(422, "Unusable", "Expected a day from 1970 on, for `calibration_due`.")
    due_ms = None if due is None else epoch_ms(datetime(due.year, due.month, due.day, tzinfo=UTC))
    described = Described(body.name, body.place, due_ms, body.replaced_by)
    return _stated(hub, _decision(DESCRIBE_SENSOR, sensor_id, caller, described, body.why))


@router.put("/sensors/{sensor_id}/profile", summary="Judge a sensor by a profile")
def put_assignment(reader: Reader, hub: Hub, caller: Operator, sensor_id: str, body: NewAssignment) -> Decided:
    """From an instant on, with whole budgets; its device is told."""
    _known(reader, sensor_id)
    if body.profile and body.profile not in profiles(reader):
        raise NotFound("profile", body.profile)
    now_ms = hub.now_ms()
    from_ms = now_ms if body.since is None else epoch_ms(body.since)
    if not now_ms - MAX_BACK_MS <= from_ms <= now_ms + MAX_AHEAD_MS:
        raise Problem(422, "Unusable", "Expected `from` in the past two years; leave it out for now.")
    assigned = Assigned(body.profile, from_ms)
    return _stated(hub, _decision(ASSIGN_PROFILE, sensor_id, caller, assigned, body.why))


def _decision(action: str, sensor_id: str, caller: Caller, detail: Assigned | Described, why: str) -> Decision:
    return Decision(action, (), caller.name, why, sensor_id, msgspec.json.encode(detail).decode())


def _stated(hub: HubContext, decision: Decision) -> Decided:
    return Decided(fact_id=hub.decide(decision).hex())


def _known(reader: Connection, sensor_id: str) -> SensorRecord:
    """What is said of a sensor that was heard, or that a known device may have.

    Raises:
        NotFound: there is no such sensor, and no such device.
    """
    record = sensor_record(reader, sensor_id)
    if record is not None:
        return record
    owner = sensor_id.partition(".")[0]
    if sensor(reader, sensor_id) is None and not (SENSOR_ID.match(sensor_id) and _enrolled(reader, owner)):
        raise NotFound("sensor", sensor_id)
    return SensorRecord(sensor_id, owner)


def _enrolled(reader: Connection, name: str) -> bool:
    return reader.scalar(select(device.c.id).where(device.c.id == name)) is not None
