"""FastAPI dependencies that say who calls and whether they may.

    @router.get("/parcels")
    def parcels(reader: Reader, caller: Annotated[Caller, Depends(require(Role.VIEWER))]) -> ...

Every route of the hub either requires a role this way or is listed in `hub.app.OPEN_PATHS`; a test walks them all.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import DBAPIError

from hub.accounts.csrf import csrf_fits, from_elsewhere
from hub.accounts.queries import Holder, session_holder, token_holder
from hub.accounts.roles import GRANTS, Role
from hub.accounts.secrets import secret_hash
from hub.accounts.service import USE_NOTED_MS, note_use
from hub.context import HubContext, Reader, hub_context
from hub.errors import CommitFailed
from hub.problems import RETRY_AFTER_S, Problem

SESSION_COOKIE: Final = "hf_session"
CSRF_HEADER: Final = "x-csrf-token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

bearer_of = HTTPBearer(auto_error=False, scheme_name="token", description="`holdfast-hub token create` makes one.")
_cookie = APIKeyCookie(
    name=SESSION_COOKIE, auto_error=False, scheme_name="session", description="The session of the pages (`/login`)."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a signed-in person, or a token (by its label)."""

    name: str
    role: Role
    secret: str = ""
    """The session's secret, for the forms of the page; empty for tokens."""

    def may(self, role: Role) -> bool:
        """Whether this role stands in for `role`."""
        return role in GRANTS[self.role]


def require(role: Role) -> Callable[..., Caller]:
    """A dependency that lets pass whoever has a role that stands in for `role`.

    A session that changes something must also prove that the request comes from our own page: header `x-csrf-token`.

    Raises (when FastAPI calls it):
        Problem: 401 when nobody is signed in, 403 when the role does not allow it or the request comes from elsewhere.
    """

    def dependency(
        request: Request,
        reader: Reader,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_of)],
        session: Annotated[str | None, Security(_cookie)],
    ) -> Caller:
        # Asked for by hand: FastAPI works every parameter out anew for each of some 120 routes, at each start of the hub.
        hub = hub_context(request)
        now_ms = hub.now_ms()
        if bearer is not None:
            holder = token_holder(reader, bearer.credentials, now_ms)
            caller = _caller(holder)
            if holder is not None and now_ms - (holder.used_ms or 0) >= USE_NOTED_MS:
                _note_use(hub, bearer.credentials, now_ms)
        elif session:
            caller = _caller(session_holder(reader, session, now_ms), session)
        else:
            caller = None
        if caller is None:
            raise Problem(
                401, "Not signed in", "Sign in at /login, or send a valid bearer token.", {"WWW-Authenticate": "Bearer"}
            )
        if not caller.may(role):
            raise Problem(
                403,
                "Not allowed",
                "This needs the role {role}; {name} is {own}.",
                role=role,
                name=caller.name,
                own=caller.role,
            )
        if bearer is None and request.method not in SAFE_METHODS and not _from_our_page(request, caller.secret):
            raise Problem(
                403, "Not from this page", "Send the page's token in the header {header}.", header=CSRF_HEADER
            )
        if request.method not in SAFE_METHODS and not hub.changes_ok():
            raise NoRoomForChanges
        request.state.caller = caller
        return caller

    dependency.required_role = role  # type: ignore[attr-defined]  # read by the test that walks all routes
    return dependency


class NoRoomForChanges(Problem):
    """The audit trail may not be able to take another line, so nothing is changed."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "The hub takes no changes now",
            "Its disk is nearly full; what is left is for facts. Nothing was changed; make room, then try again.",
            {"Retry-After": str(RETRY_AFTER_S)},
        )


def _note_use(hub: HubContext, token: str, now_ms: int) -> None:
    # Whoever only reads is let in also where nothing can be written.
    with suppress(DBAPIError, CommitFailed), hub.database.write() as tx:
        note_use(tx, secret_hash(token), now_ms)


def _caller(holder: Holder | None, secret: str = "") -> Caller | None:
    return None if holder is None else Caller(holder.name, holder.role, secret)


def _from_our_page(request: Request, secret: str) -> bool:
    return not from_elsewhere(request) and csrf_fits(secret, request.headers.get(CSRF_HEADER, ""))
