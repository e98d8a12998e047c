"""The map in Chromium, which draws it in software."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

from hub.accounts.deps import SESSION_COOKIE
from tests.hub.web.seeded import SeededHub

DRAWN_WITHIN_MS: Final = 60_000
"""Software draws slowly, and slower beside other tests."""


@contextmanager
def visit(
    browser: Browser, hub: SeededHub, address: str, *, quiet: bool = True, others: Collection[str] = (), **options: Any
) -> Iterator[Page]:
    """A signed-in page; fails for any error, any violation of the policy, and any request to a host that is not named."""
    wrong: list[str] = []
    context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1920, "height": 1080}, **options})
    context.add_cookies([{"name": SESSION_COOKIE, "value": hub.session(), "url": address}])
    # The driver of this software renderer tells how slow it is.
    context.on(
        "console",
        lambda m: (
            wrong.append(m.text) if m.type in {"error", "warning"} and "GL Driver Message" not in m.text else None
        ),
    )
    context.on("weberror", lambda e: wrong.append(str(e.error)))

    def check(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "pmtiles"} and parts.netloc not in {urlsplit(address).netloc, *others}:
            wrong.append(f"request to {url}")

    context.on("request", lambda r: check(r.url))
    try:
        yield context.new_page()
        assert not quiet or wrong == []
    finally:
        context.close()


def open_map(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#map")).to_have_attribute("data-state", "drawn", timeout=DRAWN_WITHIN_MS)
