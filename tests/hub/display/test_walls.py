"""Wall displays without a browser: who is let in, and what is said."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from contract.event import Outcome, Proof, Step
from hub.accounts.roles import Role
from hub.coldchain.decisions import Described
from hub.coldchain.tables import excursion
from hub.pages.display import DISPLAY_COOKIE
from hub.requests import AddDisplay, RevokeDisplay
from tests.hub.accounts.staffed import StaffedHub, staffed_hub
from tests.hub.web.cold import described
from tests.hub.web.seeded import MINUTE_MS, NOW_MS, Story, TestClient, add_device

HTML = {"accept": "text/html"}
WALLS = ("/display/tracking", "/display/temperature")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[StaffedHub]:
    with staffed_hub(tmp_path) as made:
        yield made


def token_of(hub: StaffedHub, name: str = "hall") -> str:
    return str(hub.context().administer(AddDisplay(name, "boss")).token)


def let_in(hub: StaffedHub) -> TestClient:
    client = hub.client()
    assert client.get(f"{WALLS[0]}?token={token_of(hub)}", headers=HTML).status_code == 303
    return client


@pytest.mark.parametrize("wall", WALLS)
def test_a_token_becomes_a_cookie_once_and_goes_from_the_address(hub: StaffedHub, wall: str) -> None:
    client = hub.client()
    assert client.get(wall).status_code == 401
    answer = client.get(f"{wall}?lang=zh&token={token_of(hub)}", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{wall}?lang=zh")
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=lax", "path=/display"))
    assert client.get(wall, headers=HTML).status_code == 200


def test_f113_a_display_opens_the_walls_and_nothing_else(hub: StaffedHub) -> None:
    token = token_of(hub)
    for path in ("/", "/tracking", "/devices", "/audit", "/account", "/api/v1/parcels", "/api/v1/live"):
        for cookies in ({DISPLAY_COOKIE: token}, {"hf_session": token}):
            client = hub.client()
            client.cookies.update(cookies)
            assert client.get(path).status_code == 401, path
        bearer = {"authorization": f"Bearer {token}"}
        assert hub.client().get(f"{path}?token={token}", headers=bearer).status_code == 401, path
    client = hub.client()
    client.cookies.set(DISPLAY_COOKIE, token)
    for wall in WALLS:
        assert client.post(wall).status_code == 405


def test_a_revoked_display_is_let_in_no_more_at_once(hub: StaffedHub) -> None:
    client = let_in(hub)
    assert client.get(WALLS[1], headers=HTML).status_code == 200
    hub.context().administer(RevokeDisplay("hall", "boss", "moved"))
    assert client.get(WALLS[1], headers=HTML).headers["location"].startswith("/login")
    assert hub.client().get(f"{WALLS[0]}?token=hfd_wrong").status_code == 401


def test_whoever_may_view_may_look_at_a_wall_too(hub: StaffedHub) -> None:
    for wall in WALLS:
        assert hub.signed_in(Role.AUDITOR).get(wall, headers=HTML).status_code == 200


def test_walls_say_nothing_about_people_and_nothing_of_who_looks(hub: StaffedHub) -> None:
    with hub.database.write() as tx:
        story = Story()
        story.scan("P1", Step.OUT_FOR_DELIVERY, place="Zhongshan N. Rd 275", actor="w.chen")
        story.scan("P2", actor="w.chen")
        story.proof("P3", Outcome.REFUSED, at_ms=NOW_MS - 1_000, recipient="Wang Xiaoming")
        story.scan("P4", Step.HANDED_OVER, place="Ms Zhou", actor="w.chen")
        story.ledger.add(Proof("stop-17", Outcome.PICKED_UP, ("P5",)), at_ms=NOW_MS - 1_000, device="van-1")
        story.tell(tx)
    said = let_in(hub).get(WALLS[0], headers=HTML).text + hub.signed_in().get(WALLS[0], headers=HTML).text
    for parcel in ("P2", "P4", "P5"):
        assert parcel in said
    for word in ("chen", "Wang", "Zhongshan", "stop-17", "Zhou", "viewer-"):
        assert word not in said


def test_alarms_come_first_then_what_is_silent_then_the_rest(hub: StaffedHub) -> None:
    with hub.database.write() as tx:
        story = Story()
        for n, age_ms in enumerate((0, 0, 42 * MINUTE_MS, 0)):
            add_device(tx, f"van-{n}", contact_ms=NOW_MS - age_ms, place=f"Route {n}")
            story.readings(f"van-{n}.rear.temperature_c", [912 if n == 3 else 512], at_ms=NOW_MS - age_ms - 5_000)
        story.tell(tx)
        row = {"sensor": "van-3.rear.temperature_c", "device": "van-3", "limit_name": "max", "profile": "pharma-2-8"}
        found = {"started_ms": NOW_MS - 41 * MINUTE_MS, "alarm_ms": NOW_MS, "beyond_ms": 1, "known_ms": NOW_MS}
        tx.execute(
            insert(excursion).values(
                id="x", kind="excursion", side="above", threshold=800, changed_ms=NOW_MS, **row, **found
            )
        )
    page = let_in(hub).get(WALLS[1], headers=HTML).text
    stay, _, turn = page.partition('<ul id="turn">')
    assert re.findall(r'data-key="([^"]+)"', stay) == ["van-3.rear.temperature_c"]
    assert "too warm" in stay
    assert re.findall(r'data-key="van-(\d)', turn) == ["2", "0", "1"]
    assert re.findall(r"<b>(\d+)</b>", page) == ["1", "0", "1", "2"]


def test_a_wall_says_the_place_once_where_a_sensor_is_called_after_it(hub: StaffedHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "dock", place="Dock 4")
        story = Story()
        names = ("dock 4", "Shelf", "Dock 4 door", "Dock 40")
        for letter, name in zip("abcd", names, strict=True):
            sensor = f"dock.{letter}.temperature_c"
            described(story, sensor, Described(name))
            story.readings(sensor, [512])
        story.tell(tx)
    page = let_in(hub).get(WALLS[1], headers=HTML).text
    assert sorted(re.findall(r'class="what">(.*?)</span>', page)) == [
        "Dock 4",
        "Dock 4 <i>Dock 40</i>",
        "Dock 4 <i>Shelf</i>",
        "Dock 4 <i>door</i>",
    ]


def test_an_empty_hub_says_that_nothing_is_there(hub: StaffedHub) -> None:
    client = let_in(hub)
    for wall in WALLS:
        assert 'class="none"' in client.get(wall, headers=HTML).text


def test_when_a_wall_was_seen_is_kept_and_a_wall_goes_on_where_nothing_can_be_written(hub: StaffedHub) -> None:
    client = let_in(hub)
    listed = hub.signed_in(Role.ADMIN).get("/api/v1/displays").json()["items"]
    assert listed[0]["last_seen_at"] == "2026-05-28T20:26:40Z"
    hub.clock.ms += 3_600_000
    with hub.database.write() as tx:
        tx.exec_driver_sql("CREATE TRIGGER full BEFORE UPDATE ON display BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    assert client.get(WALLS[0], headers=HTML).status_code == 200
