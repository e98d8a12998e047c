"""The dispatcher's board and routes in a real browser: who is late, what to do, and a day adjusted by hand."""

import re
from collections.abc import Iterator
from math import cos, pi, sin
from time import process_time
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from contract.event import Outcome
from hub.projector import Change
from tests.hub.routes.dispatching import DAY, HOUR_MS, NOW_MS, Dispatch, order
from tests.hub.web.afternoon import LONG, NAMES, afternoon, late_day, lay, parcels_of
from tests.hub.web.looking import LOOKS, PICTURES, THERE, problems_of
from tests.hub.web.serving import served
from tests.hub.web.test_cold_pages import TOO_WIDE
from tests.hub.web.test_pages import visit

pytestmark = pytest.mark.slow

STOPS: Final = 2_000
# Of the hub's own work, however busy the machine is; it takes two seconds.
ANSWERS_WITHIN_S: Final = 10.0
WHAT: Final = "stops are late, or most likely will be"
NEXT_DAY: Final = "2026-06-02"
FIRST: Final = "上海市第一人民医院药剂科"
APART: Final = """row => {
  const [ago, act] = [".ago", ".act"].map((q) => row.querySelector(q).getBoundingClientRect());
  return ago.right <= act.left || ago.bottom <= act.top;
}"""


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dispatch, str]]:
    """A day with a late route, served; nothing in it is changed by tests."""
    with late_day(tmp_path_factory.mktemp("late")) as day, served(day.hub) as address:
        yield day, address


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dispatch, str]]:
    """The same with all that can be odd: a contradiction, an attempt, a late proof, a change no device has, waiting stops."""
    with late_day(tmp_path_factory.mktemp("busy")) as day:
        first, _, third = (one["stop"] for one in day.route("van-2")["items"][:3])
        day.prove("van-1", first, Outcome.REFUSED, *parcels_of(day, "van-2")[first], at_ms=NOW_MS - HOUR_MS)
        day.prove(
            "van-2",
            third,
            Outcome.ATTEMPTED,
            *parcels_of(day, "van-2")[third],
            at_ms=NOW_MS - 7 * HOUR_MS,
            known_ms=NOW_MS,
        )
        for stop in day.stops("van-3")[:2]:
            day.prove("van-3", stop, Outcome.ATTEMPTED, *parcels_of(day, "van-3")[stop], at_ms=NOW_MS, reason="closed")
        day.ask("PATCH", f"/routes/{DAY}-van-1", json={"cancel": [day.stops()[-1]], "why": "moved away"})
        day.ships(
            order(50, consignee=NAMES[2], address=LONG, latitude=None, longitude=None),
            order(51, weight_kg=9_000, address="Pudong 1, 200120"),
        )
        day.van("van-9", weight_kg=500, zone="Asia/Shanghai")
        day.ask("POST", "/routes", json={"day": DAY, "vehicles": ["van-9"], "seconds": 0.1})
        with served(day.hub) as address:
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


@pytest.mark.parametrize(("width", "scheme", "locale"), LOOKS)
def test_board_route_and_figures_read_well_in_both_languages_on_wide_screens_and_phones(
    browser: Browser, busy: tuple[Dispatch, str], width: int, scheme: str, locale: str
) -> None:
    day, address = busy
    size = {"width": width, "height": 844 if width < 400 else 1080}
    look = {"viewport": size, "color_scheme": scheme, "locale": locale}
    wrong: dict[str, list[str]] = {}
    with visit(browser, day.hub, address, **THERE, **look) as opened:
        for name, path in {"board": "/routes", "route": f"/routes/{DAY}-van-1", "figures": "/routes/figures"}.items():
            page = opened.go(path)
            if name == "board" and width < 400:
                # On a phone the map is drawn for whoever opens it.
                page.locator("#board-map summary").click()
            if name == "board":
                expect(page.locator("#map")).to_have_attribute("data-stops", "22")
            elif name == "route":
                expect(page.locator("#map")).to_have_attribute("data-state", "drawn")
                page.locator("tr[data-open] .pick input").first.click()
            page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}-{locale[:2]}.png", full_page=True)
            if found := problems_of(page, chinese=locale == "zh-CN", given=(*NAMES, LONG)):
                wrong[name] = found
        # What drawing a map and taking a picture of it says on a machine without a graphics card.
        opened.wrong[:] = [told for told in opened.wrong if "GL Driver" not in told and "inline style" not in told]
    assert wrong == {}


def test_the_map_of_the_day_has_all_routes_and_leads_to_each(browser: Browser, busy: tuple[Dispatch, str]) -> None:
    day, address = busy
    with visit(browser, day.hub, address, **THERE, locale="en-GB", viewport={"width": 1600, "height": 1400}) as opened:
        page = opened.go("/routes")
        expect(page.locator("#map")).to_have_attribute("data-stops", "22")
        names = page.locator("#map .route-pin")
        expect(names).to_have_text(["◆ van 1 4/9", "van 2 5/8", "van 3 2/4"])
        expect(page.get_by_role("link", name="van 1: 4 of 9 stops, 3 late")).to_be_visible()
        page.get_by_role("link", name="van 2: 5 of 8 stops, 0 late").click()
        expect(page).to_have_url(re.compile("van-2$"))
        page = opened.go("/routes")
        expect(page.locator("#map")).to_have_attribute("data-stops", "22")
        box = page.get_by_role("img", name="depot").bounding_box()
        assert box is not None
        # Around the depot, until the pointer is on a line or a stop.
        for n in range(90):
            turn = n * pi / 45
            page.mouse.move(box["x"] + box["width"] / 2 + 45 * cos(turn), box["y"] + box["height"] / 2 + 45 * sin(turn))
            if page.evaluate("document.querySelector('#map canvas').style.cursor") == "pointer":
                break
        page.mouse.down()
        page.mouse.up()
        expect(page).to_have_url(re.compile("/routes/2026-06-01-van-"))
        opened.wrong[:] = [told for told in opened.wrong if "GL Driver" not in told and "GPU stall" not in told]


def test_what_a_van_proves_is_on_the_board_its_page_and_the_figures_without_asking(
    browser: Browser, busy: tuple[Dispatch, str]
) -> None:
    day, address = busy
    with visit(browser, day.hub, address, **THERE, locale="en-GB") as opened:
        pages = {path: opened.context.new_page() for path in ("/routes", f"/routes/{DAY}-van-2", "/routes/figures")}
        for path, page in pages.items():
            page.goto(address + path)
            expect(page.locator("#live")).to_have_attribute("data-state", "on")
        board, route, figures = pages.values()
        expect(board.locator("tbody tr", has_text="van 2").first).to_contain_text("5 of 8")
        stop = next(one for one in day.route("van-2")["items"] if one["status"] == "open")
        told = day.prove("van-2", stop["stop"], Outcome.DELIVERED, *stop["parcels"], at_ms=NOW_MS - 1000)
        day.hub.live.publish([Change("delivery", told)])
        expect(board.locator("tbody tr", has_text="van 2").first).to_contain_text("6 of 8")
        expect(route.locator(f"#stop-{stop['stop']}")).to_contain_text("delivered")
        expect(figures.locator("tbody tr", has_text="van 2").first).to_contain_text("67 %")
        opened.wrong[:] = [told for told in opened.wrong if "GL Driver" not in told]


def test_what_could_not_be_handed_over_is_chosen_on_the_board_and_planned_again(
    browser: Browser, busy: tuple[Dispatch, str]
) -> None:
    day, address = busy
    with visit(browser, day.hub, address, **THERE, locale="en-GB") as opened:
        page = opened.go("/routes")
        undone = page.locator("#undone")
        expect(undone.locator("tbody tr")).to_have_count(2)
        expect(undone.get_by_label("On day")).to_have_value(NEXT_DAY)
        page.get_by_role("button", name="Plan again").click()
        expect(page.get_by_role("alert").first).to_contain_text("choose first what is to be tried again")
        undone.get_by_role("checkbox", name="Choose R").first.check()
        undone.get_by_label("On day").fill("2026-05-20")
        undone.get_by_label("Why").fill("called, at home then")
        page.get_by_role("button", name="Plan again").click()
        expect(page.get_by_role("alert").first).to_contain_text("which is before")
        expect(undone.get_by_role("checkbox", name="Choose R").first).to_be_checked()
        expect(undone.get_by_label("Why")).to_have_value("called, at home then")
        undone.get_by_role("checkbox", name="Choose all").check()
        undone.get_by_label("On day").fill(NEXT_DAY)
        page.get_by_role("button", name="Plan again").click()
        expect(page.get_by_role("status").filter(has_text="2 shipments wait for the plan of")).to_be_visible()
        expect(undone.locator("tr")).to_have_count(0)
        page = opened.go(f"/routes?day={NEXT_DAY}")
        expect(page.locator("[data-refresh=board]")).to_contain_text("No route on this day yet; 2 shipments wait.")
        expect(page.locator("[data-refresh=waiting]")).to_contain_text("not planned yet")
        day.ask("POST", "/routes", json={"day": NEXT_DAY, "optimise": False, "vehicles": ["van-3"]})
        stops = [one["stop"] for one in day.ask("GET", "/shipments?planned=false")["items"] if one["attempt"] == 2]
        day.ask("PATCH", f"/routes/{NEXT_DAY}-van-3", json={"stops": stops})
        page = opened.go(f"/routes/{NEXT_DAY}-van-3")
        expect(page.locator("tr[data-stop]").first).to_contain_text(f"attempt 2, after attempted, {DAY}")
        opened.wrong[:] = [told for told in opened.wrong if "409" not in told and "GL Driver" not in told]


def test_two_thousand_stops_are_shown_chosen_and_moved_without_waiting(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with afternoon(tmp_path_factory.mktemp("long"), ("van-1",)) as day, served(day.hub) as address:
        orders = [order(n, address=f"Huaihai M. Rd {n}, 200021", consignee=f"Consignee {n}") for n in range(STOPS)]
        lay(day, "van-1", orders)
        with visit(
            browser, day.hub, address, **THERE, locale="en-GB", viewport={"width": 1600, "height": 1000}
        ) as opened:
            began_s = process_time()
            page = opened.go(f"/routes/{DAY}-van-1")
            expect(page.locator("tr[data-stop]")).to_have_count(STOPS)
            expect(page.locator("#map")).to_have_attribute("data-state", "drawn")
            # To look by roles would take longer than all that the page does: it asks for the name of everything.
            page.locator("[aria-label='Choose Consignee 3']").check()
            page.locator("#hand [value=off]").click()
            expect(page.locator("tr[data-stop]")).to_have_count(STOPS - 1)
            assert process_time() - began_s < ANSWERS_WITHIN_S
            page.goto(address + "/routes")
            expect(page.locator("[data-refresh=board] tbody tr")).to_have_count(1)
            expect(page.locator("[data-refresh=waiting] tbody tr")).to_have_count(1)
            expect(page.locator("#map")).to_have_attribute("data-stops", str(STOPS - 1))
            page.screenshot(path=PICTURES / "board-two-thousand.png")
            page.get_by_role("link", name="Figures").click()
            expect(page.locator("tbody tr").first).to_contain_text(re.compile(r"1\s999"))
            opened.wrong[:] = [told for told in opened.wrong if "GL Driver" not in told]
