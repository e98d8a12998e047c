"""Every page on a phone: nothing to push sideways, and nothing too small to touch."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser

from contract.event import Step
from hub.accounts.roles import Role
from hub.coldchain.decisions import Described
from tests.hub.web.cold import described, was_warm
from tests.hub.web.pictured import DOOR, LATE, SCRIPT, SIGNED, Pictured, pictured
from tests.hub.web.seeded import HOUR_MS, NOW_MS, Story, add_device, add_incident
from tests.hub.web.serving import served
from tests.hub.web.test_cold_pages import TOO_WIDE
from tests.hub.web.test_pages import visit

pytestmark = pytest.mark.slow

PICTURES: Final = Path(os.environ.get("HOLDFAST_PICTURES", "build/pictures"))
TOUCHED_PX: Final = 44
"""WCAG 2.2, success criterion 2.5.5."""
TOO_LOW: Final = """least => [...document.querySelectorAll("a, button, summary, select, input")]
  .filter((e) => e.checkVisibility() && !e.matches(".skip, .maplibregl-map *, svg a") && e.getBoundingClientRect().width > 0)
  .filter((e) => e.getBoundingClientRect().height < least - 0.5)
  .map((e) => `${Math.round(e.getBoundingClientRect().height)} px: ${e.outerHTML.slice(0, 100)}`)"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pictured, str]]:
    with pictured(tmp_path_factory.mktemp("narrow")) as made:
        made.prove("P1", DOOR, LATE, SCRIPT, signature=SIGNED)
        for picture in (DOOR, SIGNED, SCRIPT):
            made.arrive(picture)
        with made.hub.database.write() as tx:
            was_warm(tx, 50, sensor="van-3.rear.temperature_c", late_ms=3 * HOUR_MS)
            add_device(tx, "van-4", place="Donaudampfschifffahrtsstraße 112b", backlog=7)
            story = Story()
            described(story, "van-4.rear.temperature_c", Described("Rechtsschutzversicherungsgesellschaften Nord"))
            for step, hours in ((Step.RECEIVED, 5), (Step.LOADED, 3)):
                story.scan("P2", step, at_ms=NOW_MS - hours * HOUR_MS, device="van-3", place="van-3")
            story.tell(tx)
            add_incident(tx, "gap", "van-3", "12 facts")
        with served(made.hub) as address:
            yield made, address


def pages(shown: Pictured) -> Iterator[str]:
    """One of every kind."""
    with shown.hub.database.read() as reader:
        excursion, trip = (
            reader.exec_driver_sql(f"SELECT {column} FROM {table} LIMIT 1").scalar()
            for column, table in (("id", "excursion"), ("id", "trip"))
        )
    assert excursion
    assert trip
    yield from ("/", "/tracking", "/tracking/P1", "/tracking/P2", "/temperature", "/temperature?look=tiles")
    yield from ("/temperature/van-3%2Erear%2Etemperature_c", "/temperature/van-4%2Erear%2Etemperature_c")
    yield from ("/temperature/new", "/excursions?show=all", f"/excursions/{excursion}", "/trips", f"/trips/{trip}")
    yield from ("/map", "/devices", "/devices/van-4", "/enrol", "/notices", "/audit")
    yield from ("/account", "/account/users", "/account/tokens", "/account/displays")


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "zh-CN")])
def test_on_a_phone_no_page_is_pushed_sideways_and_all_there_is_to_touch_is_high_enough(
    browser: Browser, shown: tuple[Pictured, str], scheme: str, locale: str
) -> None:
    made, address = shown
    PICTURES.mkdir(parents=True, exist_ok=True)
    size = {"width": 390, "height": 844}
    wrong: dict[str, list[str]] = {}
    with visit(
        browser, made.hub, address, role=Role.ADMIN, viewport=size, color_scheme=scheme, locale=locale
    ) as opened:
        for path in pages(made):
            page = opened.go(path)
            name = path.strip("/").replace("/", "-").partition("?")[0] or "home"
            page.screenshot(path=PICTURES / f"narrow-{name}-{scheme}-{locale[:2]}.png", full_page=True)
            if found := [*page.evaluate(TOO_WIDE), *page.evaluate(TOO_LOW, TOUCHED_PX)]:
                wrong[path] = found
        # The map's drawing is slow here, and this hub's audit trail was never anchored: both say so.
        opened.wrong.clear()
    assert wrong == {}
