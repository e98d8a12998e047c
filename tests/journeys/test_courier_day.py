"""A courier's day with everything real: hub, agent, the app in a window, keys and a pointer; and what the hub knows at its end.

The app is killed three times, the agent once, and the hub is away for seven of twelve stops: that stands for two hours without
network. What the hours themselves change is held to given time elsewhere: how soon a device comes back
(`tests/agent/test_uplink.py`), and what late proofs change of figures (`tests/hub/deliveries/test_figures.py`). What the script
did is its own journal, and API and pages must tell the same. Pictures of what was seen are left in `build/screenshots`.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from contract.event import Correction, Proof, Scan, Verdict
from firmware_sim.relay import Relay
from tests.agent.probe_line import probe_line
from tests.journeys.courier_day import STRAY, WHY_STRAY, Day, Visit
from tests.journeys.courier_hands import Display
from tests.journeys.dispatcher_pages import DeliveryRow, Dispatcher, dispatcher
from tests.journeys.world import Site, tell, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STATES = {
    "delivered": "delivered",
    "picked_up": "picked up",
    "partly": "delivered in part",
    "refused": "refused",
    "attempted": "attempted",
    "returned": "returned",
}
"""As the dispatcher's pages say it."""
VERIFIED = slice(None, None, 5)
"""Of the stops: all are verified by the API, and these by the button of their page, too."""


@pytest.fixture
def display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Display]:
    # Tests of the app in this process set them for themselves.
    for name in [name for name in os.environ if name.startswith(("KIVY_", "SDL_"))]:
        monkeypatch.delenv(name)
    with Display(tmp_path) as display:
        yield display


def visits() -> list[Visit]:
    """What is to come of twelve stops."""
    given = [
        Visit(photos=1, signs=True),
        Visit(relation="Neighbour"),
        Visit(outcome="picked_up", photos=1),
        Visit(signs=True, photos=2),
        Visit(cold=True, code="recipient_accepts"),
        Visit(),
    ]
    return [
        *given,
        Visit(outcome="refused", reason="Damaged", code="damaged", photos=1),
        Visit(outcome="attempted", reason="Nobody there", code="nobody_home"),
        Visit(outcome="returned", reason="Back to the sender", code="back_to_sender"),
        Visit(turned_away=1, reason="Not ordered", code="not_ordered", signs=True),
        Visit(relation="Locker"),
        Visit(relation="Reception", photos=1, signs=True),
    ]


def test_every_proof_of_a_hard_day_is_at_the_hub_once_with_its_photos_and_pages_tell_it(
    tmp_path: Path, display: Display, browser_path: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        Site(tmp_path / "site") as site,
        Relay("127.0.0.1", site.mqtt_port) as line,
        probe_line() as probe,
        dispatcher(browser_path, site.hub.url) as office,
    ):
        day = Day(site, tmp_path, display, line, probe)
        day.plan(visits())
        with site.running(day.agent):
            day.person.open()
            try:
                day.sign_on()
                day.load()
                began_s = time.monotonic()
                day.work(lambda name: a_photo_is_on_its_way(day, office, name))
                took_s = time.monotonic() - began_s
                tell(capsys, f"twelve stops in {took_s:.0f} s; the app was killed {day.kills} times")
                a_photo_is_whole(day, office)
                the_hub_has_all(day)
                the_pages_tell_it(day, office)
            finally:
                day.person.kill()


def a_photo_is_on_its_way(day: Day, office: Dispatcher, name: str) -> None:
    """The proof is in and the photo is not, which its page says in per cent."""
    sent = wait_until(lambda: delivery_of(day, name), "the proof is at the hub")
    wait_until(lambda: [one for one in pictures_of(day, sent) if 0 < one["percent"] < 100], "a part of the photo came")
    given = day.tell("POST", "users", {"name": "dispatcher", "role": "operator"})
    office.signs_in(given["name"], given["password"])
    main = office.goes(f"/deliveries/{sent}")
    pending = main.locator(".pictures li[data-state=coming]")
    expect(pending).to_have_count(1)
    assert 0 < int(pending.locator("progress").get_attribute("value") or 0) < 100
    expect(pending).to_contain_text("photo pending, ")
    # What is not here yet is not wrong.
    assert office.verifies() == {"right", "cannot be checked yet"}
    office.keeps("photo-pending")
    day.large = sent


def delivery_of(day: Day, name: str) -> str:
    """The id of a stop's only proof, where the hub has it."""
    items = day.site.get("deliveries", stop=day.stops[name])["items"]
    return items[0]["id"] if items else ""


def pictures_of(day: Day, delivery: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = day.site.get(f"deliveries/{delivery}")["pictures"]
    return found


def a_photo_is_whole(day: Day, office: Dispatcher) -> None:
    wait_until(day.is_told, "the agent has told all")
    wait_until(lambda: all(one["percent"] == 100 for one in pictures_of(day, day.large)), "the photo is whole")
    assert office.sees_pictures(day.large) == len(pictures_of(day, day.large))
    assert office.verifies() == {"right"}
    office.keeps("photo-whole")


def the_hub_has_all(day: Day) -> None:
    """Each proof is there once with its photos, and says what was done; a scan that was taken back is there, too."""
    done = day.visits
    route = wait_until(
        lambda: r if (r := day.site.get(f"routes/{day.route}"))["visited"] == len(done) else None,
        "all proofs are shown",
    )
    stops = {stop["name"]: stop for stop in route["items"]}
    facts = day.site.facts()
    assert sum(isinstance(fact.event, Proof) for fact in facts) == len(done)
    deliveries = {item["stop"]: item for item in day.site.get("deliveries", limit=500)["items"]}
    assert len(deliveries) == len(done)
    for name, visit in done.items():
        stop = stops[name]
        told = day.site.get(f"deliveries/{deliveries[stop['stop']]['id']}")
        photos = [one["sha256"] for one in told["pictures"] if not one["signature"]]
        assert stop["deliveries"] == [told["id"]], name
        assert (stop["status"], told["outcome"], told["reason"]) == (visit.status, visit.outcome, visit.code), name
        assert (sorted(told["delivered"]), told["actor"]) == (sorted(visit.given), visit.who), name
        assert sorted(photos) == sorted(visit.taken), name
        assert len(told["pictures"]) - len(photos) == visit.signs, name
        assert all(one["percent"] == 100 for one in told["pictures"]), name
        assert told["cold_verdict"] == "exceeded", name
        for photo in photos:
            assert hashlib.sha256(day.blob(photo)).hexdigest() == photo
        assert day.site.get(f"deliveries/{told['id']}/verify")["ok"], name
    unexpected = [f.event.parcel for f in facts if isinstance(f.event, Scan) and f.event.verdict is Verdict.UNEXPECTED]
    assert unexpected == [STRAY]
    assert [fact.event.why for fact in facts if isinstance(fact.event, Correction)] == [WHY_STRAY]


def the_pages_tell_it(day: Day, office: Dispatcher) -> None:
    """What the dispatcher reads is what was done."""
    done = day.visits
    assert office.reads_board(day.route) == f"{len(done)} of {len(done)}"
    office.keeps("routes")
    stops = office.reads_route(day.route)
    assert [(one.name, one.state) for one in stops] == [(name, STATES[done[name].status]) for name in day.stops]
    office.keeps("route")
    rows = office.reads_deliveries()
    assert sorted(rows, key=lambda row: row.name) == [
        DeliveryRow(name, STATES[visit.outcome], len(visit.parcels), visit.who) for name, visit in sorted(done.items())
    ]
    office.keeps("deliveries")
    for one in stops:
        visit = done[one.name]
        assert office.sees_pictures(one.delivery) == visit.signs + len(visit.taken), one.name
        if one in stops[VERIFIED]:
            assert office.verifies() == {"right"}, one.name
    office.keeps("delivery")
    way = office.goes(f"/tracking/{STRAY}")
    expect(way.locator("li.corrected")).to_have_count(1)
    expect(way.locator("li.corrected")).to_contain_text(WHY_STRAY)
    office.keeps("taken-back")
