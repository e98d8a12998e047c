"""A route adjusted by hand in a real browser: with a pointer, with keys, and on the map; others who look see it at once."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import APIResponse, Browser, Error, Locator, Page, Route, expect

from hub.accounts.roles import Role
from hub.projector import Change
from tests.hub.routes.dispatching import DAY, Dispatch
from tests.hub.web.afternoon import free_day
from tests.hub.web.serving import served
from tests.hub.web.test_pages import Site, visit

pytestmark = pytest.mark.slow

VAN_1, VAN_2 = f"/routes/{DAY}-van-1", f"/routes/{DAY}-van-2"
EXCHANGED: Final = """() => {
  window.seen = [];
  const shown = () => [...document.querySelectorAll("tr[data-stop] .who b")].map((e) => e.textContent);
  document.addEventListener("exchanged", () => window.seen.push(shown()));
}"""
"""Keeps in which order stops are each time the page has exchanged them."""
WIDE: Final[dict[str, Any]] = {"viewport": {"width": 1600, "height": 1000}, "timezone_id": "Asia/Shanghai"}


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Dispatch]:
    with free_day(tmp_path) as made:
        yield made


@pytest.fixture
def desk(browser: Browser, day: Dispatch) -> Iterator[Site]:
    with (
        served(day.hub) as address,
        visit(browser, day.hub, address, role=Role.DISPATCHER, **WIDE) as opened,
    ):
        yield opened
        # What the map's drawing says of a machine without a graphics card.
        opened.wrong[:] = [told for told in opened.wrong if "GPU stall" not in told and "GL Driver" not in told]


def shows(page: Page, *numbers: int) -> None:
    """These stops in this order, now or in a moment."""
    expect(page.locator("tr[data-stop] .who b")).to_have_text(consignees(*numbers))


def consignees(*numbers: int) -> list[str]:
    return [f"Consignee {n}" for n in numbers]


def grip(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=f"Move {name}", exact=True)


def drag(page: Page, name: str, to: Locator, share: float) -> None:
    """With the pointer, to this share of the target's height, wherever that is once the stop is in the hand."""
    grip(page, name).hover()
    page.mouse.down()
    expect(page.locator("tr[data-held]")).to_have_count(1)
    box = to.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + box["height"] * share, steps=4)
    page.mouse.up()


def row(page: Page, name: str) -> Locator:
    return page.locator("tr[data-stop]", has_text=name)


def test_a_stop_is_dragged_by_its_handle_and_the_change_is_undone(desk: Site, day: Dispatch) -> None:
    page = desk.go(VAN_1)
    drag(page, "Consignee 3", row(page, "Consignee 1"), 0.2)
    expect(page.get_by_role("status").filter(has_text="The order is changed.")).to_be_visible()
    shows(page, 0, 3, 1, 2, 4)
    assert [one["name"] for one in day.route()["items"]] == consignees(0, 3, 1, 2, 4)
    expect(page.locator("#stale")).to_contain_text("changed after van-1 got it")
    expect(grip(page, "Consignee 3")).to_be_focused()
    drag(page, "Consignee 0", row(page, "Consignee 4"), 0.9)
    expect(page.locator("tr[data-stop] .who b").last).to_have_text("Consignee 0")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").filter(has_text="Moved back.")).to_be_visible()
    shows(page, 0, 3, 1, 2, 4)
    # Let go outside the list, nothing moves.
    drag(page, "Consignee 0", page.locator("h1"), 0.5)
    shows(page, 0, 3, 1, 2, 4)


def test_what_was_asked_for_before_a_change_does_not_come_back_over_it(desk: Site, day: Dispatch) -> None:
    page = desk.go(VAN_1)
    late: list[tuple[Route, APIResponse]] = []

    def hold(asked: Route) -> None:
        if asked.request.method == "GET" and not late:
            late.append((asked, asked.fetch()))
        else:
            asked.continue_()

    page.route(f"**{VAN_1}", hold)
    page.evaluate(EXCHANGED)
    day.hub.live.publish([Change("route", f"{DAY}-van-1")])
    while not late:
        page.wait_for_timeout(20)
    drag(page, "Consignee 3", row(page, "Consignee 1"), 0.2)
    expect(page.get_by_role("status").filter(has_text="The order is changed.")).to_be_visible()
    shows(page, 0, 3, 1, 2, 4)
    ((asked, answer),) = late
    with suppress(Error):
        # The page does not wait for it any more.
        asked.fulfill(response=answer)
    page.wait_for_function("() => window.seen.length > 0")
    assert page.evaluate("window.seen[0]") == consignees(0, 3, 1, 2, 4)
    desk.wrong[:] = [told for told in desk.wrong if "ERR_ABORTED" not in told]


def test_a_stop_is_dragged_onto_another_van(desk: Site, day: Dispatch) -> None:
    page = desk.go(VAN_1)
    grip(page, "Consignee 3").hover()
    page.mouse.down()
    page.mouse.move(300, 300, steps=2)
    expect(page.locator("[data-van]", has_text="van 2")).to_be_visible()
    box = page.locator("[data-van]", has_text="van 2").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 10, box["y"] + 10, steps=2)
    page.mouse.up()
    expect(page.locator(".done").first).to_contain_text("1 stop is on van 2 now.")
    shows(page, 0, 1, 2, 4)
    assert "Consignee 3" in {one["name"] for one in day.route("van-2")["items"]}
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("tr[data-stop]")).to_have_count(5)
    shows(page, 0, 1, 2, 3, 4)


def test_a_stop_is_moved_with_keys_alone_and_says_where_it_is(desk: Site) -> None:
    page = desk.go(VAN_1)
    grip(page, "Consignee 1").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#moving")).to_contain_text("Consignee 1 is lifted")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#moving")).to_have_text("Consignee 1: place 4 of 5")
    page.keyboard.press("Escape")
    shows(page, 0, 1, 2, 3, 4)
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="The order is changed.")).to_be_visible()
    shows(page, 1, 0, 2, 3, 4)
    expect(grip(page, "Consignee 1")).to_be_focused()


def test_stops_chosen_on_the_map_are_moved_to_another_van_and_everybody_who_looks_sees_it(
    desk: Site, day: Dispatch, browser: Browser
) -> None:
    page = desk.go(VAN_1)
    with visit(browser, day.hub, desk.address, role=Role.VIEWER, **WIDE) as other:
        board = other.go("/routes")
        theirs = other.context.new_page()
        theirs.goto(desk.address + VAN_2)
        expect(theirs.locator("#live")).to_have_attribute("data-state", "on")
        expect(board.locator("tbody tr", has_text="van 1")).to_contain_text("0 of 5")

        expect(page.locator("#map")).to_have_attribute("data-state", "drawn")
        for name in ("2: Consignee 1", "4: Consignee 3"):
            page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("button", name="2: Consignee 1", exact=True)).to_have_attribute("aria-pressed", "true")
        expect(page.locator("tr[data-chosen] .who b")).to_have_text(consignees(1, 3))
        expect(page.locator("#chosen")).to_have_text("2 stops chosen")
        page.get_by_role("combobox", name="To van", exact=True).select_option(label="van 2")
        expect(page.get_by_role("combobox", name="Before", exact=True).locator("option")).to_have_count(6)
        page.get_by_role("combobox", name="Before", exact=True).select_option(label="3 Consignee 12")
        page.get_by_label("Why").fill("van 2 is nearer")
        page.get_by_role("button", name="Move", exact=True).click()
        expect(page.locator(".done").first).to_contain_text("2 stops are on van 2 now.")
        assert [one["name"] for one in day.route("van-2")["items"]] == consignees(10, 11, 1, 3, 12, 13)

        expect(theirs.locator("tr[data-stop]")).to_have_count(6)
        expect(theirs.locator("#stale")).to_contain_text("changed after van-2 got it")
        expect(board.locator("tbody tr", has_text="van 1")).to_contain_text("0 of 3")
        expect(board.locator("tbody tr", has_text="van 2")).to_contain_text("changed after its device got it")
        day.clock.ms += 1_000
        day.ask("POST", f"{VAN_2}/assign", json={})
        expect(theirs.locator("#stale")).to_have_count(0)
        expect(board.locator("tbody tr", has_text="van 2")).not_to_contain_text("changed after")
        day.ask("PATCH", VAN_1, json={"name": "the early van"})
        expect(board.locator("tbody")).to_contain_text("the early van")
        other.wrong[:] = [told for told in other.wrong if "GPU stall" not in told and "GL Driver" not in told]
    with day.database.read() as conn:
        why = conn.exec_driver_sql(
            "SELECT why FROM audit_trail WHERE action = 'route.reorder' ORDER BY id DESC"
        ).scalar()
    assert why == "van 2 is nearer"


def test_a_rectangle_on_the_map_chooses_stops_and_they_are_taken_off_the_route(desk: Site, day: Dispatch) -> None:
    page = desk.go(VAN_1)
    expect(page.locator("#map")).to_have_attribute("data-state", "drawn")
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 4, box["y"] + box["height"] - 2, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator("#chosen")).to_have_text("5 stops chosen")
    page.get_by_role("button", name="Choose none").click()
    expect(page.locator("#hand")).to_be_hidden()
    page.get_by_role("checkbox", name="Choose Consignee 1").click()
    page.get_by_role("checkbox", name="Choose Consignee 3").click(modifiers=["Shift"])
    expect(page.locator("#chosen")).to_have_text("3 stops chosen")
    # What devices say meanwhile takes nothing from who chooses.
    revision = day.ask("PATCH", VAN_1, json={"name": "van one"})["revision"]
    expect(page.locator("table.stops")).to_have_attribute("data-revision", str(revision))
    expect(page.locator("tr[data-chosen]")).to_have_count(3)
    page.get_by_role("button", name="Take off the route").click()
    expect(page.locator(".done").first).to_contain_text(re.compile("3 stops wait on the board"))
    shows(page, 0, 4)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("tr[data-stop]")).to_have_count(5)


def test_who_was_overtaken_is_told_by_whom_and_keeps_what_was_typed(desk: Site, day: Dispatch) -> None:
    page = desk.go(VAN_1)
    # What another one does is not shown yet.
    page.route(f"**{VAN_1}", lambda asked: asked.abort() if asked.request.method == "GET" else asked.continue_())
    page.get_by_role("checkbox", name="Choose Consignee 1").check()
    page.get_by_role("combobox", name="To van", exact=True).select_option(label="van 2")
    expect(page.get_by_role("combobox", name="Before", exact=True).locator("option")).to_have_count(6)
    page.get_by_role("combobox", name="Before", exact=True).select_option(label="3 Consignee 12")
    page.get_by_label("Why").fill("van 2 is nearer")
    stops = day.stops()
    day.ask("PATCH", VAN_1, json={"stops": [stops[4], *stops[:4]]})
    page.set_viewport_size({"width": 1000, "height": 300})
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("changed meanwhile by token test (moved stops)")
    expect(page.get_by_role("alert").first).to_be_in_viewport()
    page.set_viewport_size(WIDE["viewport"])
    shows(page, 4, 0, 1, 2, 3)
    assert len(day.stops("van-2")) == 4
    expect(page.locator("tr[data-chosen] .who b")).to_have_text(consignees(1))
    expect(page.get_by_label("Why")).to_have_value("van 2 is nearer")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator(".done").first).to_contain_text("1 stop is on van 2 now.")
    assert [one["name"] for one in day.route("van-2")["items"]] == consignees(10, 11, 1, 12, 13)
    # To plan anew what somebody else has just put in order would undo it unseen.
    day.ask("PATCH", VAN_1, json={"stops": day.stops()[::-1]})
    page.get_by_role("button", name="Plan anew").click()
    expect(page.get_by_role("alert").first).to_contain_text("changed meanwhile by token test (moved stops)")
    desk.wrong[:] = [told for told in desk.wrong if "409" not in told and "ERR_FAILED" not in told]
