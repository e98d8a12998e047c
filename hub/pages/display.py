"""Wall displays `/display/tracking` and `/display/temperature`: for a room, without a login and without names of people.

A display is let in by its token, once: `?token=` becomes a cookie that opens these pages and nothing else, and goes from the
address. Who is signed in may look too.
"""

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Cookie, Depends, Query, Request, Security
from fastapi.responses import RedirectResponse, Response
from fastapi.security import HTTPAuthorizationCredentials
from sqlalchemy.exc import DBAPIError

from hub.accounts.deps import SESSION_COOKIE, bearer_of, require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext, Reader
from hub.display.credentials import SEEN_NOTED_MS, display_of, note_seen
from hub.display.messages import public_place
from hub.display.walls import temperature_wall, tracking_wall
from hub.errors import CommitFailed
from hub.pages.home import hub_trouble
from hub.problems import Problem
from hub.web.render import page

DISPLAY_COOKIE: Final = "hf_display"
DISPLAY_PATH: Final = "/display"
COOKIE_S: Final = 365 * 86_400
"""A wall is let in once a year; `revoke` ends it at once."""
MAX_TOKEN_CHARS: Final = 128

_signed_in = require(Role.VIEWER)


def look(
    request: Request,
    reader: Reader,
    hub: Hub,
    *,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_of)],
    session: Annotated[str | None, Cookie(alias=SESSION_COOKIE)] = None,
    token: Annotated[str, Query(max_length=MAX_TOKEN_CHARS)] = "",
    kept: Annotated[str, Cookie(alias=DISPLAY_COOKIE)] = "",
) -> None:
    """Let pass a display by its token or cookie, or whoever may view.

    Raises:
        Problem: 401 for anybody else.
    """
    given = token or kept
    shown = display_of(reader, given[:MAX_TOKEN_CHARS]) if given else None
    if shown is None and token:
        raise Problem(401, "Not let in", "This display's token is not valid, or was revoked; make another one.")
    if shown is None:
        _signed_in(request, reader, bearer, session)
        request.state.caller = None
    elif hub.now_ms() - (shown.last_seen_ms or 0) >= SEEN_NOTED_MS:
        # A wall goes on showing also where nothing can be written.
        with suppress(DBAPIError, CommitFailed), hub.database.write() as tx:
            note_seen(tx, shown.name, hub.now_ms())


look.required_role = Role.VIEWER  # type: ignore[attr-defined]  # read by the test that walks all routes

router = APIRouter(prefix=DISPLAY_PATH, dependencies=[Depends(look)])


@router.get("/tracking")
def tracking(request: Request, reader: Reader, hub: Hub) -> Response:
    """Where is everything?"""
    board = tracking_wall(reader)
    return _let_in(request, hub) or _wall(request, hub, "display_tracking.html", board=board, public_place=public_place)


@router.get("/temperature")
def temperature(request: Request, reader: Reader, hub: Hub) -> Response:
    """How cold is everything?"""
    told = temperature_wall(reader, hub.ahead, hub.now_ms())
    return _let_in(request, hub) or _wall(request, hub, "display_temperature.html", board=told)


def _let_in(request: Request, hub: HubContext) -> Response | None:
    token = request.query_params.get("token")
    if not token:
        return None
    rest = request.url.remove_query_params("token")
    answer = RedirectResponse(f"{rest.path}?{rest.query}".rstrip("?"), HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        DISPLAY_COOKIE, token, COOKIE_S, path=DISPLAY_PATH, httponly=True, samesite="lax", secure=hub.secure
    )
    return answer


def _wall(request: Request, hub: HubContext, template: str, **told: Any) -> Response:
    trouble = hub_trouble(storage_ok=hub.storage_ok(), hears=hub.hears(), changes_ok=hub.changes_ok())
    return page(request, template, trouble=trouble, **told)
