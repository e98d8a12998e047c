"""The map in Chromium, which draws it in software."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from hub.accounts.deps import SESSION_COOKIE
from tests.chromium import lent_page
from tests.hub.web.seeded import SeededHub

DRAWN_WITHIN_MS: Final = 60_000
"""Software draws slowly, and slower beside other tests."""


@contextmanager
def visit(
    browser: Browser, hub: SeededHub, address: str, *, quiet: bool = True, others: Collection[str] = (), **options: Any
) -> Iterator[Page]:
    """A signed-in page; fails for any error, any violation of the policy, and any request to a host that is not named."""
    wrong: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # The driver of this software renderer tells how slow it is.
        if message.type in {"error", "warning"} and "GL Driver Message" not in message.text:
            wrong.append(message.text)

    def check(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "pmtiles"} and parts.netloc not in {urlsplit(address).netloc, *others}:
            wrong.append(f"request to {request.url}")

    hears = {"console": hear, "weberror": lambda e: wrong.append(str(e.error)), "request": check}
    look = {"locale": "en-GB", "viewport": {"width": 1280, "height": 720}, **options}
    with lent_page(browser, hears, **look) as page:
        page.context.add_cookies([{"name": SESSION_COOKIE, "value": hub.session(), "url": address}])
        yield page
        assert not quiet or wrong == []


def open_map(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#map")).to_have_attribute("data-state", "drawn", timeout=DRAWN_WITHIN_MS)
