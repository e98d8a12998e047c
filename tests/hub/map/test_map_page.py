"""The map in a real browser: what it draws, and that it asks nobody else."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import insert

from hub.coldchain.tables import excursion
from hub.fleet.freshness import SILENT_AFTER_MS
from tests.chromium import Chromium
from tests.hub.map.browsing import DRAWN_WITHIN_MS, open_map, visit
from tests.hub.map.roads import drive
from tests.hub.web.seeded import MINUTE_MS, NOW_MS, SeededHub, Story, add_device
from tests.hub.web.serving import served

pytestmark = pytest.mark.slow

PICTURES = Path(os.environ.get("HOLDFAST_PICTURES", "build/pictures"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1920])
def test_vehicles_are_drawn_with_sign_name_temperature_and_age(
    browser: Browser, fleet: SeededHub, scheme: str, width: int
) -> None:
    options: dict[str, Any] = {
        "color_scheme": scheme,
        "viewport": {"width": width, "height": 1080 if width > 400 else 844},
    }
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
        expect(page).to_have_url(f"{address}/map?device=van-1")
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


def test_without_webgl_the_list_has_all_vehicles(chromium: Chromium, fleet: SeededHub) -> None:
    with (
        chromium.lent("--disable-gpu", "--disable-3d-apis") as blind,
        served(fleet) as address,
        visit(blind, fleet, address, quiet=False) as page,
    ):
        page.goto(f"{address}/map")
        expect(page.get_by_text("This browser cannot draw the map; the list has all vehicles.")).to_be_visible()
        expect(page.locator("#map")).to_be_hidden()
        expect(page.locator("tr[data-key]")).to_have_count(5)


def test_1_000_vehicles_are_gathered_and_stay_usable(browser: Browser, hub: SeededHub) -> None:
    story = Story()
    with hub.database.write() as tx:
        for n in range(1_000):
            add_device(tx, f"van-{n:04d}", contact_ms=NOW_MS - 5_000)
            drive(story, f"van-{n:04d}", [(25 + n % 40 / 3, 105 + n // 40 / 2)], at_ms=NOW_MS - 5_000)
        story.tell(tx)
    wide = {"width": 1920, "height": 1080}
    with served(hub) as address, visit(browser, hub, address, viewport=wide) as page:
        open_map(page, f"{address}/map")
        expect(page.locator("tr[data-key]")).to_have_count(1_000)
        expect(page.locator(".pin").nth(20)).to_be_attached()
        assert page.locator(".pin").count() < 300
        page.evaluate("""document.querySelector('tr[data-key="van-0500"]').dataset.lon = "121" """)
        # Alone out there, it is a mark of its own as soon as the marks are drawn anew.
        expect(page.locator(".pin", has_text="van-0500")).to_be_visible(timeout=DRAWN_WITHIN_MS)
        page.screenshot(path=PICTURES / "map-1000.png")


def test_a_broken_receiver_does_not_keep_others_off_the_map(browser: Browser, fleet: SeededHub) -> None:
    with fleet.database.write() as tx:
        story = Story()
        drive(story, "van-2", [(95.0, 200.0)], at_ms=NOW_MS)
        story.tell(tx)
    with served(fleet) as address, visit(browser, fleet, address) as page:
        open_map(page, f"{address}/map?device=van-2")
        expect(page.locator(".pin", has_text="van-1")).to_be_visible()
        expect(page.locator(".pin", has_text="van-2")).to_have_count(0)
        expect(page.locator('tr[data-key="van-2"]')).to_contain_text("no place on earth")


def test_a_silent_vehicle_with_a_fault_has_one_sign_in_the_list_and_on_the_map(
    browser: Browser, fleet: SeededHub
) -> None:
    silent_ms = NOW_MS - SILENT_AFTER_MS - 5 * MINUTE_MS
    with fleet.database.write() as tx:
        add_device(tx, "van-6", contact_ms=silent_ms)
        story = Story()
        drive(story, "van-6", [(31.6, 121.0)], at_ms=silent_ms)
        story.readings("van-6.rear.temperature_c", [520], at_ms=silent_ms)
        story.tell(tx)
        # Beyond a limit, still within what is allowed: worse than silence.
        tx.execute(
            insert(excursion).values(
                id="x", sensor="van-6.rear.temperature_c", device="van-6", kind="excursion", limit_name="above 8",
                side="above", threshold=800, profile="pharma-2-8", started_ms=silent_ms, extreme=900, beyond_ms=0,
                known_ms=silent_ms, changed_ms=silent_ms,
            )
        )  # fmt: skip
    with served(fleet) as address, visit(browser, fleet, address) as page:
        open_map(page, f"{address}/map")
        expect(page.locator('tr[data-key="van-6"]')).to_have_attribute("data-level", "attention")
        expect(page.locator(".pin", has_text="van-6")).to_have_attribute("data-level", "attention")


def test_400_vans_with_1_200_sensors_move_for_hours_without_growing(browser: Browser, hub: SeededHub) -> None:
    story = Story()
    with hub.database.write() as tx:
        for n in range(400):
            name = f"van-{n:03d}"
            add_device(tx, name, contact_ms=NOW_MS - 5_000)
            drive(story, name, [(30.7 + n % 20 / 20, 121 + n // 20 / 20)], at_ms=NOW_MS - 5_000)
            for probe in ("front", "middle", "rear"):
                story.readings(f"{name}.{probe}.temperature_c", [480 + n], at_ms=NOW_MS - 5_000)
        story.tell(tx)
    with served(hub) as address, visit(browser, hub, address, once=True) as page:
        open_map(page, f"{address}/map")
        expect(page.locator("tr[data-key]")).to_have_count(400)
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")

        def grown() -> dict[str, int]:
            devtools.send("HeapProfiler.collectGarbage")
            metrics = devtools.send("Performance.getMetrics")["metrics"]
            return {one["name"]: one["value"] for one in metrics if one["name"] in {"Nodes", "JSEventListeners"}}

        def move_all(times: int) -> None:
            for turn in range(times):
                page.evaluate(
                    """(turn) => [...document.querySelectorAll("tr[data-key]")].forEach(({ dataset }, n) => {
                      const [lat, lon] = [30.7 + ((n * 7 + turn * 3) % 200) / 150, 121 + ((n * 13 + turn * 5) % 200) / 150];
                      const at_ms = Number(dataset.at) + 1;
                      const detail = { key: dataset.key, lat, lon, at_ms, contact_ms: at_ms };
                      document.dispatchEvent(new CustomEvent("position", { detail }));
                    })""",
                    turn,
                )
                page.wait_for_timeout(1_100)

        move_all(3)
        before = grown()
        move_all(8)
        after = grown()
        assert after["JSEventListeners"] <= before["JSEventListeners"] * 1.3
        assert after["Nodes"] <= before["Nodes"] * 1.1
        page.screenshot(path=PICTURES / "map-400.png")
