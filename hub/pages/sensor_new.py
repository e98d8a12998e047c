"""`/temperature/new`: say what a sensor will be before it is heard; until then it is listed as never heard."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from sqlalchemy import Connection, select

from contract.escape import escape_id
from contract.limits import MAX_TEXT_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.coldchain.decisions import SENSOR_ID
from hub.coldchain.excursions import SensorRecord, profiles, sensor_record
from hub.coldchain.queries import sensor
from hub.context import Hub, Reader
from hub.pages.record import RecordForm, RecordUnusable, decisions
from hub.tables import device
from hub.web.render import page

router = APIRouter()

EXAMPLE: Final = "van-12.rear.temperature_c"
MAX_DEVICES: Final = 500
"""Offered while an id is typed; more are no help."""

Operator = Annotated[Caller, Depends(require(Role.OPERATOR))]
Text = Annotated[str, Form(max_length=2_000)]


@router.get("/temperature/new")
def new_sensor_page(request: Request, reader: Reader, _: Operator) -> Response:
    """The form, empty."""
    return _page(request, reader)


@router.post("/temperature/new")
def new_sensor(
    request: Request,
    *,
    reader: Reader,
    hub: Hub,
    caller: Operator,
    sensor_id: Text = "",
    name: Text = "",
    place: Text = "",
    calibration_due: Text = "",
    profile: Text = "",
    why: Text = "",
) -> Response:
    """Make its record; each part is a fact with who and why. Leads to its page, or answers with what is wrong."""
    form = RecordForm(name, place, calibration_due, "", profile, why)
    try:
        record = _new(reader, sensor_id.strip())
        known = set(profiles(reader))
        decided = decisions(
            form, record, who=caller.name, now_ms=hub.now_ms(), profiles=known, sensors=frozenset(), new=True
        )
    except RecordUnusable as problem:
        return _page(request, reader, HTTPStatus.UNPROCESSABLE_ENTITY, sensor_id=sensor_id, form=form, problem=problem)
    for decision in decided:
        hub.decide(decision)
    there = f"/temperature/{escape_id(record.sensor)}"
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": there})


def _new(reader: Connection, sensor_id: str) -> SensorRecord:
    """Its record, empty.

    Raises:
        RecordUnusable: it is no id of a sensor, of no device that is enrolled, or of a sensor that is there already.
    """
    if len(sensor_id) > MAX_TEXT_CHARS or not sensor_id.isprintable() or not SENSOR_ID.match(sensor_id):
        raise RecordUnusable("Expected an id such as {example}: device, driver and what it measures.", example=EXAMPLE)
    owner = sensor_id.partition(".")[0]
    if reader.scalar(select(device.c.id).where(device.c.id == owner)) is None:
        raise RecordUnusable("There is no device {device}. Enrol it first, or correct the id.", device=owner)
    if sensor_record(reader, sensor_id) is not None or sensor(reader, sensor_id) is not None:
        raise RecordUnusable("{id} is there already: change its record on its own page.", id=sensor_id)
    return SensorRecord(sensor_id, owner)


def _page(
    request: Request,
    reader: Connection,
    status: int = HTTPStatus.OK,
    *,
    sensor_id: str = "",
    form: RecordForm | None = None,
    problem: RecordUnusable | None = None,
) -> Response:
    return page(
        request,
        "sensor_new.html",
        status,
        id=sensor_id,
        form=form or RecordForm("", "", "", "", ""),
        problem=problem,
        profiles=list(profiles(reader)),
        devices=list(reader.scalars(select(device.c.id).order_by(device.c.id).limit(MAX_DEVICES))),
        places=sorted(reader.scalars(select(device.c.place).where(device.c.place != "").distinct().limit(MAX_DEVICES))),
        example=EXAMPLE,
    )
