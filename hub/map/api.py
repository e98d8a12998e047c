"""Positions and tracks, for programs."""

from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.fleet.freshness import is_silent
from hub.fleet.queries import devices_by_id, find_device
from hub.problems import PROBLEM_RESPONSES, BadRequest, NotFound
from hub.timeline import TimeSource, epoch_ms
from hub.tracking.positions import DevicePosition, TrackPoint, device_positions, track
from hub.web.times import utc

HOUR_MS: Final = 3_600_000
DEFAULT_TRACK_MS: Final = 12 * HOUR_MS
MAX_TRACK_MS: Final = 7 * 24 * HOUR_MS
"""A week of one receiver is 600,000 positions, unpacked in a second; longer ranges are asked for in parts."""
MAX_POINTS: Final = 5_000
MAX_PAGE: Final = 1_000

router = APIRouter(
    prefix="/api/v1", responses=PROBLEM_RESPONSES, dependencies=[Depends(require(Role.VIEWER))], tags=["map"]
)


class PositionItem(BaseModel):
    """Where a device was last, WGS 84."""

    device: str
    place: str = Field(description="What it was registered for.")
    receiver: str
    latitude: float
    longitude: float
    accuracy_m: int
    speed_m_s: float
    heading: float = Field(description="Degrees from north, clockwise.")
    measured_at: datetime = Field(description="Corrected time.")
    known_at: datetime = Field(description="When the hub took it.")
    source: TimeSource = Field(description="Where the corrected time comes from.")
    last_contact: datetime | None = Field(description="When any authentic message of the device came last.")
    silent: bool = Field(description="No contact for longer than the schedule of hellos allows.")

    @classmethod
    def of(cls, position: DevicePosition, place: str, contact_ms: int | None, now_ms: int) -> Self:
        """From the projection."""
        return cls(
            device=position.device,
            place=place,
            receiver=position.receiver,
            latitude=position.lat_e7 / 1e7,
            longitude=position.lon_e7 / 1e7,
            accuracy_m=position.accuracy_m,
            speed_m_s=position.speed_cm_s / 100,
            heading=position.heading_c / 100,
            measured_at=utc(position.at_ms),
            known_at=utc(position.known_ms),
            source=position.source,
            last_contact=utc(contact_ms),
            silent=is_silent(contact_ms, now_ms),
        )


class PositionList(BaseModel):
    """Some devices that have a position, by id."""

    items: list[PositionItem]
    next_cursor: str | None
    now: datetime


class TrackItem(BaseModel):
    """One position of a track."""

    at: datetime
    latitude: float
    longitude: float
    accuracy_m: int
    speed_m_s: float
    heading: float

    @classmethod
    def of(cls, point: TrackPoint) -> Self:
        """From the projection."""
        return cls(
            at=utc(point.at_ms),
            latitude=point.lat_e7 / 1e7,
            longitude=point.lon_e7 / 1e7,
            accuracy_m=point.accuracy_m,
            speed_m_s=point.speed_cm_s / 100,
            heading=point.heading_c / 100,
        )


class Track(BaseModel):
    """Where a device was, in order of time."""

    items: list[TrackItem]
    next_cursor: str | None = Field(description="Always null: a track is thinned to `points`, not cut into pages.")
    now: datetime


@router.get("/positions", summary="Where devices are")
def get_positions(
    reader: Reader,
    hub: Hub,
    cursor: Annotated[str, Query(max_length=64, description="`next_cursor` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="At most so many items.")] = MAX_PAGE,
) -> PositionList:
    """The latest position of every device that has one, in order of their ids."""
    now_ms = hub.now_ms()
    found = [position for position in device_positions(reader) if position.device > cursor]
    some = found[:limit]
    rows = {row.id: row for row in devices_by_id(reader, hub.ahead, [position.device for position in some])}
    items = [
        PositionItem.of(position, row.place if row else "", row.heard_ms if row else None, now_ms)
        for position in some
        for row in (rows.get(position.device),)
    ]
    return PositionList(items=items, next_cursor=some[-1].device if len(found) > len(some) else None, now=utc(now_ms))


@router.get("/devices/{device_id}/track", summary="Where a device was")
def get_track(
    *,
    reader: Reader,
    hub: Hub,
    device_id: str,
    start: Annotated[datetime | None, Query(alias="from", description="12 h before `to` when left out.")] = None,
    end: Annotated[datetime | None, Query(alias="to", description="Now when left out.")] = None,
    points: Annotated[int, Query(ge=2, le=MAX_POINTS, description="At most so many, thinned evenly.")] = 2_000,
) -> Track:
    """Both ends are included. Nothing is made up between two positions: a gap in time is a gap in what is known."""
    if find_device(reader, hub.ahead, device_id) is None:
        raise NotFound("device", device_id)
    now_ms = hub.now_ms()
    to_ms = epoch_ms(end) if end else now_ms
    from_ms = epoch_ms(start) if start else to_ms - DEFAULT_TRACK_MS
    if not 0 <= to_ms - from_ms <= MAX_TRACK_MS:
        raise BadRequest("Expected `from` before `to`, at most seven days apart; ask for longer tracks in parts.")
    items = [TrackItem.of(point) for point in track(reader, device_id, from_ms, to_ms, points)]
    return Track(items=items, next_cursor=None, now=utc(now_ms))
