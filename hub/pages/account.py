"""`/account`: one's own password and sessions; and for administrators people, keys of programs and displays."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.errors import AccountError
from hub.accounts.passwords import MAX_PASSWORD_CHARS
from hub.accounts.queries import list_sessions, list_tokens, password_of_user
from hub.accounts.roles import Role
from hub.accounts.secrets import hash_password, password_fits, secret_hash
from hub.accounts.service import (
    MAX_TOKEN_DAYS,
    change_password,
    change_role,
    create_token,
    create_user,
    disable_user,
    enable_user,
    end_session_by_id,
    list_users,
    reset_password,
    revoke_token,
    short_id,
)
from hub.accounts.throttle import LoginThrottle
from hub.context import Hub, HubContext
from hub.display.credentials import list_displays
from hub.errors import Refused
from hub.pages.login import refuse_new
from hub.problems import BadRequest, Problem
from hub.requests import AddDisplay, RevokeDisplay
from hub.web.render import page

router = APIRouter()

Person = Annotated[Caller, Depends(require(Role.VIEWER))]
Admin = Annotated[Caller, Depends(require(Role.ADMIN))]
Text = Annotated[str, Form(max_length=MAX_PASSWORD_CHARS)]
Name = Annotated[str, Form(max_length=64)]
Why = Annotated[str, Form(max_length=MAX_NOTE_CHARS)]
ONLY_PEOPLE: Final = "This page is for people who sign in; a token has no account."


# -- one's own ---------------------------------------------------------------------------------------------------------


@router.get("/account")
def account_page(request: Request, hub: Hub, caller: Person) -> Response:
    """Password and sessions."""
    return _own(request, hub, caller)


@router.post("/account/password")
def set_password(
    request: Request, hub: Hub, caller: Person, *, old: Text = "", new: Text = "", again: Text = ""
) -> Response:
    """Choose another password; ends the other sessions."""
    _refuse_tokens(caller)
    throttle: LoginThrottle = request.app.state.throttle
    key = (f"name {caller.name}",)
    if throttle.wait_ms(key, hub.now_ms()):
        return _own(request, hub, caller, 429, problem="Too many wrong passwords. Wait a moment and try again.")
    with hub.database.read() as reader:
        kept = password_of_user(reader, caller.name)
    if not password_fits(old, kept.hash if kept else None):
        throttle.failed(key, hub.now_ms())
        return _own(request, hub, caller, 403, problem="The password you have now is not this one.")
    if refusal := refuse_new(caller.name, old, new, again):
        return _own(request, hub, caller, 409, problem=refusal.text, values=refusal.values)
    digest = hash_password(new)
    with hub.database.write() as tx:
        change_password(tx, caller.name, digest, now_ms=hub.now_ms(), keep=caller.secret)
    return _own(request, hub, caller, done="Your password is changed; your other sessions have ended.")


@router.post("/account/sessions")
def end_one(request: Request, hub: Hub, caller: Person, session: Annotated[str, Form(max_length=64)] = "") -> Response:
    """End one of one's own sessions."""
    _refuse_tokens(caller)
    with hub.database.write() as tx:
        ended = end_session_by_id(tx, caller.name, session, now_ms=hub.now_ms())
    if not ended:
        return _own(request, hub, caller, 404, problem="That session has ended already.")
    return _own(request, hub, caller, done="The session has ended.")


def _refuse_tokens(caller: Caller) -> None:
    if not caller.secret:
        raise Problem(409, "Refused", ONLY_PEOPLE)


def _own(request: Request, hub: HubContext, caller: Caller, status: int = 200, **told: Any) -> Response:
    with hub.database.read() as reader:
        sessions = list_sessions(reader, caller.name, hub.now_ms())
    here = short_id(secret_hash(caller.secret))
    return page(request, "account.html", status, sessions=sessions, session_here=here, **_told(told))


# -- people ------------------------------------------------------------------------------------------------------------


@router.get("/account/users")
def users_page(request: Request, hub: Hub, _: Admin) -> Response:
    """Everybody who may sign in."""
    return _users(request, hub)


@router.post("/account/users")
def change_users(
    request: Request,
    hub: Hub,
    caller: Admin,
    *,
    act: Annotated[str, Form(max_length=16)] = "",
    name: Name = "",
    role: Annotated[Role, Form()] = Role.VIEWER,
    why: Why = "",
) -> Response:
    """Add a person, or change one."""
    now_ms, who = hub.now_ms(), caller.name
    password = ""
    try:
        with hub.database.write() as tx:
            match act:
                case "add":
                    password = create_user(tx, name, role, now_ms=now_ms, who=who, must_change=True)
                case "role":
                    change_role(tx, name, role, now_ms=now_ms, who=who, why=why)
                case "disable":
                    disable_user(tx, name, now_ms=now_ms, who=who, why=why)
                case "enable":
                    enable_user(tx, name, now_ms=now_ms, who=who, why=why)
                case "reset":
                    password = reset_password(tx, name, now_ms=now_ms, who=who, why=why)
                case _:
                    raise BadRequest("There is nothing called {act} to do with a person.", act=act)
    except AccountError as error:
        return _users(request, hub, 409, problem=error.text, values=error.values)
    done = "One-time password of {name}, shown only now:" if password else "Changed: {name}."
    return _users(request, hub, done=done, values={"name": name}, secrets=[("Password", password)] if password else [])


def _users(request: Request, hub: HubContext, status: int = 200, **told: Any) -> Response:
    with hub.database.read() as reader:
        users = list_users(reader)
    return page(request, "account_users.html", status, users=users, roles=list(Role), **_told(told))


# -- tokens ------------------------------------------------------------------------------------------------------------


@router.get("/account/tokens")
def tokens_page(request: Request, hub: Hub, _: Admin) -> Response:
    """Keys of programs."""
    return _tokens(request, hub)


@router.post("/account/tokens")
def change_tokens(
    request: Request,
    hub: Hub,
    caller: Admin,
    *,
    act: Annotated[str, Form(max_length=16)] = "",
    label: Annotated[str, Form(max_length=256)] = "",
    role: Annotated[Role, Form()] = Role.VIEWER,
    days: Annotated[int, Form(ge=1, le=MAX_TOKEN_DAYS)] = 365,
    token: Annotated[str, Form(max_length=64)] = "",
    why: Why = "",
) -> Response:
    """Make a key, or revoke one."""
    now_ms, who = hub.now_ms(), caller.name
    if act == "add" and not label.strip():
        return _tokens(request, hub, 409, problem="Say what the key is for.")
    made = ""
    try:
        with hub.database.write() as tx:
            if act == "add":
                made = create_token(tx, role, label.strip(), days, now_ms=now_ms, who=who)
            else:
                revoke_token(tx, token, now_ms=now_ms, who=who, why=why)
    except AccountError as error:
        return _tokens(request, hub, 409, problem=error.text, values=error.values)
    if not made:
        return _tokens(request, hub, done="The key is revoked.")
    return _tokens(
        request, hub, done="Key for {name}, shown only now:", values={"name": label}, secrets=[("Key", made)]
    )


def _tokens(request: Request, hub: HubContext, status: int = 200, **told: Any) -> Response:
    with hub.database.read() as reader:
        tokens = list_tokens(reader)
    return page(request, "account_tokens.html", status, tokens=tokens, roles=list(Role), **_told(told))


# -- displays ----------------------------------------------------------------------------------------------------------


@router.get("/account/displays")
def displays_page(request: Request, hub: Hub, _: Admin) -> Response:
    """Screens without a login."""
    return _displays(request, hub)


@router.post("/account/displays")
def change_displays(
    request: Request,
    hub: Hub,
    caller: Admin,
    *,
    act: Annotated[str, Form(max_length=16)] = "",
    name: Annotated[str, Form(max_length=48)] = "",
    why: Why = "",
) -> Response:
    """Let a screen in, or in no more."""
    try:
        if act != "add":
            hub.administer(RevokeDisplay(name, caller.name, why))
            return _displays(request, hub, done="Changed: {name}.", values={"name": name})
        made = hub.administer(AddDisplay(name, caller.name))
    except Refused as error:
        return _displays(request, hub, 409, problem=str(error))
    secrets = [
        ("Tracking wall", f"{request.base_url}display/tracking?token={made.token}"),
        ("Temperature wall", f"{request.base_url}display/temperature?token={made.token}"),
        ("User at the broker", made.user),
        ("Password at the broker", made.password),
    ]
    done = "Open one of these once on the screen {name}; shown only now:"
    return _displays(request, hub, done=done, values={"name": name}, secrets=secrets)


def _displays(request: Request, hub: HubContext, status: int = 200, **told: Any) -> Response:
    with hub.database.read() as reader:
        displays = list_displays(reader)
    return page(request, "account_displays.html", status, displays=displays, **_told(told))


def _told(told: dict[str, Any]) -> dict[str, Any]:
    return {"done": "", "problem": "", "values": {}, "secrets": [], **told}
