"""Changes of a route: all or nothing, and never over those of somebody else."""

import json
from collections.abc import Sequence
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import event, select

from hub.accounts.csrf import csrf_token
from hub.accounts.deps import CSRF_HEADER, SESSION_COOKIE
from hub.accounts.roles import Role
from hub.accounts.tables import audit_trail
from hub.routes.keeping import Change, Desk, Overtaken, change_route
from hub.routes.roads import Estimate, Place, Remembered
from tests.hub.routes.dispatching import DAY, NOW_MS, Dispatch, order

R1 = f"{DAY}-van-1"


@pytest.fixture
def route(desk: Dispatch) -> Dispatch:
    desk.van("van-1")
    desk.ships(*(order(n) for n in range(4)))
    desk.ask("POST", "/routes", json={"day": DAY, "optimise": False})
    waiting = [one["stop"] for one in desk.ask("GET", "/shipments")["items"]]
    desk.ask("PATCH", f"/routes/{R1}", json={"stops": waiting})
    return desk


def trail(desk: Dispatch) -> list[tuple[str, str]]:
    c = audit_trail.c
    with desk.database.read() as conn:
        return [(row.action, row.new) for row in conn.execute(select(c.action, c.new).order_by(c.id))]


def patch(desk: Dispatch, status: int = 200, etag: str = "", **change: Any) -> Any:
    headers = {"If-Match": etag} if etag else {}
    return desk.ask("PATCH", f"/routes/{R1}", status, json=change, headers=headers)


def test_a_change_that_cannot_be_done_whole_is_not_done_at_all(route: Dispatch) -> None:
    before, told = route.route(), trail(route)
    first = before["items"][0]["stop"]
    refused = patch(route, 409, name="Early round", cancel=[first], stops=["no-such-stop"])
    assert refused["detail"].startswith("there is no stop")
    assert route.route() == before
    assert trail(route) == told


def test_each_change_is_one_line_in_the_audit_trail(route: Dispatch) -> None:
    told = len(trail(route))
    first, second, *rest = route.stops()
    patch(route, name="Early round", cancel=[first], stops=[*rest, second])
    assert [action for action, _ in trail(route)[told:]] == ["route.rename", "stop.cancel", "route.reorder"]
    # Who lives there is nothing for a trail that is for ever.
    assert ("stop.cancel", first) in trail(route)


def test_the_second_of_two_dispatchers_is_told_and_overwrites_nothing(route: Dispatch) -> None:
    seen = route.client.get(f"/api/v1/routes/{R1}").headers["etag"]
    stops = route.stops()
    mine = patch(route, etag=seen, cancel=[stops[0]], stops=[stops[2], stops[1], stops[3]])
    refused = patch(route, 412, etag=seen, stops=stops)
    assert "the route was changed meanwhile by " in refused["detail"]
    assert "(moved stops); nothing of yours was kept" in refused["detail"]
    assert [one["stop"] for one in route.route()["items"] if not one["cancelled"]] == [stops[2], stops[1], stops[3]]
    assert patch(route, etag=f'"{mine["revision"]}"', restore=[stops[0]])["revision"] > mine["revision"]


def test_nobody_is_named_who_did_not_make_the_last_change(route: Dispatch) -> None:
    seen = route.client.get(f"/api/v1/routes/{R1}").headers["etag"]
    route.clock.ms += 60_000
    assert route.ships(order(1, notes="Ring twice"))["routes"] == [R1]
    refused = patch(route, 412, etag=seen, name="Early round")
    assert refused["detail"].startswith("the route was changed meanwhile; nothing of yours was kept")


def test_an_if_match_that_no_route_gave_is_refused(route: Dispatch) -> None:
    assert "expected the ETag of a route" in patch(route, 400, etag='"yesterday"', name="x")["detail"]
    assert patch(route, etag="*", name="Early round")["name"] == "Early round"


def test_of_many_dispatchers_at_once_each_change_is_made_by_one(route: Dispatch) -> None:
    at = Desk(route.database, Estimate(), "li", NOW_MS)
    seen = route.route()["revision"]
    came: list[str] = []

    def change(n: int) -> None:
        try:
            change_route(at, R1, Change(name=f"round {n}"), seen=seen)
            came.append(f"round {n}")
        except Overtaken:
            pass

    threads = [Thread(target=change, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [route.route()["name"]] == came
    assert route.route()["revision"] == seen + 1


def test_changes_of_one_instant_are_told_apart_from_what_the_device_has(route: Dispatch) -> None:
    route.device("van-1")
    patch(route, name="Early round")
    route.ask("POST", f"/routes/{R1}/assign", json={"device": "van-1"})
    assert route.route()["stale"] is False
    patch(route, name="Late round")
    assert route.route()["stale"] is True


def test_no_routing_service_is_asked_while_the_writer_is_held(route: Dispatch) -> None:
    class Slow(Estimate):
        asked = 0

        def table(self, places: Sequence[Place]) -> Any:
            Slow.asked += 1
            # Whoever holds the writer keeps all others from it, ingest among them.
            with route.database.write():
                pass
            return Estimate.table(self, places)

    stops = route.stops()
    roads = replace(Slow(), name="osrm")
    change_route(Desk(route.database, roads, "li", NOW_MS), R1, Change(stops=tuple(reversed(stops))))
    assert Slow.asked == 1
    assert route.stops() == stops[::-1]


def test_remembered_road_times_are_those_that_were_asked() -> None:
    places = [(312_304_000 + 10_000 * n, 1_214_737_000 + 7_000 * n * n) for n in range(5)]
    remembered = Remembered(Estimate())
    remembered.ask(places)
    some = [places[3], places[0]]
    assert remembered.table(some) == Estimate().table(some)


def test_a_stop_stays_on_routes_of_its_day(route: Dispatch) -> None:
    other = "2026-06-02"
    route.ships(order(9, day=other))
    route.ask("POST", "/routes", json={"day": other, "vehicles": ["van-1"], "optimise": False})
    [late] = [one["stop"] for one in route.ask("GET", "/shipments?q=R00009")["items"]]
    refused = patch(route, 409, stops=[*route.stops(), late])
    assert refused["detail"].startswith(f"Consignee 9 waits for {other}, and this is a route of {DAY}")


@pytest.mark.parametrize("gone", ["cancelled", "planned again"])
def test_a_stop_that_nothing_is_left_for_is_not_restored(route: Dispatch, gone: str) -> None:
    [one] = route.ask("GET", "/shipments?q=R00001")["items"]
    patch(route, cancel=[one["stop"]])
    if gone == "cancelled":
        route.ask("POST", f"/shipments/{one['id']}/cancel", json={})
    else:
        route.ask("POST", "/shipments/again", json={"shipments": [one["id"]], "day": "2026-06-02"})
    refused = patch(route, 409, restore=[one["stop"]])
    assert "its shipments were cancelled, or are planned again" in refused["detail"]


def test_an_order_that_is_cancelled_beside_one_that_moved_leaves_no_stop_behind(route: Dispatch) -> None:
    same = {"address": "Nanjing W. Rd 2, 200041", "day": "2026-06-03"}
    route.ships(order(11, **same), order(12, **same))
    route.ask("POST", "/routes", json={"day": "2026-06-03", "vehicles": ["van-1"], "optimise": False})
    first, second = sorted(route.ask("GET", "/shipments?day=2026-06-03")["items"], key=lambda one: one["id"])
    assert first["stop"] == second["stop"]
    route.ask("POST", f"/shipments/{first['id']}/cancel", json={})
    route.ships(order(12, **{**same, "address": "Huaihai Rd 1, 200020"}))
    [moved] = route.ask("GET", "/shipments?q=R00012")["items"]
    assert moved["stop"] == first["stop"]


def test_an_order_that_changes_leaves_another_shippers_of_that_reference_alone(desk: Dispatch) -> None:
    routes = [f"{DAY}-van-1", f"{DAY}-van-2"]
    desk.van("van-1")
    desk.van("van-2")
    desk.ships(order(1, shipper="A"), order(2, shipper="B", reference="R00001"))
    desk.ask("POST", "/routes", json={"day": DAY, "optimise": False})
    stops = [one["stop"] for one in desk.ask("GET", "/shipments")["items"]]
    for name, stop in zip(routes, stops, strict=True):
        desk.ask("PATCH", f"/routes/{name}", json={"stops": [stop]})
    [mine] = [name for name in routes if desk.ask("GET", f"/routes/{name}")["items"][0]["name"] == "Consignee 1"]
    assert desk.ships(order(1, shipper="A", notes="ring twice"))["routes"] == [mine]
    client, session = desk.hub.client(), desk.hub.session(Role.DISPATCHER)
    client.cookies.set(SESSION_COOKIE, session)
    sent = {"file": ("orders.json", json.dumps([order(1, shipper="A", notes="ring once")]))}
    headers = {"accept": "text/html", CSRF_HEADER: csrf_token(session)}
    page = client.post("/shipments", files=sent, headers=headers).text
    told = page.partition("Routes changed with their shipments")[2].partition("</p>")[0]
    assert [name for name in routes if name in told] == [mine]


def test_a_file_that_changes_many_planned_orders_asks_as_often_as_one_that_changes_few(route: Dispatch) -> None:
    def statements(*orders: Any) -> int:
        told: list[str] = []
        with route.database.write() as tx:
            engine = tx.engine

        def note(_c: object, _k: object, statement: str, *_: object) -> None:
            told.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            route.ships(*orders)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return sum("route_" in one for one in told)

    few = statements(order(0, notes="Ring twice"))
    assert statements(*(order(n, notes="Ring thrice") for n in range(4))) == few
