"""`/map`: where is every vehicle, and is its load cold?"""

import re
from collections import Counter
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.fleet.queries import roll_call
from hub.map.vehicles import Level, vehicles
from hub.pages.glance import probe_of
from hub.problems import BadRequest, NotFound
from hub.web.render import page

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

_AT: Final = re.compile(r"(-?\d{1,2}(?:\.\d{1,9})?),(-?\d{1,3}(?:\.\d{1,9})?)", re.ASCII)
_MAX_LATITUDE: Final = 90
_MAX_LONGITUDE: Final = 180


@router.get("/map")
def map_page(
    request: Request,
    reader: Reader,
    hub: Hub,
    *,
    device: Annotated[str, Query(max_length=64)] = "",
    at: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """All vehicles, worst first, beside the map; `device` shows one with its track, `at` marks a place."""
    now_ms = hub.now_ms()
    found = vehicles(reader, hub.ahead, now_ms)
    roll = roll_call(reader, hub.ahead, now_ms)
    counts = Counter(vehicle.level for vehicle in found)
    return page(
        request,
        "map.html",
        vehicles=found,
        counts={level.value: counts[level] for level in Level},
        elsewhere=max(0, len(roll.silent) + len(roll.heard) - len(found)),
        source=hub.map,
        chosen=device,
        marked=_marked(at),
        probe_of=probe_of,
    )


@router.get("/map/tiles.pmtiles")
def tiles(hub: Hub) -> Response:
    """The tile archive of `--map FILE`; browsers ask for ranges of it."""
    if hub.map.file is None or not hub.map.file.is_file():
        raise NotFound("tile archive", "tiles.pmtiles")
    # Browsers may keep it: it holds nothing of the hub's, and is asked for in hundreds of small pieces.
    return FileResponse(
        hub.map.file, media_type="application/octet-stream", headers={"Cache-Control": "private, max-age=86400"}
    )


def _marked(at: str) -> tuple[float, float] | None:
    """Latitude and longitude in degrees; none where nothing is to be marked."""
    if not at:
        return None
    form = _AT.fullmatch(at.replace(" ", ""))
    if form is None or abs(float(form[1])) > _MAX_LATITUDE or abs(float(form[2])) > _MAX_LONGITUDE:
        raise BadRequest("{at}: expected latitude,longitude in degrees, such as at=31.2304,121.4737.", at=f"at={at}")
    return float(form[1]), float(form[2])
