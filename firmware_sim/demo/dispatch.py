"""The dispatcher: orders, vans, routes and their assignment, tour after tour; in a thread of its own, behind the live pages."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, Self

from firmware_sim.demo.cast import DOCK, OWN_VAN, VANS, Member
from firmware_sim.demo.city import Order, orders, personal_orders
from firmware_sim.demo.office import Office, OfficeSilent
from firmware_sim.demo.pace import Pace
from firmware_sim.demo.visits import Visit, visits
from firmware_sim.physics.codes import code_stream
from firmware_sim.physics.van import ROTTERDAM

# Good enough for a demo, and over before anybody has looked around.
SEARCH_S: Final = 0.5
ROOM: Final = 1.1
"""Of all vans together, beside what is to be carried."""
AGAIN_S: Final = 1.0
LOOK_S: Final = 0.25
END_S: Final = 5.0
# Until the end of the next day by the clock there: the demo may be started at any hour.
SHIFT_MIN: Final = (0, 2_880)
# What a person types.
OWN_CODES: Final = "P12"


class World(Protocol):
    """Whose couriers drive the tours."""

    @property
    def is_idle(self) -> bool:
        """Whether they have done all they were told."""

    def give(self, device: str, tour: Sequence[Visit], /) -> None:
        """Tell a van's courier which stops come next."""


class Dispatcher:
    """Plans a tour for the vans, a route for the van that a person drives, and the next tour when one is over.

    Use as a context manager. A hub that does not answer is asked again: whatever is told to it twice is the same.
    """

    def __init__(
        self,
        office: Office,
        world: World,
        pace: Pace,
        *,
        seed: int,
        drawn: int,
        draws: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        """Describe a dispatcher.

        Args:
            office: Speaks to the hub, for this thread alone.
            world: Whose couriers drive.
            pace: How large a tour is.
            seed: Decides codes.
            drawn: How many codes were used in earlier runs.
            draws: Told how many are used, before a code of them is.
            say: Takes lines for people.
        """
        self._office = office
        self._world = world
        self._pace = pace
        self._codes = code_stream(seed, start=drawn + 1)
        self._draws = draws
        self._say = say
        self._hurried: SimpleQueue[str] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        self._orders: dict[str, Order] = {}
        self._routes: dict[str, str] = {}
        """By device."""
        self._tour = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(END_S)

    def hurry(self, device: str) -> None:
        """A customer of this van closes earlier: see to it soon."""
        self._hurried.put(device)

    def _run(self) -> None:
        self._until_done(self._clear_away)
        self._plan_tour()
        self._until_done(self._plan_own)
        while not self._stop.wait(LOOK_S):
            try:
                device = self._hurried.get_nowait()
            except Empty:
                if self._world.is_idle:
                    self._plan_tour()
            else:
                self._until_done(lambda: self._close_earlier(device))  # noqa: B023 called at once

    def _until_done(self, job: Callable[[], None]) -> None:
        """Do it, again and again while the hub is away or busy."""
        while not self._stop.is_set():
            try:
                return job()
            except OfficeSilent:
                self._stop.wait(AGAIN_S)
        return None

    # -- a day -----------------------------------------------------------------------------------------------------

    def _clear_away(self) -> None:
        """Take back what couriers of an earlier run, who are gone, did not finish."""
        for route in self._todays():
            self._tour = max(self._tour, _tour_of(route["vehicle"]))
            if route["device"] in {van.device for van in VANS} and route["visited"] < route["stops"]:
                self._office.ask("POST", f"/routes/{route['id']}/withdraw", {"reason": "the demo was started anew"})

    def _todays(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._office.ask("GET", f"/routes?day={_now().date().isoformat()}")["items"]
        return items

    def _plan_tour(self) -> None:
        self._tour += 1
        made = orders(self._codes, self._pace.stops * len(VANS), self._pace.parcels, _now())
        # The next code is a mark as good as any: all before it are used.
        self._draws(next(self._codes)[0])
        self._orders = {order.reference: order for order in made}
        names = {van.device: van.device if self._tour == 1 else f"{van.device}-{self._tour:03}" for van in VANS}
        day = _now().date().isoformat()
        self._until_done(lambda: self._tell(names, made, day))
        for van in VANS:
            route = f"{day}-{names[van.device]}"
            self._until_done(lambda: self._give(van, route))  # noqa: B023 called at once
        parcels = sum(len(order.codes) for order in made)
        self._say(f"      | {len(made)} orders with {parcels} parcels came in; {_listed(VANS)} have their routes")

    def _tell(self, names: dict[str, str], made: Sequence[Order], day: str) -> None:
        first = self._tour == 1
        # As much as a van carries, or one of them would do nearly all of it.
        parcels = math.ceil(sum(len(order.codes) for order in made) / len(VANS) * ROOM)
        for van in VANS:
            name = van.place if first else f"{van.place}, tour {self._tour}"
            self._keep_van(names[van.device], name, van.device if first else "", parcels)
        self._office.ask("POST", "/shipments", [order.body for order in made])
        wanted = [order.reference for order in made]
        asked = {"day": day, "vehicles": list(names.values()), "shipments": wanted, "seconds": SEARCH_S}
        self._office.ask("POST", "/routes", asked)

    def _keep_van(self, vehicle: str, name: str, device: str, parcels: int | None = None) -> None:
        body: dict[str, object] = {"name": name, "device": device, "depot": DOCK.place, "parcels": parcels}
        body |= {"depot_latitude": ROTTERDAM[0], "depot_longitude": ROTTERDAM[1]}
        body |= {"shift_from_min": SHIFT_MIN[0], "shift_to_min": SHIFT_MIN[1]}
        self._office.ask("PUT", f"/vehicles/{vehicle}", body)

    def _give(self, van: Member, route: str) -> None:
        # Refused until the hub knows that the tour before is over; then this is asked again.
        self._office.ask("POST", f"/routes/{route}/assign", {"device": van.device})
        self._routes[van.device] = route
        self._world.give(van.device, tuple(visits(self._office.ask("GET", f"/routes/{route}")["items"], self._orders)))

    def _plan_own(self) -> None:
        """A route for the van that a person drives, once a day."""
        day = _now().date().isoformat()
        route = f"{day}-{OWN_VAN.device}"
        if not any(one["device"] == OWN_VAN.device for one in self._todays()):
            made = personal_orders(OWN_CODES, _now())
            self._keep_van(OWN_VAN.device, OWN_VAN.place, OWN_VAN.device)
            self._office.ask("POST", "/shipments", [order.body for order in made])
            wanted = [order.reference for order in made]
            asked = {"day": day, "vehicles": [OWN_VAN.device], "shipments": wanted, "seconds": SEARCH_S}
            self._office.ask("POST", "/routes", asked)
            self._office.ask("POST", f"/routes/{route}/assign", {})
        self._say(f"      | {OWN_VAN.place} waits for you: run `make courier` in another terminal")

    def _close_earlier(self, device: str) -> None:
        """The customer whom the van meets last closes soon, so the van will be late there."""
        if device not in self._routes:
            return
        stops = self._office.ask("GET", f"/routes/{self._routes[device]}")["items"]
        ahead = [stop for stop in stops if stop["status"] == "open" and stop["references"]]
        if not ahead:
            return
        last = ahead[-1]
        closes = _now() + timedelta(seconds=self._pace.closes_s)
        bodies = [self._orders[name].until(closes).body for name in last["references"] if name in self._orders]
        self._office.ask("POST", "/shipments", bodies)
        self._office.ask("POST", f"/routes/{self._routes[device]}/assign", {"device": device})
        self._say(f"      | {last['name']} closes in {self._pace.closes_s} s: {device} will be late there")


def _tour_of(vehicle: str) -> int:
    """Which tour a van's name stands for."""
    number = vehicle.rpartition("-")[2]
    is_later = vehicle.count("-") > 1 and number.isdecimal()
    return int(number) if is_later else 1


def _listed(members: Sequence[Member]) -> str:
    return ", ".join(member.place for member in members)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
