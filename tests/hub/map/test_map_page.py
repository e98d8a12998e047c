"""The map in a real browser: what it draws, and that it asks nobody else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from hub.accounts.deps import SESSION_COOKIE
from hub.fleet.freshness import SILENT_AFTER_MS
from tests.hub.map.roads import drive
from tests.hub.web.seeded import MINUTE_MS, NOW_MS, SeededHub, Story, add_device
from tests.hub.web.serving import served

pytestmark = pytest.mark.slow

SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
DRAWN_WITHIN_MS = 60_000
"""Software draws slowly, and slower beside other tests."""
PICTURES = Path(os.environ.get("HOLDFAST_PICTURES", "build/pictures"))


@contextmanager
def chromium(playwright: Playwright, browser_path: str | None, *arguments: str) -> Iterator[Browser]:
    opened = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", *arguments])
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright, browser_path: str | None) -> Iterator[Browser]:
    with chromium(playwright, browser_path, *SOFTWARE_GL) as opened:
        yield opened


@contextmanager
def visit(browser: Browser, hub: SeededHub, address: str, *, quiet: bool = True, **options: Any) -> Iterator[Page]:
    """A signed-in page; fails for any error, any violation of the policy, and any request to another host."""
    wrong: list[str] = []
    context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1920, "height": 1080}, **options})
    context.add_cookies([{"name": SESSION_COOKIE, "value": hub.session(), "url": address}])
    # The driver of this software renderer tells how slow it is.
    context.on(
        "console",
        lambda m: (
            wrong.append(m.text) if m.type in {"error", "warning"} and "GL Driver Message" not in m.text else None
        ),
    )
    context.on("weberror", lambda e: wrong.append(str(e.error)))

    def check(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "data" and parts.netloc != urlsplit(address).netloc:
            wrong.append(f"request to {url}")

    context.on("request", lambda r: check(r.url))
    try:
        yield context.new_page()
        assert not quiet or wrong == []
    finally:
        context.close()


@pytest.fixture
def fleet(hub: SeededHub) -> SeededHub:
    """Shanghai: one van in order, one with a fault, one silent, and two at one dock."""
    story = Story()
    with hub.database.write() as tx:
        for name, lat, lon, age_ms, value in (
            ("van-1", 31.2304, 121.4737, 10_000, 512),
            ("van-2", 31.1443, 121.8083, 10_000, None),
            ("van-3", 31.3900, 121.2300, SILENT_AFTER_MS + 42 * MINUTE_MS, 480),
            ("van-4", 30.8500, 121.5500, 10_000, 640),
            ("van-5", 30.8550, 121.5501, 10_000, 390),
        ):
            add_device(tx, name, contact_ms=NOW_MS - age_ms)
            way = [(lat - 0.05 + n / 2000, lon - 0.05 + (n % 20) / 1000) for n in range(100)]
            drive(story, name, [*way, (lat, lon)], at_ms=NOW_MS - age_ms)
            story.readings(f"{name}.rear.temperature_c", [value], at_ms=NOW_MS - age_ms)
        story.tell(tx)
    return hub


def open_map(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#map")).to_have_attribute("data-state", "drawn", timeout=DRAWN_WITHIN_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1920])
def test_vehicles_are_drawn_with_sign_name_temperature_and_age(
    browser: Browser, fleet: SeededHub, scheme: str, width: int
) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 1080 if width > 400 else 844}}
    with served(fleet) as address, visit(browser, fleet, address, **options) as page:
        open_map(page, f"{address}/map")
        expect(page.locator(".pin", has_text="van-1")).to_contain_text("5.1\u00a0°C")
        expect(page.locator(".pin", has_text="van-2")).to_contain_text("◆ van-2  fault")
        expect(page.locator('.pin[data-level="silence"]')).to_contain_text("? van-3")
        expect(page.locator(".pin", has_text="2 vehicles")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.wait_for_timeout(1500)
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"map-{width}-{scheme}.png", full_page=width < 400)


def test_a_vehicle_that_is_chosen_by_keyboard_shows_its_track(browser: Browser, fleet: SeededHub) -> None:
    with served(fleet) as address, visit(browser, fleet, address, locale="zh-CN") as page:
        open_map(page, f"{address}/map")
        page.get_by_role("link", name="van-1").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#map")).to_have_attribute("data-track", "101")
        expect(page.locator("tr[data-chosen]")).to_have_attribute("data-key", "van-1")
        assert page.url.endswith("/map?device=van-1")
        page.wait_for_timeout(1500)
        page.screenshot(path=PICTURES / "map-track-zh.png")


def test_vehicles_that_hide_each_other_part_when_their_mark_is_pressed(browser: Browser, fleet: SeededHub) -> None:
    with served(fleet) as address, visit(browser, fleet, address, reduced_motion="reduce") as page:
        open_map(page, f"{address}/map")
        page.locator(".pin", has_text="2 vehicles").press("Enter")
        expect(page.locator(".pin", has_text="van-5")).to_be_visible()
        expect(page.locator(".pin", has_text="van-4")).to_be_visible()


def test_of_vehicles_at_one_place_the_list_shows_which_they_are(browser: Browser, fleet: SeededHub) -> None:
    with fleet.database.write() as tx:
        story = Story()
        drive(story, "van-5", [(30.85, 121.55)], at_ms=NOW_MS)
        story.tell(tx)
    with served(fleet) as address, visit(browser, fleet, address, reduced_motion="reduce") as page:
        open_map(page, f"{address}/map")
        page.locator(".pin", has_text="2 vehicles").press("Enter")
        together = page.locator("tr[data-together]")
        expect(together).to_have_count(2)
        expect(together.first.locator("a.find")).to_be_focused()


def test_a_new_position_moves_its_mark_without_a_reload(browser: Browser, fleet: SeededHub) -> None:
    with served(fleet) as address, visit(browser, fleet, address) as page:
        open_map(page, f"{address}/map?device=van-1")
        expect(page.locator("#live")).to_have_attribute("data-state", "on")
        before = page.locator('tr[data-key="van-1"]').get_attribute("data-lat")
        with fleet.database.write() as tx:
            story = Story()
            drive(story, "van-1", [(31.2404, 121.4737)], at_ms=NOW_MS)
            changes = story.tell(tx)
        fleet.live.publish(changes)
        expect(page.locator('tr[data-key="van-1"]')).to_have_attribute("data-lat", "31.2404")
        expect(page.locator("#map")).to_have_attribute("data-track", "102")
        assert before == "31.2304"


def test_a_place_is_marked(browser: Browser, fleet: SeededHub) -> None:
    with served(fleet) as address, visit(browser, fleet, address) as page:
        open_map(page, f"{address}/map?at=31.2,121.5")
        expect(page.get_by_role("img", name="marked place")).to_be_visible()


def test_without_webgl_the_list_has_all_vehicles(
    playwright: Playwright, browser_path: str | None, fleet: SeededHub
) -> None:
    with (
        chromium(playwright, browser_path, "--disable-gpu", "--disable-3d-apis") as blind,
        served(fleet) as address,
        visit(blind, fleet, address, quiet=False) as page,
    ):
        page.goto(f"{address}/map")
        expect(page.get_by_text("This browser cannot draw the map; the list has all vehicles.")).to_be_visible()
        expect(page.locator("#map")).to_be_hidden()
        assert page.locator("tr[data-key]").count() == 5


def test_1_000_vehicles_are_gathered_and_stay_usable(browser: Browser, hub: SeededHub) -> None:
    story = Story()
    with hub.database.write() as tx:
        for n in range(1_000):
            add_device(tx, f"van-{n:04d}", contact_ms=NOW_MS - 5_000)
            drive(story, f"van-{n:04d}", [(25 + n % 40 / 3, 105 + n // 40 / 2)], at_ms=NOW_MS - 5_000)
        story.tell(tx)
    with served(hub) as address, visit(browser, hub, address) as page:
        open_map(page, f"{address}/map")
        assert page.locator("tr[data-key]").count() == 1_000
        assert 20 < page.locator(".pin").count() < 300
        took_ms = page.evaluate(
            """async () => {
              const began = performance.now();
              document.querySelector('tr[data-key="van-0500"]').dataset.lat = "40";
              await new Promise((done) => setTimeout(done, 1100));
              return performance.now() - began - 1100;
            }"""
        )
        assert took_ms < 1000
        page.screenshot(path=PICTURES / "map-1000.png")
