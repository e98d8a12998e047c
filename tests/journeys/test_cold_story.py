"""The story of the demo as people see it: a door left open, a probe that fails, a van out of contact, a late backlog.

One test, because it is one story that is told once: what is looked at must be there at that time. Pictures of what was seen
are left in `build/screenshots`.
"""

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Literal, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from agent.blocks import SensorReading
from agent.clock import DeviceClock, SystemTime, read_boot_id
from agent.outbox import Outbox
from contract.event import Quantity
from contract.local import DeviceStatus, GetStatus, OpenAlarm
from firmware_sim.demo.depot import Depot
from firmware_sim.demo.office import profile
from firmware_sim.demo.pace import CALM, Act, Cue, Script
from firmware_sim.demo.show import Show
from firmware_sim.processes import find_command, run_command
from tests.journeys.world import ask

pytestmark = pytest.mark.slow

PICTURES: Final = Path(os.environ.get("HOLDFAST_PICTURES", "build/screenshots"))
# Other tests share the machine.
START_S: Final = 120
CHAPTER_S: Final = 120
LOOK_S: Final = 0.25
SHOWN_MS: Final = 60_000
T = TypeVar("T")
Scheme = Literal["light", "dark"]

# As quick as can be watched: boxes warm up in seconds, and vans are soon at the first door.
PACE: Final = replace(CALM, seal_s=2, drive_s=1.0, door_s=2.0, time_scale=40, allowed_s=6, no_data_s=6)
ENDED: Final = "and that was all"
TOO_WIDE: Final = "document.documentElement.scrollWidth > innerWidth"
JUDGED_ALIKE: Final = ("limit", "started_at", "alarm_at", "ended_at", "extreme")
OPEN_DOOR, AWAY, BROKEN = "van-2.rear.temperature_c", "van-3.rear.temperature_c", "van-2.front.temperature_c"
DEAD: Final = "van-1.middle.temperature_c"
AGO_MS: Final = 180_000
"""Longer than a reading may be on its way."""


class Earlier(SystemTime):
    """The clocks of this machine as they stood then."""

    def wall_ms(self) -> int:
        return super().wall_ms() - AGO_MS

    def mono_ms(self) -> int:
        return super().mono_ms() - AGO_MS


def keep_a_last_reading(folder: Path) -> None:
    """What van-1 kept of a probe that has said nothing since: nobody has to wait until it is overdue."""
    folder.mkdir(parents=True)
    clock = DeviceClock(read_boot_id(), Earlier())
    outbox = Outbox.open(folder, "van-1", clock=clock)
    outbox.add_readings([SensorReading(DEAD, Quantity.TEMPERATURE_C, clock.stamp(), 480, 1_000)])
    outbox.close()


class Director(Script):
    """Has the story happen as it is looked at: what comes next waits until what was before has been seen."""

    def __init__(self) -> None:
        super().__init__(iter(()))
        self._now: SimpleQueue[Cue] = SimpleQueue()

    def cue(self, act: Act, device: str = "", box: str = "") -> None:
        """Let something happen now."""
        self._now.put(Cue(0, act, device, box))

    def due(self, since_s: float) -> Iterator[Cue]:
        """What was asked for since."""
        with suppress(Empty):
            while True:
                yield self._now.get_nowait()


class Demo:
    """The demo as a person sees it, and what it says."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.said: list[str] = []
        self.director = Director()
        self._stop = threading.Event()
        show = Show(Depot(data), seed=1, seconds=None, say=self.said.append, pace=PACE, script=self.director)
        # Its programs live as long as the thread that starts them.
        self._thread = threading.Thread(target=self._run, args=(show,), daemon=True)
        self._thread.start()

    def _run(self, show: Show) -> None:
        show.run(self._stop)
        self.said.append(ENDED)

    @property
    def words(self) -> str:
        """All that it said."""
        return "\n".join(self.said)

    def told(self, pattern: str, within_s: float = CHAPTER_S) -> str:
        """Wait until it says something, and return the first group."""
        found = eventually(lambda: self._thread.is_alive() and re.search(pattern, self.words), within_s, self.words)
        return str(found[1])

    def end(self) -> None:
        """End it, in order."""
        self._stop.set()
        self._thread.join(60)
        assert self.said[-1] == ENDED
        assert "ended with" not in self.words


def eventually(look: Callable[[], T | bool | None], within_s: float, why: object) -> T:
    give_up_s = time.monotonic() + within_s
    while True:
        if found := look():
            return found  # type: ignore[return-value]  # what is looked for is never True itself
        assert time.monotonic() < give_up_s, why() if callable(why) else why
        time.sleep(LOOK_S)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    keep_a_last_reading(tmp_path / "data" / "devices" / "van-1")
    running = Demo(tmp_path / "data")
    yield running
    running.end()


class Office:
    """A person who is signed in, with screens of several sizes."""

    def __init__(self, browser: Browser, url: str, password: str) -> None:
        self.url = url
        self._browser = browser
        self.wrong: list[str] = []
        first = self._context()
        page = first.new_page()
        page.goto(f"{url}/login")
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill(password)
        with page.expect_navigation():
            page.get_by_role("button", name="Sign in").click()
        expect(page.locator("h1")).to_have_text("What needs a person now?")
        self._cookies = first.cookies()
        self._first = first
        self._screens = {"en-GB": [page]}

    def _context(self, **options: Any) -> BrowserContext:
        context = self._browser.new_context(
            **{"viewport": {"width": 1920, "height": 1080}, "locale": "en-GB", **options}
        )
        context.on("console", self._hear)
        context.on("weberror", lambda e: self.wrong.append(str(e.error)))
        return context

    def _hear(self, message: ConsoleMessage) -> None:
        # What a machine without a graphics card says of the map.
        if message.type in {"error", "warning"} and "GL Driver Message" not in message.text:
            self.wrong.append(message.text)

    def ask(self, path: str) -> Any:
        """What the REST interface says."""
        answer = self._first.request.get(f"{self.url}/api/v1{path}")
        assert answer.ok, answer.text()
        return answer.json()

    def fetch(self, path: str) -> bytes:
        """The bytes at an address."""
        answer = self._first.request.get(f"{self.url}{path}")
        assert answer.ok, answer.text()
        return answer.body()

    @contextmanager
    def screen(self, width: int = 1920, scheme: Scheme = "light", locale: str = "en-GB") -> Iterator[Page]:
        """Another screen, signed in as well; one that nobody looks at any more is taken again."""
        free = self._screens.setdefault(locale, [])
        page = free.pop() if free else self._open(locale)
        page.set_viewport_size({"width": width, "height": 844 if width < 500 else 1080})
        page.emulate_media(color_scheme=scheme)
        try:
            yield page
        finally:
            page.goto("about:blank")
            free.append(page)

    def _open(self, locale: str) -> Page:
        context = self._context(locale=locale)
        context.add_cookies([cookie for cookie in self._cookies if "lang" not in cookie["name"]])  # type: ignore[misc]  # as they came
        return context.new_page()

    @contextmanager
    def stranger(self) -> Iterator[Page]:
        """A dark screen where nobody has signed in."""
        context = self._context(color_scheme="dark")
        yield context.new_page()
        context.close()

    def close(self) -> None:
        """Put all screens away."""
        for context in self._browser.contexts:
            context.close()

    def look(self, page: Page, path: str, picture: str) -> Locator:
        """Open a page, see that it fits, and keep a picture of it."""
        page.goto(self.url + path)
        expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=SHOWN_MS)
        shot(page, picture)
        return page.locator("main")


def shot(page: Page, picture: str) -> None:
    if page.locator("#chart").count():
        expect(page.locator("#chart canvas")).to_have_count(1, timeout=SHOWN_MS)
    assert not page.evaluate(TOO_WIDE), picture
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"demo-{picture}.png", full_page=True)


def excursion_of(office: Office, sensor: str, **wanted: object) -> dict[str, Any] | None:
    found = office.ask(f"/excursions?sensor={sensor}&kind=excursion")["items"]
    return next((e for e in found if all((e[name] is not None) == there for name, there in wanted.items())), None)


def test_everything_that_happens_in_the_demo_is_seen_on_its_pages(demo: Demo, browser: Browser, tmp_path: Path) -> None:
    url = demo.told(r"(http://\S+)/tracking", START_S)
    password = demo.told("sign in as admin with (.+)")
    office = Office(browser, url, password)

    it_goes_wrong(demo, office)
    a_van_is_late(demo, office)
    a_door_is_left_open(office)
    alarms_sound_without_network(demo, office)
    with a_parcel_of_which_not_everything_is_known(office) as (parcel, page):
        a_probe_has_failed(office)
        walls_show_it(demo, office)
        the_van_is_back(demo, office)
        a_late_backlog_is_judged(office, parcel, page)
    the_trip_is_reported(demo, office, tmp_path)
    the_dead_probe_is_lost(office)
    stops_are_proved(demo, office)

    assert office.wrong == []
    office.close()
    demo.end()


def it_goes_wrong(demo: Demo, office: Office) -> None:
    """Two doors are left open, a probe breaks, the cold room is heard of no more; then the van that warms up is not, either."""
    cue = demo.director.cue
    eventually(
        lambda: office.ask("/sensors/cold-room.shelf.temperature_c")["freshness"] == "fresh", CHAPTER_S, "cold room"
    )
    cue(Act.CUT, "cold-room")
    cue(Act.OPEN_DOOR, "van-3", "rear")
    cue(Act.OPEN_DOOR, "van-2", "rear")
    cue(Act.BREAK_PROBE, "van-2", "front")
    eventually(lambda: excursion_of(office, AWAY, alarm_at=False), CHAPTER_S, "van-3 does not warm up")
    cue(Act.CUT, "van-3")


def a_van_is_late(demo: Demo, office: Office) -> None:
    demo.told("(have their routes)")
    demo.director.cue(Act.HURRY, "van-1")
    demo.told("(van-1 will be late there)")
    with office.screen() as page:
        finding = office.look(page, "/", "now-late-1920-light-en").locator(".findings li").filter(has_text="Van 1")
        expect(finding.filter(has_text="late").first).to_be_visible()
        routes = office.look(page, "/routes", "routes-1920-light-en")
        expect(routes.locator("tr").filter(has_text="Van 1").first).to_contain_text("1")


def stops_are_proved(demo: Demo, office: Office) -> None:
    """By now somebody was not at home, somebody refused, and some signed."""
    proof = demo.told(r"/deliveries/(\S+)   a proof")
    outcomes = {one["outcome"] for one in office.ask("/deliveries?limit=200")["items"]}
    assert {"delivered", "attempted", "refused", "returned"} <= outcomes
    with office.screen() as page:
        office.look(page, "/deliveries", "deliveries-1920-light-en")
        told = office.look(page, f"/deliveries/{proof}", "delivery-1920-light-en")
        expect(told).to_contain_text("drawn signature")
        expect(told).to_contain_text("photo")


def a_door_is_left_open(office: Office) -> None:
    eventually(
        lambda: excursion_of(office, OPEN_DOOR, alarm_at=True, ended_at=False), CHAPTER_S, "no alarm of the door"
    )
    with office.screen(scheme="dark") as page:
        now = office.look(page, "/", "now-1920-dark-en")
        expect(now.locator(".findings li").first).to_contain_text("Van 2 rear box")
        expect(now.locator(".findings li").first).to_contain_text("limit 8.0\u00a0°C, for")
        expect(now.locator(".findings li").first).to_contain_text("Save the load")
        table = office.look(page, "/temperature", "temperature-1920-dark-en")
        expect(table.locator("tr[data-key]").first).to_contain_text("Van 2 rear box")
        expect(table.locator("tr[data-key]").first).to_contain_text("above the limit")
        excursions = office.look(page, "/excursions", "excursions-1920-dark-en")
        # On a machine that is busy its readings may have been late before.
        of_door = excursions.locator("tr[data-key]").filter(has_text="Van 2 rear box")
        expect(of_door.filter(has_text="above the limit").filter(has_text="lasts")).to_have_count(1)
    with office.screen(width=390, locale="zh-CN") as page:
        now = office.look(page, "/", "now-390-light-zh")
        expect(now.locator(".findings li").first).to_contain_text("Van 2 rear box")
        office.look(page, "/temperature", "temperature-390-light-zh")


def alarms_of_van_3(demo: Demo) -> tuple[OpenAlarm, ...]:
    """What its device says that nobody else can ask."""
    told = ask(demo.data / "devices" / "van-3" / "agent.toml", GetStatus())
    assert isinstance(told, DeviceStatus)
    return next(one.alarms for one in told.cold if one.sensor == AWAY)


def alarms_sound_without_network(demo: Demo, office: Office) -> None:
    """The van that is out of contact knows what the hub does not."""
    eventually(lambda: alarms_of_van_3(demo), CHAPTER_S, "van-3 raises no alarm")
    begun = excursion_of(office, AWAY)
    assert begun is not None
    assert (begun["alarm_at"], begun["ended_at"]) == (None, None)
    demo.director.cue(Act.CLOSE_DOOR, "van-3", "rear")


def a_probe_has_failed(office: Office) -> None:
    eventually(
        lambda: office.ask(f"/excursions?sensor={BROKEN}&kind=no_data")["items"], CHAPTER_S, "no data is no finding"
    )
    with office.screen() as page:
        now = office.look(page, "/", "now-1920-light-en")
        finding = now.locator(".findings li").filter(has_text="Van 2 front box")
        expect(finding).to_contain_text("sensor fault: it answers, but not with a value")
        row = office.look(page, "/temperature", "temperature-1920-light-en").locator("tr[data-key]")
        expect(row.filter(has_text="Van 2 front box")).to_contain_text("fault")
        office.look(page, f"/temperature/{BROKEN.replace('.', '%2E')}", "sensor-failed-1920-light-en")
        excursions = office.look(page, "/excursions?show=all", "excursions-1920-light-en")
        of_probe = excursions.locator("tr[data-key]").filter(has_text="Van 2 front box")
        expect(of_probe.filter(has_text="no data").first).to_be_visible()


def walls_show_it(demo: Demo, office: Office) -> None:
    made = json.loads(run_command("holdfast-hub", "display", "add", "hall", "--data", str(demo.data / "hub"), "--json"))
    with office.stranger() as page:
        for name in ("temperature", "tracking"):
            page.goto(f"{office.url}/display/{name}?token={made['token']}")
            expect(page.locator("#turn li:visible").first).to_be_visible(timeout=SHOWN_MS)
            if name == "temperature":
                expect(page.locator("#stay")).to_contain_text("Van 2 rear box")
            shot(page, f"wall-{name}-1920-dark-en")
    with office.screen() as page:
        page.goto(f"{office.url}/map")
        expect(page.locator("canvas.maplibregl-canvas")).to_be_visible(timeout=SHOWN_MS)
        expect(page.locator("main")).to_contain_text("van-2", timeout=SHOWN_MS)
        shot(page, "map-1920-light-en")


@contextmanager
def a_parcel_of_which_not_everything_is_known(office: Office) -> Iterator[tuple[str, Page]]:
    """A parcel that was delivered before it is known how cold it was in the cold room, and its page, which stays open."""

    def delivered_unknown() -> str | None:
        for parcel in office.ask("/parcels?status=delivered&limit=25")["items"]:
            told = office.ask(f"/parcels/{parcel['id']}/temperature")
            if told["verdict"] == "incomplete" and all(gap["where"] == "Dock 4" for gap in told["missing"]):
                return str(parcel["id"])
        return None

    parcel = eventually(delivered_unknown, CHAPTER_S, "no parcel is delivered and incomplete")
    with office.screen() as page:
        way = office.look(page, f"/tracking/{parcel}", "parcel-incomplete-1920-light-en")
        expect(way.locator(".head .cold")).to_have_text("? incomplete")
        expect(way.locator(".missing")).to_contain_text("cold-room.shelf.temperature_c has not sent this yet")
        yield parcel, page


def a_late_backlog_is_judged(office: Office, parcel: str, page: Page) -> None:
    """The readings come, and the parcel's page says so by itself: nobody opens it anew."""
    way = page.locator("main")
    expect(way.locator("#cold .sentence")).to_contain_text("kept cold", timeout=CHAPTER_S * 1000)
    expect(way.locator(".head .cold")).to_have_text("· kept cold")
    expect(page.locator("#chart figcaption")).to_contain_text("gaps: 0", timeout=SHOWN_MS)
    shot(page, "parcel-judged-1920-light-en")
    told = office.ask(f"/parcels/{parcel}/temperature")
    assert (told["verdict"], told["missing"]) == ("kept_cold", [])


def the_van_is_back(demo: Demo, office: Office) -> None:
    """And with it the cold room."""
    eventually(lambda: not alarms_of_van_3(demo), CHAPTER_S, "van-3 does not cool down")
    demo.director.cue(Act.RESUME, "van-3")
    demo.director.cue(Act.RESUME, "cold-room")
    ended = eventually(lambda: excursion_of(office, AWAY, ended_at=True), CHAPTER_S, "van-3's excursion does not end")
    detail = office.ask(f"/excursions/{ended['id']}")
    began, became_known = detail["changes"][0], detail["changes"][-1]
    assert (began["alarm_at"], began["ended_at"]) == (None, None)
    assert became_known["alarm_at"] is not None
    assert became_known["alarm_known_at"] > became_known["ended_at"] > became_known["alarm_at"]
    with office.screen() as page:
        told = office.look(page, f"/excursions/{ended['id']}", "excursion-late-1920-light-en")
        history = told.locator(".verdicts li")
        expect(history).to_have_count(2)
        expect(history.first).to_contain_text("began")
        expect(history.last).to_contain_text("alarm")
        expect(history.last).to_contain_text("ended")
    with office.screen(width=390, scheme="dark", locale="zh-CN") as page:
        office.look(page, f"/excursions/{ended['id']}", "excursion-late-390-dark-zh")
    assert judged_by_command(demo.data, office) == [{name: ended[name] for name in JUDGED_ALIKE}]


def judged_by_command(folder: Path, office: Office) -> list[dict[str, Any]]:
    """What `holdfast-hub judge` finds in the sensor's export; as of an excursion on its page."""
    exported, limits = folder / "van-3.csv", folder / "limits.json"
    exported.write_bytes(office.fetch(f"/api/v1/sensors/{AWAY}/readings.csv"))
    limits.write_text(json.dumps(profile(PACE)))
    told = json.loads(run_command("holdfast-hub", "judge", str(exported), "--profile", str(limits), "--json"))
    assert told["readings"] > 30
    return [{name: found[name] for name in JUDGED_ALIKE} for found in told["excursions"]]


def a_warm_trip_is_over(office: Office) -> bool:
    over = [trip for trip in office.ask("/trips?limit=20")["items"] if trip["to_at"] is not None]
    return any(
        parcel["verdict"] == "excursion" for trip in over for parcel in office.ask(f"/trips/{trip['id']}")["items"]
    )


def the_trip_is_reported(demo: Demo, office: Office, tmp_path: Path) -> None:
    eventually(lambda: a_warm_trip_is_over(office), CHAPTER_S, "no trip with an excursion is over")
    demo.director.cue(Act.POINT_OUT)
    parcel = demo.told(r"/tracking/(\S+)   a parcel")
    trip = demo.told(r"/trips/(\S+)   its trip")
    assert demo.told(r"/api/v1/trips/(\S+)/report.pdf") == trip
    van = {"van-2": "Van 2", "van-3": "Van 3"}[office.ask(f"/trips/{trip}")["device"]]
    with office.screen() as page:
        way = office.look(page, f"/tracking/{parcel}", "parcel-1920-light-en")
        expect(way).to_contain_text(f"{van} rear box")
        told = office.look(page, f"/trips/{trip}", "trip-1920-light-en")
        expect(told.locator("h1")).to_have_text(f"Trip of {van}")
        expect(told).to_contain_text("excursion")
        office.look(page, "/tracking", "tracking-1920-light-en")
        office.look(page, "/devices", "devices-1920-light-en")
    with office.screen(width=390, scheme="dark", locale="zh-CN") as page:
        office.look(page, f"/tracking/{parcel}", "parcel-390-dark-zh")
        office.look(page, f"/trips/{trip}", "trip-390-dark-zh")
    report = tmp_path / "report.pdf"
    report.write_bytes(office.fetch(f"/api/v1/trips/{trip}/report.pdf"))
    run_command("holdfast-hub", "verify-report", str(report))
    whole = report.read_bytes()
    report.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
    changed = subprocess.run(
        [find_command("holdfast-hub"), "verify-report", str(report)], capture_output=True, check=False
    )
    assert changed.returncode == 1
    report.write_bytes(whole)
    (PICTURES / "demo-trip-report.pdf").write_bytes(whole)


def the_dead_probe_is_lost(office: Office) -> None:
    """A probe that says nothing any more is lost once readings of it are overdue."""
    eventually(lambda: office.ask(f"/sensors/{DEAD}")["freshness"] == "lost", CHAPTER_S, "van-1's probe is not lost")
    with office.screen(scheme="dark", locale="zh-CN") as page:
        now = office.look(page, "/", "now-1920-dark-zh")
        expect(now.locator(".findings li").filter(has_text="Van 1 middle")).to_contain_text("传感器")
        office.look(page, "/temperature?look=tiles", "tiles-1920-dark-zh")
    with office.screen(width=390) as page:
        finding = office.look(page, "/", "now-390-light-en").locator(".findings li").filter(has_text="Van 1 middle")
        expect(finding).to_contain_text("sensor lost")
