"""Plans meet what happened: what was met stays, what is loaded stays in its van, and people move the rest by hand."""

from datetime import datetime

import pytest

from contract.event import Outcome
from hub.routes.plan import Plan, Problem
from hub.routes.solver import solve
from tests.hub.routes.dispatching import DAY, HOUR_MS, NOW_MS, Dispatch, order

R1, R2 = f"{DAY}-van-1", f"{DAY}-van-2"


def two_vans(desk: Dispatch, orders: int = 12) -> None:
    for name in ("van-1", "van-2"):
        desk.device(name)
        desk.van(name, name, parcels=8)
    desk.ships(*(order(n) for n in range(orders)))
    assert desk.routes()["waiting"] == []


def parcels_of(desk: Dispatch, van: str) -> list[str]:
    return [parcel for stop in desk.route(van)["items"] for parcel in stop["parcels"]]


def test_shipments_of_one_address_become_one_stop(desk: Dispatch) -> None:
    desk.van("van-1")
    same = {"address": "Nanjing W. Rd 8, 3-02"}
    desk.ships(
        order(1, **same), order(2, **same, latitude=None, longitude=None), order(3, address="Nanjing W Rd. 8 3-02 ")
    )
    desk.ships(
        order(4, **same, window_from="07:00", window_to="09:00"),
        order(5, **same, window_from="10:00", window_to="12:00"),
    )
    desk.routes()
    references = [stop["references"] for stop in desk.route()["items"]]
    assert sorted(references) == [["R00001", "R00002", "R00003", "R00004"], ["R00005"]]


def test_a_shipment_without_a_place_waits_and_says_so(desk: Dispatch) -> None:
    desk.van("van-1", weight_kg=30)
    desk.ships(order(1), order(2, latitude="", longitude=""), order(3, weight_kg=31))
    told = desk.routes()
    assert sorted((one["why"], one["value"]) for one in told["waiting"]) == [("no_place", 0), ("too_heavy", 30_000)]
    assert len(desk.stops()) == 1
    assert len(desk.ask("GET", "/shipments?planned=false")["items"]) == 2


def test_planning_anew_leaves_what_is_loaded_in_its_van_and_what_was_met_as_it_is(desk: Dispatch) -> None:
    two_vans(desk)
    for route in (R1, R2):
        desk.ask("POST", f"/routes/{route}/assign", json={})
    loaded = parcels_of(desk, "van-1")[:4]
    desk.load("van-1", *loaded)
    first = desk.route("van-1")["items"][0]
    desk.prove("van-1", first["stop"], Outcome.DELIVERED, *first["parcels"])
    desk.clock.ms += HOUR_MS
    # Weak from now on: but for what is loaded, one van could do all.
    desk.ask("POST", f"/routes/{R1}/optimise", json={"together": [R2], "waiting": True, "seconds": 0.5})
    after = desk.route("van-1")["items"]
    assert after[0]["stop"] == first["stop"]
    assert set(loaded) <= set(parcels_of(desk, "van-1"))
    assert len(parcels_of(desk, "van-1")) + len(parcels_of(desk, "van-2")) == 12


def test_a_loaded_parcel_that_is_late_already_stays_on_its_route(desk: Dispatch) -> None:
    desk.device("van-1")
    desk.van("van-1", "van-1")
    desk.ships(order(1, window_from="08:00", window_to="09:00"), order(2))
    desk.routes()
    desk.load("van-1", "HOLDFAST-00001", "HOLDFAST-00002")
    desk.clock.ms = NOW_MS + 4 * HOUR_MS
    told = desk.ask("POST", f"/routes/{R1}/optimise", json={"seconds": 0.3})
    assert told["waiting"] == []
    late = [stop for stop in desk.route()["items"] if stop["late_s"]]
    assert [stop["references"] for stop in late] == [["R00001"]]


def test_the_order_is_changed_by_hand_and_stops_move_between_vans(desk: Dispatch) -> None:
    two_vans(desk)
    ones, twos = desk.stops("van-1"), desk.stops("van-2")
    turned = desk.ask("PATCH", f"/routes/{R1}", json={"stops": ones[::-1], "why": "road works"})
    assert [stop["stop"] for stop in turned["items"]] == ones[::-1]
    planned = [stop["planned_at"] for stop in turned["items"]]
    assert planned == sorted(planned)
    desk.ask("PATCH", f"/routes/{R2}", json={"stops": [*twos, ones[0]]})
    assert desk.stops("van-2") == [*twos, ones[0]]
    assert desk.stops("van-1") == ones[:0:-1]
    desk.ask("PATCH", f"/routes/{R2}", json={"stops": twos})
    assert ones[0] not in [*desk.stops("van-1"), *desk.stops("van-2")]
    desk.ask("PATCH", f"/routes/{R1}", json={"stops": ones})
    assert desk.stops("van-1") == ones


def test_what_is_in_a_van_is_moved_by_nobody(desk: Dispatch) -> None:
    two_vans(desk)
    stop = desk.route("van-1")["items"][0]
    desk.load("van-1", *stop["parcels"])
    refused = desk.ask("PATCH", f"/routes/{R2}", 409, json={"stops": [*desk.stops("van-2"), stop["stop"]]})
    assert refused["detail"] == f"{stop['name']} has parcels in van 1 (1); unload them first, or leave it there"
    refused = desk.ask("PATCH", f"/routes/{R1}", 409, json={"stops": desk.stops("van-1")[1:]})
    assert "has parcels in van 1" in refused["detail"]


def test_where_somebody_was_nothing_moves_any_more(desk: Dispatch) -> None:
    two_vans(desk)
    stops = desk.stops("van-1")
    desk.prove("van-1", stops[0], Outcome.ATTEMPTED, reason="nobody there")
    refused = desk.ask("PATCH", f"/routes/{R1}", 409, json={"stops": stops[::-1]})
    assert "somebody was there" in refused["detail"]
    assert [stop["stop"] for stop in desk.ask("PATCH", f"/routes/{R1}", json={"stops": stops[:0:-1]})["items"]] == [
        stops[0],
        *stops[:0:-1],
    ]


def test_a_cancelled_stop_is_left_out_and_comes_back(desk: Dispatch) -> None:
    two_vans(desk)
    stop = desk.stops("van-1")[1]
    told = desk.ask("PATCH", f"/routes/{R1}", json={"cancel": [stop], "why": "shipper called"})
    assert [one["status"] for one in told["items"]][1] == "cancelled"
    desk.ask("POST", f"/routes/{R1}/optimise", json={"seconds": 0.3})
    assert desk.route("van-1")["stops"] == len(desk.stops("van-1")) - 1
    told = desk.ask("PATCH", f"/routes/{R1}", json={"restore": [stop]})
    assert {one["status"] for one in told["items"]} == {"open"}


def test_a_shipment_that_moves_house_gets_a_stop_of_its_own(desk: Dispatch) -> None:
    desk.van("van-1")
    same = {"address": "Nanjing W. Rd 8, 200041"}
    desk.ships(order(1, **same), order(2, **same))
    desk.routes()
    told = desk.ships(order(2, address="Huaihai Rd 1, 200020"))
    assert told["routes"] == [R1]
    assert [(stop["address"], stop["references"]) for stop in desk.route()["items"]] == [
        ("Nanjing W. Rd 8, 200041", ["R00001"]),
        ("Huaihai Rd 1, 200020", ["R00002"]),
    ]


def test_expected_times_are_ranges_that_widen_and_follow_the_day(desk: Dispatch) -> None:
    two_vans(desk)
    desk.clock.ms = began_ms = NOW_MS + 2 * HOUR_MS
    before = desk.route("van-1")["items"]
    spreads = [_span(stop["expected"]) for stop in before]
    assert spreads == sorted(spreads)
    desk.clock.ms = began_ms + HOUR_MS
    desk.prove("van-1", before[0]["stop"], Outcome.DELIVERED, *before[0]["parcels"])
    after = desk.route("van-1")["items"]
    assert after[0]["expected"] is None
    assert all(
        b["expected"]["earliest"] > a["expected"]["earliest"] for a, b in zip(before[1:], after[1:], strict=True)
    )


def _span(expected: dict[str, str]) -> float:
    ends = [datetime.fromisoformat(expected[name]) for name in ("earliest", "latest")]
    return (ends[1] - ends[0]).total_seconds()


def test_a_plan_of_what_changed_meanwhile_is_not_kept(desk: Dispatch, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.van("van-1")
    desk.ships(order(1), order(2))
    desk.ask("POST", "/routes", json={"day": DAY, "optimise": False})
    [_, number] = [one["id"] for one in desk.ask("GET", "/shipments")["items"]]

    def slow(problem: Problem, seconds: float) -> Plan:
        # Still on no route, so that no route tells of it.
        desk.ask("POST", f"/shipments/{number}/cancel", json={})
        return solve(problem, seconds)

    monkeypatch.setattr("hub.routes.keeping.solve", slow)
    asked = {"waiting": True, "seconds": 0.1}
    refused = desk.ask("POST", f"/routes/{R1}/optimise", 409, json=asked)
    assert refused["detail"].startswith("the routes changed while the plan was computed")
    assert desk.stops() == []
