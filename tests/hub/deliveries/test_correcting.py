"""A wrong proof is taken back by a person, and counts again when that was wrong; both stay, with who and why."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event, Lock, Thread
from typing import Any

import pytest
from fastapi.testclient import TestClient

from contract.event import Correction, Outcome
from hub.accounts.roles import Role
from hub.app import create_app
from tests.hub.folding import dump, folded
from tests.hub.routes.dispatching import DAY, NOW_MS, Dispatch, order

R1 = f"{DAY}-van-1"
HTML = {"accept": "text/html"}


@pytest.fixture
def day(desk: Dispatch) -> Dispatch:
    for name in ("van-1", "van-2"):
        desk.device(name)
    desk.van("van-1", "van-1")
    desk.ships(order(1))
    desk.ask("POST", "/routes", json={"day": DAY, "optimise": False})
    desk.ask("PATCH", f"/routes/{R1}", json={"stops": [desk.ask("GET", "/shipments")["items"][0]["stop"]]})
    desk.hub.on_decide = lambda decision: _fold(desk, decision)
    return desk


def _fold(desk: Dispatch, decision: Any) -> None:
    desk.clock.ms += 60_000
    desk.say("hub", decision)


def contradicted(day: Dispatch) -> tuple[str, str]:
    """Two devices say different things of the one stop."""
    [stop] = day.stops()
    wrong = day.prove("van-2", stop, Outcome.DELIVERED, "HOLDFAST-00001")
    right = day.prove("van-1", stop, Outcome.REFUSED, "HOLDFAST-00001", at_ms=NOW_MS + 1_000)
    return wrong, right


def state(day: Dispatch) -> tuple[Any, ...]:
    [stop] = day.route()["items"]
    [figures, *_] = day.ask("GET", f"/figures?day={DAY}")["items"]
    parcel = day.ask("GET", "/parcels/HOLDFAST-00001")
    return stop["status"], stop["conflict"], figures["figures"]["done"], parcel["status"]


def test_the_wrong_one_of_two_proofs_is_taken_back_and_both_stay(day: Dispatch) -> None:
    wrong, right = contradicted(day)
    assert state(day) == ("delivered", True, 1, "delivered")
    told = day.ask("POST", f"/deliveries/{wrong}/corrections", json={"reason": "another street of that name"})
    assert (told["stop_status"], told["conflict"], told["others"]) == ("refused", False, [right])
    [correction] = told["corrections"]
    assert (correction["reason"], correction["stands"], correction["undoes"]) == (
        "another street of that name",
        True,
        "",
    )
    assert told["corrected_by"] == correction["fact_id"]
    assert state(day) == ("refused", False, 0, "exception")
    assert day.hub.decisions[-1].who == correction["who"]


def test_taking_back_is_undone_and_all_of_it_stays_to_be_seen(day: Dispatch) -> None:
    wrong, _ = contradicted(day)
    first = day.ask("POST", f"/deliveries/{wrong}/corrections", json={"reason": "another street"})["corrected_by"]
    told = day.ask("POST", f"/deliveries/{wrong}/restore", json={"reason": "it was the right street"})
    assert (told["corrected_by"], told["conflict"]) == ("", True)
    assert [(one["reason"], one["stands"], one["undoes"]) for one in told["corrections"]] == [
        ("another street", False, ""),
        ("it was the right street", True, first),
    ]
    assert state(day) == ("delivered", True, 1, "delivered")
    again = day.ask("POST", f"/deliveries/{wrong}/corrections", json={"reason": "it was not"})
    assert [one["stands"] for one in again["corrections"]] == [False, True, True]
    assert state(day) == ("refused", False, 0, "exception")


def test_a_rebuild_gives_the_same_rows(day: Dispatch) -> None:
    wrong, _ = contradicted(day)
    day.ask("POST", f"/deliveries/{wrong}/corrections", json={"reason": "another street"})
    day.ask("POST", f"/deliveries/{wrong}/restore", json={"reason": "it was the right street"})
    with day.database.read() as conn:
        told = dump(conn)
    assert folded([day.ledger.facts]) == told
    assert folded([[one] for one in reversed(day.ledger.facts)]) == told


def test_what_is_so_already_is_refused_and_a_reason_is_needed(day: Dispatch) -> None:
    wrong, _ = contradicted(day)
    day.ask("POST", f"/deliveries/{wrong}/restore", 409, json={"reason": "x"})
    day.ask("POST", f"/deliveries/{wrong}/corrections", 422, json={"reason": "  "})
    day.ask("POST", f"/deliveries/{wrong}/corrections", json={"reason": "x"})
    refused = day.ask("POST", f"/deliveries/{wrong}/corrections", 409, json={"reason": "x"})
    assert (
        refused["detail"] == f"This proof was taken back before, by {day.hub.decisions[-1].who}. Load the page again."
    )
    day.ask("POST", f"/deliveries/{'0' * 64}/corrections", 404, json={"reason": "x"})


class SeenAtTheDoor:
    """A lock that tells when a second person stands before it."""

    def __init__(self) -> None:
        self.second = Event()
        self._lock = Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self.second.set()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("of_parcel", [False, True], ids=["delivery", "parcel"])
def test_of_two_who_take_a_proof_back_at_once_the_second_is_told_who_was_first(day: Dispatch, of_parcel: bool) -> None:
    wrong, _ = contradicted(day)
    door = SeenAtTheDoor()
    client = TestClient(create_app(replace(day.hub.context(), correcting=door)))
    path = "/api/v1/" + ("parcels/HOLDFAST-00001" if of_parcel else f"deliveries/{wrong}") + "/corrections"
    answers: dict[str, Any] = {}

    def ask(name: str) -> None:
        body = {"reason": name} | ({"facts": [wrong]} if of_parcel else {})
        headers = {"authorization": f"Bearer {tokens[name]}"}
        try:
            answers[name] = client.post(path, json=body, headers=headers)
        finally:
            door.second.set()

    tokens = {name: day.hub.token(Role.DISPATCHER) for name in ("first", "second")}
    second = Thread(target=ask, args=["second"])

    def decided(decision: Any, fold: Callable[[Any], None] = day.hub.on_decide) -> None:
        # The second one asks after the first one was found to be right, and before the pages show it.
        if decision.why == "first":
            second.start()
            door.second.wait()
        fold(decision)

    day.hub.on_decide = decided
    ask("first")
    second.join()
    assert [one.why for one in day.hub.decisions] == ["first"]
    assert (answers["first"].is_success, answers["second"].status_code) == (True, 409)
    assert f"before, by {day.hub.decisions[0].who}. Load the page again." in answers["second"].json()["detail"]


def test_no_device_takes_back_what_another_one_proved(day: Dispatch) -> None:
    wrong, _ = contradicted(day)
    day.say("van-1", Correction(bytes.fromhex(wrong), "mine was right"), NOW_MS + 2_000)
    assert day.ask("GET", f"/deliveries/{wrong}")["corrected_by"] == ""
    day.say("van-2", Correction(bytes.fromhex(wrong), "wrong street"), NOW_MS + 3_000)
    assert day.ask("GET", f"/deliveries/{wrong}")["corrected_by"] != ""
    assert state(day) == ("refused", False, 0, "exception")


def test_a_correction_is_undone_from_the_parcels_chain_too(day: Dispatch) -> None:
    wrong, _ = contradicted(day)
    first = day.ask("POST", f"/deliveries/{wrong}/corrections", json={"reason": "another street"})["corrected_by"]
    path = "/parcels/HOLDFAST-00001/corrections"
    refused = day.ask("POST", path, 409, json={"facts": [first], "step": "delivered", "reason": "x"})
    assert refused["detail"].startswith("A correction is undone by itself")
    day.ask("POST", path, 201, json={"facts": [first], "reason": "it was the right street"})
    assert state(day) == ("delivered", True, 1, "delivered")


def test_the_parcels_page_offers_its_corrections_to_be_undone_by_themselves(day: Dispatch) -> None:
    wrong, _ = contradicted(day)
    first = day.ask("POST", f"/deliveries/{wrong}/corrections", json={"reason": "another street"})["corrected_by"]
    client = day.hub.signed_in(Role.DISPATCHER)
    form = client.get("/tracking/HOLDFAST-00001", headers=HTML).text.partition('<details id="correct"')[2]
    assert f'<option value="{first}">' in form.partition('<optgroup label="Undo a correction">')[2]
    assert f'<option value="{wrong}"' not in form
    undone = day.ask("POST", f"/deliveries/{wrong}/restore", json={"reason": "it was right"})
    form = client.get("/tracking/HOLDFAST-00001", headers=HTML).text.partition('<details id="correct"')[2]
    assert f'<option value="{first}">' not in form
    assert f'<option value="{undone["corrections"][-1]["fact_id"]}">' in form


def test_a_parcel_leads_to_its_route_its_stop_and_its_deliveries(day: Dispatch) -> None:
    wrong, right = contradicted(day)
    [stop] = day.stops()
    parcel = day.ask("GET", "/parcels/HOLDFAST-00001")
    assert (parcel["route"], parcel["stop"]) == (R1, stop)
    visits = [(one["attempt"], one["route"], one["stop"], one["deliveries"]) for one in parcel["visits"]]
    assert visits == [(1, R1, stop, [wrong, right])]
    assert [one["id"] for one in day.ask("GET", f"/parcels?route={R1}")["items"]] == ["HOLDFAST-00001"]
    assert day.ask("GET", f"/parcels?route={DAY}-van-2")["items"] == []


def test_the_parcels_page_links_to_them_and_the_list_narrows_by_route(day: Dispatch) -> None:
    wrong, right = contradicted(day)
    [stop] = day.stops()
    client = day.hub.signed_in()
    shown = client.get("/tracking/HOLDFAST-00001", headers=HTML).text
    for link in (f"/routes/{R1}#stop-{stop}", f"/deliveries/{wrong}", f"/deliveries/{right}"):
        assert f'href="{link}"' in shown
    listed = client.get(f"/tracking?route={R1}", headers=HTML).text
    assert "/tracking/HOLDFAST-00001" in listed
    assert f'<option value="{R1}" selected>van 1, {DAY}</option>' in listed
    assert "/tracking/HOLDFAST-00001" not in client.get(f"/tracking?route={DAY}-van-2", headers=HTML).text
