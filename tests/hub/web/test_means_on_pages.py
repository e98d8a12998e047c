"""The mean kinetic temperature on pages: for information, over the time that is known, and cheap to look at."""

import re

from contract.event import Step
from tests.hub.web.cold import REAR, judged
from tests.hub.web.seeded import HOUR_MS, NOW_MS, SeededHub, Story, add_device

PAGE = "/temperature/van-1%2Erear%2Etemperature_c"
PER_HOUR = 360


def two_hours_with_a_gap_between(hub: SeededHub) -> None:
    """At 5 °C from four hours ago for an hour, and at 9 °C for the last: two hours are not known."""
    with hub.database.write() as tx:
        add_device(tx, "van-1", place="Route 7")
        story = Story()
        judged(story, REAR, since_ms=NOW_MS - 4 * HOUR_MS)
        story.readings(REAR, [500] * PER_HOUR, at_ms=NOW_MS - 3 * HOUR_MS)
        story.readings(REAR, [900] * PER_HOUR, at_ms=NOW_MS)
        story.scan("P1", Step.LOADED, at_ms=NOW_MS - 4 * HOUR_MS, place="van-1")
        story.tell(tx)


def said(page: str) -> str:
    """The part that tells means, as text."""
    found = re.search(r'<dl class="facts means">(.*?)</p>', page, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).replace("&nbsp;", " ").split())


def test_a_sensor_s_page_fetches_the_day_later_and_the_month_when_asked_for(hub: SeededHub) -> None:
    two_hours_with_a_gap_between(hub)
    client = hub.signed_in()
    page = client.get(PAGE).text
    assert f'hx-get="{PAGE}/means" hx-trigger="load"' in page
    assert "facts means" not in page
    # Above the mean of 7.0: what is warm ages more than what is cold saves.
    day, month = (said(client.get(f"{PAGE}/means{query}").text) for query in ("", "?window=30d"))
    assert day.startswith("Mean kinetic temperature, 24 h 7.2 °C")
    assert "left out, without data: 22 h" in day
    assert month.startswith("Mean kinetic temperature, 30 d 7.2 °C")
    assert "For information, not the verdict. ΔH 83.144 kJ/mol." in day
    assert "<html" not in client.get(f"{PAGE}/means").text


def test_a_parcel_s_way_and_a_trip_tell_it_beside_their_verdict_with_the_gap_by_name(hub: SeededHub) -> None:
    two_hours_with_a_gap_between(hub)
    client = hub.signed_in()
    trip = re.search(r'href="(/trips/\w+)"', client.get("/trips").text)
    assert trip
    for path in ("/tracking/P1", trip[1]):
        told = said(client.get(path).text)
        assert told.startswith("Mean kinetic temperature, 24 h 7.2 °C"), path
        assert "left out, without data: 2 h (" in told, path
        assert "30 d" not in told, path


def test_humidity_and_what_is_not_there_have_none(hub: SeededHub) -> None:
    two_hours_with_a_gap_between(hub)
    client = hub.signed_in()
    assert client.get("/temperature/van-1.rear.humidity_rh/means").status_code == 404
    assert client.get(f"{PAGE}/means?window=7d").status_code == 422
