"""The dispatcher's board and routes in a real browser: who is late, what to do, and a day adjusted by hand."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from hub.accounts.roles import Role
from tests.hub.routes.dispatching import DAY, Dispatch
from tests.hub.web.afternoon import late_day
from tests.hub.web.serving import served
from tests.hub.web.test_cold_pages import TOO_WIDE
from tests.hub.web.test_pages import visit

pytestmark = pytest.mark.slow

PICTURES: Final = Path(os.environ.get("HOLDFAST_PICTURES", "build/screenshots"))
LOOKS: Final = (
    (1920, "light", "en-GB"),
    (390, "dark", "zh-CN"),
    (390, "light", "en-GB"),
    (1920, "dark", "zh-CN"),
)
WHAT: Final = "stops are late, or most likely will be"
FIRST: Final = "上海市第一人民医院药剂科"
APART: Final = """row => {
  const [ago, act] = [".ago", ".act"].map((q) => row.querySelector(q).getBoundingClientRect());
  return ago.right <= act.left || ago.bottom <= act.top;
}"""
THERE: Final = {"timezone_id": "Asia/Shanghai", "role": Role.DISPATCHER}


@pytest.fixture(scope="module")
def browser(browser_path: str | None) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dispatch, str]]:
    """A day with a late route, served; nothing in it is changed by tests."""
    with late_day(tmp_path_factory.mktemp("late")) as day, served(day.hub) as address:
        yield day, address


@pytest.mark.parametrize(("width", "scheme", "locale"), LOOKS)
def test_a_late_route_is_a_row_of_what_needs_a_person_with_the_one_thing_to_do(
    browser: Browser, late: tuple[Dispatch, str], width: int, scheme: str, locale: str
) -> None:
    day, address = late
    PICTURES.mkdir(parents=True, exist_ok=True)
    size = {"width": width, "height": 844 if width < 400 else 1080}
    look = {"viewport": size, "color_scheme": scheme, "locale": locale}
    with visit(browser, day.hub, address, **THERE, **look) as opened:
        page = opened.go("/")
        page.screenshot(path=PICTURES / f"late-home-{width}-{scheme}-{locale[:2]}.png", full_page=True)
        assert page.evaluate(TOO_WIDE) == []
        row = page.locator(f'.findings [data-key="late {DAY}-van-1"]')
        told = row.locator("> *").all_inner_texts()
        if locale == "en-GB":
            assert told[:3] == [
                f"van 1 3 {WHAT}; the first is {FIRST}, window until 13:30, expected 14:00–14:05",
                "Plan anew, or call the courier",
                "30 min",
            ]
        else:
            assert told[1] == "重新规划，或致电快递员"
        assert row.evaluate(APART)
        row.locator(".act").click()
        expect(page.locator("h1")).to_contain_text("van 1")
        expect(page.locator("tr:target b")).to_have_text(FIRST)
        page.screenshot(path=PICTURES / f"late-route-{width}-{scheme}-{locale[:2]}.png")
        opened.wrong.clear()
