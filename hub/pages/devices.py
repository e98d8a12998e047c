"""`/devices`: who is in contact, and what still waits out there?"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.fleet.queries import devices_by_id, find_device, fleet_totals, lanes_of, list_incidents, roll_call
from hub.problems import NotFound
from hub.web.incident_words import INCIDENT_WORDS, UNKNOWN_INCIDENT
from hub.web.render import page

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

ROWS: Final = 100


@router.get("/devices")
def devices_page(
    request: Request,
    reader: Reader,
    hub: Hub,
    *,
    q: Annotated[str, Query(max_length=64)] = "",
    only: Annotated[str, Query(max_length=16)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """Silent devices first, then by id."""
    now_ms = hub.now_ms()
    only_silent = only == "silent"
    everybody = roll_call(reader, hub.ahead, now_ms)
    roll = roll_call(reader, hub.ahead, now_ms, q=q) if q else everybody
    ids = roll.silent if only_silent else roll.silent + roll.heard
    return page(
        request,
        "devices.html",
        rows=devices_by_id(reader, hub.ahead, ids[(number - 1) * ROWS : number * ROWS]),
        found=len(ids),
        totals=fleet_totals(reader, everybody),
        q=q,
        only=only,
        number=number,
        per_page=ROWS,
    )


@router.get("/devices/{device_id}")
def device_page(request: Request, reader: Reader, hub: Hub, device_id: str) -> Response:
    """One device: lanes, what is missing, incidents."""
    row = find_device(reader, hub.ahead, device_id)
    if row is None:
        raise NotFound("device", device_id)
    incidents = list_incidents(reader, device_id=device_id, also_closed=True, limit=ROWS)
    return page(
        request,
        "device.html",
        row=row,
        lanes=lanes_of(reader, device_id),
        incidents=[(i, INCIDENT_WORDS.get(i.kind, UNKNOWN_INCIDENT)) for i in incidents],
    )
