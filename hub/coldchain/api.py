"""Sensors and their readings, for programs."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from contract.columns import FAULT, THINNED
from contract.event import Quantity
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.ahead import Ahead
from hub.coldchain.chart import ChartPoint
from hub.coldchain.export import readings_csv
from hub.coldchain.freshness import Freshness, freshness_of
from hub.coldchain.queries import (
    MAX_PAGE,
    LatestView,
    SensorFilters,
    SensorView,
    sensor,
    sensor_readings,
    sensors_page,
)
from hub.context import Hub, HubContext, Reader
from hub.problems import PROBLEM_RESPONSES, BadRequest, NotFound
from hub.timeline import TimeSource, epoch_ms
from hub.web.times import utc

DAY_MS = 86_400_000
MAX_RANGE_MS = 732 * DAY_MS
"""Two years; longer ranges are asked for in parts."""
MAX_POINTS = 5_000

router = APIRouter(
    prefix="/api/v1", responses=PROBLEM_RESPONSES, dependencies=[Depends(require(Role.VIEWER))], tags=["cold chain"]
)

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="At most so many items.")]
Cursor = Annotated[str, Query(max_length=256, description="`next_cursor` of the page before.")]
Text = Annotated[str, Query(max_length=256)]


class LatestReading(BaseModel):
    """The latest reading that the hub keeps."""

    measured_at: datetime = Field(description="Corrected time.")
    known_at: datetime = Field(description="When the hub took it.")
    value: float | None = Field(description="°C or % relative humidity; null for a fault of the sensor.")
    interval_ms: int = Field(description="How often the sensor is read.")
    source: TimeSource
    uncertainty_ms: int | None

    @classmethod
    def of(cls, latest: LatestView) -> Self:
        """From the query."""
        return cls(
            measured_at=utc(latest.at_ms),
            known_at=utc(latest.known_ms),
            value=_units(latest.value),
            interval_ms=latest.interval_ms,
            source=latest.source,
            uncertainty_ms=latest.uncertainty_ms,
        )


class SensorItem(BaseModel):
    """A sensor and how fresh it is."""

    id: str
    device: str
    quantity: Quantity
    place: str = Field(description="Of its device.")
    device_last_contact: datetime | None = Field(description="Any authentic message.")
    freshness: Freshness = Field(
        description="Judged at `now` by the newest value, live ones included, and the last contact: `fault` answers without a "
        "value, `lost` has no readings though its device is in contact, `silent` has no contact, `late` is older than its "
        "schedule allows."
    )
    latest: LatestReading | None
    conflicts: int = Field(description="Readings that two blocks tell differently; one is shown, both are kept.")

    @classmethod
    def fields_of(cls, view: SensorView, ahead: Ahead, now_ms: int) -> dict[str, object]:
        """From the query."""
        seen = view.seen(ahead)
        return {
            "id": view.id,
            "device": view.device,
            "quantity": view.quantity,
            "place": view.place,
            "device_last_contact": utc(seen.contact_ms),
            "freshness": freshness_of(seen, now_ms),
            "latest": LatestReading.of(view.latest) if view.latest else None,
            "conflicts": view.conflicts,
        }


class SensorDetail(SensorItem):
    """One sensor, and the hub's clock to tell its freshness by."""

    now: datetime


class SensorList(BaseModel):
    """Some sensors in order of their ids."""

    items: list[SensorItem]
    next_cursor: str | None
    now: datetime


class ReadingItem(BaseModel):
    """One reading."""

    at: datetime
    value: float | None = Field(description="°C or % relative humidity; null for a fault of the sensor.")
    fault: bool
    thinned: bool = Field(description="The device dropped neighbours of this reading for room.")

    @classmethod
    def of(cls, point: ChartPoint) -> Self:
        """From the query."""
        return cls(
            at=utc(point.at_ms),
            value=_units(point.value),
            fault=point.value is None or bool(point.flags & FAULT),
            thinned=bool(point.flags & THINNED),
        )


class GapItem(BaseModel):
    """A stretch without any reading for longer than the schedule allows."""

    start: datetime
    end: datetime


class ReadingList(BaseModel):
    """Readings of one sensor in order of time."""

    items: list[ReadingItem]
    next_cursor: None = Field(None, description="Always null: ask for another range.")
    gaps: list[GapItem]
    readings: int = Field(description="How many readings the range holds.")
    thinned: bool = Field(description="Whether items were left out; extremes never are.")
    resolution_ms: int = Field(
        description="0 for readings themselves; else each item is an extreme of so much time from `at` on."
    )
    now: datetime


def _units(hundredths: int | None) -> float | None:
    return None if hundredths is None else hundredths / 100


@router.get("/sensors", summary="Sensors with their latest readings")
def get_sensors(
    *,
    reader: Reader,
    hub: Hub,
    q: Annotated[str, Query(max_length=256, description="Part of the id or of the place.")] = "",
    device: Text = "",
    place: Text = "",
    quantity: Quantity | None = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> SensorList:
    """In order of their ids; filters narrow each other down."""
    now_ms = hub.now_ms()
    page = sensors_page(reader, SensorFilters(q, device, place, quantity), cursor or None, limit)
    items = [SensorItem.model_validate(SensorItem.fields_of(view, hub.ahead, now_ms)) for view in page.items]
    return SensorList(items=items, next_cursor=page.next_cursor, now=utc(now_ms))


@router.get("/sensors/{sensor_id}", summary="One sensor with its latest reading")
def get_sensor(reader: Reader, hub: Hub, sensor_id: str) -> SensorDetail:
    """Its latest reading and how fresh that is."""
    view = sensor(reader, sensor_id)
    if view is None:
        raise NotFound("sensor", sensor_id)
    now_ms = hub.now_ms()
    return SensorDetail.model_validate({**SensorItem.fields_of(view, hub.ahead, now_ms), "now": utc(now_ms)})


@router.get(
    "/sensors/{sensor_id}/readings.csv",
    summary="All readings of a sensor as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "`time,value`"}},
)
def get_readings_csv(
    *,
    reader: Reader,
    hub: Hub,
    sensor_id: str,
    start: Annotated[datetime | None, Query(alias="from", description="A day before `to` when left out.")] = None,
    end: Annotated[datetime | None, Query(alias="to", description="Now when left out.")] = None,
) -> Response:
    """None left out; both ends are included, a fault has no value. `holdfast-hub judge` reads the file."""
    from_ms, to_ms = _range(reader, hub, sensor_id, start, end)
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in sensor_id)
    return StreamingResponse(
        readings_csv(hub.database, sensor_id, from_ms, to_ms),
        media_type="text/csv; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _range(
    reader: Connection, hub: HubContext, sensor_id: str, start: datetime | None, end: datetime | None
) -> tuple[int, int]:
    if sensor(reader, sensor_id) is None:
        raise NotFound("sensor", sensor_id)
    to_ms = epoch_ms(end) if end else hub.now_ms()
    from_ms = epoch_ms(start) if start else to_ms - DAY_MS
    if not 0 <= to_ms - from_ms <= MAX_RANGE_MS:
        raise BadRequest("Expected `from` before `to`, at most two years apart.")
    return from_ms, to_ms


@router.get("/sensors/{sensor_id}/readings", summary="Readings of a sensor, thinned with every extreme kept")
def get_readings(
    *,
    reader: Reader,
    hub: Hub,
    sensor_id: str,
    start: Annotated[datetime | None, Query(alias="from", description="A day before `to` when left out.")] = None,
    end: Annotated[datetime | None, Query(alias="to", description="Now when left out.")] = None,
    points: Annotated[int, Query(ge=4, le=MAX_POINTS, description="About so many items at most.")] = 1000,
) -> ReadingList:
    """Both ends are included."""
    from_ms, to_ms = _range(reader, hub, sensor_id, start, end)
    chart = sensor_readings(reader, sensor_id, from_ms, to_ms, points)
    return ReadingList(
        items=[ReadingItem.of(point) for point in chart.points],
        next_cursor=None,
        gaps=[GapItem(start=utc(start_ms), end=utc(end_ms)) for start_ms, end_ms in chart.gaps],
        readings=chart.readings,
        thinned=chart.thinned,
        resolution_ms=chart.resolution_ms,
        now=utc(hub.now_ms()),
    )
