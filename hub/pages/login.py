"""Signing in and out."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Cookie, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from hub.accounts.csrf import csrf_fits, csrf_token, from_elsewhere
from hub.accounts.deps import SESSION_COOKIE
from hub.accounts.errors import AccountError
from hub.accounts.passwords import MAX_PASSWORD_CHARS, check_password
from hub.accounts.queries import password_of_user
from hub.accounts.secrets import hash_password, new_secret, password_fits
from hub.accounts.service import SESSION_MS, change_password, end_session, start_session
from hub.accounts.throttle import LoginThrottle
from hub.context import Hub
from hub.problems import Problem
from hub.web.render import page

router = APIRouter()

LOGIN_COOKIE: Final = "hf_login"
"""Ties the form to the browser it was given to, before anybody is signed in."""
WRONG_AGAIN: Final = "The two new passwords are not the same."
SAME_AGAIN: Final = "Choose a password other than the one you have."

Text = Annotated[str, Form(max_length=MAX_PASSWORD_CHARS)]


@router.get("/login")
def login_page(request: Request, hub: Hub, to: Annotated[str, Query(alias="next", max_length=2048)] = "/") -> Response:
    """The form."""
    return _form(request, hub, to=to)


@router.post("/login")
def login(
    request: Request,
    hub: Hub,
    *,
    name: Text = "",
    password: Text = "",
    new: Text = "",
    again: Text = "",
    csrf: Text = "",
    to: Annotated[str, Form(alias="next", max_length=2048)] = "/",
    secret: Annotated[str, Cookie(alias=LOGIN_COOKIE)] = "",
    session: Annotated[str, Cookie(alias=SESSION_COOKIE)] = "",
) -> Response:
    """Check the password and begin a session; who has a password for the first sign-in only chooses another here."""
    if from_elsewhere(request) or not secret or not csrf_fits(secret, csrf):
        return _form(request, hub, to=to, name=name, status=403, problem="The form was too old. Please sign in again.")
    throttle: LoginThrottle = request.app.state.throttle
    address = request.client.host if request.client else ""
    keys = (f"name {name}", f"address {address}")
    wait_ms = throttle.wait_ms(keys, hub.now_ms())
    if wait_ms:
        problem = "Too many wrong passwords. Wait {n} s and try again."
        answer = _form(request, hub, to=to, name=name, status=429, problem=problem, n=-(-wait_ms // 1000))
        answer.headers["Retry-After"] = str(-(-wait_ms // 1000))
        return answer
    with hub.database.read() as reader:
        kept = password_of_user(reader, name)
    if not password_fits(password, kept.hash if kept else None):
        throttle.failed(keys, hub.now_ms())
        return _form(request, hub, to=to, name=name, status=403, problem="Name or password is wrong.")
    throttle.succeeded(keys[0])
    chosen = ""
    if kept is not None and kept.must_change:
        if not new:
            return _form(request, hub, to=to, name=name, choose=True)
        if refusal := refuse_new(name, password, new, again):
            return _form(
                request, hub, to=to, name=name, choose=True, status=409, problem=refusal.text, **refusal.values
            )
        chosen = hash_password(new)
    with hub.database.write() as tx:
        if password_of_user(tx, name) != kept:
            # Disabled, given another password, or a one-time password used while this one was being checked.
            return _form(request, hub, to=to, name=name, status=403, problem="Name or password is wrong.")
        if chosen:
            change_password(tx, name, chosen, now_ms=hub.now_ms())
        if session:
            # Whoever signs in leaves the session before: nobody goes on with a secret that was there before.
            end_session(tx, session, now_ms=hub.now_ms())
        browser = request.headers.get("user-agent", "")
        session = start_session(tx, name, now_ms=hub.now_ms(), address=address, browser=browser)
    answer = RedirectResponse(_local(to), HTTPStatus.SEE_OTHER)
    _set_cookie(answer, SESSION_COOKIE, session, hub)
    answer.delete_cookie(LOGIN_COOKIE)
    return answer


@router.post("/logout")
def logout(
    request: Request, hub: Hub, csrf: Text = "", session: Annotated[str, Cookie(alias=SESSION_COOKIE)] = ""
) -> Response:
    """End the session."""
    if not session or from_elsewhere(request) or not csrf_fits(session, csrf):
        raise Problem(403, "Not from this page", "Sign out with the button of a page.")
    with hub.database.write() as tx:
        end_session(tx, session, now_ms=hub.now_ms())
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(SESSION_COOKIE)
    return answer


def refuse_new(name: str, old: str, new: str, again: str) -> AccountError | None:
    """Why a person may not have this new password; None where they may."""
    if new != again:
        return AccountError(WRONG_AGAIN)
    if new == old:
        return AccountError(SAME_AGAIN)
    try:
        check_password(name, new)
    except AccountError as error:
        return error
    return None


def _form(
    request: Request,
    hub: Hub,
    *,
    to: str,
    name: str = "",
    status: int = 200,
    problem: str = "",
    choose: bool = False,
    **values: object,
) -> Response:
    secret = request.cookies.get(LOGIN_COOKIE) or new_secret()
    answer = page(
        request,
        "login.html",
        status,
        next=_local(to),
        name=name,
        form_csrf=csrf_token(secret),
        problem=problem,
        values=values,
        choose=choose,
    )
    _set_cookie(answer, LOGIN_COOKIE, secret, hub)
    return answer


def _set_cookie(answer: Response, name: str, value: str, hub: Hub) -> None:
    answer.set_cookie(name, value, SESSION_MS // 1000, httponly=True, samesite="lax", secure=hub.secure)


def _local(to: str) -> str:
    """Only paths of this hub: browsers take two slashes, or one and a backslash, for another site."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() else "/"
