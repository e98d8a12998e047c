"""A wall in a real browser: fits its screen, turns its pages, keeps what is wrong in sight, says when it lost the hub."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import insert

from hub.coldchain.tables import excursion
from hub.requests import AddDisplay, RevokeDisplay
from tests.hub.accounts.staffed import StaffedHub, staffed_hub
from tests.hub.web.seeded import MINUTE_MS, NOW_MS, Story, add_device
from tests.hub.web.serving import served

pytestmark = pytest.mark.slow

ASK_S = 5
"""As often a wall asks the hub."""


def seed(hub: StaffedHub, sensors: int = 120) -> str:
    with hub.database.write() as tx:
        story = Story()
        for n in range(sensors):
            add_device(tx, f"van-{n:03d}", contact_ms=NOW_MS, place=f"Route {n:03d}")
            story.readings(f"van-{n:03d}.rear.temperature_c", [912 if n == 7 else 512], at_ms=NOW_MS - 5_000)
        for n in range(300):
            story.scan(f"JD{n:014d}", at_ms=NOW_MS - 1_000 * n, place="Donaudampfschifffahrtsstraße 112b")
        story.tell(tx)
        row = {
            "sensor": "van-007.rear.temperature_c",
            "device": "van-007",
            "limit_name": "max",
            "profile": "pharma-2-8",
        }
        found = {"started_ms": NOW_MS - 41 * MINUTE_MS, "alarm_ms": NOW_MS, "beyond_ms": 1, "known_ms": NOW_MS}
        tx.execute(
            insert(excursion).values(
                id="x", kind="excursion", side="above", threshold=800, changed_ms=NOW_MS, **row, **found
            )
        )
    return str(hub.context().administer(AddDisplay("hall", "boss")).token)


@contextmanager
def wall(browser: Browser, address: str, path: str, **options: object) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", **options)  # type: ignore[arg-type]  # as playwright names them
    wrong: list[str] = []
    context.on("console", lambda m: wrong.append(m.text) if m.type in {"error", "warning"} else None)
    context.on("weberror", lambda e: wrong.append(str(e.error)))
    page = context.new_page()
    # Time goes on in the page only where a test says so: what it is to show then does not hang on how busy the machine is.
    page.clock.install(time=0)
    page.clock.pause_at(1)
    page.goto(address + path)
    try:
        yield page
        # What the browser says of a hub that is away is expected.
        assert [line for line in wrong if "ERR_CONNECTION_REFUSED" not in line and "401" not in line] == []
    finally:
        context.close()


def run_on(page: Page, seconds: int) -> None:
    """Let the page's time go on, with each answer of the hub shown in between: it answers in its own time."""
    for _ in range(0, seconds, ASK_S):
        page.evaluate("document.querySelector('#figures b').id = 'old'")
        page.clock.run_for(1_000 * ASK_S)
        # By then the page has also set the time when it asks again.
        expect(page.locator("#old")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
def test_a_wall_fits_its_screen_in_type_for_a_room_and_turns_through_all(
    browser: Browser, tmp_path: Path, width: int, height: int
) -> None:
    with staffed_hub(tmp_path) as hub:
        token = seed(hub)
        with served(hub) as address:
            for path in ("temperature", "tracking"):
                size = {"width": width, "height": height}
                with wall(browser, address, f"/display/{path}?token={token}", viewport=size) as page:
                    assert "token" not in page.url
                    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
                    font = "e => parseFloat(getComputedStyle(e).fontSize)"
                    scale = width / 1920
                    assert page.locator("#turn li:visible").first.evaluate(font) == 28 * scale
                    assert page.locator("header time").evaluate(font) == 44 * scale
                    assert page.locator("#figures b").first.evaluate(font) == 96 * scale
                    last = page.locator("#turn li:visible").last.bounding_box()
                    assert last is not None
                    assert last["y"] + last["height"] <= height
                    pages = int(page.locator("#page span").inner_text().split(" / ")[1])
                    seen: set[str] = set()
                    for n in range(pages):
                        expect(page.locator("#page span")).to_have_text(f"{n + 1} / {pages}")
                        seen |= set(page.locator("#turn li:visible").evaluate_all("l => l.map(e => e.dataset.key)"))
                        if path == "temperature":
                            expect(page.locator("#stay li")).to_contain_text("too warm")
                        if n + 1 < pages:
                            page.keyboard.press("ArrowRight")
                    assert len(seen) == page.locator("#turn li").count() > 100


def test_pages_turn_by_themselves_and_pause_by_key(browser: Browser, tmp_path: Path) -> None:
    with staffed_hub(tmp_path) as hub:
        token = seed(hub)
        with (
            served(hub) as address,
            wall(
                browser,
                address,
                f"/display/temperature?token={token}",
                viewport={"width": 1920, "height": 1080},
            ) as page,
        ):
            sign = page.locator("#page span")
            expect(sign).to_have_text("1 / 5")
            page.clock.run_for(10_100)
            expect(sign).to_have_text("2 / 5")
            page.keyboard.press("Space")
            expect(sign).to_have_text("paused")
            shown = page.locator("#turn li:visible").first.inner_text()
            page.clock.run_for(30_000)
            assert page.locator("#turn li:visible").first.inner_text().split("\n")[0] == shown.split("\n")[0]
            page.keyboard.press("Space")
            page.clock.run_for(10_100)
            expect(sign).to_have_text("3 / 5")


def test_a_wall_that_lost_the_hub_says_so_over_the_whole_screen_and_since_when(
    browser: Browser, tmp_path: Path
) -> None:
    with staffed_hub(tmp_path) as hub, ExitStack() as serving:
        token = seed(hub, 20)
        address = serving.enter_context(served(hub))
        size = {"width": 1920, "height": 1080}
        with wall(browser, address, f"/display/tracking?token={token}", viewport=size) as page:
            lost = page.locator("#lost")
            expect(lost).to_be_hidden()
            run_on(page, 30)
            expect(lost).to_be_hidden()
            serving.close()
            page.clock.run_for(20_000)
            expect(lost).to_be_visible()
            expect(lost).to_contain_text("This display has lost the hub")
            expect(lost.locator(".since")).to_have_text(
                "since " + page.evaluate(f"new Date({NOW_MS}).toTimeString().slice(0, 8)")
            )
            expect(lost.locator(".now")).to_contain_text("What it showed is 20 s old")
            assert lost.bounding_box() == {"x": 0, "y": 0, "width": 1920, "height": 1080}


def test_a_wall_that_is_let_in_no_more_says_that_instead(browser: Browser, tmp_path: Path) -> None:
    with staffed_hub(tmp_path) as hub:
        token = seed(hub, 5)
        with served(hub) as address, wall(browser, address, f"/display/tracking?token={token}") as page:
            expect(page.locator("#turn li").first).to_be_visible()
            hub.context().administer(RevokeDisplay("hall", "boss"))
            page.clock.run_for(6_000)
            expect(page.locator("#lost")).to_contain_text("not let in any more")
