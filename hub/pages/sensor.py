"""`/temperature/{sensor}`: one sensor, its chart, what was found, and what people say of it."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from contract.coldchain.coverage import no_data_ms
from contract.coldchain.mkt import Window
from contract.event import Quantity
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.coldchain.excursions import (
    ExcursionFilters,
    SensorRecord,
    list_excursions,
    profile_of,
    profiles,
    sensor_readings_raw,
    sensor_record,
    sensor_records,
)
from hub.coldchain.freshness import Freshness, Seen, freshness_of
from hub.coldchain.means import means
from hub.coldchain.queries import measured_since, sensor
from hub.context import Hub, Reader
from hub.pages.naming import probe_of, sensor_name, unit_of
from hub.pages.record import RecordForm, RecordUnusable, decisions
from hub.pages.sensor_chart import chart_data
from hub.pages.standing import budgets_of
from hub.pages.stretch import STRETCHES_H, first_look_h, stretch_of
from hub.pages.verdicts import allowed_ms, verdict_of
from hub.problems import NotFound
from hub.web.render import page

router = APIRouter()

RECENT: Final = 10
"""Excursions beside the chart; the list has them all."""

Hours = Annotated[float | None, Query(ge=0.1, le=24 * 732)]
Start = Annotated[datetime | None, Query(alias="from")]
End = Annotated[datetime | None, Query(alias="to")]
Text = Annotated[str, Form(max_length=2_000)]


@router.get("/temperature/{sensor_id}/chart", dependencies=[Depends(require(Role.VIEWER))])
def chart(
    *, reader: Reader, hub: Hub, sensor_id: str, hours: Hours = None, start: Start = None, end: End = None
) -> Response:
    """What the chart draws (`hub.pages.sensor_chart.ChartData`)."""
    view = sensor(reader, sensor_id)
    if view is None:
        raise NotFound("sensor", sensor_id)
    data = chart_data(reader, hub.ahead, view, stretch_of(hours, start, end, hub.now_ms()))
    return Response(msgspec.json.encode(data), media_type="application/json")


@router.get("/temperature/{sensor_id}/means", dependencies=[Depends(require(Role.VIEWER))])
def sensor_means(request: Request, reader: Reader, hub: Hub, sensor_id: str, window: Window = Window.DAY) -> Response:
    """The mean kinetic temperature up to now, a part of the page. Of a month it is a second's work, so only when asked for."""
    view, now_ms = sensor(reader, sensor_id), hub.now_ms()
    if view is None or view.quantity is not Quantity.TEMPERATURE_C:
        raise NotFound("sensor", sensor_id)
    allowed_ms = no_data_ms(profile_of(reader, sensor_id, now_ms))
    since_ms = now_ms - window.span_ms
    # One that is older than the window, and still holds when it begins, counts.
    readings = list(sensor_readings_raw(reader, sensor_id, since_ms - allowed_ms, now_ms))
    told = list(means(readings, since_ms, now_ms, allowed_ms // 1_000, (window,)))
    return page(request, "sensor_means.html", told=told, window=window)


@router.get("/temperature/{sensor_id}", dependencies=[Depends(require(Role.VIEWER))])
def sensor_page(
    request: Request,
    *,
    reader: Reader,
    hub: Hub,
    sensor_id: str,
    hours: Hours = None,
    start: Start = None,
    end: End = None,
) -> Response:
    """Its latest reading, its chart, and its record."""
    return _page(request, reader, hub, sensor_id, hours=hours, start=start, end=end)


@router.post("/temperature/{sensor_id}/record")
def change_record(
    request: Request,
    *,
    reader: Reader,
    hub: Hub,
    caller: Annotated[Caller, Depends(require(Role.OPERATOR))],
    sensor_id: str,
    name: Text = "",
    place: Text = "",
    calibration_due: Text = "",
    replaced_by: Text = "",
    profile: Text = "",
    why: Text = "",
) -> Response:
    """Say what a sensor is; each change is a fact with who and why. Answers with the page anew, or with what is wrong."""
    record = _record(reader, sensor_id)
    form = RecordForm(name, place, calibration_due, replaced_by, profile, why)
    known = set(sensor_records(reader)) | ({replaced_by} if sensor(reader, replaced_by.strip()) else set())
    try:
        decided = decisions(
            form, record, who=caller.name, now_ms=hub.now_ms(), profiles=set(profiles(reader)), sensors=known
        )
    except RecordUnusable as problem:
        return _page(
            request, reader, hub, sensor_id, status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form, problem=problem
        )
    for decision in decided:
        hub.decide(decision)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Refresh": "true"})


def _record(reader: Connection, sensor_id: str) -> SensorRecord:
    """What people say of it so far.

    Raises:
        NotFound: it was never heard, and nobody spoke of it.
    """
    record = sensor_record(reader, sensor_id)
    view = sensor(reader, sensor_id)
    if record is None and view is None:
        raise NotFound("sensor", sensor_id)
    return record or SensorRecord(sensor_id, view.device if view else "")


def _page(
    request: Request,
    reader: Connection,
    hub: Hub,
    sensor_id: str,
    *,
    hours: float | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    status: int = HTTPStatus.OK,
    form: RecordForm | None = None,
    problem: RecordUnusable | None = None,
) -> Response:
    now_ms = hub.now_ms()
    record = _record(reader, sensor_id)
    view = sensor(reader, sensor_id)
    if hours is None and start is None and end is None:
        hours = first_look_h(measured_since(reader, sensor_id), now_ms)
    stretch = stretch_of(hours, start, end, now_ms)
    seen = view.seen(hub.ahead) if view else Seen(None, None, None, None)
    in_stretch = ExcursionFilters(sensor=sensor_id, from_ms=stretch.from_ms, to_ms=stretch.to_ms)
    known = {name: found.profile for name, found in profiles(reader).items()}
    judged_by, used = budgets_of(reader, sensor_id, known)
    judged_by = judged_by or known.get(record.profile)
    now_open = ExcursionFilters(sensor=sensor_id, open=True)
    found = list_excursions(reader, in_stretch, None, RECENT).items
    return page(
        request,
        "sensor.html",
        status,
        view=view,
        id=sensor_id,
        device=record.device,
        name=sensor_name(sensor_id, record.device, record),
        probe=probe_of(sensor_id, record.device),
        unit=unit_of(sensor_id),
        seen=seen,
        freshness=freshness_of(seen, now_ms) if view else Freshness.LOST,
        record=record,
        form=form or RecordForm.of(record),
        problem=problem,
        profile=judged_by,
        profiles=list(known),
        used=used,
        lasting=[(e, verdict_of(e)) for e in list_excursions(reader, now_open, None, RECENT).items],
        excursions=[(e, verdict_of(e), allowed_ms(e, known.get(e.profile))) for e in found],
        stretch=stretch,
        stretches=STRETCHES_H,
    )
