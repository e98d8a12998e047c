"""Who passes where a role is required, tried on routes of every role that read and that change something."""

from typing import Annotated

import pytest
from fastapi import Depends
from sqlalchemy import update

from hub.accounts.csrf import csrf_token
from hub.accounts.deps import CSRF_HEADER, SESSION_COOKIE, Caller, require
from hub.accounts.queries import session_holder
from hub.accounts.roles import Role
from hub.accounts.tables import user_account
from hub.app import create_app
from tests.hub.web.seeded import NOW_MS, SeededHub, TestClient

PASSES = {
    Role.VIEWER: {Role.VIEWER},
    Role.OPERATOR: {Role.VIEWER, Role.OPERATOR},
    Role.DISPATCHER: {Role.VIEWER, Role.OPERATOR, Role.DISPATCHER},
    Role.AUDITOR: {Role.VIEWER, Role.AUDITOR},
    Role.ADMIN: set(Role),
}


@pytest.fixture
def client(hub: SeededHub) -> TestClient:
    app = create_app(hub.context())
    for role in Role:

        def show(caller: Annotated[Caller, Depends(require(role))]) -> str:
            return caller.role

        app.get(f"/api/v1/try/{role.value}")(show)
        app.post(f"/api/v1/try/{role.value}")(show)
    return TestClient(app)


@pytest.mark.parametrize("role", list(Role))
def test_f113_a_role_passes_where_it_is_granted_and_nowhere_else(
    hub: SeededHub, client: TestClient, role: Role
) -> None:
    bearer = {"authorization": f"Bearer {hub.token(role)}"}
    for method in ("GET", "POST"):
        answers = {r: client.request(method, f"/api/v1/try/{r.value}", headers=bearer).status_code for r in Role}
        assert answers == {r: 200 if r in PASSES[role] else 403 for r in Role}


def test_f114_a_session_changes_something_only_from_our_own_page(hub: SeededHub, client: TestClient) -> None:
    secret, other = hub.session(Role.ADMIN), hub.session(Role.ADMIN)
    client.cookies.set(SESSION_COOKIE, secret)
    path = "/api/v1/try/viewer"
    assert client.get(path).status_code == 200
    right = {CSRF_HEADER: csrf_token(secret)}
    for headers, status in (
        ({}, 403),
        ({CSRF_HEADER: csrf_token(other)}, 403),
        ({**right, "origin": "https://evil.example"}, 403),
        ({**right, "sec-fetch-site": "cross-site"}, 403),
        ({**right, "sec-fetch-site": "same-site"}, 403),
        ({**right, "sec-fetch-site": "same-origin"}, 200),
        (right, 200),
    ):
        assert client.post(path, headers=headers).status_code == status, headers


def test_a_wrong_token_is_not_helped_by_a_session(hub: SeededHub, client: TestClient) -> None:
    client.cookies.set(SESSION_COOKIE, hub.session(Role.ADMIN))
    assert client.get("/api/v1/try/viewer", headers={"authorization": "Bearer hf_wrong"}).status_code == 401


def test_a_person_who_is_disabled_is_out_even_if_the_session_is_still_there(hub: SeededHub) -> None:
    secret = hub.session(Role.ADMIN)
    with hub.database.write() as tx:
        tx.execute(update(user_account).values(disabled_at_ms=NOW_MS))
        assert session_holder(tx, secret, NOW_MS) is None
