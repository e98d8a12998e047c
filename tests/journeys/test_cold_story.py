"""The story of the demo as people see it: a door left open, a probe that fails, a van out of contact, a late backlog.

One test, because it is one story that is told once: what is looked at must be there at that time. Pictures of what was seen
are left in `build/screenshots`.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from firmware_sim.demo.office import profile
from firmware_sim.demo.pace import CALM
from firmware_sim.processes import AgentProcess, find_command, run_command

pytestmark = pytest.mark.slow

PICTURES: Final = Path(os.environ.get("HOLDFAST_PICTURES", "build/screenshots"))
# Other tests share the machine.
START_S: Final = 120
CHAPTER_S: Final = 90
LOOK_S: Final = 0.25
SHOWN_MS: Final = 20_000
T = TypeVar("T")

TOO_WIDE: Final = "document.documentElement.scrollWidth > innerWidth"
JUDGED_ALIKE: Final = ("limit", "started_at", "alarm_at", "ended_at", "extreme")
BACK_AGAIN: Final = "cold-room has its network back"
OPEN_DOOR, AWAY, BROKEN = "van-2.rear.temperature_c", "van-3.rear.temperature_c", "van-2.front.temperature_c"


class Demo:
    """`holdfast-sim demo` as a person starts it, and what it says."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [find_command("holdfast-sim"), "demo", "--data", str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(line.rstrip())

    @property
    def words(self) -> str:
        """All that it said."""
        return "\n".join(self.said)

    def told(self, pattern: str, within_s: float = CHAPTER_S) -> str:
        """Wait until it says something, and return the first group."""
        found = eventually(lambda: self.process.poll() is None and re.search(pattern, self.words), within_s, self.words)
        return str(found[1])

    def end(self) -> None:
        """End it as a person does."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0
        self._reader.join(10)
        assert self.said[-1] == "Everything has ended."
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
    running = Demo(tmp_path / "data")
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture
def browser(browser_path: str | None) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


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
        self.desk = page

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
    def screen(self, width: int = 1920, scheme: str = "light", locale: str = "en-GB") -> Iterator[Page]:
        """Another screen, signed in as well."""
        size = {"width": width, "height": 844 if width < 500 else 1080}
        context = self._context(viewport=size, color_scheme=scheme, locale=locale)
        context.add_cookies([cookie for cookie in self._cookies if "lang" not in cookie["name"]])  # type: ignore[misc]  # as they came
        page = context.new_page()
        try:
            yield page
        finally:
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

    a_door_is_left_open(office)
    alarms_sound_without_network(demo, office)
    with a_parcel_of_which_not_everything_is_known(demo, office) as (parcel, page):
        a_probe_has_failed(office)
        walls_show_it(demo, office)
        the_van_is_back(demo, office)
        a_late_backlog_is_judged(demo, office, parcel, page)
    the_trip_is_reported(demo, office, tmp_path)
    the_dead_probe_is_lost(demo, office)

    assert office.wrong == []
    demo.end()


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
        expect(excursions.locator("tr[data-key]").filter(has_text="Van 2 rear box")).to_contain_text("lasts")
    with office.screen(width=390, locale="zh-CN") as page:
        now = office.look(page, "/", "now-390-light-zh")
        expect(now.locator(".findings li").first).to_contain_text("Van 2 rear box")
        office.look(page, "/temperature", "temperature-390-light-zh")


def alarms_sound_without_network(demo: Demo, office: Office) -> None:
    """The van that is out of contact knows what the hub does not."""
    demo.told("(van-3) loses its network")
    agent = AgentProcess("van-3", demo.data / "devices" / "van-3" / "agent.toml", logs=demo.data / "logs")

    def sounding() -> list[Any]:
        return [alarm for one in agent.status()["cold"] if one["sensor"] == AWAY for alarm in one["alarms"]]

    eventually(sounding, CHAPTER_S, "van-3 raises no alarm")
    begun = excursion_of(office, AWAY)
    assert begun is not None
    assert (begun["alarm_at"], begun["ended_at"]) == (None, None)


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
        expect(excursions.locator("tr[data-key]").filter(has_text="Van 2 front box")).to_contain_text("no data")


def walls_show_it(demo: Demo, office: Office) -> None:
    made = json.loads(run_command("holdfast-hub", "display", "add", "hall", "--data", str(demo.data / "hub"), "--json"))
    with office.screen(scheme="dark") as page:
        page.context.clear_cookies()
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
def a_parcel_of_which_not_everything_is_known(demo: Demo, office: Office) -> Iterator[tuple[str, Page]]:
    """A parcel that was delivered before it is known how cold it was in the cold room, and its page, which stays open."""

    def delivered_unknown() -> str | None:
        for parcel in office.ask("/parcels?status=delivered&limit=25")["items"]:
            told = office.ask(f"/parcels/{parcel['id']}/temperature")
            if told["verdict"] == "incomplete" and all(gap["where"] == "Dock 4" for gap in told["missing"]):
                return str(parcel["id"])
        return None

    parcel = eventually(delivered_unknown, CHAPTER_S, "no parcel is delivered and incomplete")
    assert BACK_AGAIN not in demo.words, "too slow a machine: the backlog came before it was looked for"
    with office.screen() as page:
        way = office.look(page, f"/tracking/{parcel}", "parcel-incomplete-1920-light-en")
        expect(way.locator(".head .cold")).to_have_text("? incomplete")
        expect(way.locator(".missing")).to_contain_text("cold-room.shelf.temperature_c has not sent this yet")
        yield parcel, page


def a_late_backlog_is_judged(demo: Demo, office: Office, parcel: str, page: Page) -> None:
    """The readings come, and the parcel's page says so by itself: nobody opens it anew."""
    demo.told(f"({BACK_AGAIN})")
    way = page.locator("main")
    expect(way.locator("#cold .sentence")).to_contain_text("kept cold", timeout=CHAPTER_S * 1000)
    expect(way.locator(".head .cold")).to_have_text("· kept cold")
    expect(page.locator("#chart figcaption")).to_contain_text("gaps: 0", timeout=SHOWN_MS)
    shot(page, "parcel-judged-1920-light-en")
    told = office.ask(f"/parcels/{parcel}/temperature")
    assert (told["verdict"], told["missing"]) == ("kept_cold", [])


def the_van_is_back(demo: Demo, office: Office) -> None:
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
    limits.write_text(json.dumps(profile(CALM)))
    told = json.loads(run_command("holdfast-hub", "judge", str(exported), "--profile", str(limits), "--json"))
    assert told["readings"] > 30
    return [{name: found[name] for name in JUDGED_ALIKE} for found in told["excursions"]]


def the_trip_is_reported(demo: Demo, office: Office, tmp_path: Path) -> None:
    parcel = demo.told(r"/tracking/(\S+)   a parcel")
    trip = demo.told(r"/trips/(\S+)   its trip")
    assert demo.told(r"/api/v1/trips/(\S+)/report.pdf") == trip
    with office.screen() as page:
        way = office.look(page, f"/tracking/{parcel}", "parcel-1920-light-en")
        expect(way).to_contain_text("Van 2 rear box")
        told = office.look(page, f"/trips/{trip}", "trip-1920-light-en")
        expect(told.locator("h1")).to_have_text("Trip of Van 2")
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


def the_dead_probe_is_lost(demo: Demo, office: Office) -> None:
    """A probe that says nothing any more is lost once readings of it are overdue."""
    eventually(
        lambda: office.ask(f"/sensors/{BROKEN}")["freshness"] == "lost",
        CHAPTER_S,
        "van-2's probe is not told to be lost",
    )
    with office.screen(scheme="dark", locale="zh-CN") as page:
        now = office.look(page, "/", "now-1920-dark-zh")
        expect(now.locator(".findings li").filter(has_text="Van 2 front box")).to_contain_text("传感器")
        office.look(page, "/temperature?look=tiles", "tiles-1920-dark-zh")
    with office.screen(width=390) as page:
        finding = office.look(page, "/", "now-390-light-en").locator(".findings li").filter(has_text="Van 2 front box")
        expect(finding).to_contain_text("sensor lost")
