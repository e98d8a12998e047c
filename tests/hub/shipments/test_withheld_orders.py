"""Who lives where is told until the term is over, counted from the day all was done; then nobody finds it any more."""

from typing import Any

import pytest
from sqlalchemy import select

from contract.event import Correction, Outcome
from contract.route import MANIFEST_DOCUMENT, ROUTE_DOCUMENT
from hub.accounts.tables import audit_trail
from hub.archive.tables import held_fact
from hub.shipments.withholding import withhold_orders
from tests.hub.routes.dispatching import DAY, HOUR_MS, NOW_MS, Dispatch, order

R1 = f"{DAY}-van-1"
DAY_MS = 24 * HOUR_MS
TERM_MS = 30 * DAY_MS
WHO = {"consignee": "Frau Sommer", "phone": "+86 21 5555", "notes": "Dog in the garden"}
HTML = {"accept": "text/html"}
ALL = ["consignee", "address", "phone", "notes", "place"]


@pytest.fixture
def day(desk: Dispatch) -> Dispatch:
    desk.device("van-1")
    desk.van("van-1", "van-1")
    desk.ships(order(1, **WHO), order(2, consignee="Herr Winter"))
    desk.ask("POST", "/routes", json={"day": DAY, "optimise": False})
    stops = [one["stop"] for one in desk.ask("GET", "/shipments")["items"]]
    desk.ask("PATCH", f"/routes/{R1}", json={"stops": stops[::-1]})
    desk.ask("POST", f"/routes/{R1}/assign", json={})
    return desk


def after(desk: Dispatch, days: float) -> int:
    """What the retention of so many days later withholds; the shipments, stops and devices that it looked at."""
    now_ms = NOW_MS + round(days * DAY_MS)
    return sum(withhold_orders(desk.database, now_ms - TERM_MS, now_ms))


def shipments(desk: Dispatch, q: str = "") -> Any:
    return desk.ask("GET", f"/shipments?q={q}")["items"]


def test_names_go_when_the_term_is_over_and_no_search_finds_them(day: Dispatch) -> None:
    first, second = day.stops()
    day.prove("van-1", first, Outcome.DELIVERED, "HOLDFAST-00001")
    assert after(day, 29.9) == 0
    [told] = shipments(day, "Sommer")
    assert (told["phone"], told["withheld"]) == ("+86 21 5555", [])
    assert after(day, 30.1) == 2
    for q in ("Sommer", "Frau", "Nanjing W. Rd 2"):
        assert shipments(day, q) == []
    [told] = shipments(day, "R00001")
    assert [told[name] for name in ("consignee", "address", "phone", "notes", "latitude")] == ["", "", "", "", None]
    assert (told["withheld"], told["area"], told["parcels"][0]["id"]) == (ALL, "200041", "HOLDFAST-00001")
    one, other = day.route()["items"]
    assert (one["name"], one["address"], one["latitude"], one["status"]) == ("", "", None, "delivered")
    assert one["withheld"] == ["consignee", "address", "place"]
    # The other one is open.
    assert (other["stop"], other["name"], other["withheld"]) == (second, "Herr Winter", [])
    assert after(day, 3_000) == 0
    c = audit_trail.c
    with day.database.read() as conn:
        told = conn.execute(select(c.who, c.new).where(c.action == "shipments.withhold")).all()
    assert [tuple(row) for row in told] == [("retention", "1 shipments, 1 stops")]


def test_a_cancelled_shipment_counts_from_then(day: Dispatch) -> None:
    number = shipments(day, "R00001")[0]["id"]
    day.clock.ms += DAY_MS // 2
    day.ask("POST", f"/shipments/{number}/cancel", json={"reason": "shipper called"})
    assert after(day, 30.4) == 0
    assert after(day, 30.6) == 2
    assert shipments(day, "Sommer") == []


def test_what_is_open_again_keeps_its_name(day: Dispatch) -> None:
    first, _ = day.stops()
    proof = day.prove("van-1", first, Outcome.DELIVERED, "HOLDFAST-00001")
    day.say("van-1", Correction(bytes.fromhex(proof), "the wrong door"))
    assert after(day, 90) == 0
    assert len(shipments(day, "Sommer")) == 1


def test_what_waits_for_a_decision_keeps_its_name(day: Dispatch) -> None:
    first, _ = day.stops()
    day.prove("van-1", first, Outcome.ATTEMPTED, "HOLDFAST-00001")
    assert after(day, 90) == 0
    day.prove("van-1", first, Outcome.DELIVERED, "HOLDFAST-00001", at_ms=NOW_MS + HOUR_MS)
    assert after(day, 90) == 2


def test_a_held_proof_holds_its_shipment(day: Dispatch) -> None:
    proof = day.prove("van-1", day.stops()[0], Outcome.DELIVERED, "HOLDFAST-00001")
    with day.database.write() as tx:
        tx.execute(held_fact.insert(), {"fact_id": bytes.fromhex(proof)})
    assert after(day, 90) == 0


def test_the_same_order_sent_again_brings_nothing_back_and_a_new_one_does(day: Dispatch) -> None:
    day.prove("van-1", day.stops()[0], Outcome.DELIVERED, "HOLDFAST-00001")
    after(day, 31)
    assert day.ships(order(1, **WHO))["unchanged"] == 1
    assert shipments(day, "Sommer") == []
    assert day.ships(order(1, **WHO, service="express"))["changed"] == 1
    assert shipments(day, "Sommer")[0]["withheld"] == []


def test_a_device_on_the_way_forgets_the_doors_that_are_over_and_nothing_else(day: Dispatch) -> None:
    day.prove("van-1", day.stops()[0], Outcome.DELIVERED, "HOLDFAST-00001")
    before = day.route_on("van-1")
    after(day, 31)
    route = day.route_on("van-1")
    assert before is not None
    assert route is not None
    gone = route.stops[0]
    assert (gone.name, gone.phone, gone.lat_e7) == ("", "", None)
    assert route.stops[1:] == before.stops[1:]
    assert day.document("van-1", ROUTE_DOCUMENT)[0] > NOW_MS


def test_the_documents_of_a_past_day_are_taken_from_devices(day: Dispatch) -> None:
    for n, stop in enumerate(day.stops(), start=1):
        day.prove("van-1", stop, Outcome.DELIVERED, f"HOLDFAST-0000{n}")
    after(day, 29)
    assert day.route_on("van-1") is not None
    after(day, 32)
    assert day.document("van-1", ROUTE_DOCUMENT)[1] == b""
    assert day.document("van-1", MANIFEST_DOCUMENT)[1] == b""
    newest = day.document("van-1", ROUTE_DOCUMENT)[0]
    after(day, 33)
    assert day.document("van-1", ROUTE_DOCUMENT)[0] == newest


def test_both_attempts_go_together(day: Dispatch) -> None:
    first, _ = day.stops()
    day.prove("van-1", first, Outcome.ATTEMPTED, "HOLDFAST-00001")
    number = shipments(day, "R00001")[0]["id"]
    told = day.ask("POST", "/shipments/again", json={"shipments": [number], "day": "2026-06-02"})
    assert after(day, 90) == 0
    day.prove("van-1", told["stops"][0]["stop"], Outcome.DELIVERED, "HOLDFAST-00001", at_ms=NOW_MS + DAY_MS)
    assert after(day, 30.5) == 0
    assert after(day, 31.5) == 3
    attempts = day.ask("GET", f"/shipments/{number}")["attempts"]
    assert [one["status"] for one in attempts] == ["attempted", "delivered"]


def test_pages_say_withheld_in_both_languages(day: Dispatch) -> None:
    proof = day.prove("van-1", day.stops()[0], Outcome.DELIVERED, "HOLDFAST-00001")
    pages = ("/shipments", f"/routes/{R1}", "/deliveries", f"/deliveries/{proof}")
    client = day.hub.signed_in()
    for path in pages:
        assert "Sommer" in client.get(path, headers=HTML).text
    after(day, 31)
    for path in pages:
        shown = client.get(f"{path}?lang=en", headers=HTML).text
        assert "Sommer" not in shown
        assert "</span> withheld</span>" in shown
        assert "已隐去" in client.get(f"{path}?lang=zh", headers=HTML).text
