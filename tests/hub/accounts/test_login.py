import re

import pytest

from hub.accounts.deps import SESSION_COOKIE
from hub.accounts.roles import Role
from hub.accounts.secrets import password_fits
from hub.accounts.service import create_user, reset_password
from hub.accounts.throttle import FREE_TRIES, LoginThrottle
from tests.hub.web.seeded import NOW_MS, PASSWORD, SeededHub, TestClient


def form_of(client: TestClient) -> dict[str, str]:
    page = client.get("/login", headers={"accept": "text/html"}).text
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found is not None
    return {"csrf": found.group(1), "next": "/devices?q=van"}


@pytest.fixture
def client(hub: SeededHub) -> TestClient:
    with hub.database.write() as tx:
        create_user(tx, "ada", Role.VIEWER, PASSWORD, now_ms=NOW_MS)
    return hub.client()


def test_a_page_sends_a_stranger_to_sign_in_and_back(client: TestClient) -> None:
    away = client.get("/devices?q=van", headers={"accept": "text/html"})
    assert (away.status_code, away.headers["location"]) == (303, "/login?next=/devices%3Fq%3Dvan")
    answer = client.post("/login", data={**form_of(client), "name": "ada", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/devices?q=van")
    assert client.get("/devices", headers={"accept": "text/html"}).status_code == 200


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client: TestClient) -> None:
    answer = client.post("/login", data={**form_of(client), "name": "ada", "password": PASSWORD})
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(SESSION_COOKIE)).lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_f114_a_login_form_from_elsewhere_is_refused(client: TestClient) -> None:
    form = {**form_of(client), "name": "ada", "password": PASSWORD}
    for bad in ({"csrf": ""}, {"csrf": "0" * 64}):
        assert client.post("/login", data={**form, **bad}).status_code == 403
    other_site = {"origin": "https://evil.example"}
    assert client.post("/login", data=form, headers=other_site).status_code == 403
    assert SESSION_COOKIE not in client.cookies


def test_f114_a_session_is_a_new_secret_at_each_login(client: TestClient) -> None:
    client.cookies.set(SESSION_COOKIE, "planted")
    client.post("/login", data={**form_of(client), "name": "ada", "password": PASSWORD})
    assert "planted" not in [cookie.value for cookie in client.cookies.jar if cookie.domain]


def test_a_password_that_ends_while_it_is_checked_begins_no_session(
    hub: SeededHub, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reset_meanwhile(password: str, kept: str | None) -> bool:
        fits = password_fits(password, kept)
        with hub.database.write() as tx:
            reset_password(tx, "ada", now_ms=NOW_MS, who="admin-1")
        return fits

    form = form_of(client)
    monkeypatch.setattr("hub.pages.login.password_fits", reset_meanwhile)
    assert client.post("/login", data={**form, "name": "ada", "password": PASSWORD}).status_code == 403
    assert SESSION_COOKIE not in client.cookies


@pytest.mark.parametrize("to", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(client: TestClient, to: str) -> None:
    form = {**form_of(client), "next": to, "name": "ada", "password": PASSWORD}
    assert client.post("/login", data=form).headers["location"] == "/"


def test_guessing_is_slowed_down_per_name_and_even_the_right_password_waits(hub: SeededHub, client: TestClient) -> None:
    form = {**form_of(client), "name": "ada"}
    for _ in range(FREE_TRIES):
        assert client.post("/login", data={**form, "password": "wrong"}).status_code == 403
    refused = client.post("/login", data={**form, "password": PASSWORD})
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    hub.clock.ms += 1_001
    assert client.post("/login", data={**form, "password": PASSWORD}).status_code == 303


def test_each_failure_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    throttle = LoginThrottle()
    waits = []
    for _ in range(30):
        throttle.failed(("ada",), NOW_MS)
        waits.append(throttle.wait_ms(("ada", "bob"), NOW_MS))
    assert waits[:8] == [0, 0, 0, 0, 1_000, 2_000, 4_000, 8_000]
    assert waits[-1] == 15 * 60_000
    assert throttle.wait_ms(("bob",), NOW_MS) == 0


def test_signing_out_needs_the_page_s_token_and_ends_the_session(client: TestClient) -> None:
    client.post("/login", data={**form_of(client), "name": "ada", "password": PASSWORD})
    page = client.get("/", headers={"accept": "text/html"}).text
    csrf = re.findall(r'action="/logout".*?value="([0-9a-f]{64})"', page)[0]
    assert client.post("/logout", data={"csrf": "0" * 64}).status_code == 403
    assert client.post("/logout", data={"csrf": csrf}).status_code == 303
    assert client.get("/", headers={"accept": "text/html"}).status_code == 303
