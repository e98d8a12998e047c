"""`/tracking`: where is everything? And the chain of custody of one parcel."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from contract.escape import escape_id, unescape_id
from contract.identity import display
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.ahead import Ahead
from hub.context import Hub, Reader
from hub.problems import BadRequest, NotFound
from hub.tracking.custody import ParcelStatus
from hub.tracking.queries import (
    BadCursor,
    ParcelFilters,
    ParcelView,
    parcel,
    parcel_counts,
    parcel_events,
    parcels_page,
)
from hub.web.render import page, without

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

ROWS: Final = 100
PARCEL_PREFIX: Final = "/tracking/"


@router.get("/tracking")
def tracking_page(
    request: Request,
    reader: Reader,
    hub: Hub,
    *,
    q: Annotated[str, Query(max_length=512)] = "",
    status: Annotated[str, Query(max_length=32)] = "",
    scan: Annotated[bool, Query(description="A scanner sent this: open the parcel when there is just one.")] = False,
    cursor: Annotated[str, Query(max_length=1024)] = "",
) -> Response:
    """Parcels, latest seen first."""
    if status and status not in set(ParcelStatus):
        raise BadRequest(f"There is no status {status!r}; expected one of {', '.join(ParcelStatus)}.")
    wanted = ParcelStatus(status) if status else None
    try:
        found = parcels_page(reader, ParcelFilters(q=q.strip(), status=wanted), cursor or None, ROWS)
    except BadCursor as error:
        raise BadRequest(str(error)) from error
    if scan and len(found.items) == 1:
        return RedirectResponse(PARCEL_PREFIX + escape_id(found.items[0].key), HTTPStatus.SEE_OTHER)
    return page(
        request,
        "tracking.html",
        rows=found.items,
        next_cursor=found.next_cursor,
        totals=parcel_counts(reader),
        statuses=list(ParcelStatus),
        q=q,
        status=status,
        first=not cursor,
        kept_query=without(request.query_params, "cursor", "lang"),
        heard_ms=partial(heard_ms, hub.ahead),
    )


@router.get("/tracking/{segment:path}")
def parcel_page(request: Request, reader: Reader, hub: Hub, segment: str) -> Response:
    """The chain of custody of one parcel, oldest first."""
    key = _key(request, segment)
    row = parcel(reader, key)
    if row is None:
        raise NotFound("parcel", key)
    return page(
        request,
        "parcel.html",
        row=row,
        events=parcel_events(reader, key),
        heard_ms=partial(heard_ms, hub.ahead),
        display=display,
    )


def heard_ms(ahead: Ahead, row: ParcelView) -> int | None:
    """When the device that saw it last was heard: what it told of this parcel is a sign of life too."""
    return ahead.contact_ms(row.seen_device, row.contact_ms, row.seen.known_ms)


def _key(request: Request, segment: str) -> str:
    """The parcel's key; the undecoded path tells `a%2Fb` from `a/b`, where the server gives it."""
    raw = request.scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0]
    try:
        return unescape_id(raw.removeprefix(PARCEL_PREFIX)) if raw.startswith(PARCEL_PREFIX) else segment
    except ValueError:
        # Typed by a person, who does not escape.
        return segment
