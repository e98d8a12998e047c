"""Two couriers at one door, and one at a door that was cancelled: everything is kept and shown, and figures count it once."""

from itertools import permutations
from typing import Any

import pytest

from contract.event import Outcome
from tests.hub.routes.dispatching import DAY, NOW_MS, Dispatch, order

R1 = f"{DAY}-van-1"
VANS = ("van-1", "van-2")


@pytest.fixture
def day(desk: Dispatch) -> Dispatch:
    for name in VANS:
        desk.device(name)
    desk.van("van-1", "van-1")
    desk.ships(*(order(n) for n in range(6)))
    desk.ask("POST", "/routes", json={"day": DAY, "optimise": False})
    stops = [one["stop"] for one in desk.ask("GET", "/shipments")["items"]]
    desk.ask("PATCH", f"/routes/{R1}", json={"stops": stops})
    desk.ask("POST", f"/routes/{R1}/assign", json={})
    return desk


def figures(day: Dispatch) -> dict[str, Any]:
    told = day.ask("GET", f"/figures?day={DAY}")["items"]
    found: dict[str, Any] = next(one["figures"] for one in told if one["scope"] == "route")
    return found


def shown(day: Dispatch, identity: str) -> str:
    client = day.hub.signed_in()
    page = client.get(f"/deliveries/{identity}")
    assert page.status_code == 200
    return page.text


def test_one_stop_that_two_devices_prove_counts_once_and_both_proofs_say_that_they_contradict(day: Dispatch) -> None:
    stop = day.route()["items"][0]
    proofs = [
        day.prove(van, stop["stop"], Outcome.DELIVERED, *stop["parcels"], at_ms=NOW_MS + n, recipient=f"By {van}")
        for n, van in enumerate(VANS)
    ]

    for identity, van in zip(proofs, VANS, strict=True):
        told = day.ask("GET", f"/deliveries/{identity}")
        assert (told["conflict"], told["stop_status"], told["recipient"]) == (True, "delivered", f"By {van}")
    assert [one["id"] for one in day.ask("GET", f"/deliveries?stop={stop['stop']}")["items"]] == proofs[::-1]
    counted = figures(day)
    assert {name: counted[name] for name in ("stops", "done", "visited", "first_attempt", "open")} == {
        "stops": 6, "done": 1, "visited": 1, "first_attempt": 1, "open": 5,
    }  # fmt: skip
    body = shown(day, proofs[1])
    assert "Devices say different things about this stop:" in body
    assert "Both proofs are kept." in body
    assert f'href="/deliveries/{proofs[0]}"' in body


def test_what_was_handed_over_counts_whichever_courier_is_heard_first(day: Dispatch) -> None:
    said = [
        ("van-1", Outcome.ATTEMPTED, NOW_MS),
        ("van-2", Outcome.DELIVERED, NOW_MS + 1),
        ("van-1", Outcome.REFUSED, NOW_MS + 2),
    ]
    orders = list(permutations(said))
    for stop, arrival in zip(day.route()["items"], orders, strict=True):
        for van, outcome, at_ms in arrival:
            day.prove(van, stop["stop"], outcome, *stop["parcels"], at_ms=at_ms, known_ms=NOW_MS + 60_000)

    route = day.route()
    assert [one["status"] for one in route["items"]] == ["delivered"] * len(orders)
    assert route["conflicts"] == len(orders)
    counted = figures(day)
    assert (counted["done"], counted["attempted"], counted["refused"], counted["first_attempt"]) == (6, 0, 0, 0)


def test_a_proof_made_offline_at_a_stop_that_was_cancelled_meanwhile_counts_and_says_so(day: Dispatch) -> None:
    stop = day.route()["items"][0]
    day.ask("PATCH", f"/routes/{R1}", json={"cancel": [stop["stop"]]})
    day.ask("POST", f"/routes/{R1}/assign", json={})
    assert figures(day)["stops"] == 5
    late = NOW_MS + 3 * 3_600_000
    identity = day.prove("van-1", stop["stop"], Outcome.DELIVERED, *stop["parcels"], at_ms=NOW_MS, known_ms=late)

    told = day.ask("GET", f"/deliveries/{identity}")
    assert (told["cancelled"], told["stop_status"]) == (True, "delivered")
    assert "The stop was cancelled at the hub, and somebody was there all the same." in shown(day, identity)
    assert (figures(day)["stops"], figures(day)["done"]) == (6, 1)
    # Given anew, the route says that nobody is to go there; the app shows both.
    route = day.route_on("van-1")
    assert route is not None
    assert [one.cancelled for one in route.stops if one.stop == stop["stop"]] == [True]


def test_a_stop_that_went_to_another_van_while_its_courier_was_offline_is_done_once(day: Dispatch) -> None:
    day.van("van-2", "van-2")
    day.ask("POST", "/routes", json={"day": DAY, "vehicles": ["van-2"], "optimise": False})
    stop = day.route()["items"][0]
    day.ask("PATCH", f"/routes/{DAY}-van-2", json={"stops": [stop["stop"]]})
    identity = day.prove("van-1", stop["stop"], Outcome.DELIVERED, *stop["parcels"], at_ms=NOW_MS - 60_000)

    assert day.ask("GET", f"/deliveries/{identity}")["stop_status"] == "delivered"
    taken = day.route("van-2")
    assert (taken["done"], taken["items"][0]["deliveries"]) == (1, [identity])
    # Nobody is sent there again.
    refused = day.ask("PATCH", f"/routes/{R1}", 409, json={"stops": [stop["stop"]]})
    assert "somebody was there" in refused["detail"]
