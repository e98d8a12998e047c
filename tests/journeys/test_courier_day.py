"""A courier's day with everything real: hub, agent, the app in a window, keys and a pointer; and what the hub knows at its end.

The app is killed three times, the agent once, and the hub is away for a part of it. What the script did is its own journal,
and the hub must tell the same.
"""

import hashlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from contract.event import Proof
from contract.local import GetOutbox, OutboxPage
from firmware_sim.pty_line import PtyLine
from tests.journeys.courier_hands import Display, Person, missing_tools
from tests.journeys.world import Site, ask, is_drained, tell, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(missing_tools()), reason=f"needs {', '.join(missing_tools())}: apt-get install xvfb xdotool"
    ),
]

VAN, COURIER = "van-12", "w.chen"
DEPOT = (31.2304, 121.4737)
SEED = 20
TITLES = {
    "Scan what you hand over": "scan",
    "What came of it?": "outcome",
    "Who took it?": "recipient",
    "Signature": "signature",
    "Photos": "photos",
    "Is it all right?": "review",
}
HUB_AWAY = (2, 9)
"""Between these stops there is no hub."""
STEPS = tuple(TITLES.values())


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
    parcels: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    """SHA-256 of the photos."""

    @property
    def hands_over(self) -> bool:
        return self.outcome in {"delivered", "picked_up"}

    @property
    def given(self) -> list[str]:
        return self.parcels[: len(self.parcels) - self.turned_away] if self.hands_over else []

    @property
    def status(self) -> str:
        return "partly" if self.turned_away else self.outcome


class Day:
    """A courier with a van, and the journal of what they did."""

    def __init__(self, site: Site, folder: Path, display: Display) -> None:
        self.site = site
        self.rng = random.Random(SEED)
        self.day = datetime.now(UTC).date().isoformat()
        self.line = PtyLine(folder / "scanner")
        self.line.plug()
        self.picture = folder / "camera.jpg"
        port = f'[[drivers]]\nkind = "scanner_line"\nname = "gun"\nport = "{self.line.link}"\n'
        self.agent = site.add_device(VAN, port)
        self.person = Person(self.agent.config, display, self.picture, site.logs)
        self.visits: dict[str, Visit] = {}
        """By the consignee's name, which is what a person reads."""
        self.stops: dict[str, str] = {}
        """The keys of the stops by those names, in the order of the route."""
        self.kills = 0

    # -- at the hub ------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any) -> Any:
        """What a dispatcher's program asks."""
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
        """Orders, a van, a route, and the van's device has it."""
        rng = random.Random(SEED)
        orders = []
        for n, visit in enumerate(visits):
            visit.parcels = [f"HOLDFAST-{n:03}-{k}" for k in range(1 + max(visit.turned_away, n % 2))]
            checks = [
                *(["signature"] if visit.signs else []),
                *(["photo"] if visit.photos and visit.hands_over else []),
            ]
            orders.append(
                {
                    "reference": f"R{n:03}",
                    "consignee": f"Consignee {n:02}",
                    "address": f"Nanjing W. Rd {n + 1}, 200041",
                    "latitude": round(DEPOT[0] + rng.gauss(0, 0.03), 6),
                    "longitude": round(DEPOT[1] + rng.gauss(0, 0.03), 6),
                    "parcels": visit.parcels,
                    "day": self.day,
                    "checks": checks,
                }
            )
            self.visits[f"Consignee {n:02}"] = visit
        van = {"name": "van 12", "device": VAN, "depot": "Dock 4", "shift_from_min": 0, "shift_to_min": 2880}
        self.ask("PUT", f"vehicles/{VAN}", {**van, "depot_latitude": DEPOT[0], "depot_longitude": DEPOT[1]})
        assert self.ask("POST", "shipments", orders)["created"] == len(orders)
        assert self.ask("POST", "routes", {"day": self.day, "vehicles": [VAN], "seconds": 0.5})["waiting"] == []
        assert self.ask("POST", f"routes/{self.route}/assign", {})["stops"] == len(orders)
        self.stops = {stop["name"]: stop["stop"] for stop in self.site.get(f"routes/{self.route}")["items"]}

    # -- in the van ------------------------------------------------------------------------------------------------

    def sign_on(self) -> None:
        person = self.person
        person.waits("Who drives today?")
        person.fill(COURIER)
        person.tap("Sign on")
        person.waits("0 of ")
        person.waits("Consignee")

    def load(self) -> None:
        """Every other parcel by the agent's scanner, the others by one that types."""
        person = self.person
        person.tap("Load")
        parcels = [parcel for visit in self.visits.values() for parcel in visit.parcels]
        person.waits(f"0 of {len(parcels)}")
        wait_until(self.line.is_open, "the agent reads its scanner")
        for n, parcel in enumerate(parcels, 1):
            if n % 2:
                self.line.write(f"{parcel}\r".encode())
                person.waits(f"{n} of {len(parcels)}")
            else:
                person.scan_until(parcel, f"{n} of {len(parcels)}")
        person.waits("Everything is in the van")
        person.tap("Stops")

    def visit(self, name: str, *, die_at: str = "") -> None:
        """Go to a stop and do what is to be done there; perhaps the battery falls out when a step is shown."""
        visit, person = self.visits[name], self.person
        person.tap(name, "Label")
        person.waits("HAND OVER")
        person.tap("HAND OVER" if visit.hands_over else "Cannot deliver")
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
        if step == "scan":
            for parcel in visit.parcels:
                person.scan_until(parcel, f"■  {parcel}")
        elif step == "outcome":
            if not visit.hands_over:
                person.tap(
                    {"attempted": "Not delivered", "refused": "Refused", "returned": "Back to the depot"}[visit.outcome]
                )
            for parcel in visit.parcels[len(visit.parcels) - visit.turned_away :]:
                person.tap(parcel)
                person.waits(f"x  {parcel}")
            if visit.reason:
                person.choose(visit.reason)
        elif step == "recipient":
            person.fill("Li Na")
            person.choose(visit.relation)
        elif step == "signature" and visit.signs:
            person.draw(self.rng)
        elif step == "photos":
            for n in range(visit.photos):
                visit.taken.append(self.new_picture())
                person.tap("Take a photo")
                person.until(lambda: sum(one.text == "Remove" for one in person.sees()) == n + 1, "the photo is there")  # noqa: B023

    def new_picture(self) -> str:
        """Another picture is before the camera; its SHA-256."""
        image = Image.new("RGB", (640, 480), tuple(self.rng.randrange(256) for _ in range(3)))
        ImageDraw.Draw(image).text((40, 200), f"{self.rng.random()}", fill=(0, 0, 0))
        image.save(self.picture, "JPEG")
        return hashlib.sha256(self.picture.read_bytes()).hexdigest()

    def die_and_come_back(self, name: str) -> None:
        """The app is killed and opened again; what was begun is found where it was."""
        self.person.kill()
        self.kills += 1
        self.person.open()
        self.person.waits("Consignee")
        self.go_on(name)

    def go_on(self, name: str) -> None:
        """From the day's list back into the proof."""
        self.person.waits(f"Begun and not finished: {name}")
        self.person.tap(f"Begun and not finished: {name}")
        self.person.tap("Go on with the proof")

    def work(self) -> None:
        """All stops in the order of the route, with whatever befalls a courier on the way."""
        names = list(self.stops)
        deliveries = [name for name in names if self.visits[name].hands_over]
        at_a_step, unheard, any_moment, no_agent = self.rng.sample(deliveries, 4)
        for n, name in enumerate(names):
            if n == HUB_AWAY[0]:
                self.site.hub.kill()
            if n == HUB_AWAY[1]:
                self.site.restart_hub()
            if name == unheard:
                self.person.kill()
                self.person.open(trap=True)
                self.person.waits("Consignee")
            self.visit(name, die_at=self.rng.choice(STEPS) if name == at_a_step else "")
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

    def is_proved(self, name: str) -> bool:
        """Whether the agent keeps a proof of the stop."""
        answer = ask(self.agent.config, GetOutbox(20))
        stop = self.stops[name]
        assert isinstance(answer, OutboxPage)
        events = [item.fact.event for item in answer.items if item.fact is not None]
        return any(isinstance(event, Proof) and event.stop == stop for event in events)

    # -- the end ---------------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Each proof is at the hub once with its photos, and says what was done."""
        wait_until(lambda: is_drained(self.agent), "the agent has nothing left")
        done = self.visits
        route = wait_until(
            lambda: r if (r := self.site.get(f"routes/{self.route}"))["visited"] == len(done) else None,
            "all proofs are shown",
        )
        stops = {stop["name"]: stop for stop in route["items"]}
        proofs = [fact for fact in self.site.facts() if isinstance(fact.event, Proof)]
        assert len(proofs) == len(done)
        deliveries = {item["stop"]: item for item in self.site.get("deliveries", limit=500)["items"]}
        assert len(deliveries) == len(done)
        for name, visit in done.items():
            stop = stops[name]
            told = deliveries[stop["stop"]]
            whole = self.site.get(f"deliveries/{told['id']}")
            photos = [one for one in whole["pictures"] if not one["signature"]]
            assert stop["deliveries"] == [told["id"]], name
            assert (stop["status"], told["outcome"], told["reason"]) == (visit.status, visit.outcome, visit.code), name
            assert (sorted(told["delivered"]), told["actor"]) == (sorted(visit.given), COURIER), name
            assert sorted(one["sha256"] for one in photos) == sorted(visit.taken), name
            assert len(whole["pictures"]) - len(photos) == visit.signs, name
            assert all(one["percent"] == 100 for one in whole["pictures"]), name
            for photo in photos:
                assert hashlib.sha256(self.blob(photo["sha256"])).hexdigest() == photo["sha256"]
            assert self.site.get(f"deliveries/{told['id']}/verify")["ok"], name

    def blob(self, sha256: str) -> bytes:
        answer = self.site.http.get(
            f"{self.site.hub.url}/api/v1/blobs/{sha256}", headers={"Authorization": f"Bearer {self.site.token}"}
        )
        answer.raise_for_status()
        return answer.content


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[Display]:
    # Tests of the app in this process set them for themselves.
    for name in [name for name in os.environ if name.startswith(("KIVY_", "SDL_"))]:
        monkeypatch.delenv(name)
    with Display() as display:
        yield display


def visits() -> list[Visit]:
    """What is to come of twelve stops."""
    given = [
        Visit(photos=1, signs=True),
        Visit(relation="Neighbour"),
        Visit(photos=2),
        Visit(signs=True),
        Visit(),
        Visit(photos=1),
    ]
    return [
        *given,
        Visit(outcome="refused", reason="Damaged", code="damaged", photos=1),
        Visit(outcome="attempted", reason="Nobody there", code="nobody_home"),
        Visit(outcome="returned", reason="Back to the sender", code="back_to_sender"),
        Visit(turned_away=1, reason="Not ordered", code="not_ordered", signs=True),
        Visit(relation="Locker"),
        Visit(relation="Reception", photos=1, signs=True),
    ]


def test_every_proof_of_a_hard_day_is_at_the_hub_once_with_its_photos(
    tmp_path: Path, display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    with Site(tmp_path / "site") as site:
        day = Day(site, tmp_path, display)
        day.plan(visits())
        with site.running(day.agent):
            day.person.open()
            try:
                day.sign_on()
                day.load()
                began_s = time.monotonic()
                day.work()
                tell(
                    capsys, f"twelve stops in {time.monotonic() - began_s:.0f} s; the app was killed {day.kills} times"
                )
                day.compare()
            finally:
                day.person.kill()
