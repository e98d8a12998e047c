"""`/trips`: which vehicles are on the way, and `/trips/{id}`: one run of a vehicle with its parcels and how cold it was."""

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.coldchain.means import Mean, means, telling
from hub.context import Hub, Reader
from hub.pages.ways import VERDICTS, WHY_MISSING, chart_of
from hub.problems import BadRequest, NotFound
from hub.tracking.queries import BadCursor
from hub.trips.history import ColdVerdict, Judged
from hub.trips.queries import Trip, TripFilters, TripSensor, find_trip, list_trips
from hub.web.render import page, without

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

ROWS: Final = 100
WORST_FIRST: Final = (ColdVerdict.EXCURSION, ColdVerdict.INCOMPLETE, ColdVerdict.NOT_JUDGED, ColdVerdict.KEPT)


@router.get("/trips")
def trips_page(
    request: Request,
    reader: Reader,
    *,
    device: Annotated[str, Query(max_length=64)] = "",
    cursor: Annotated[str, Query(max_length=512)] = "",
) -> Response:
    """Trips, the latest begun first."""
    try:
        found = list_trips(reader, TripFilters(device=device.strip()), cursor or None, ROWS)
    except BadCursor as error:
        raise BadRequest(str(error)) from error
    return page(
        request,
        "trips.html",
        rows=found.items,
        next_cursor=found.next_cursor,
        vehicle=device.strip(),
        first=not cursor,
        kept_query=without(request.query_params, "cursor", "lang"),
    )


@router.get("/trips/{trip_id}/chart")
def trip_chart(reader: Reader, hub: Hub, trip_id: str, sensor: Annotated[str, Query(max_length=256)] = "") -> Response:
    """What the chart of one sensor of a trip draws (`hub.pages.sensor_chart.ChartData`)."""
    told = _trip(reader, hub.now_ms(), trip_id)
    shown = _shown(told, sensor)
    if shown is None:
        raise NotFound("sensor on this trip", sensor)
    ways = [Judged(shown.profile, shown.judgement, shown.readings)] if shown.profile and shown.judgement else []
    data = chart_of(shown.readings, ways, told.missing, told.view.from_ms, told.to_ms)
    return Response(msgspec.json.encode(data), media_type="application/json")


@router.get("/trips/{trip_id}")
def trip_page(
    request: Request, reader: Reader, hub: Hub, trip_id: str, sensor: Annotated[str, Query(max_length=256)] = ""
) -> Response:
    """One trip: its sensors as they were judged, its parcels, the worst first."""
    told = _trip(reader, hub.now_ms(), trip_id)
    parcels = sorted(told.parcels, key=lambda one: (WORST_FIRST.index(one.verdict), one.from_ms, one.parcel))
    shown = _shown(told, sensor)
    counts = [(verdict, sum(one.verdict is verdict for one in parcels)) for verdict in WORST_FIRST]
    return page(
        request,
        "trip.html",
        told=told,
        view=told.view,
        parcels=parcels,
        counts=[(VERDICTS[verdict], number) for verdict, number in counts if number],
        shown=shown,
        kinetic=_kinetic(told, shown),
        verdicts=VERDICTS,
        why_missing=WHY_MISSING,
    )


def _trip(reader: Connection, now_ms: int, trip_id: str) -> Trip:
    told = find_trip(reader, trip_id, now_ms)
    if told is None:
        raise NotFound("trip", trip_id)
    return told


def _shown(told: Trip, name: str) -> TripSensor | None:
    """The sensor that was asked for, else one with an alarm, else the first."""
    alarmed = [one for one in told.sensors if one.judgement and one.judgement.alarmed]
    wanted = [one for one in told.sensors if one.sensor == name]
    return next(iter([*wanted, *alarmed, *told.sensors]), None)


def _kinetic(told: Trip, shown: TripSensor | None) -> tuple[Mean, ...]:
    if shown is None or shown.profile is None:
        return ()
    ends = told.view.from_ms, told.to_ms
    return tuple(means(shown.readings, *ends, shown.profile.no_data_s, telling(*ends)))
