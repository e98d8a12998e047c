"""Codes that a scanner types into pages, and keys that people press."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.hub.web.keyboard import SCANNER_MS, Keyboard
from tests.hub.web.seeded import (
    SeededHub,
    Story,
    add_device,
    add_incident,
)
from tests.hub.web.test_pages import site

pytestmark = pytest.mark.slow

LABEL = "/JD0042j7+a#8"


@pytest.fixture
def labelled(hub: SeededHub) -> SeededHub:
    """With parcels whose names hold characters that are keys of pages, too."""
    with hub.database.write() as tx:
        story = Story()
        for name in (LABEL, "a1/2j3", "P1"):
            story.scan(name)
        story.tell(tx)
        add_device(tx, "van-1")
        add_incident(tx, "fork", "van-1")
    return hub


def test_a_scanner_anywhere_opens_the_parcel_and_the_key_that_acts_does_not(
    browser: Browser, labelled: SeededHub
) -> None:
    with site(browser, labelled) as opened:
        for label in (LABEL, "a1/2j3"):
            page = opened.go("/")
            page.locator(".findings a").first.focus()
            Keyboard(page).scan(label)
            expect(page.locator("h1")).to_have_text(label)
    # The second opened a dialog; what came behind is no reason.
    with labelled.database.read() as reader:
        assert reader.exec_driver_sql("SELECT count(*) FROM audit_trail WHERE action = 'incident.close'").scalar() == 0


@pytest.mark.parametrize("pause_ms", [300, 1_500])
def test_of_a_scan_one_key_may_come_late_and_never_a_part_is_looked_up(
    browser: Browser, labelled: SeededHub, pause_ms: int
) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(parse_qs(urlsplit(route.request.url).query)["q"][0])
        route.fulfill(status=204)

    # One key alone may be a person's, who scans a moment later.
    first = 1 if pause_ms <= 500 else 2
    with site(browser, labelled) as opened:
        page = opened.go("/devices")
        page.route("**/tracking?scan=1&*", answer)
        keys = Keyboard(page)
        for late in range(first, len(LABEL) + 1):
            keys.wait(5_000)
            keys.type(LABEL[:late], every_ms=SCANNER_MS)
            keys.wait(pause_ms)
            with page.expect_request("**/tracking?*"):
                keys.scan(LABEL[late:])
            # Where its first character led to the search.
            keys.press("Escape")
            expect(page.locator("#search")).not_to_be_focused()
    assert asked == [LABEL] * (len(LABEL) + 1 - first)


def test_a_scan_behind_one_that_was_typed_into_a_field_and_sent_by_enter_is_looked_up(
    browser: Browser, labelled: SeededHub
) -> None:
    with site(browser, labelled) as opened:
        page = opened.go("/")
        keys = Keyboard(page)
        keys.type("ja")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Reason")).to_be_focused()
        keys.wait(1_000)
        keys.type("a1/2j3", every_ms=SCANNER_MS)
        for key in ("Tab", "Tab", "Enter"):
            keys.press(key)
        expect(dialog).to_be_hidden()
        keys.wait(1_000)
        keys.scan(LABEL)
        expect(page.locator("h1")).to_have_text(LABEL)


def test_what_a_person_types_is_no_scan_and_their_keys_do_what_they_do(browser: Browser, labelled: SeededHub) -> None:
    with site(browser, labelled) as opened:
        page = opened.go("/tracking")
        keys = Keyboard(page)
        keys.type("j")
        expect(page.locator("main tbody a").first).to_be_focused()
        keys.type("jjk")
        expect(page.locator("main tbody a").nth(1)).to_be_focused()
        # Nobody types a code outside of a field; whoever does goes where the focus is.
        keys.type("JD0042jJD0042k")
        keys.press("Enter")
        expect(page).not_to_have_url(re.compile("/tracking$"))
        assert "scan" not in page.url
        page = opened.go("/devices")
        keys = Keyboard(page)
        keys.press("/")
        expect(page.locator("#search")).to_be_focused()
        keys.type("JD/4ja")
        expect(page.locator("#search")).to_have_value("JD/4ja")
        keys.press("Escape")
        expect(page.locator("#search")).not_to_be_focused()
        keys.press("/")
        keys.type("4")
        expect(page.locator("#search")).to_have_value("4")
        keys.press("Enter")
        expect(page.locator("h1")).to_have_text("Where is everything?")
        assert "scan" not in page.url
