"""Shipments in a real browser: a file with bad lines, search, and ten thousand of them."""

from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from hub.accounts.roles import Role
from tests.hub.routes.dispatching import DAY, Dispatch, dispatch, order
from tests.hub.web.afternoon import LONG, NAMES, window
from tests.hub.web.looking import LOOKS, PICTURES, THERE, problems_of
from tests.hub.web.serving import served
from tests.hub.web.test_pages import visit

pytestmark = pytest.mark.slow

MANY: Final = 10_000
# Of the hub's own work, however busy the machine is; it takes half a second.
ANSWERS_WITHIN_S: Final = 5.0
FILE: Final = """reference;consignee;address;parcels;latitude;longitude;day;window_from;window_to;checks
N1;Wang Xiaoming;Nanjing W. Rd 275, 200041;HF-N1;31.23;121.47;2026-06-01;14:00;16:00;signature
N2;;Nanjing W. Rd 276, 200041;HF-N2;31.23;121.47;2026-06-01;14:00;16:00;
N3;Li Na;Nanjing W. Rd 277, 200041;HF-N3;131.23;121.47;2026-06-01;16:00;14:00;passport
N4;Li Na;Nanjing W. Rd 278, 200041;HF-N1;31.23;121.47;2026-06-01;;;
N5;买买提;Nanjing W. Rd 279, 200041;HF-N5;31.24;121.48;2026-06-01;;;photo|cold
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dispatch, str]]:
    """Ten thousand shipments, of which a few are on a route."""
    with dispatch(tmp_path_factory.mktemp("shipments")) as day:
        orders = [
            order(n, consignee=NAMES[n % len(NAMES)], address=LONG if n == MANY - 2 else f"Huaihai M. Rd {n}, 200021",
                  checks=["signature", "cold"] if n % 3 else [], **(window(2, 6) if n % 2 else {}))
            for n in range(MANY)
        ]  # fmt: skip
        for at in range(0, MANY, 2_500):
            day.ships(*orders[at : at + 2_500])
        day.van("van-1", zone="Asia/Shanghai")
        day.ask("POST", "/routes", json={"day": DAY, "optimise": False, "shipments": ["R00001", "R00002"]})
        with served(day.hub) as address:
            yield day, address


@pytest.mark.parametrize(("width", "scheme", "locale"), LOOKS)
def test_shipments_fit_and_read_well_with_a_report_of_every_bad_line(  # noqa: PLR0917 - fixtures and a look
    browser: Browser, shown: tuple[Dispatch, str], tmp_path: Path, width: int, scheme: str, locale: str
) -> None:
    day, address = shown
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "locale": locale}
    file = tmp_path / "orders.csv"
    file.write_text(FILE, encoding="utf-8")
    wrong: dict[str, list[str]] = {}
    with visit(browser, day.hub, address, **THERE, **look) as opened:
        page = opened.go("/shipments")
        page.screenshot(path=PICTURES / f"shipments-{width}-{scheme}-{locale[:2]}.png", full_page=True)
        wrong["list"] = problems_of(page, chinese=locale == "zh-CN", given=NAMES)
        page.locator("details.fold summary").click()
        page.locator("input[type=file]").set_input_files(file)
        page.locator("form[hx-encoding] button").click()
        expect(page.locator("[role=status].said")).to_be_visible()
        page.screenshot(path=PICTURES / f"shipments-bad-{width}-{scheme}-{locale[:2]}.png", full_page=True)
        wrong["bad"] = problems_of(page, chinese=locale == "zh-CN", given=NAMES)
        rows = page.locator("table.trail tbody tr")
        expect(rows).to_have_count(5)
        assert [cell.split("\n")[0].removeprefix("Line ") for cell in page.locator("table.trail td.num").all_inner_texts()] == [
            "3", "4", "4", "4", "5",
        ]  # fmt: skip
        opened.wrong[:] = [told for told in opened.wrong if "inline style" not in told]
    assert wrong == {"list": [], "bad": []}


def test_a_file_that_is_none_is_refused_in_the_visitor_s_language(
    browser: Browser, shown: tuple[Dispatch, str], tmp_path: Path
) -> None:
    day, address = shown
    file = tmp_path / "orders.csv"
    file.write_text("ref,who\nA,B\n", encoding="utf-8")
    with visit(browser, day.hub, address, **THERE, locale="zh-CN") as opened:
        page = opened.go("/shipments")
        page.locator("details.fold summary").press("Enter")
        page.locator("input[type=file]").set_input_files(file)
        page.locator("form[hx-encoding] button").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("未知列")
        expect(page.get_by_role("alert")).to_contain_text("缺少列 reference, consignee, address；应为列名")
        # The refusal comes with its status, as it should.
        opened.wrong[:] = [told for told in opened.wrong if "409" not in told]


def test_ten_thousand_shipments_are_searched_and_paged_without_waiting(
    browser: Browser, shown: tuple[Dispatch, str]
) -> None:
    day, address = shown
    with visit(browser, day.hub, address, **{**THERE, "role": Role.VIEWER}, locale="en-GB") as opened:
        page = opened.go("/shipments")
        expect(page.locator("main tbody tr")).to_have_count(100)
        began_s = process_time()
        page.get_by_role("searchbox", name="Reference, consignee").fill("R04711")
        page.keyboard.press("Enter")
        expect(page.locator("main tbody tr")).to_have_count(1)
        expect(page.locator("main tbody tr")).to_contain_text("R04711")
        page = opened.go("/shipments?show=planned")
        expect(page.locator("main tbody tr")).to_have_count(0)
        page = opened.go("/shipments?show=waiting")
        expect(page.locator("main tbody tr")).to_have_count(100)
        page.get_by_role("link", name="next 100").click()
        expect(page.get_by_role("link", name="first page")).to_be_visible()
        assert process_time() - began_s < ANSWERS_WITHIN_S
