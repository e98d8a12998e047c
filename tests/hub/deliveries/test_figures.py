"""Figures follow from when things happened, are worked out anew when late proofs come, and say what that changed."""

from typing import Any

from contract.event import Decision, Outcome
from hub.voice import HUB_DEVICE
from tests.hub.routes.dispatching import DAWN_MS, DAY, HOUR_MS, Dispatch, order

R1 = f"{DAY}-van-1"


def planned(desk: Dispatch) -> dict[str, str]:
    """Stops by reference: two in one area with windows, one in another without."""
    desk.device("van-1")
    desk.van("van-1", "van-1")
    window = {"window_from": "08:00", "window_to": "10:00"}
    desk.ships(order(1, **window), order(2, **window), order(3, address="Huaihai Rd 1, 200020"))
    desk.routes()
    return {stop["references"][0]: stop["stop"] for stop in desk.route()["items"]}


def figures(desk: Dispatch, scope: str = "day", name: str = "") -> Any:
    told = desk.ask("GET", f"/figures?day={DAY}")
    return next(one["figures"] for one in told["items"] if (one["scope"], one["name"]) == (scope, name))


def test_stops_are_counted_by_day_route_and_area(desk: Dispatch) -> None:
    stops = planned(desk)
    desk.prove("van-1", stops["R00001"], at_ms=DAWN_MS + 9 * HOUR_MS)
    desk.prove("van-1", stops["R00002"], Outcome.ATTEMPTED, at_ms=DAWN_MS + 9 * HOUR_MS)
    desk.prove("van-1", stops["R00002"], at_ms=DAWN_MS + 11 * HOUR_MS)
    told = figures(desk)
    assert (told["stops"], told["done"], told["open"], told["visited"], told["first_attempt"]) == (3, 2, 1, 2, 1)
    assert (told["windowed"], told["on_time"], told["on_time_share"], told["first_attempt_share"]) == (2, 2, 1.0, 0.5)
    assert figures(desk, "route", R1) == told
    assert (figures(desk, "area", "200041")["stops"], figures(desk, "area", "200020")["open"]) == (2, 1)


def test_a_late_proof_changes_figures_and_the_change_is_logged(desk: Dispatch) -> None:
    stops = planned(desk)
    desk.prove("van-1", stops["R00001"], at_ms=DAWN_MS + 9 * HOUR_MS)
    assert desk.ask("GET", f"/figures?day={DAY}")["changes"] == []
    desk.clock.ms = DAWN_MS + 20 * HOUR_MS
    late = desk.prove("van-1", stops["R00002"], at_ms=DAWN_MS + 12 * HOUR_MS, known_ms=desk.clock.ms)
    changes = desk.ask("GET", f"/figures?day={DAY}")["changes"]
    assert {(one["scope"], one["name"]) for one in changes} == {("day", ""), ("route", R1), ("area", "200041")}
    day = next(one for one in changes if one["scope"] == "day")
    assert (day["cause"], day["before"]["on_time_share"], day["after"]["on_time_share"]) == (late, 1.0, 0.5)


def test_on_time_is_told_by_the_devices_time_and_not_by_when_it_was_known(desk: Dispatch) -> None:
    stops = planned(desk)
    desk.prove("van-1", stops["R00001"], at_ms=DAWN_MS + 9 * HOUR_MS, known_ms=DAWN_MS + 30 * HOUR_MS)
    assert figures(desk)["on_time"] == 1


def test_a_cancelled_stop_counts_for_nothing_until_somebody_was_there(desk: Dispatch) -> None:
    stops = planned(desk)
    desk.ask("PATCH", f"/routes/{R1}", json={"cancel": [stops["R00003"]]})
    assert figures(desk)["stops"] == 2
    desk.prove("van-1", stops["R00003"])
    assert (figures(desk)["stops"], figures(desk)["done"]) == (3, 1)


def test_what_shippers_cancel_and_move_is_counted_so_at_once(desk: Dispatch) -> None:
    planned(desk)
    [one] = desk.ask("GET", "/shipments?q=R00003")["items"]
    desk.ask("POST", f"/shipments/{one['id']}/cancel", json={})
    assert figures(desk)["stops"] == 2
    window = {"window_from": "08:00", "window_to": "10:00"}
    desk.ships(order(1, area="West", **window))
    assert (figures(desk, "area", "West")["stops"], figures(desk, "area", "200041")["stops"]) == (1, 1)


def test_a_correction_changes_figures_and_the_change_is_logged(desk: Dispatch) -> None:
    stops = planned(desk)
    proof = desk.prove("van-1", stops["R00001"], at_ms=DAWN_MS + 9 * HOUR_MS)
    desk.clock.ms = DAWN_MS + 20 * HOUR_MS
    desk.say(HUB_DEVICE, Decision("correct", (bytes.fromhex(proof),), "li", "another door"))
    day = next(one for one in desk.ask("GET", f"/figures?day={DAY}")["changes"] if one["scope"] == "day")
    assert (day["cause"], day["before"]["done"], day["after"]["done"]) == (proof, 1, 0)


def test_what_a_shipper_says_anew_moves_no_door_where_somebody_was(desk: Dispatch) -> None:
    stops = planned(desk)
    proof = desk.prove("van-1", stops["R00001"], at_ms=DAWN_MS + 9 * HOUR_MS)
    desk.ships(order(1, address="Huaihai Rd 9, 200020", window_from="05:00", window_to="06:00"))
    assert desk.ask("GET", f"/deliveries/{proof}")["address"] == "Nanjing W. Rd 2, 200041"
    assert figures(desk)["on_time"] == 1
