"""The cold chain's pages in a real browser: what is wrong now, what a person does about it, and what a chart shows."""

import os
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import APIResponse, Browser, Error, Route, expect

from contract.event import Decision
from hub.ahead import LiveReading
from hub.coldchain.decisions import Described
from hub.fleet.freshness import SILENT_AFTER_MS
from hub.projector import Change
from tests.hub.web.cold import REAR, described, folded, judged, warm_now, was_warm
from tests.hub.web.keyboard import Keyboard
from tests.hub.web.seeded import HOUR_MS, MINUTE_MS, NOW_MS, SeededHub, Story, add_device, add_incident
from tests.hub.web.test_pages import site, stop_time

pytestmark = pytest.mark.slow

PICTURES: Final = Path(os.environ.get("HOLDFAST_PICTURES", "build/pictures"))
PAGE: Final = "/temperature/van-1%2Erear%2Etemperature_c"

TOO_WIDE: Final = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
    .map((e) => e.outerHTML.slice(0, 120))"""


def trouble(hub: SeededHub) -> None:
    """One of each finding, with the longest names that come."""
    with hub.database.write() as tx:
        warm_now(tx, 41)
        warm_now(tx, 12, sensor="van-2.rear.temperature_c")
        was_warm(tx, 50, sensor="van-3.rear.temperature_c", late_ms=3 * HOUR_MS)
        add_device(
            tx, "van-4", contact_ms=NOW_MS - 42 * MINUTE_MS, place="Donaudampfschifffahrtsstraße 112b", backlog=7
        )
        add_device(tx, "van-5", place="乌鲁木齐市沙依巴克区阿勒泰路北国春小区东区北国春七号冷藏仓库")
        story = Story()
        story.readings("van-5.front.temperature_c", [510, None])
        described(story, "van-5.rear.temperature_c", Described("Rechtsschutzversicherungsgesellschaften Nord"))
        for n in range(34):
            story.scan(f"P{n}", at_ms=NOW_MS - 3 * HOUR_MS)
        story.tell(tx)
        add_incident(tx, "fork", "van-2", "two heads")
        add_incident(tx, "gap", "van-3", "12 facts")


@pytest.mark.parametrize(
    ("width", "scheme", "locale"),
    [(390, "dark", "en-GB"), (1280, "light", "zh-CN"), (1920, "dark", "zh-CN"), (1920, "light", "en-GB")],
)
def test_every_page_fits_its_window_in_both_languages_and_themes(
    browser: Browser, hub: SeededHub, width: int, scheme: str, locale: str
) -> None:
    trouble(hub)
    PICTURES.mkdir(parents=True, exist_ok=True)
    with hub.database.read() as reader:
        past = reader.exec_driver_sql("SELECT id FROM excursion WHERE ended_ms IS NOT NULL AND alarm_ms > 0").scalar()
    size = {"width": width, "height": 844 if width < 400 else 1080}
    with site(browser, hub, viewport=size, color_scheme=scheme, locale=locale) as opened:
        for name, path in {
            "home": "/",
            "temperature": "/temperature",
            "tiles": "/temperature?look=tiles",
            "sensor": PAGE,
            "excursions": "/excursions?show=all",
            "excursion": f"/excursions/{past}",
        }.items():
            page = opened.go(path)
            if page.locator("#chart").count():
                expect(page.locator("#chart canvas")).to_have_count(1)
            too_wide = page.evaluate(TOO_WIDE)
            page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}-{locale[:2]}.png", full_page=True)
            assert too_wide == [], path


def test_an_incident_is_closed_by_keyboard_with_a_reason_and_leaves_the_list(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        add_incident(tx, "fork", "van-1", "two heads")
        add_incident(tx, "gap", "van-1", "12 facts")
    with site(browser, hub) as opened:
        page = opened.go("/")
        keys = Keyboard(page)
        keys.type("ja")
        dialog = page.get_by_role("dialog", name="Close")
        expect(dialog).to_contain_text("van-1: speaks with two voices")
        keys.type("copy found <script>")
        keys.press("Escape")
        expect(dialog).to_be_hidden()
        keys.type("a")
        expect(dialog.get_by_label("Reason")).to_have_value("")
        keys.type("copy found")
        for key in ("Tab", "Tab", "Enter"):
            keys.press(key)
        expect(dialog).to_be_hidden()
        expect(page.locator(".findings li")).to_have_count(1)
        expect(page.locator(".findings")).not_to_contain_text("two voices")
    with hub.database.read() as reader:
        assert (
            reader.exec_driver_sql("SELECT why FROM audit_trail WHERE action = 'incident.close'").scalar()
            == "copy found"
        )


def test_what_was_closed_does_not_come_back_with_an_answer_from_before(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        add_incident(tx, "fork", "van-1")
        add_incident(tx, "gap", "van-1")
    late: list[tuple[Route, APIResponse]] = []

    def hold(asked: Route) -> None:
        if late:
            asked.continue_()
        else:
            late.append((asked, asked.fetch()))

    with site(browser, hub) as opened:
        page = opened.go("/")
        expect(page.locator(".findings li")).to_have_count(2)
        page.route(opened.address + "/", hold)
        hub.live.publish([Change("incident", "fork:van-1")])
        while not late:
            page.wait_for_timeout(20)
        page.get_by_role("button", name="Close").first.click()
        page.get_by_label("Reason").fill("copy found")
        page.locator("dialog .main").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.locator(".findings li")).to_have_count(1)
        ((asked, answer),) = late
        with suppress(Error):
            # The page does not wait for it any more.
            asked.fulfill(response=answer)
        with page.expect_response(opened.address + "/"):
            hub.live.publish([Change("incident", "gap:van-1")])
        expect(page.locator(".findings li")).to_have_count(1)


def test_an_alarm_is_acknowledged_by_keyboard_and_keeps_its_sign(browser: Browser, hub: SeededHub) -> None:
    hub.on_decide = partial(folded, hub)
    with hub.database.write() as tx:
        warm_now(tx, 41)
        was_warm(tx, 50, sensor="van-2.rear.temperature_c")
    with site(browser, hub) as opened:
        for path in ("/", "/excursions"):
            page = opened.go(path)
            Keyboard(page).type("ja")
            expect(page.get_by_role("dialog", name="Acknowledge")).to_be_visible()
            page.get_by_label("Reason").fill("moved to van 3")
            page.locator("dialog .main").press("Enter")
            expect(page.get_by_role("dialog")).to_be_hidden()
            if path == "/":
                expect(page.locator(".findings [data-acknowledged]")).to_contain_text("has it moved to van 3")
        expect(page.locator(".empty")).to_have_text("Nothing waits for an acknowledgement.")
        page = opened.go("/excursions?show=all")
        expect(page.locator("tr[data-key]")).to_have_count(2)
        expect(page.locator(".ack")).to_have_count(2)


def test_what_the_hub_refuses_is_told_in_the_dialog(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        add_incident(tx, "fork", "van-1")
    with site(browser, hub) as opened:
        page = opened.go("/")
        page.get_by_role("button", name="Close").click()
        with hub.database.write() as tx:
            tx.exec_driver_sql("UPDATE incident SET closed_ms = 1")
        page.get_by_label("Reason").fill("seen")
        page.locator("dialog .main").click()
        expect(page.get_by_role("alert")).to_contain_text("is not open any more")
        assert all("409" in line for line in opened.wrong)
        opened.wrong.clear()


def test_a_figure_in_a_finding_and_in_the_table_is_live_and_grows_old(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        warm_now(tx, 41)
    with site(browser, hub) as opened:
        page = opened.go("/")
        expect(page.locator(".findings")).to_contain_text("9.1\u00a0°C, limit 8.0\u00a0°C, for 40 min")
        hub.live.publish_ahead("sensor", {REAR: LiveReading("van-1", NOW_MS + 1, NOW_MS, 1_234)})
        expect(page.locator(".findings .now")).to_have_text("12.3\u00a0°C")
        page = opened.go("/temperature")
        row = page.locator("tr[data-key]")
        expect(row).to_contain_text("above the limit")
        hub.live.publish_ahead("sensor", {REAR: LiveReading("van-1", NOW_MS + 2, NOW_MS, 1_345)})
        expect(row.locator(".value")).to_have_text("13.5")


def test_the_table_says_by_itself_that_a_sensor_s_device_fell_silent(browser: Browser, hub: SeededHub) -> None:
    almost = NOW_MS - SILENT_AFTER_MS + 5_000
    with hub.database.write() as tx:
        add_device(tx, "van-1", contact_ms=almost)
        story = Story()
        story.readings(REAR, at_ms=almost - 1_000)
        story.tell(tx)
    with site(browser, hub, once=True) as opened:
        stop_time(opened.page)
        page = opened.go("/temperature")
        state = page.locator(".stands")
        expect(state).to_contain_text("not judged")
        page.clock.run_for(6_000)
        expect(state).to_contain_text("device silent")
        expect(state.locator(".sign")).to_have_text("?")


def test_a_new_finding_waits_in_its_strip_while_the_list_is_in_use(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-2")
        add_incident(tx, "fork", "van-2")
    with site(browser, hub) as opened:
        page = opened.go("/")
        page.locator(".findings li").hover()
        with hub.database.write() as tx:
            warm_now(tx, 41)
            excursion = tx.exec_driver_sql("SELECT id FROM excursion").scalar()
        hub.live.publish([Change("excursion", str(excursion))])
        strip = page.locator("#strip button")
        expect(strip).to_have_text("New: 1. Show")
        expect(page.locator(".findings li")).to_have_count(1)
        strip.click()
        expect(page.locator(".findings b").first).to_have_text("Van 1 rear")


def test_a_record_is_edited_on_its_page_and_a_wrong_field_is_told_there(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        story.readings(REAR)
        story.tell(tx)
    with site(browser, hub) as opened:
        page = opened.go(PAGE)
        page.get_by_label("Called").fill("Rear box")
        page.get_by_label("Replaced by").fill("nobody")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("There is no other sensor nobody.")
        expect(page.get_by_label("Called")).to_have_value("Rear box")
        opened.wrong.clear()
        page.get_by_label("Replaced by").fill("")
        page.get_by_label("Profile").select_option("pharma-2-8")
        with page.expect_navigation():
            page.get_by_role("button", name="Save").click()
        assert [(type(d), d.action) for d in hub.decisions] == [
            (Decision, "sensor.describe"),
            (Decision, "sensor.assign"),
        ]


def test_time_without_data_is_no_excursion_to_the_chart(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        judged(story, REAR, since_ms=NOW_MS - 4 * HOUR_MS)
        for at_ms in (NOW_MS - 3 * HOUR_MS, NOW_MS):
            story.readings(REAR, [500] * 360, at_ms=at_ms)
        story.tell(tx)
    with site(browser, hub) as opened:
        page = opened.go(PAGE)
        expect(page.locator("figcaption")).to_contain_text("gaps: 1; 1 stretch without data")
        expect(page.locator("figcaption")).not_to_contain_text("excursion")


def test_the_mean_of_the_day_comes_by_itself_and_that_of_the_month_when_asked_for(
    browser: Browser, hub: SeededHub
) -> None:
    with hub.database.write() as tx:
        was_warm(tx, 50)
    with site(browser, hub) as opened:
        page = opened.go(PAGE)
        expect(page.locator(".means")).to_contain_text("Mean kinetic temperature, 24 h")
        # Times are told as everywhere on the page.
        expect(page.locator(".means time").first).to_have_text(re.compile(r"^\d+ \w+, \d\d:\d\d$"))
        page.get_by_role("button", name="Mean kinetic temperature, 30 d").click()
        expect(page.locator(".means")).to_have_count(2)


def test_a_sensor_is_added_by_hand_and_what_is_wrong_is_told_in_the_form(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1", place="Route 7")
    hub.on_decide = partial(folded, hub)
    with site(browser, hub) as opened:
        page = opened.go("/temperature")
        page.get_by_role("link", name="Add a sensor").click()
        page.get_by_label("Id of the sensor").fill("van-9.rear.temperature_c")
        page.get_by_label("Called").fill("Rear box")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("There is no device van-9.")
        expect(page.get_by_label("Called")).to_have_value("Rear box")
        page.get_by_label("Id of the sensor").fill(REAR)
        page.get_by_role("button", name="Add", exact=True).click()
        page.wait_for_url(f"**{PAGE}")
        expect(page.get_by_role("alert")).to_contain_text("never heard")
        # The browser itself tells of an answer with 422.
        opened.wrong.clear()


def test_drawing_over_the_chart_looks_closer(browser: Browser, hub: SeededHub) -> None:
    with hub.database.write() as tx:
        was_warm(tx, 50)
    with site(browser, hub) as opened:
        page = opened.go(PAGE)
        expect(page.locator("figcaption")).to_contain_text("highest 9.1\u00a0°C, gaps: 0; 1 excursion")
        expect(page.locator(".means")).to_contain_text("24 h")
        over = page.locator(".u-over").bounding_box()
        assert over is not None
        page.mouse.move(over["x"] + over["width"] * 0.6, over["y"] + 50)
        page.mouse.down()
        page.mouse.move(over["x"] + over["width"] * 0.9, over["y"] + 60, steps=5)
        with page.expect_navigation():
            page.mouse.up()
        assert "from=" in page.url
        expect(page.locator("#chart canvas")).to_have_count(1)
        with page.expect_download() as download:
            page.get_by_role("link", name="Export as CSV").click()
        assert download.value.suggested_filename == f"{REAR}.csv"


def test_f076_what_people_type_about_sensors_is_only_text(browser: Browser, hub: SeededHub) -> None:
    name = "<img src=x onerror=\"document.title='pwned'\">{{7*7}}"
    with hub.database.write() as tx:
        warm_now(tx, 41)
        story = Story()
        described(story, REAR, Described(name, "<script>document.title='pwned'</script>"))
        story.tell(tx)
        add_incident(tx, "fork", "van-1", name)
    with hub.database.read() as reader:
        excursion = reader.exec_driver_sql("SELECT id FROM excursion").scalar()
    with site(browser, hub) as opened:
        for path in (
            "/",
            "/temperature",
            "/temperature?look=tiles",
            "/temperature?by=place",
            PAGE,
            "/excursions",
            f"/excursions/{excursion}",
        ):
            page = opened.go(path)
            assert "onerror" in page.locator("main").inner_text() or path.endswith("tiles"), path
            expect(page.locator("main script, main img")).to_have_count(0)
            assert not page.title().startswith("pwned")
        page = opened.go("/")
        page.locator("[data-act]").first.click()
        expect(page.get_by_role("dialog")).to_contain_text("onerror")
        expect(page.locator("dialog img")).to_have_count(0)
