"""What devices are given, and what they are not told twice."""

from contract.event import Step, Verdict
from contract.messages import DocumentVersion
from contract.route import StopChange, check_scan, route_changes, vehicles_by_parcel
from hub.documents import DocumentPacer
from hub.routes.assigning import dock_devices
from tests.hub.routes.dispatching import DAY, NOW_MS, Dispatch, order

R1, R2 = f"{DAY}-van-1", f"{DAY}-van-2"


def given(desk: Dispatch) -> None:
    desk.device("dock-1", place="Depot North, dock 1")
    desk.device("dock-9", place="Depot Northwest")
    for name in ("van-1", "van-2"):
        desk.device(name)
        desk.van(name, name, parcels=5)
    desk.ships(*(order(n, checks=["signature"], notes="Ring", phone="+86 21") for n in range(8)))
    desk.routes()
    for route in (R1, R2):
        desk.ask("POST", f"/routes/{route}/assign", json={})


def test_every_device_of_the_day_knows_which_van_a_parcel_is_for(desk: Dispatch) -> None:
    given(desk)
    one, dock = desk.manifest_on("van-1"), desk.manifest_on("dock-1")
    assert one is not None
    assert dock is not None
    assert (one.vehicles, one.mine, dock.mine) == (("van 1", "van 2"), 0, None)
    assert one.entries == dock.entries
    theirs = desk.route("van-2")["items"][0]["parcels"][0]
    check = check_scan(one, vehicles_by_parcel(one), theirs, Step.LOADED)
    assert (check.verdict, check.vehicle) == (Verdict.WRONG_ROUTE, "van 2")


def test_a_dock_of_another_depot_is_told_nothing(desk: Dispatch) -> None:
    given(desk)
    with desk.database.read() as conn:
        assert dock_devices(conn, {"Depot North"}) == ["dock-1"]


def test_giving_the_same_route_again_is_no_new_version(desk: Dispatch) -> None:
    given(desk)
    desk.clock.ms += 60_000
    told = desk.ask("POST", f"/routes/{R1}/assign", json={})
    assert (told["version"], told["told"]) == (NOW_MS, [])
    assert desk.document("van-1", "route")[0] == NOW_MS


def test_a_change_is_a_newer_version_that_says_what_changed(desk: Dispatch) -> None:
    given(desk)
    before = desk.route_on("van-1")
    stops = desk.stops("van-1")
    desk.clock.ms += 60_000
    desk.ask("PATCH", f"/routes/{R1}", json={"cancel": [stops[0]], "stops": [*stops[2:], stops[1]]})
    assert desk.route("van-1")["stale"] is True
    assert desk.document("van-1", "route")[0] == NOW_MS
    desk.clock.ms += 60_000
    assert desk.ask("POST", f"/routes/{R1}/assign", json={})["told"] == ["dock-1", "van-1", "van-2"]
    after = desk.route_on("van-1")
    assert before is not None
    assert after is not None
    changes = route_changes(before, after)
    assert changes[stops[0]] is StopChange.CANCELLED
    assert changes[stops[1]] is StopChange.MOVED
    assert desk.route("van-1")["stale"] is False


def test_a_stop_carries_what_the_courier_needs(desk: Dispatch) -> None:
    given(desk)
    route = desk.route_on("van-1")
    assert route is not None
    stop = route.stops[0]
    assert (stop.notes, stop.phone, [check.value for check in stop.checks]) == ("Ring", "+86 21", ["signature"])
    assert (route.vehicle, route.depot) == ("van 1", "Depot North")
    assert [one.eta_ms for one in route.stops] == sorted(one.eta_ms or 0 for one in route.stops)


def test_a_device_has_one_route_to_finish(desk: Dispatch) -> None:
    given(desk)
    refused = desk.ask("POST", f"/routes/{R2}/assign", 409, json={"device": "van-1"})
    assert refused["detail"] == f"van-1 has van 1 of {DAY} to finish; take that from it first"
    desk.ask("POST", f"/routes/{R1}/withdraw", json={"reason": "van broke down"})
    assert desk.route_on("van-1") is None
    told = desk.ask("POST", f"/routes/{R2}/assign", json={"device": "van-1"})
    assert (told["device"], desk.route_on("van-2")) == ("van-1", None)
    assert desk.hub.decisions[-2].action == "route.withdraw"


def test_unknown_devices_and_vans_without_one_are_refused(desk: Dispatch) -> None:
    desk.van("van-1")
    desk.ships(order(1))
    desk.routes()
    assert desk.ask("POST", f"/routes/{R1}/assign", 409, json={})["detail"] == "no device rides in van 1; name one"
    refused = desk.ask("POST", f"/routes/{R1}/assign", 409, json={"device": "van-7"})
    assert refused["detail"] == "there is no device 'van-7' that may speak to this hub"


def test_a_route_of_two_thousand_stops_fits_into_a_document_and_one_more_is_refused(desk: Dispatch) -> None:
    desk.device("van-1")
    desk.van("van-1", "van-1")
    desk.ships(*(order(n, notes="Second door on the left. " * 4) for n in range(2_001)))
    desk.ask("POST", "/routes", json={"day": DAY, "optimise": False})
    waiting = [one["stop"] for page in range(3) for one in _page(desk, page)]
    desk.ask("PATCH", f"/routes/{R1}", json={"stops": waiting})
    assert desk.route()["stops"] == 2_001
    refused = desk.ask("POST", f"/routes/{R1}/assign", 409, json={})
    assert refused["detail"] == "2001 stops; a device takes a route of at most 2000, so split it"
    desk.ask("PATCH", f"/routes/{R1}", json={"stops": waiting[1:]})
    assert desk.ask("POST", f"/routes/{R1}/assign", json={})["stops"] == 2_000
    route = desk.route_on("van-1")
    assert route is not None
    assert len(route.stops) == 2_000
    assert desk.clock.ms == NOW_MS


def _page(desk: Dispatch, page: int) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = desk.ask("GET", f"/shipments?limit=1000&cursor={2_002 - page * 1000}")["items"]
    return listed if page < 2 else listed[:1]


def test_the_route_says_the_version_on_its_device_also_when_the_hub_was_restored_from_before_it(desk: Dispatch) -> None:
    given(desk)
    # What the device was given by the hub that was lost.
    ahead = [DocumentVersion("route", NOW_MS + 3_600_000)]
    with desk.database.write() as tx:
        due = DocumentPacer().due(tx, "van-1", ahead, NOW_MS + 60_000)
    sent = next(document for document in due if document.kind == "route")
    told = desk.route("van-1")["version"]
    assert told == sent.version == desk.document("van-1", "route")[0] > NOW_MS + 3_600_000
    assert desk.route("van-2")["version"] == NOW_MS
    desk.clock.ms += 120_000
    desk.ask("PATCH", f"/routes/{R1}", json={"stops": desk.stops("van-1")[::-1]})
    assert desk.ask("POST", f"/routes/{R1}/assign", json={})["version"] == told + 1
