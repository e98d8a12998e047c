"""`/devices`: who is in contact, and what still waits out there?"""

from base64 import b64encode
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response

from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext, Reader
from hub.errors import Refused
from hub.fleet.custody import documents_of, lane_bars, reports_of
from hub.fleet.enrolling import enrol_device, served_at
from hub.fleet.freshness import is_silent
from hub.fleet.queries import devices_by_id, find_device, fleet_totals, lanes_of, list_incidents, roll_call
from hub.problems import NotFound
from hub.requests import RevokeDevice
from hub.web.incident_words import INCIDENT_WORDS, UNKNOWN_INCIDENT
from hub.web.render import page

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

ROWS: Final = 100
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

Admin = Annotated[Caller, Depends(require(Role.ADMIN))]
Id = Annotated[str, Form(max_length=64)]
Line = Annotated[str, Form(max_length=256)]


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


@router.get("/enrol")
def enrol_page(request: Request, hub: Hub, _: Admin) -> Response:
    """The form for a new device."""
    return _enrolling(request, hub)


@router.post("/enrol")
def enrol(request: Request, hub: Hub, caller: Admin, *, device: Id = "", place: Line = "", url: Line = "") -> Response:
    """Enrol a device and show its connection file, once."""
    asked: dict[str, Any] = {"device": device, "place": place, "url": url}
    try:
        text = enrol_device(hub, device, place, url, caller.name)
    except Refused as error:
        return _enrolling(request, hub, 409, problem=str(error), **asked)
    file = "data:application/toml;base64," + b64encode(text.encode()).decode()
    return _enrolling(request, hub, made=text, file=file, **asked)


def _enrolling(request: Request, hub: HubContext, status: int = 200, **told: Any) -> Response:
    told = {"device": "", "place": "", "problem": "", "made": "", "file": "", **told}
    if "url" not in told:
        told["url"] = _reached_like(request, served_at(hub))
    return page(request, "device_add.html", status, **told)


def _reached_like(request: Request, url: str) -> str:
    """The broker's address, by the name under which this page was reached where it is only "this machine"."""
    split = urlsplit(url)
    here = request.url.hostname
    if split.hostname in LOOPBACK and here and here not in LOOPBACK and here.isascii():
        return f"{split.scheme}://{f'[{here}]' if ':' in here else here}:{split.port}"
    return url


@router.get("/devices/{device_id}")
def device_page(request: Request, reader: Reader, hub: Hub, device_id: str) -> Response:
    """One device: lanes, what is missing, its parts, documents, incidents."""
    return _device(request, reader, hub, device_id)


@router.post("/devices/{device_id}/revoke")
def revoke(
    request: Request,
    hub: Hub,
    caller: Admin,
    device_id: str,
    *,
    why: Annotated[str, Form(max_length=MAX_NOTE_CHARS)] = "",
) -> Response:
    """Let a device speak no more."""
    status, problem = 200, ""
    if not why.strip():
        status, problem = 409, "Say why: it stays in the audit trail."
    else:
        try:
            hub.administer(RevokeDevice(device_id, caller.name, why.strip()))
        except Refused as error:
            status, problem = 409, str(error)
    with hub.database.read() as reader:
        return _device(request, reader, hub, device_id, status=status, problem=problem)


def _device(
    request: Request, reader: Reader, hub: HubContext, device_id: str, *, status: int = 200, problem: str = ""
) -> Response:
    row = find_device(reader, hub.ahead, device_id)
    if row is None:
        raise NotFound("device", device_id)
    lanes = lanes_of(reader, device_id)
    silent = is_silent(row.heard_ms, hub.now_ms())
    reports = reports_of(reader, device_id)
    incidents = list_incidents(reader, device_id=device_id, also_closed=True, limit=ROWS)
    return page(
        request,
        "device.html",
        status,
        row=row,
        lanes=lanes,
        bars=lane_bars(reader, device_id, lanes, hub.safety(reader), silent=silent),
        drivers=[report for report in reports if report.kind == "driver"],
        reports={report.kind: report for report in reports if report.kind not in {"driver", "document"}},
        documents=documents_of(reader, device_id, reports),
        incidents=[(i, INCIDENT_WORDS.get(i.kind, UNKNOWN_INCIDENT)) for i in incidents],
        problem=problem,
    )
