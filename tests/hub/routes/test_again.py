"""Another day for what could not be handed over, and figures that do not forget the first one."""

from typing import Any

import pytest

from contract.event import Outcome, Scan, Step
from hub.routes.vehicles import read_day
from tests.hub.routes.dispatching import DAY, HOUR_MS, NOW_MS, Dispatch, order

R1 = f"{DAY}-van-1"
NEXT_DAY = "2026-06-02"
R2 = f"{NEXT_DAY}-van-1"


@pytest.fixture
def day(desk: Dispatch) -> Dispatch:
    """A van with two stops: one with a window, one with two parcels."""
    desk.device("van-1")
    desk.device("dock-1", place="Depot North")
    desk.van("van-1", "van-1", zone="Asia/Shanghai")
    window = {"window_from": f"{DAY}T14:00:00+08:00", "window_to": f"{DAY}T16:00:00+08:00"}
    desk.ships(order(1, **window), order(2, parcels=["A", "B"]))
    plan(desk, DAY)
    desk.ask("POST", f"/routes/{R1}/assign", json={})
    return desk


def plan(desk: Dispatch, day: str) -> None:
    """All that waits, on the one van, in any order."""
    desk.ask("POST", "/routes", json={"day": day, "optimise": False})
    waiting = {one["stop"]: None for one in desk.ask("GET", "/shipments?planned=false")["items"]}
    desk.ask("PATCH", f"/routes/{day}-van-1", json={"stops": [*waiting]})


def shipment(desk: Dispatch, reference: str) -> Any:
    return desk.ask("GET", f"/shipments?q={reference}")["items"][0]


def again(desk: Dispatch, *references: str, day: str = NEXT_DAY, status: int = 200) -> Any:
    numbers = [shipment(desk, reference)["id"] for reference in references]
    return desk.ask("POST", "/shipments/again", status, json={"shipments": numbers, "day": day, "reason": "called"})


def test_what_could_not_be_handed_over_is_offered_until_somebody_decides(day: Dispatch) -> None:
    stop = shipment(day, "R00001")["stop"]
    day.load("van-1", "HOLDFAST-00001")
    assert day.ask("GET", f"/shipments/undone?day={DAY}")["items"] == []
    proof = day.prove("van-1", stop, Outcome.ATTEMPTED, "HOLDFAST-00001", reason="nobody_home")
    [offered] = day.ask("GET", f"/shipments/undone?day={NEXT_DAY}")["items"]
    assert (offered["shipment"]["reference"], offered["status"], offered["reason"], offered["delivery"]) == (
        "R00001",
        "attempted",
        "nobody_home",
        proof,
    )
    assert [(one["id"], one["status"]) for one in offered["left"]] == [("HOLDFAST-00001", "exception")]
    again(day, "R00001")
    assert day.ask("GET", f"/shipments/undone?day={NEXT_DAY}")["items"] == []


def test_each_attempt_is_a_stop_of_its_own_with_its_window_on_the_new_day(day: Dispatch) -> None:
    first = shipment(day, "R00001")["stop"]
    proof = day.prove("van-1", first, Outcome.REFUSED, "HOLDFAST-00001", reason="damaged")
    told = again(day, "R00001")
    [new] = told["stops"]
    plan(day, NEXT_DAY)
    [stop] = day.ask("GET", f"/routes/{R2}")["items"]
    assert (stop["stop"], stop["attempt"], stop["window_from"]) == (new["stop"], 2, f"{NEXT_DAY}T06:00:00Z")
    second = day.prove("van-1", new["stop"], Outcome.DELIVERED, "HOLDFAST-00001", at_ms=NOW_MS + 24 * HOUR_MS)
    attempts = day.ask("GET", f"/shipments/{shipment(day, 'R00001')['id']}")["attempts"]
    assert [(one["attempt"], one["route"], one["status"], one["deliveries"]) for one in attempts] == [
        (1, R1, "refused", [proof]),
        (2, R2, "delivered", [second]),
    ]
    # Yesterday's route still says what it was for.
    before = next(one for one in day.route()["items"] if one["stop"] == first)
    assert (before["status"], before["parcels"], before["attempt"]) == ("refused", ["HOLDFAST-00001"], 1)


def test_a_second_attempt_is_no_first_one_in_the_figures(day: Dispatch) -> None:
    day.prove("van-1", shipment(day, "R00001")["stop"], Outcome.ATTEMPTED, "HOLDFAST-00001")
    new = again(day, "R00001")["stops"][0]["stop"]
    plan(day, NEXT_DAY)
    day.prove("van-1", new, Outcome.DELIVERED, "HOLDFAST-00001", at_ms=NOW_MS + 24 * HOUR_MS)
    first, second = (day.ask("GET", f"/figures?day={on}")["items"][0]["figures"] for on in (DAY, NEXT_DAY))
    assert (first["visited"], first["first_attempt"], first["first_attempt_share"]) == (1, 0, 0.0)
    assert (second["done"], second["visited"], second["first_attempt"], second["first_attempt_share"]) == (
        1,
        0,
        0,
        None,
    )


def test_what_was_handed_over_is_not_brought_again(day: Dispatch) -> None:
    stop = shipment(day, "R00002")["stop"]
    day.prove("van-1", stop, Outcome.DELIVERED, "A")
    day.prove("van-1", stop, Outcome.REFUSED, "B", at_ms=NOW_MS + 60_000)
    [offered] = day.ask("GET", f"/shipments/undone?day={DAY}")["items"]
    assert [one["id"] for one in offered["left"]] == ["B"]
    again(day, "R00002")
    plan(day, NEXT_DAY)
    assert [stop["parcels"] for stop in day.ask("GET", f"/routes/{R2}")["items"]] == [["B"]]
    assert day.ask("POST", f"/routes/{R2}/assign", json={"device": "dock-1"})["parcels"] == 1


def test_a_refused_parcel_comes_back_by_a_scan_and_leaves_again(day: Dispatch) -> None:
    day.load("van-1", "HOLDFAST-00001")
    day.prove("van-1", shipment(day, "R00001")["stop"], Outcome.REFUSED, "HOLDFAST-00001", at_ms=NOW_MS + 1000)
    again(day, "R00001")
    plan(day, NEXT_DAY)
    [missing] = day.ask("GET", f"/routes/{R2}/loading")["missing"] or [None]
    assert missing is None or missing["status"] == "exception"
    back = Scan(b"HOLDFAST-00001", "]C1", "plain", "HOLDFAST-00001", Step.RETURNED, "Depot North", "usb0")
    day.say("dock-1", back, NOW_MS + 2000)
    parcel = day.ask("GET", "/parcels/HOLDFAST-00001")
    assert (parcel["status"], parcel["route"]) == ("returned", R2)
    [missing] = day.ask("GET", f"/routes/{R2}/loading")["missing"]
    assert (missing["status"], missing["place"]) == ("returned", "Depot North")
    leaves = Scan(b"HOLDFAST-00001", "]C1", "plain", "HOLDFAST-00001", Step.LOADED, "Depot North", "usb0")
    day.say("van-1", leaves, NOW_MS + 3000)
    assert day.ask("GET", f"/routes/{R2}/loading")["complete"] is True
    assert day.ask("GET", "/parcels/HOLDFAST-00001")["status"] == "in_transit"


def test_only_what_was_tried_in_vain_is_tried_again(day: Dispatch) -> None:
    assert again(day, "R00001", status=409)["detail"].startswith("R00001: nobody was there in vain")
    day.prove("van-1", shipment(day, "R00001")["stop"], Outcome.DELIVERED, "HOLDFAST-00001")
    assert again(day, "R00001", status=409)["detail"].startswith("R00001: nobody was there in vain")
    day.prove("van-1", shipment(day, "R00002")["stop"], Outcome.ATTEMPTED, "A", "B")
    refused = again(day, "R00002", day="2026-05-31", status=409)["detail"]
    assert refused == f"R00002 was tried on {DAY}; it cannot be planned again for 2026-05-31, which is before"
    assert again(day, "R00002", "R00001", status=409)["detail"].startswith("R00001")
    assert shipment(day, "R00002")["attempt"] == 1


def test_a_stop_that_was_cancelled_before_anybody_came_is_no_attempt(day: Dispatch) -> None:
    stop = shipment(day, "R00001")["stop"]
    day.ask("PATCH", f"/routes/{R1}", json={"cancel": [stop]})
    again(day, "R00001")
    assert (shipment(day, "R00001")["attempt"], shipment(day, "R00001")["stop_day"]) == (1, NEXT_DAY)


def test_what_nobody_came_to_is_offered_the_day_after_and_is_no_attempt(day: Dispatch) -> None:
    stops = {reference: shipment(day, reference)["stop"] for reference in ("R00001", "R00002")}
    day.prove("van-1", stops["R00002"], Outcome.DELIVERED, "A", "B")
    assert day.ask("GET", f"/shipments/undone?day={NEXT_DAY}")["items"] == []
    day.clock.ms += 11 * HOUR_MS  # past midnight in Shanghai
    assert day.ask("GET", f"/shipments/undone?day={DAY}")["items"] == []
    [offered] = day.ask("GET", f"/shipments/undone?day={NEXT_DAY}")["items"]
    assert (offered["shipment"]["reference"], offered["status"], offered["delivery"]) == ("R00001", "open", "")
    before = day.ask("GET", f"/routes?day={DAY}")["items"][0]["revision"]
    again(day, "R00001")
    assert day.ask("GET", f"/shipments/undone?day={NEXT_DAY}")["items"] == []
    plan(day, NEXT_DAY)
    [new] = day.ask("GET", f"/routes/{R2}")["items"]
    assert (new["attempt"], new["parcels"], new["window_from"]) == (1, ["HOLDFAST-00001"], f"{NEXT_DAY}T06:00:00Z")
    left = next(one for one in day.route()["items"] if one["stop"] == stops["R00001"])
    assert (left["status"], left["cancelled"]) == ("cancelled", True)
    assert day.ask("GET", f"/routes?day={DAY}")["items"][0]["revision"] > before
    # Somebody was there after all, and says so late: it counts, and is shown beside what was planned since.
    day.prove("van-1", stops["R00001"], Outcome.DELIVERED, "HOLDFAST-00001")
    assert next(one for one in day.route()["items"] if one["stop"] == stops["R00001"])["status"] == "delivered"


def test_of_a_stop_that_nobody_came_to_what_is_not_chosen_stays(day: Dispatch) -> None:
    day.ships(*(order(number, address="Xizang Rd 8, 200001") for number in (3, 4)))
    plan(day, DAY)
    stop = shipment(day, "R00003")["stop"]
    assert shipment(day, "R00004")["stop"] == stop
    day.clock.ms += 11 * HOUR_MS
    again(day, "R00003")
    assert shipment(day, "R00003")["stop"] != stop
    stays = next(one for one in day.route()["items"] if one["stop"] == stop)
    assert (stays["status"], stays["parcels"]) == ("open", ["HOLDFAST-00004"])


def test_the_shippers_file_sent_again_leaves_the_new_day(day: Dispatch) -> None:
    day.prove("van-1", shipment(day, "R00001")["stop"], Outcome.ATTEMPTED, "HOLDFAST-00001")
    again(day, "R00001")
    window = {"window_from": f"{DAY}T14:00:00+08:00", "window_to": f"{DAY}T16:00:00+08:00"}
    assert day.ships(order(1, **window))["unchanged"] == 1
    assert day.ships(order(1, **window, address="Nanjing W. Rd 99, 200041"))["changed"] == 1
    plan(day, NEXT_DAY)
    [stop] = day.ask("GET", f"/routes/{R2}")["items"]
    assert (stop["address"], stop["window_from"]) == ("Nanjing W. Rd 99, 200041", f"{NEXT_DAY}T06:00:00Z")
    assert read_day(shipment(day, "R00001")["stop_day"]).isoformat() == NEXT_DAY


def test_the_first_days_of_the_calendar_and_numbers_that_no_shipment_has_are_answered(day: Dispatch) -> None:
    assert day.ask("GET", "/shipments/undone?day=0001-01-02")["items"] == []
    day.ask("POST", f"/shipments/-{'9' * 30}/cancel", 422, json={})
