"""A day from the shippers' file to the proof, through the interface."""

import re
from typing import Any

import pytest

from contract.event import Outcome, Step, Verdict
from contract.route import MAX_PARCELS_PER_STOP, check_scan, vehicles_by_parcel
from hub.routes import stops
from hub.routes.assigning import ASSIGN_ROUTE
from hub.shipments.order import Order
from hub.shipments.queries import ShipmentView
from tests.hub.routes.dispatching import DAY, NOW_MS, Dispatch, order


def test_orders_become_a_route_on_the_device_and_proofs_its_progress(desk: Dispatch) -> None:
    desk.device("van-1")
    desk.device("dock-1", place="Depot North, dock 1")
    desk.van("van-1", "van-1")
    assert desk.ships(*(order(n) for n in range(6)))["created"] == 6

    planned = desk.routes()
    assert planned["waiting"] == []
    stops = desk.stops()
    assert len(stops) == 6

    told = desk.ask("POST", "/routes/2026-06-01-van-1/assign", json={})
    assert (told["device"], told["version"], told["parcels"]) == ("van-1", NOW_MS, 6)
    assert told["told"] == ["dock-1", "van-1"]
    assert desk.hub.decisions[-1].action == ASSIGN_ROUTE
    route = desk.route_on("van-1")
    assert route is not None
    assert [stop.stop for stop in route.stops] == stops
    manifest, dock = desk.manifest_on("van-1"), desk.manifest_on("dock-1")
    assert manifest is not None
    assert dock is not None
    assert (manifest.mine, dock.mine) == (0, None)
    assert check_scan(dock, vehicles_by_parcel(dock), "HOLDFAST-00003", Step.LOADED).verdict is Verdict.EXPECTED

    desk.load("van-1", *(f"HOLDFAST-{n:05}" for n in range(5)))
    loading = desk.ask("GET", "/routes/2026-06-01-van-1/loading")
    assert (loading["wanted"], loading["loaded"], loading["complete"]) == (6, 5, False)
    assert [one["parcel"] for one in loading["missing"]] == ["HOLDFAST-00005"]

    identity = desk.prove("van-1", stops[0], Outcome.DELIVERED, route.stops[0].parcels[0].parcel)
    after = desk.route()
    assert after["items"][0]["status"] == "delivered"
    assert after["items"][0]["delivery"] == identity
    assert (after["stops"], after["visited"], after["done"]) == (6, 1, 1)


@pytest.mark.parametrize("apart", [True, False])
def test_thousands_of_orders_of_one_address_are_put_together_in_steps_that_grow_with_their_number(
    apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0
    join = stops._with

    def counted(stop: stops.Merged, one: ShipmentView) -> stops.Merged | None:
        nonlocal tried
        tried += len(stop.shipments)
        return join(stop, one)

    monkeypatch.setattr(stops, "_with", counted)
    windows: list[dict[str, Any]] = [
        {"window_from_ms": n * 10, "window_to_ms": n * 10 + 5} if apart else {} for n in range(1_000)
    ]
    orders = [Order(str(n), "Apotheke", "Nanjing W. Rd 8", **window) for n, window in enumerate(windows)]
    made = stops.merge(ShipmentView(n, order, 0, 0, None, "", "") for n, order in enumerate(orders))
    assert len(made) == (1_000 if apart else 5)
    assert tried < 1_000 * (MAX_PARCELS_PER_STOP + 1) * (1 if apart else 5)


def test_a_shift_of_whole_days_is_shown_with_its_days(desk: Dispatch) -> None:
    client = desk.hub.signed_in()
    shown = []
    for name, to_min in (("van-1", 24 * 60 - 1), ("van-2", 2 * 24 * 60)):
        desk.van(name, shift_from_min=0, shift_to_min=to_min, zone="UTC")
    desk.ask("POST", "/routes", json={"day": DAY, "optimise": False})
    for name in ("van-1", "van-2"):
        page = client.get(f"/routes/{DAY}-{name}", headers={"accept": "text/html"}).text
        shift = page.partition("<dt>Shift</dt>")[2].partition("</dd>")[0]
        shown.append((re.findall(r">([^<>]*\d)</time>", shift), "data-time" in shift))
    assert shown == [(["00:00", "23:59"], True), (["06-01 00:00", "06-03 00:00"], False)]
