"""A sensor is described before it is heard, and missed until then."""

import re

import pytest

from hub.accounts.csrf import csrf_token
from hub.accounts.deps import CSRF_HEADER, SESSION_COOKIE
from hub.accounts.roles import Role
from tests.hub.web.cold import REAR, folded
from tests.hub.web.seeded import SeededHub, Story, TestClient, add_device

HTML = {"accept": "text/html", "hx-request": "true"}
TYPED = {
    "name": "Rear box",
    "place": "Dock 4",
    "profile": "pharma-2-8",
    "calibration_due": "2027-01-31",
    "why": "fitted",
}


@pytest.fixture
def operator(hub: SeededHub) -> tuple[TestClient, dict[str, str]]:
    with hub.database.write() as tx:
        add_device(tx, "van-1", place="Route 7")
    hub.on_decide = lambda decision: folded(hub, decision)
    client, session = hub.client(), hub.session(Role.OPERATOR)
    client.cookies.set(SESSION_COOKIE, session)
    return client, {CSRF_HEADER: csrf_token(session), **HTML}


def test_it_is_listed_and_told_as_never_heard_until_it_is(
    hub: SeededHub, operator: tuple[TestClient, dict[str, str]]
) -> None:
    client, token = operator
    assert 'href="/temperature/new"' in client.get("/temperature").text
    assert "pharma-2-8" in client.get("/temperature/new").text
    answer = client.post("/temperature/new", data={"sensor_id": f" {REAR} ", **TYPED}, headers=token)
    assert answer.status_code == 204
    assert answer.headers["hx-redirect"] == f"/temperature/{REAR.replace('.', '%2E')}"
    assert [(d.action, d.subject, d.why) for d in hub.decisions] == [
        ("sensor.describe", REAR, "fitted"),
        ("sensor.assign", REAR, "fitted"),
    ]
    assert "Described, but never heard" in client.get(answer.headers["hx-redirect"]).text
    assert "was described, but never heard" in client.get("/").text
    assert "never heard" in client.get("/temperature").text
    with hub.database.write() as tx:
        story = Story()
        story.readings(REAR)
        story.tell(tx)
    assert "never heard" not in client.get("/temperature").text


def test_one_of_which_nothing_is_said_but_its_id_is_missed_too(
    hub: SeededHub, operator: tuple[TestClient, dict[str, str]]
) -> None:
    client, token = operator
    assert client.post("/temperature/new", data={"sensor_id": REAR}, headers=token).status_code == 204
    assert [decision.action for decision in hub.decisions] == ["sensor.describe"]
    assert "never heard" in client.get("/temperature").text


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sensor_id": ""}, "Expected an id such as"),
        ({"sensor_id": "van-1"}, "Expected an id such as"),
        ({"sensor_id": "van-1.rear\n.temperature_c"}, "Expected an id such as"),
        ({"sensor_id": "van-1.rear." + "x" * 300}, "Expected an id such as"),
        ({"sensor_id": "van-9.rear.temperature_c"}, "There is no device van-9."),
        ({"profile": "<b>none"}, "There is no profile &lt;b&gt;none."),
        ({"calibration_due": "soon"}, "Expected a day such as"),
        ({"name": "x" * 101}, "at most 100 characters"),
    ],
)
def test_what_cannot_be_used_is_told_in_place_and_what_was_typed_stays(
    hub: SeededHub, operator: tuple[TestClient, dict[str, str]], wrong: dict[str, str], told: str
) -> None:
    client, token = operator
    answer = client.post("/temperature/new", data={"sensor_id": REAR, **TYPED, **wrong}, headers=token)
    assert answer.status_code == 422
    assert told in re.search(r'role="alert">(.*?)</p>', answer.text, re.DOTALL)[1]  # type: ignore[index]  # else the test fails
    assert 'value="Dock 4"' in answer.text
    assert hub.decisions == []


def test_one_that_is_there_already_is_changed_on_its_own_page(
    hub: SeededHub, operator: tuple[TestClient, dict[str, str]]
) -> None:
    client, token = operator
    with hub.database.write() as tx:
        story = Story()
        story.readings(REAR)
        story.tell(tx)
    answer = client.post("/temperature/new", data={"sensor_id": REAR, **TYPED}, headers=token)
    assert answer.status_code == 422
    assert f"{REAR} is there already" in answer.text


def test_it_takes_an_operator_and_the_page_s_token(hub: SeededHub, operator: tuple[TestClient, dict[str, str]]) -> None:
    client, _ = operator
    assert client.post("/temperature/new", data={"sensor_id": REAR, **TYPED}).status_code == 403
    assert hub.signed_in(Role.VIEWER).get("/temperature/new").status_code == 403
    assert "/temperature/new" not in hub.signed_in(Role.VIEWER).get("/temperature").text
    assert hub.decisions == []
