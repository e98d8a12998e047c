"""Pages about ways and trips in a real browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from contract.escape import escape_id
from hub.accounts.deps import SESSION_COOKIE
from hub.accounts.roles import Role
from hub.trips.tables import trip
from tests.chromium import lent_page
from tests.hub.trips.way_story import GTIN, SSCC, tell_ways
from tests.hub.web.keyboard import Keyboard
from tests.hub.web.seeded import SeededHub
from tests.hub.web.serving import served

pytestmark = pytest.mark.slow

DAY_MS = 86_400_000


@pytest.fixture
def address(hub: SeededHub) -> Iterator[str]:
    with hub.database.write() as tx:
        tell_ways(tx)
    with served(hub) as at:
        yield at


@contextmanager
def visit(browser: Browser, hub: SeededHub, address: str, **options: Any) -> Iterator[Page]:
    """A dispatcher's page on which nothing goes wrong."""
    wrong: list[str] = []
    hears = {
        "console": lambda m: wrong.append(m.text) if m.type in {"error", "warning"} else None,
        "weberror": lambda e: wrong.append(str(e.error)),
    }
    with lent_page(browser, hears, **options) as page:
        page.context.add_cookies([{"name": SESSION_COOKIE, "value": hub.session(Role.DISPATCHER), "url": address}])
        yield page
        assert wrong == []


@pytest.mark.parametrize(
    "look",
    [
        {"viewport": {"width": width, "height": 900}, "locale": locale, "color_scheme": scheme}
        for width, locale, scheme in ((390, "zh-CN", "dark"), (1280, "en-GB", "light"), (1920, "en-GB", "dark"))
    ],
)
def test_pages_stay_in_their_window_draw_their_charts_and_break_nothing(
    browser: Browser, hub: SeededHub, address: str, look: dict[str, Any]
) -> None:
    with hub.database.read() as reader:
        run = reader.scalar(select(trip.c.id).where(trip.c.device == "van-1"))
    with visit(browser, hub, address, **look) as page:
        for path in (
            f"/tracking/{SSCC}",
            "/tracking/JD0042",
            f"/tracking/{escape_id(GTIN)}",
            f"/trips/{run}",
            "/trips",
            "/tracking",
        ):
            page.goto(address + path)
            if path.count("/") > 1:
                expect(page.locator("#chart canvas")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_stretch_of_time_says_its_day_once(browser: Browser, hub: SeededHub, address: str) -> None:
    with visit(browser, hub, address, locale="en-GB", timezone_id="UTC") as page:
        page.goto(f"{address}/tracking/{SSCC}")
        stretches = page.locator("[data-stretch]")
        expect(stretches.first).to_be_visible()
        shown = stretches.evaluate_all(
            "all => all.map(e => [e.textContent, ...[...e.children].map(t => Number(t.dataset.moment))])"
        )
    for text, from_ms, to_ms in shown:
        same_day = from_ms // DAY_MS == to_ms // DAY_MS
        assert text.count("May") == (1 if same_day else 2), text
        assert (text.count(":") == 4) == (to_ms - from_ms < 10 * 60_000), text
    assert any(from_ms // DAY_MS == to_ms // DAY_MS for _, from_ms, to_ms in shown)


def test_scanner_that_types_the_separator_opens_the_parcel_from_anywhere_and_from_the_field(
    browser: Browser, hub: SeededHub, address: str
) -> None:
    with visit(browser, hub, address, locale="en-GB") as page:
        for focus in ("anywhere", "field"):
            page.goto(address + "/trips")
            expect(page.locator("#live")).to_have_attribute("data-state", "on")
            keys = Keyboard(page)
            if focus == "field":
                keys.press("/")
                expect(page.locator("#search")).to_be_focused()
                keys.wait(1_000)
            keys.scan("010952123454321310L1\x1d21ABC-7")
            expect(page.locator("h1")).to_have_text(GTIN)


def test_dispatcher_corrects_a_step_with_the_keyboard_alone(browser: Browser, hub: SeededHub, address: str) -> None:
    with visit(browser, hub, address, locale="en-GB") as page:
        page.goto(f"{address}/tracking/{SSCC}")
        expect(page.locator("#live")).to_have_attribute("data-state", "on")
        page.locator("#correct summary").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("End")
        page.keyboard.press("Tab")
        page.keyboard.type("attempted")
        page.keyboard.press("Tab")
        page.keyboard.type("handed to the wrong door")
        with page.expect_response(lambda response: "corrections" in response.url) as answered:
            page.keyboard.press("Enter")

    assert answered.value.status == 204
    (decision,) = hub.decisions
    assert (decision.subject, decision.why) == (f"attempted {SSCC}", "handed to the wrong door")
