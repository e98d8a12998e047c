"""What operators look at, in a real browser."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect
from sqlalchemy import update

from contract.event import Outcome, Quantity, Step
from hub.accounts.deps import SESSION_COOKIE
from hub.accounts.roles import Role
from hub.ahead import LiveReading
from hub.fleet.freshness import SILENT_AFTER_MS
from hub.live import CONTACT
from hub.projector import Change
from hub.tables import device_contact
from tests.chromium import lent_page
from tests.hub.web.seeded import (
    MINUTE_MS,
    NOW_MS,
    PASSWORD,
    HubClock,
    RunningClock,
    SeededHub,
    Story,
    add_device,
    add_incident,
    seeded_hub,
)
from tests.hub.web.serving import served

pytestmark = pytest.mark.slow

PAGES = ("/", "/tracking", "/temperature", "/excursions", "/devices")
TILES = "/temperature?look=tiles"
MAX_NODES = 5_000
# Of the hub's own work, however busy the machine is; it takes half a second.
ANSWERS_WITHIN_S = 5.0

# Every node, texts included: what a browser's own performance monitor counts.
COUNT_NODES = """() => {
  let nodes = 0;
  const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
  while (walker.nextNode()) nodes++;
  return nodes;
}"""


class Site:
    """A signed-in browser at a served hub, which fails the test for any error, violation or foreign request."""

    def __init__(self, page: Page, hub: SeededHub, address: str, wrong: list[str]) -> None:
        self.hub = hub
        self.address = address
        self.wrong = wrong
        self.page = page
        self.context = page.context

    def go(self, path: str) -> Page:
        self.page.goto(self.address + path)
        expect(self.page.locator("#live")).to_have_attribute("data-state", "on")
        return self.page


def stop_time(page: Page) -> None:
    """Time goes on in the page only where a test says so."""
    page.clock.install(time=0)
    page.clock.pause_at(1)


@contextmanager
def visit(
    browser: Browser, hub: SeededHub, address: str, *, role: Role = Role.OPERATOR, **options: Any
) -> Iterator[Site]:
    wrong: list[str] = []

    def check(request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(address).netloc and not request.url.startswith("data:"):
            wrong.append(f"request to {request.url}")

    hears = {
        "console": lambda m: wrong.append(m.text) if m.type in {"error", "warning"} else None,
        "weberror": lambda e: wrong.append(str(e.error)),
        "request": check,
    }
    with lent_page(browser, hears, **{"locale": "en-GB", **options}) as page:
        page.context.add_cookies([{"name": SESSION_COOKIE, "value": hub.session(role), "url": address}])
        opened = Site(page, hub, address, wrong)
        yield opened
        assert opened.wrong == []


@contextmanager
def site(browser: Browser, hub: SeededHub, **options: Any) -> Iterator[Site]:
    with served(hub) as address, visit(browser, hub, address, **options) as opened:
        yield opened


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SeededHub, str]]:
    """10,000 parcels, and 1,200 sensors on 300 devices, served at an address."""
    with seeded_hub(tmp_path_factory.mktemp("full"), HubClock()) as hub:
        with hub.database.write() as tx:
            story = Story()
            for n in range(300):
                silent = n % 10 == 0
                contact = NOW_MS - (42 * MINUTE_MS if silent else 20_000)
                add_device(tx, f"van-{n:03d}", contact_ms=contact, place=f"Route {n % 20}", backlog=n % 7)
                for name in ("front", "rear"):
                    story.readings(f"van-{n:03d}.{name}.temperature_c", [500 + n % 90], at_ms=contact - 5_000)
                    humidity = f"van-{n:03d}.{name}.humidity_rh"
                    story.readings(humidity, [6_190], at_ms=contact - 5_000, quantity=Quantity.HUMIDITY_RH)
            for n in range(10_000):
                silent = n % 10 == 0
                at_ms = NOW_MS - n * 100 - (42 * MINUTE_MS if silent else 1_000)
                step = Step.RECEIVED if silent else Step.LOADED
                story.scan(
                    f"JD{n:014d}",
                    step,
                    at_ms=at_ms,
                    device=f"van-{n % 300:03d}",
                    place="Donaudampfschifffahrtsstraße 112b",
                )
            story.tell(tx)
            for n in range(100):
                add_incident(tx, "gap", f"van-{n:03d}")
        with served(hub) as address:
            yield hub, address


@pytest.fixture
def desk(browser: Browser, full: tuple[SeededHub, str]) -> Iterator[Site]:
    with visit(browser, *full) as opened:
        yield opened


def test_pages_stay_light_and_in_their_window_with_10_000_parcels_and_1_200_sensors(desk: Site) -> None:
    for path in (
        *PAGES,
        "/tracking?status=in_store",
        "/tracking?status=in_store&wall=1",
        TILES,
        "/temperature?by=place",
        "/temperature?wall=1",
        "/temperature?only=trouble",
    ):
        began_s = time.process_time()
        page = desk.go(path)
        assert time.process_time() - began_s < ANSWERS_WITHIN_S, path
        assert page.evaluate(COUNT_NODES) < MAX_NODES, path
        for width in (390, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 1080})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)


def test_all_1_200_sensors_are_on_one_page_and_all_10_000_parcels_can_be_reached_page_by_page(desk: Site) -> None:
    page = desk.go(TILES)
    expect(page.locator("[data-sensor]")).to_have_count(1_200)
    expect(page.locator("section").first.get_by_text("no contact for 42 min")).to_have_count(1)
    page = desk.go("/tracking")
    first = page.locator("tr[data-key]").first.get_attribute("data-key")
    page.get_by_role("link", name="next 100").click()
    expect(page.locator("tr[data-key]").first).not_to_have_attribute("data-key", str(first))
    expect(page.locator("tr[data-key]")).to_have_count(100)


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_an_empty_hub_says_on_each_page_that_nothing_is_there_yet(
    browser: Browser, hub: SeededHub, locale: str
) -> None:
    with site(browser, hub, locale=locale) as opened:
        for path in PAGES:
            page = opened.go(path)
            expect(page.locator(".empty, .none")).to_have_count(1)
            assert bool(re.search("[\u4e00-\u9fff]", page.locator("h1").inner_text())) is (locale == "zh-CN")


def test_silence_is_said_in_words_with_grey_figures_and_is_no_sensor_fault(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        story = Story()
        for name, age_ms, value in (("van-1", 42 * MINUTE_MS, 512), ("van-2", 10_000, 512), ("van-3", 10_000, None)):
            add_device(tx, name, contact_ms=NOW_MS - age_ms)
            story.readings(f"{name}.rear.temperature_c", [value], at_ms=NOW_MS - age_ms - 5_000)
            story.scan(f"P-{name}", at_ms=NOW_MS - age_ms - 5_000, device=name)
        add_device(tx, "van-4", contact_ms=NOW_MS - 10_000)
        story.readings("van-4.rear.temperature_c", [512], at_ms=NOW_MS - 20 * MINUTE_MS)
        story.tell(tx)
    sentence = "no contact for 42 min, readings are kept on the device"
    with site(browser, hub) as opened:
        for path in ("/", "/tracking", TILES, "/devices"):
            expect(opened.go(path).get_by_text(sentence)).to_have_count(1)
        page = opened.go(TILES)
        states = {n: page.locator(f'[data-sensor="van-{n}.rear.temperature_c"]') for n in range(1, 5)}
        for n, state in {1: "silent", 2: "fresh", 3: "fault", 4: "lost"}.items():
            expect(states[n]).to_have_attribute("data-state", state)
        figure = "e => getComputedStyle(e, '::first-line').color"
        quiet = states[2].evaluate("e => getComputedStyle(e).color")
        assert states[1].evaluate(figure) == quiet
        assert states[2].evaluate(figure) != quiet
        assert states[1].inner_text().startswith("? 5.1")
        assert states[3].inner_text().startswith("◆ fault")


def test_a_figure_grows_old_by_itself_while_the_page_is_open(browser: Browser, hub: SeededHub) -> None:
    """Nothing is sent and nothing reloaded: the browser counts on from the hub's time, whatever its own clock says."""
    almost = NOW_MS - SILENT_AFTER_MS + 3_000
    with hub.database.write() as tx:
        add_device(tx, "van-1", contact_ms=almost)
        story = Story()
        story.readings("van-1.rear.temperature_c", [512], at_ms=almost - 2_000)
        story.tell(tx)
    with site(browser, hub, once=True) as opened:
        stop_time(opened.page)
        page = opened.go(TILES)
        cell = page.locator("[data-sensor]")
        expect(cell).to_have_attribute("data-state", "fresh")
        page.clock.run_for(4_000)
        expect(cell).to_have_attribute("data-state", "silent")
        expect(page.locator(".contact")).to_have_text("no contact for 1 min, readings are kept on the device")


def test_a_browser_whose_clock_is_wrong_shows_true_ages(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1", contact_ms=NOW_MS - 65_000)
    with site(browser, hub, once=True) as opened:
        opened.page.clock.set_system_time("2001-01-01")
        expect(opened.go("/devices").locator(".contact")).to_have_text("1 min")


def test_a_device_that_is_cut_off_comes_first_in_a_sentence_until_it_is_heard_again(
    browser: Browser, tmp_path: Path
) -> None:
    """While the page is open, without a reload: silence is told by nobody, so the page must notice it by itself."""
    clock = RunningClock()
    with seeded_hub(tmp_path, clock) as hub:
        with hub.database.write() as tx:
            add_device(tx, "van-2", contact_ms=clock() + SILENT_AFTER_MS)
            add_device(tx, "van-3", contact_ms=clock() - SILENT_AFTER_MS + 1_000, backlog=145)
            add_incident(tx, "fork", "van-2")
        with site(browser, hub) as opened:
            hub.live.publish([Change(CONTACT, "van-3")])
            page, devices = opened.go("/"), opened.context.new_page()
            first = page.locator(".findings li").first
            expect(first).to_contain_text("speaks with two voices")
            devices.goto(opened.address + "/devices")
            contact = devices.locator('[data-device="van-3"] .contact')
            expect(contact).to_have_text(re.compile(r"^\d+ s$"))
            clock.ms += SILENT_AFTER_MS - 4_000
            hub.live.publish([Change("excursion", "carries the hub's time to the pages")])
            sentence = "no contact for 1 min, readings are kept on the device"
            expect(first).to_contain_text(f"van-3 {sentence}; last heard")
            expect(first).to_contain_text("145 facts waiting when last heard")
            expect(contact).to_have_text(sentence)
            hub.live.publish([Change(CONTACT, "van-3")])
            expect(first).to_contain_text("speaks with two voices")
            expect(contact).to_have_text(re.compile(r"^\d+ s$"))


def test_findings_do_not_move_under_the_pointer(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        add_device(tx, "van-2")
        add_incident(tx, "fork", "van-1")
    with site(browser, hub) as opened:
        page = opened.go("/")
        page.locator(".findings li").hover()
        with hub.database.write() as tx:
            add_incident(tx, "fork", "van-2", last_ms=NOW_MS)
        hub.live.publish([Change("incident", "fork:van-2")])
        expect(page.locator("#strip button")).to_be_visible()
        expect(page.locator(".findings b")).to_have_text(["van-1"])
        page.locator("#strip button").click()
        expect(page.locator(".findings b")).to_have_text(["van-2", "van-1"])


def test_a_live_change_is_put_in_its_place_and_moves_nothing(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        for n in range(5):
            story.scan(f"P{n}", at_ms=NOW_MS - 60_000 - n)
        story.readings("van-1.rear.temperature_c", [512])
        story.tell(tx)
    with site(browser, hub) as opened:
        page = opened.go("/tracking")
        order = page.locator("tr[data-key]").evaluate_all("rows => rows.map(r => r.dataset.key)")
        with hub.database.write() as tx:
            story.proof("P4", Outcome.ATTEMPTED, at_ms=NOW_MS - 500)
            story.scan("new", at_ms=NOW_MS - 400)
            changes = story.tell(tx)
        hub.live.publish(changes)
        expect(page.locator('tr[data-key="P4"] .state')).to_have_text("needs a decision")
        expect(page.locator("#strip")).to_contain_text("outside this page: 1")
        assert page.locator("tr[data-key]").evaluate_all("rows => rows.map(r => r.dataset.key)") == order
        page = opened.go(TILES)
        hub.live.publish_ahead("sensor", {"van-1.rear.temperature_c": LiveReading("van-1", NOW_MS + 1, NOW_MS, 912)})
        cell = page.locator("[data-sensor]")
        for _ in ("live", "rendered anew"):
            expect(cell).to_have_text("9.1\u00a0°C\nrear temperature")
            expect(cell).to_have_attribute("title", "van-1.rear.temperature_c, on its way to the hub")
            assert cell.evaluate("e => getComputedStyle(e, '::after').fontStyle") == "italic"
            page.reload()


def test_seven_tabs_share_one_stream_and_all_are_live(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1", contact_ms=NOW_MS - 500_000)
    with site(browser, hub) as opened:
        tabs = [opened.context.new_page() for _ in range(7)]
        for tab in tabs:
            tab.goto(opened.address + "/devices")
            expect(tab.locator("#live")).to_have_attribute("data-state", "on")
        assert hub.live.viewers == 1
        with hub.database.write() as tx:
            tx.execute(update(device_contact).values(contact_ms=NOW_MS))
        hub.live.publish([Change("device", "van-1")])
        for tab in tabs:
            expect(tab.locator(".contact")).to_have_attribute("data-state", "heard")


def test_f076_a_parcel_named_like_a_script_is_only_text(browser: Browser, hub: SeededHub) -> None:
    names = ["<script>document.title='pwned'</script>", "<img src=x onerror=\"document.title='pwned'\">", "{{7*7}}"]
    with hub.database.write() as tx:
        add_device(tx, "van-1", place=names[1])
        story = Story()
        for name in names:
            story.scan(name, place=name, actor=name, code=name.encode() + b"\x1d\x1b")
        story.tell(tx)
    with site(browser, hub) as opened:
        for path in PAGES:
            page = opened.go(path)
            assert "pwned" not in page.title()
        for name in names:
            page = opened.go("/tracking")
            page.get_by_role("link", name=name, exact=True).click()
            expect(page.locator("h1")).to_have_text(name)
            expect(page.locator("code")).to_have_text(name + r"\x1d\x1b")
            expect(page.locator("main script, main img")).to_have_count(0)
        with hub.database.write() as tx:
            story.scan(names[0], place=names[1], at_ms=NOW_MS)
            changes = story.tell(tx)
        page = opened.go("/tracking")
        expect(page.locator("#live")).to_have_attribute("data-state", "on")
        hub.live.publish(changes)
        expect(page.locator(".changed")).to_have_count(1)
        expect(page.locator("main script, main img")).to_have_count(0)


def test_signing_in_by_hand(browser: Browser, hub: SeededHub) -> None:
    hub.session(Role.VIEWER)
    with hub.database.read() as reader:
        name = reader.exec_driver_sql("SELECT name FROM user_account").scalar()
    with site(browser, hub) as opened:
        opened.context.clear_cookies()
        opened.page.goto(opened.address + "/tracking?q=1")
        opened.page.get_by_label("Name").fill(str(name))
        opened.page.get_by_label("Password").fill(PASSWORD)
        opened.page.get_by_role("button", name="Sign in").click()
        expect(opened.page.locator("h1")).to_have_text("Where is everything?")
        opened.page.get_by_role("button", name="Sign out").click()
        expect(opened.page.locator("h1")).to_have_text("Sign in")


def test_the_chart_draws_what_is_there_and_leaves_gaps(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        story.readings("van-1.rear.temperature_c", [500] * 300, at_ms=NOW_MS - 6_000_000)
        story.readings("van-1.rear.temperature_c", [520] * 300)
        story.tell(tx)
    with site(browser, hub) as opened:
        page = opened.go("/temperature/van-1%2Erear%2Etemperature_c")
        caption = page.locator("figcaption")
        expect(caption).to_have_text("600 readings, lowest 5.0\u00a0°C, highest 5.2\u00a0°C, gaps: 1")
        expect(page.locator(".u-wrap canvas")).to_have_count(1)
        expect(page.locator("h1")).to_have_text("Van 1 rear · temperature")
        # 100 minutes and 50 before them: 6 h is the shortest stretch that holds both.
        expect(page.locator('.filters [aria-current="true"]')).to_have_text("6 h")
        over = page.locator(".u-over")
        box = over.bounding_box()
        assert box is not None
        over.hover(position={"x": box["width"] - 4, "y": 40})
        expect(page.locator(".crosshair")).to_contain_text("5.2\u00a0°C")
        hub.live.publish_ahead(
            "sensor", {"van-1.rear.temperature_c": LiveReading("van-1", NOW_MS + 15_000, NOW_MS, -912)}
        )
        expect(page.locator(".key")).to_contain_text("\u22129.1 °C")
        over.hover(position={"x": box["width"] - 1, "y": 50})
        expect(page.locator(".crosshair")).to_contain_text("\u22129.1\u00a0°C")
