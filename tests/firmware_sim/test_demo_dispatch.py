import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpx2

from firmware_sim.demo.cast import VANS
from firmware_sim.demo.dispatch import Dispatcher
from firmware_sim.demo.office import Office
from firmware_sim.demo.pace import CALM
from firmware_sim.demo.visits import Visit

LONG_S = 20


class Hub:
    """Answers as a hub does that gives every van the next orders in turn; `busy` refuses so many first tries."""

    def __init__(self, *, busy: int = 0) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.routes: dict[str, dict[str, Any]] = {}
        self.stops: dict[str, list[dict[str, Any]]] = {}
        self._orders: dict[str, Any] = {}
        self._busy = busy

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/api/v1")
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, path, body))
        if request.method == "POST" and self._busy:
            self._busy -= 1
            return httpx2.Response(409, json={"detail": "busy"})
        return httpx2.Response(200, json=self._answer(request.method, path, body))

    def _answer(self, method: str, path: str, body: Any) -> Any:
        name = path.removeprefix("/routes/").partition("/")[0]
        match method, path:
            case "POST", "/shipments":
                self._orders |= {order["reference"]: order for order in body}
            case "POST", "/routes":
                for n, van in enumerate(body["vehicles"]):
                    self._route(f"{body['day']}-{van}", van, body["shipments"][n :: len(body["vehicles"])])
            case "GET", "/routes":
                return {"items": list(self.routes.values())}
            case "POST", _ if path.endswith("/assign"):
                vehicle = self.routes[name]["vehicle"]
                self.routes[name]["device"] = (body or {}).get("device") or vehicle
            case "GET", _:
                return {"items": self.stops[name]}
        return {}

    def _route(self, name: str, van: str, references: Sequence[str]) -> None:
        self.routes[name] = {"id": name, "vehicle": van, "device": "", "visited": 0, "stops": len(references)}
        self.stops[name] = [
            {
                "stop": f"s-{reference}",
                "name": self._orders[reference]["consignee"],
                "latitude": 51.9,
                "longitude": 4.4,
                "references": [reference],
                "checks": [],
                "status": "open",
            }
            for reference in references
        ]

    def bodies(self, path: str) -> list[Any]:
        return [body for _, asked, body in self.asked if asked == path]


class World:
    """Couriers that are idle only when told, until they have another tour."""

    def __init__(self) -> None:
        self.is_idle = False
        self.has_second_tour = threading.Event()
        self.tours: list[tuple[str, int]] = []

    def give(self, device: str, tour: Sequence[Visit], /) -> None:
        self.is_idle = False
        self.tours.append((device, len(tour)))
        if len(self.tours) == 2 * len(VANS):
            self.has_second_tour.set()


def run(
    hub: Hub, world: World, until: str, *, then: Callable[[Dispatcher], None] = lambda _: None, last: str = ""
) -> list[str]:
    """A dispatcher at work until it says so; then something is asked of it, until it says that too."""
    said: list[str] = []
    heard = {part: threading.Event() for part in (until, last)}

    def say(line: str) -> None:
        said.append(line)
        for part, event in heard.items():
            if part in line:
                event.set()

    drawn: list[int] = []
    with Office("http://hub", "token", transport=httpx2.MockTransport(hub)) as office:
        dispatcher = Dispatcher(office, world, CALM, seed=1, drawn=0, draws=drawn.append, say=say)
        with dispatcher:
            assert heard[until].wait(LONG_S), said
            then(dispatcher)
            assert heard[last].wait(LONG_S), said
    assert drawn[0] >= 120
    return said


def test_orders_become_routes_and_couriers_know_their_stops() -> None:
    hub, world = Hub(), World()

    said = run(hub, world, "waits for you")

    assert world.tours == [("van-1", 40), ("van-2", 40), ("van-3", 40)]
    assert {route["device"] for route in hub.routes.values()} == {"van-1", "van-2", "van-3", "van-12"}
    assert [len(orders) for orders in hub.bodies("/shipments")] == [120, 6]
    assert "Van 1, Van 2, Van 3 have their routes" in said[0]
    # No van has room for much more than its share.
    rooms = [body["parcels"] for method, path, body in hub.asked if method == "PUT" and path != "/vehicles/van-12"]
    assert max(rooms) * 3 < 1.2 * sum(len(order["parcels"]) for order in hub.bodies("/shipments")[0])


def test_a_hub_that_is_busy_is_asked_again_the_same() -> None:
    hub, world = Hub(busy=1), World()

    run(hub, world, "have their routes")

    first, second, *_ = hub.bodies("/shipments")
    assert first == second
    assert len(world.tours) == 3


def test_a_customer_in_a_hurry_makes_the_last_stop_of_a_van_due_soon() -> None:
    hub, world = Hub(), World()

    said = run(hub, world, "waits for you", then=lambda one: one.hurry("van-1"), last="will be late")

    [changed] = hub.bodies("/shipments")[-1]
    route = next(name for name in hub.routes if name.endswith("-van-1"))
    assert changed["reference"] == hub.stops[route][-1]["references"][0]
    assert hub.asked[-1][1] == f"/routes/{route}/assign"
    assert said[-1].endswith("closes in 60 s: van-1 will be late there")


def test_the_next_tour_is_planned_when_one_is_over_and_has_vans_of_its_own() -> None:
    hub, world = Hub(), World()

    def all_is_delivered(_: Dispatcher) -> None:
        world.is_idle = True
        assert world.has_second_tour.wait(LONG_S)

    run(hub, world, "waits for you", then=all_is_delivered)

    later = [(name[11:], route["device"]) for name, route in hub.routes.items() if name.endswith("-002")]
    assert later == [("van-1-002", "van-1"), ("van-2-002", "van-2"), ("van-3-002", "van-3")]
    first, _, second = hub.bodies("/shipments")
    assert not {order["reference"] for order in first} & {order["reference"] for order in second}


def test_what_an_earlier_run_left_undone_is_taken_back_first() -> None:
    hub, world = Hub(), World()
    hub.routes["r"] = {"id": "r", "vehicle": "van-1-004", "device": "van-1", "visited": 2, "stops": 40}

    run(hub, world, "have their routes")

    assert hub.asked[1][:2] == ("POST", "/routes/r/withdraw")
    assert any(name.endswith("van-1-005") for name in hub.routes)
