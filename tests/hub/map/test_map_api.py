"""Positions and tracks over the interface, and what the page refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from hub.accounts.deps import SESSION_COOKIE
from hub.app import create_app
from hub.fleet.freshness import SILENT_AFTER_MS
from hub.map.source import parse_map
from hub.tables import device
from tests.hub.map.roads import drive
from tests.hub.web.seeded import HOUR_MS, NOW_MS, SeededHub, Story, add_device


def told(hub: SeededHub, story: Story) -> None:
    with hub.database.write() as tx:
        story.tell(tx)


@pytest.fixture
def roads(hub: SeededHub) -> TestClient:
    with hub.database.write() as tx:
        add_device(tx, "van-1", place="Route 7")
        add_device(tx, "van-2", contact_ms=NOW_MS - SILENT_AFTER_MS - 1)
        add_device(tx, "dock-1")
    story = Story()
    drive(story, "van-1", [(31.0 + n / 100, 121.0) for n in range(10)])
    drive(story, "van-2", [(-33.5, -70.25)], at_ms=NOW_MS - 2 * HOUR_MS)
    told(hub, story)
    return hub.signed_in()


def test_every_device_with_a_position_is_told_with_its_age_and_whether_it_is_silent(roads: TestClient) -> None:
    body = roads.get("/api/v1/positions").json()
    assert [item["device"] for item in body["items"]] == ["van-1", "van-2"]
    first, second = body["items"]
    assert (first["latitude"], first["longitude"], first["speed_m_s"]) == (31.09, 121.0, 9.0)
    assert (first["place"], first["silent"], second["silent"]) == ("Route 7", False, True)
    assert (second["latitude"], second["longitude"]) == (-33.5, -70.25)
    assert second["measured_at"] < first["measured_at"] <= body["now"]


def test_positions_come_in_pages(roads: TestClient) -> None:
    first = roads.get("/api/v1/positions?limit=1").json()
    assert first["next_cursor"] == "van-1"
    second = roads.get("/api/v1/positions", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [item["device"] for item in second["items"]] == ["van-2"]
    assert second["next_cursor"] is None


def test_a_track_is_thinned_to_what_is_asked_for(roads: TestClient) -> None:
    whole = roads.get("/api/v1/devices/van-1/track").json()["items"]
    assert [point["latitude"] for point in whole] == [round(31.0 + n / 100, 2) for n in range(10)]
    few = roads.get("/api/v1/devices/van-1/track?points=4").json()["items"]
    assert [point["latitude"] for point in few] == [31.0, 31.03, 31.06, 31.09]
    assert roads.get("/api/v1/devices/dock-1/track").json()["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z",
        "from=2026-05-28T00:00:00Z&to=2026-05-27T00:00:00Z",
        "from=2026-05-01T00:00:00Z&to=2026-05-20T00:00:00Z",
    ],
)
def test_a_range_of_a_track_that_cannot_be_meant_is_refused(roads: TestClient, query: str) -> None:
    answer = roads.get(f"/api/v1/devices/van-1/track?{query}")
    assert answer.status_code == 400
    assert "at most seven days" in answer.json()["detail"]


def test_a_track_of_no_device_is_not_found(roads: TestClient) -> None:
    assert roads.get("/api/v1/devices/van-9/track").status_code == 404
    assert roads.get("/api/v1/devices/van-1/track?points=1").status_code == 422


@pytest.mark.parametrize("at", ["91,0", "0,181", "here", "1,2,3", "1;2", "nan,inf"])
def test_a_place_that_is_none_is_refused(roads: TestClient, at: str) -> None:
    assert roads.get("/map", params={"at": at}).status_code == 400


def test_the_list_of_vehicles_has_trouble_first(hub: SeededHub, roads: TestClient) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-3")
        story = Story()
        drive(story, "van-3", [(0, 0)])
        story.readings("van-3.rear.temperature_c", [None])
        story.readings("van-3.front.temperature_c", [510])
        story.tell(tx)
    html = roads.get("/map").text
    assert html.index('data-key="van-3"') < html.index('data-key="van-2"') < html.index('data-key="van-1"')
    assert "van-3.rear.temperature_c" in html
    assert "van-3.front.temperature_c" not in html
    assert "1 device has told no position" in html


def test_a_vehicle_that_is_no_more_in_use_is_not_on_the_map(hub: SeededHub, roads: TestClient) -> None:
    with hub.database.write() as tx:
        tx.execute(update(device).where(device.c.id == "van-2").values(revoked_ms=NOW_MS))
    html = roads.get("/map").text
    assert 'data-key="van-1"' in html
    assert 'data-key="van-2"' not in html
    assert "1 device has told no position" in html


def test_a_position_that_is_nowhere_on_earth_is_told_in_the_list_and_not_drawn(
    hub: SeededHub, roads: TestClient
) -> None:
    story = Story()
    drive(story, "van-1", [(95.0, 121.0)], at_ms=NOW_MS + 1_000)
    told(hub, story)
    row = next(line for line in roads.get("/map").text.splitlines() if 'data-key="van-1"' in line)
    assert "data-lat" not in row
    assert "no place on earth" in row


def test_pages_may_ask_no_host_but_the_hub_and_the_one_of_the_setting(hub: SeededHub) -> None:
    def policy(text: str) -> str:
        client = TestClient(create_app(replace(hub.context(), map=parse_map(text))))
        return client.get("/login").headers["content-security-policy"]

    assert "connect-src 'self';" in policy("")
    assert "worker-src 'self';" in policy("")
    for part in ("img-src 'self' data: https://tiles.example;", "connect-src 'self' https://tiles.example;"):
        assert part in policy("https://tiles.example/{z}/{x}/{y}.png")
    for text in ("", "https://tiles.example/{z}/{x}/{y}.png"):
        assert "blob:" not in policy(text)
        assert "unsafe" not in policy(text)


def test_the_hub_serves_ranges_of_its_own_archive(hub: SeededHub, tmp_path: Path) -> None:
    file = tmp_path / "city.pmtiles"
    file.write_bytes(b"PMTiles\x03" + bytes(range(256)))
    client = TestClient(create_app(replace(hub.context(), map=parse_map(str(file)))))
    assert client.get("/map/tiles.pmtiles").status_code == 401
    client.cookies.set(SESSION_COOKIE, hub.session())
    part = client.get("/map/tiles.pmtiles", headers={"range": "bytes=8-11"})
    assert (part.status_code, part.content) == (206, bytes(range(4)))
    assert part.headers["content-range"] == "bytes 8-11/264"
    assert hub.signed_in().get("/map/tiles.pmtiles").status_code == 404
