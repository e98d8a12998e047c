"""A courier with a van and a hard day: what is planned, what befalls them at each stop, and the journal of what they did."""

import hashlib
import io
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from contract.event import Lane, Proof
from contract.local import GetOutbox, OutboxPage
from firmware_sim.pty_line import PtyLine
from firmware_sim.relay import Relay
from tests.agent.probe_line import ProbeLine
from tests.journeys.courier_hands import Display, Person
from tests.journeys.world import Site, ask, status_of, wait_until

VAN = "van-12"
SENSOR = f"{VAN}.probe.air"
MORNING, EVENING = "w.chen", "l.wang"
DEPOT = (31.2304, 121.4737)
SEED = 20
STRAY = "HOLDFAST-STRAY"
"""A parcel of nobody's, scanned by mistake."""
WHY_STRAY = "wrong parcel"
TOO_WARM = 950
"""In hundredths; the profile allows no time above 8 °C."""
PROFILE = {"name": "cold-8", "limits": [{"name": "above 8", "side": "above", "threshold": 800}], "no_data_s": 600}
TITLES = {
    "Scan what you hand over": "scan",
    "Scan what you pick up": "scan",
    "Check": "checks",
    "What came of it?": "outcome",
    "Who took it?": "recipient",
    "Who gave it?": "recipient",
    "Signature": "signature",
    "Photos": "photos",
    "Is it all right?": "review",
}
STEPS = tuple(dict.fromkeys(step for step in TITLES.values() if step != "checks"))
"""Of every hand-over."""
FINISHED = STEPS[1:]
"""When one of these is shown another is finished."""
WAYS = {"delivered": "HAND OVER", "picked_up": "Pick up"}
OTHER_WAYS = {"attempted": "Not delivered", "refused": "Refused", "returned": "Back to the depot"}
HUB_AWAY = range(2, 9)
"""There is no hub when these stops are visited."""
HANDED_ON = 6
"""From this stop on it is another courier's day."""
NARROW = 10
"""Where the photo is large and the line narrow."""
NARROW_BYTES_PER_S = 12_000
"""The large photo takes 40 s over it, which is time to look at it on its way; then the line is wide again."""
LARGE_PX = (1000, 800)


@dataclass
class Visit:
    """What is to become of a stop, and what was done there."""

    outcome: str = "delivered"
    reason: str = ""
    """As the screen says it."""
    code: str = ""
    """As the fact has it."""
    relation: str = "In person"
    turned_away: int = 0
    """So many of its parcels are not taken."""
    photos: int = 0
    signs: bool = False
    cold: bool = False
    """Its goods are cold goods, and it was too warm."""
    others: str = ""
    """Whose parcel is held out here first, by mistake."""
    parcels: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    """SHA-256 of the photos."""
    who: str = ""
    """Whose shift it was."""

    @property
    def hands_over(self) -> bool:
        return self.outcome in WAYS

    @property
    def given(self) -> list[str]:
        """What changed hands."""
        return self.parcels[: len(self.parcels) - self.turned_away] if self.hands_over else []

    @property
    def status(self) -> str:
        """What the stop has come to."""
        return "partly" if self.turned_away else self.outcome

    def order(self, n: int, place: tuple[float, float], day: str) -> dict[str, Any]:
        """As a shipper writes it."""
        wanted = {"signature": self.signs, "photo": self.photos and self.hands_over, "cold": self.cold}
        return {
            "reference": f"R{n:03}",
            "kind": "pickup" if self.outcome == "picked_up" else "delivery",
            "consignee": f"Consignee {n:02}",
            "address": f"Nanjing W. Rd {n + 1}, 200041",
            "latitude": place[0],
            "longitude": place[1],
            "parcels": self.parcels,
            "day": day,
            "checks": [check for check, is_wanted in wanted.items() if is_wanted],
        }


class Day:
    """A courier with a van, and the journal of what they did. The device reaches the hub through `line`."""

    def __init__(self, site: Site, folder: Path, display: Display, line: Relay, probe: ProbeLine) -> None:
        self.site = site
        self.line = line
        self.rng = random.Random(SEED)
        self.day = datetime.now(UTC).date().isoformat()
        self.scanner = PtyLine(folder / "scanner")
        self.scanner.plug()
        self.picture = folder / "camera.jpg"
        probe.value = TOO_WARM
        gun = f'[[drivers]]\nkind = "scanner_line"\nname = "gun"\nport = "{self.scanner.link}"\n'
        self.agent = site.add_device(VAN, gun + probe.driver(interval_s=1), port=line.port)
        self.person = Person(self.agent.config, display, self.picture, site.logs)
        self.who = MORNING
        self.visits: dict[str, Visit] = {}
        """By the consignee's name, which is what a person reads."""
        self.stops: dict[str, str] = {}
        """The keys of the stops by those names, in the order of the route."""
        self.kills = 0
        self.large = ""
        """The proof with the large photo, as the hub names it."""

    # -- at the hub ------------------------------------------------------------------------------------------------

    def tell(self, method: str, path: str, body: Any) -> Any:
        """What a dispatcher's program says."""
        answer = self.site.http.request(
            method,
            f"{self.site.hub.url}/api/v1/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.site.token}"},
        )
        assert answer.is_success, answer.text
        return answer.json()

    @property
    def route(self) -> str:
        return f"{self.day}-{VAN}"

    def plan(self, visits: list[Visit]) -> None:
        """Limits of the cold, orders, a van, a route; and the van's device has them."""
        rng = random.Random(SEED)
        orders = []
        for n, visit in enumerate(visits):
            visit.parcels = [f"HOLDFAST-{n:03}-{k}" for k in range(1 + max(visit.turned_away, n % 2))]
            place = (round(DEPOT[0] + rng.gauss(0, 0.03), 6), round(DEPOT[1] + rng.gauss(0, 0.03), 6))
            orders.append(visit.order(n, place, self.day))
            self.visits[f"Consignee {n:02}"] = visit
        self.tell("PUT", "profiles", PROFILE)
        self.tell("PUT", f"sensors/{SENSOR}/profile", {"profile": PROFILE["name"]})
        van = {"name": "van 12", "device": VAN, "depot": "Dock 4", "shift_from_min": 0, "shift_to_min": 2880}
        self.tell("PUT", f"vehicles/{VAN}", {**van, "depot_latitude": DEPOT[0], "depot_longitude": DEPOT[1]})
        assert self.tell("POST", "shipments", orders)["created"] == len(orders)
        assert self.tell("POST", "routes", {"day": self.day, "vehicles": [VAN], "seconds": 0.5})["waiting"] == []
        assert self.tell("POST", f"routes/{self.route}/assign", {})["stops"] == len(orders)
        self.stops = {stop["name"]: stop["stop"] for stop in self.site.get(f"routes/{self.route}")["items"]}

    # -- in the van ------------------------------------------------------------------------------------------------

    def sign_on(self) -> None:
        person = self.person
        person.waits("Who drives today?")
        person.fill(MORNING)
        person.tap("Sign on")
        person.waits("0 of ")
        person.waits("Consignee")

    def load(self) -> None:
        """Every other parcel by the agent's scanner, the others by one that types; and one that is nobody's."""
        person = self.person
        person.tap("Load")
        parcels = [one for visit in self.visits.values() if visit.outcome != "picked_up" for one in visit.parcels]
        person.waits(f"0 of {len(parcels)}")
        wait_until(self.scanner.is_open, "the agent reads its scanner")
        for n, parcel in enumerate(parcels, 1):
            if n % 2:
                self.scanner.write(f"{parcel}\r".encode())
                person.waits(f"{n} of {len(parcels)}")
            else:
                person.scan_until(parcel, f"{n} of {len(parcels)}")
        person.waits("Everything is in the van")
        person.scan_until(STRAY, "Kept, but nobody planned this parcel")
        self.take_back_stray()
        person.tap("Stops")

    def take_back_stray(self) -> None:
        """A wrong scan is undone by a correction, which stays beside it."""
        self.person.waits(f"  {STRAY}")
        self.person.tap("Take back")
        self.person.tap("The wrong parcel")
        self.person.waits("← taken back: The wrong parcel")
        self.person.keeps("taken-back")

    def hand_on(self) -> None:
        """Another courier takes the shift over, and nobody signs off."""
        person = self.person
        person.tap("Sync")
        person.waits("No network. Everything is kept")
        person.keeps("no-network")
        person.tap("Hand the shift over")
        person.waits(f"Who takes over from {self.who}?")
        person.fill(EVENING)
        person.tap("Sign on")
        person.waits("Consignee")
        self.who = EVENING
        wait_until(lambda: status_of(self.agent).actor == EVENING, "the agent knows who drives")

    def visit(self, name: str, *, die_at: str = "") -> None:
        """Go to a stop and do what is to be done there; perhaps the battery falls out when a step is shown."""
        visit, person = self.visits[name], self.person
        visit.who = self.who
        person.tap(name, "Label")
        person.tap(WAYS.get(visit.outcome, "Cannot deliver"))
        while True:
            step = self.step()
            if step == die_at:
                die_at = ""
                self.die_and_come_back(name)
                assert self.step() == step, "a finished step is lost"
            if step == "review":
                break
            self.take(step, visit)
            person.tap("Next")
            person.until(lambda: self.step() != step, f"the step after {step}")  # noqa: B023 called at once

    def keep(self, name: str) -> None:
        """The last tap, and what is read then."""
        self.person.tap("KEEP")
        self.person.waits(f"Kept: {name}")

    def step(self) -> str:
        """Of the proof that is shown."""

        def look() -> str:
            titles = [one for one in self.person.sees() if one.text in TITLES]
            return TITLES[min(titles, key=lambda one: one.y).text] if titles else ""

        return self.person.until(look, "a step of a proof")

    def take(self, step: str, visit: Visit) -> None:
        """Do what a step asks for."""
        person = self.person
        match step:
            case "scan":
                self.scan(visit)
            case "checks":
                for tick in ("I showed the recipient the temperature", "The recipient knows it and takes the goods"):
                    person.tap(tick)
                    person.waits(f"■  {tick}")
                person.choose("The recipient takes it all the same")
            case "outcome":
                self.say_what_came_of_it(visit)
            case "recipient":
                person.fill("Li Na")
                person.choose(visit.relation)
            case "signature" if visit.signs:
                person.draw(self.rng)
            case "photos":
                for n in range(visit.photos):
                    if len(visit.taken) == n:
                        visit.taken.append(self.new_picture())
                    self.take_photo(n + 1)

    def scan(self, visit: Visit) -> None:
        """All parcels of a stop; another one's is refused by a word."""
        if visit.others:
            wrong = self.visits[visit.others].parcels[0]
            self.person.scan_until(wrong, f"{visit.others}")
            assert f"■  {wrong}" not in self.person.reads()
            self.person.keeps("wrong-stop")
        for parcel in visit.parcels:
            self.person.scan_until(parcel, f"■  {parcel}")

    def say_what_came_of_it(self, visit: Visit) -> None:
        """Outcome, what is not taken, and why."""
        person = self.person
        if not visit.hands_over:
            person.tap(OTHER_WAYS[visit.outcome])
        for parcel in visit.parcels[len(visit.parcels) - visit.turned_away :]:
            person.tap(parcel)
            person.waits(f"x  {parcel}")
        if visit.reason:
            person.choose(visit.reason)

    def take_photo(self, n: int) -> None:
        """The picture before the camera."""
        self.person.tap("Take a photo")
        self.person.until(
            lambda: sum(one.text == "Remove" for one in self.person.sees()) == n, "the photo is on the screen"
        )

    def new_picture(self, *, large: bool = False) -> str:
        """Another picture is before the camera; its SHA-256."""
        size = LARGE_PX if large else (640, 480)
        image = Image.new("RGB", size, tuple(self.rng.randrange(256) for _ in range(3)))
        if large:
            # Nothing makes a file as large as noise does.
            image = Image.frombytes("RGB", size, self.rng.randbytes(3 * size[0] * size[1]))
        ImageDraw.Draw(image).text((40, 200), f"{self.rng.random()}", fill=(0, 0, 0))
        image.save(file := io.BytesIO(), "JPEG")
        self.picture.write_bytes(file.getvalue())
        return hashlib.sha256(file.getvalue()).hexdigest()

    # -- what befalls them -----------------------------------------------------------------------------------------

    def die_and_come_back(self, name: str) -> None:
        """The app is killed and opened again; what was begun is found where it was."""
        self.person.kill()
        self.kills += 1
        self.person.open()
        self.person.waits("Consignee")
        self.person.tap(f"Begun and not finished: {name}")
        self.person.tap("Go on with the proof")

    def work(self, on_the_way: Callable[[str], None]) -> None:
        """All stops in the order of the route, with whatever befalls a courier on the way.

        Args:
            on_the_way: called after the stop with the large photo, of which a part is at the hub.
        """
        names = list(self.stops)
        deliveries = sorted(name for name in names if self.visits[name].hands_over)
        at_a_step, unheard, any_moment, no_agent = self.rng.sample(deliveries, 4)
        self.visits[names[1]].others = next(n for n in names[2:] if self.visits[n].outcome != "picked_up")
        for n, name in enumerate(names):
            if n == HUB_AWAY.start:
                self.site.hub.kill()
            if n == HUB_AWAY.stop:
                self.site.restart_hub()
            if n == HANDED_ON:
                self.hand_on()
            if n == NARROW:
                self.narrow(name)
            if name == unheard:
                self.person.kill()
                self.person.open(trap=True)
                self.person.waits("Consignee")
            self.visit(name, die_at=self.rng.choice(FINISHED) if name == at_a_step else "")
            if name == unheard:
                self.keep_unheard(name)
            elif name == any_moment:
                self.keep_and_die(name)
            elif name == no_agent:
                self.person.tap("KEEP")
                self.agent.kill()
                self.agent.start().wait_ready()
                self.person.waits(f"Kept: {name}")
            else:
                self.keep(name)
            if n == NARROW:
                on_the_way(name)
                self.line.bytes_per_s = None

    def narrow(self, name: str) -> None:
        """All photos so far are at the hub; then the line becomes narrow, and the next photo is large."""
        wait_until(self.is_told, "the agent has told all")
        self.line.bytes_per_s = NARROW_BYTES_PER_S
        visit = self.visits[name]
        visit.photos += 1
        visit.taken.append(self.new_picture(large=True))

    def keep_unheard(self, name: str) -> None:
        """The app dies when the proof is kept and nobody has read the answer."""
        self.person.tap("KEEP")
        wait_until(lambda: not self.person.app.is_running, "the app is dead")
        self.kills += 1
        self.person.open()
        self.person.waits(f"Kept: {name}")

    def keep_and_die(self, name: str) -> None:
        """The app dies some moment after the last tap: then the proof is there, or where it was."""
        self.person.tap("KEEP")
        time.sleep(self.rng.uniform(0, 0.1))
        self.kills += 1
        self.person.kill()
        self.person.open()
        self.person.waits("Consignee")
        # What was being kept is asked for again by the app itself; what was not is in the review.
        if self.person.until(lambda: self.fate(name), f"what became of {name}") == "begun":
            self.person.tap(f"Begun and not finished: {name}")
            ways = ("Go on with the proof", "What was kept stays")
            self.person.until(lambda: any(way in self.person.reads() for way in ways), "the stop is shown")
            if ways[0] in self.person.reads():
                self.person.tap(ways[0])
                self.keep(name)
            else:
                self.person.tap("← Back")
        self.person.waits("Consignee")

    def fate(self, name: str) -> str:
        """Of a proof, as the list tells it."""
        if self.is_proved(name):
            return "kept"
        return "begun" if f"Begun and not finished: {name}" in self.person.reads() else ""

    # -- the device ------------------------------------------------------------------------------------------------

    def is_proved(self, name: str) -> bool:
        """Whether the agent keeps a proof of the stop."""
        answer = ask(self.agent.config, GetOutbox(20))
        stop = self.stops[name]
        assert isinstance(answer, OutboxPage)
        events = [item.fact.event for item in answer.items if item.fact is not None]
        return any(isinstance(event, Proof) and event.stop == stop for event in events)

    def is_told(self) -> bool:
        """Whether the hub has all that people did, with all photos; of the probe there is always more to come."""
        status = status_of(self.agent)
        told = all(lane.committed == lane.kept for lane in status.lanes if lane.lane is Lane.CUSTODY)
        return told and status.blobs_pending == 0

    def blob(self, sha256: str) -> bytes:
        """An attachment at the hub."""
        answer = self.site.http.get(
            f"{self.site.hub.url}/api/v1/blobs/{sha256}", headers={"Authorization": f"Bearer {self.site.token}"}
        )
        answer.raise_for_status()
        return answer.content
