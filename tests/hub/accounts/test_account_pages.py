"""Accounts as people and programs change them: each change by the right person only, at once, and in the trail."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.accounts.audit import list_audit
from hub.accounts.csrf import csrf_token
from hub.accounts.deps import CSRF_HEADER, SESSION_COOKIE
from hub.accounts.roles import Role
from hub.accounts.service import create_user, list_users, start_session
from tests.hub.accounts.staffed import StaffedHub, staffed_hub
from tests.hub.accounts.test_login import form_of
from tests.hub.web.seeded import NOW_MS, PASSWORD, TestClient

HTML = {"accept": "text/html"}
OWN = "dock four smells of rain"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[StaffedHub]:
    with staffed_hub(tmp_path) as made:
        yield made


class Browser:
    """A browser with somebody signed in."""

    def __init__(self, hub: StaffedHub, secret: str) -> None:
        self.client = hub.client()
        self.client.cookies.set(SESSION_COOKIE, secret)
        self._token = csrf_token(secret)

    def get(self, path: str) -> str:
        return self.client.get(path, headers=HTML).text

    def post(self, path: str, **form: str) -> tuple[int, str]:
        answer = self.client.post(path, data=form, headers={**HTML, CSRF_HEADER: self._token})
        return answer.status_code, answer.text


def sign_in(client: TestClient, name: str, password: str, **more: str) -> int:
    answer = client.post("/login", data={**form_of(client), "name": name, "password": password, **more})
    return answer.status_code


def told(hub: StaffedHub, action: str) -> list[tuple[str, str, str, str, str]]:
    with hub.database.read() as tx:
        return [(r.who, r.subject, r.old, r.new, r.why) for r in list_audit(tx, limit=100) if r.action == action]


@pytest.fixture
def admin(hub: StaffedHub) -> Browser:
    with hub.database.write() as tx:
        create_user(tx, "boss", Role.ADMIN, PASSWORD, now_ms=NOW_MS)
        return Browser(hub, start_session(tx, "boss", now_ms=NOW_MS))


def test_a_person_added_signs_in_once_with_the_given_password_and_chooses_another(
    hub: StaffedHub, admin: Browser
) -> None:
    status, page = admin.post("/account/users", act="add", name="w.chen", role="operator")
    given = re.findall(r"<code>([a-z0-9-]{24})</code>", page)[0]
    assert status == 200
    assert given not in admin.get("/account/users")
    client = hub.client()
    assert sign_in(client, "w.chen", given) == 200
    assert client.get("/", headers=HTML).status_code == 303
    for new, again in (
        (OWN, OWN + "!"),
        (given, given),
        ("short", "short"),
        ("w.chen is my name", "w.chen is my name"),
    ):
        assert sign_in(client, "w.chen", given, new=new, again=again) == 409
    assert sign_in(client, "w.chen", "wrong", new=OWN, again=OWN) == 403
    assert sign_in(client, "w.chen", given, new=OWN, again=OWN) == 303
    assert client.get("/", headers=HTML).status_code == 200
    other = hub.client()
    assert sign_in(other, "w.chen", given) == 403
    assert sign_in(other, "w.chen", OWN) == 303
    assert told(hub, "user.create")[0] == ("boss", "w.chen", "", "operator", "")
    assert told(hub, "user.password")[0][:2] == ("w.chen", "w.chen")


def test_a_change_of_password_needs_the_old_one_and_ends_the_other_sessions(hub: StaffedHub, admin: Browser) -> None:
    with hub.database.write() as tx:
        elsewhere = Browser(hub, start_session(tx, "boss", now_ms=NOW_MS, address="10.0.0.9", browser="Phone"))
    assert "10.0.0.9" in admin.get("/account")
    assert admin.post("/account/password", old="wrong", new=OWN, again=OWN)[0] == 403
    assert admin.post("/account/password", old=PASSWORD, new="password1234", again="password1234")[0] == 409
    assert elsewhere.client.get("/", headers=HTML).status_code == 200
    assert admin.post("/account/password", old=PASSWORD, new=OWN, again=OWN)[0] == 200
    assert elsewhere.client.get("/", headers=HTML).status_code == 303
    assert admin.client.get("/", headers=HTML).status_code == 200
    assert sign_in(hub.client(), "boss", OWN) == 303


def test_guessing_the_old_password_in_a_left_browser_is_slowed_down(admin: Browser) -> None:
    for _ in range(5):
        assert admin.post("/account/password", old="wrong", new=OWN, again=OWN)[0] == 403
    assert admin.post("/account/password", old=PASSWORD, new=OWN, again=OWN)[0] == 429


def test_a_person_ends_single_sessions_of_their_own_and_nobody_else_s(hub: StaffedHub, admin: Browser) -> None:
    with hub.database.write() as tx:
        create_user(tx, "eve", Role.VIEWER, PASSWORD, now_ms=NOW_MS)
        eve = Browser(hub, start_session(tx, "eve", now_ms=NOW_MS))
        phone = Browser(hub, start_session(tx, "boss", now_ms=NOW_MS))
    listed = re.findall(r'name="session" value="([0-9a-f]{16})"', admin.get("/account"))
    assert len(listed) == 1
    assert eve.post("/account/sessions", session=listed[0])[0] == 404
    assert phone.client.get("/", headers=HTML).status_code == 200
    assert admin.post("/account/sessions", session=listed[0])[0] == 200
    assert phone.client.get("/", headers=HTML).status_code == 303


def test_f114_signing_in_ends_the_session_that_the_browser_had(hub: StaffedHub, admin: Browser) -> None:
    before = admin.client.cookies.get(SESSION_COOKIE)
    assert before is not None
    assert sign_in(admin.client, "boss", PASSWORD) == 303
    assert Browser(hub, before).client.get("/", headers=HTML).status_code == 303


def test_roles_change_at_once_and_people_are_let_in_no_more_with_a_reason(hub: StaffedHub, admin: Browser) -> None:
    with hub.database.write() as tx:
        create_user(tx, "eve", Role.OPERATOR, PASSWORD, now_ms=NOW_MS)
        eve = Browser(hub, start_session(tx, "eve", now_ms=NOW_MS))
    assert admin.post("/account/users", act="role", name="eve", role="auditor", why="new post")[0] == 200
    assert eve.client.get("/", headers=HTML).status_code == 303
    assert admin.post("/account/users", act="disable", name="eve", why="left")[0] == 200
    assert sign_in(hub.client(), "eve", PASSWORD) == 403
    assert admin.post("/account/users", act="enable", name="eve", why="is back")[0] == 200
    assert sign_in(hub.client(), "eve", PASSWORD) == 303
    _, page = admin.post("/account/users", act="reset", name="eve", why="forgot")
    assert sign_in(hub.client(), "eve", PASSWORD) == 403
    assert sign_in(hub.client(), "eve", re.findall(r"<code>([a-z0-9-]{24})</code>", page)[0]) == 200
    assert told(hub, "user.role") == [("boss", "eve", "operator", "auditor", "new post")]
    assert told(hub, "user.disable") == [("boss", "eve", "auditor", "", "left")]
    assert told(hub, "user.reset") == [("boss", "eve", "", "", "forgot")]


def test_the_last_administrator_stays_one(hub: StaffedHub, admin: Browser) -> None:
    for form in ({"act": "disable"}, {"act": "role", "role": "viewer"}):
        status, page = admin.post("/account/users", name="boss", **form)
        assert status == 409
        assert "boss is the only administrator" in page
    bearer = {"authorization": f"Bearer {hub.token(Role.ADMIN)}"}
    refused = hub.client().patch("/api/v1/users/boss", json={"disabled": True}, headers=bearer)
    assert (refused.status_code, refused.json()["title"]) == (409, "Refused")
    with hub.database.read() as tx:
        assert [(u.name, u.role, u.disabled_at_ms) for u in list_users(tx)] == [("boss", Role.ADMIN, None)]


def test_bad_input_gets_a_clear_answer_and_changes_nothing(hub: StaffedHub, admin: Browser) -> None:
    for form in (
        {"act": "add", "name": "<script>", "role": "viewer"},
        {"act": "add", "name": "..", "role": "viewer"},
        {"act": "add", "name": "boss", "role": "viewer"},
        {"act": "add", "name": "x", "role": "emperor"},
        {"act": "add", "name": "x" * 65},
        {"act": "explode", "name": "boss"},
        {"act": "disable", "name": "nobody"},
        {"act": "disable", "name": "boss", "why": "x" * 1_000_000},
    ):
        status, page = admin.post("/account/users", **form)
        assert status in {400, 409, 422}, form
        assert "<script>" not in page.partition("<main")[2]
    for path, form in (
        ("/account/tokens", {"act": "add", "label": " ", "days": "30"}),
        ("/account/tokens", {"act": "add", "label": "x", "days": "0"}),
        ("/account/tokens", {"act": "revoke", "token": "nothing"}),
        ("/account/displays", {"act": "add", "name": "A B"}),
        ("/account/displays", {"act": "revoke", "name": "nothing"}),
    ):
        assert admin.post(path, **form)[0] in {409, 422}, form
    with hub.database.read() as tx:
        assert [row.action for row in list_audit(tx, limit=10)] == ["session.start", "user.create"]


def test_a_key_is_shown_once_says_when_it_was_used_and_ends_when_it_is_revoked(hub: StaffedHub, admin: Browser) -> None:
    _, page = admin.post("/account/tokens", act="add", label="dashboard", role="viewer", days="30")
    token = re.findall(r"<code>(hf_[\w-]+)</code>", page)[0]
    assert token not in admin.get("/account/tokens")
    client = hub.client()
    bearer = {"authorization": f"Bearer {token}"}
    assert client.get("/api/v1/devices", headers=bearer).status_code == 200
    listed = admin.client.get("/api/v1/tokens").json()["items"]
    assert [(i["label"], i["created_by"], i["last_used_at"]) for i in listed] == [
        ("dashboard", "boss", "2026-05-28T20:26:40Z")
    ]
    status, _ = admin.post("/account/tokens", act="revoke", token=listed[0]["id"], why="leaked")
    assert status == 200
    assert client.get("/api/v1/devices", headers=bearer).status_code == 401
    assert told(hub, "token.revoke") == [("boss", "dashboard", listed[0]["id"], "", "leaked")]


def test_programs_of_administrators_do_the_same_over_the_interface(hub: StaffedHub) -> None:
    client = hub.client()
    client.headers["authorization"] = f"Bearer {hub.token(Role.ADMIN)}"
    made = client.post("/api/v1/users", json={"name": "w.chen", "role": "operator"})
    assert made.status_code == 201
    assert sign_in(hub.client(), "w.chen", made.json()["password"]) == 200
    changed = client.patch("/api/v1/users/w.chen", json={"role": "auditor", "disabled": True, "reason": "left"}).json()
    assert (changed["role"], changed["disabled_at"], changed["must_change_password"]) == (
        "auditor",
        "2026-05-28T20:26:40Z",
        True,
    )
    assert client.post("/api/v1/users/nobody/reset", json={}).status_code == 404
    assert client.post("/api/v1/users", content=rb'{"name": "\ud800", "role": "viewer"}').status_code == 422
    token = client.post("/api/v1/tokens", json={"label": "x", "role": "viewer", "days": 1}).json()
    assert client.post(f"/api/v1/tokens/{token['id']}/revoke", json={"reason": "x"}).status_code == 204
    assert client.post(f"/api/v1/tokens/{token['id']}/revoke", json={}).status_code == 404
    display = client.post("/api/v1/displays", json={"name": "hall"}).json()
    assert display["user"] == "display-hall"
    assert client.post("/api/v1/displays", json={"name": "hall"}).status_code == 409
    assert client.post("/api/v1/displays/hall/revoke", json={}).status_code == 204
    device = client.post("/api/v1/devices", json={"id": "van-1", "place": "Route 7"}).json()
    assert 'id = "van-1"' in device["agent_toml"]
    assert client.post("/api/v1/devices/van-1/revoke", json={"reason": "sold"}).status_code == 204
    assert told(hub, "device.revoke") == [("token test", "van-1", "", "", "sold")]


def test_f106_a_new_hub_lets_nobody_in_and_has_no_password_that_anybody_could_know(hub: StaffedHub) -> None:
    client = hub.client()
    for name, password in (
        ("admin", "admin"),
        ("admin", ""),
        ("", ""),
        ("admin", "password"),
        ("hub", "hub"),
        ("root", "root"),
    ):
        assert sign_in(client, name, password) in {403, 429}
    for token in ("", "hf_", "admin", "null"):
        assert client.get("/api/v1/devices", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert client.get("/display/tracking?token=hfd_").status_code == 401


def test_f114_no_page_can_be_framed(admin: Browser) -> None:
    for path in ("/", "/login", "/account", "/account/users", "/audit", "/enrol", "/display/tracking"):
        policy = admin.client.get(path, headers=HTML).headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy, path
