"""One Chromium for all tests of a process, with pages that stay: to start either takes longer than most tests look at it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, Page, Playwright, ViewportSize, sync_playwright

DRAWN_IN_SOFTWARE: Final = ("--disable-gpu", "--enable-unsafe-swiftshader")
"""Draws pages without a graphics card, and maps, too. ANGLE for all of a page would take four times as much CPU."""
MOST_KEPT: Final = 4
"""Pages of a browser that nobody looks at. Each is a process."""
AWAY: Final = (-10, -10)
"""Where a pointer is over nothing."""
USUAL_SIZE: Final[ViewportSize] = {"width": 1280, "height": 720}

_kept: WeakKeyDictionary[Browser, list[tuple[str, Page]]] = WeakKeyDictionary()
"""Those that nobody looks at with their options, the one that was used last at the end."""


@contextmanager
def lent_page(
    browser: Browser, hears: Mapping[str, Callable[[Any], None]], *, once: bool = False, **options: Any
) -> Iterator[Page]:
    """A page as if it were new, in a context of these options: nobody is signed in, and nothing is routed or open beside it.

    It is lent again unless the test fails.

    Args:
        browser: in which it is.
        hears: what is called with each event of the context meanwhile, by the event's name.
        once: it is not lent again; for who gives it another time, which stays with it.
        options: of the context.
    """
    kept = _kept.setdefault(browser, [])
    look = repr(sorted(options.items()))
    found = next((one for one in reversed(kept) if one[0] == look), None)
    if found:
        kept.remove(found)
    page = found[1] if found else browser.new_context(**options).new_page()
    context = page.context
    for name, hear in hears.items():
        context.on(name, hear)  # type: ignore[call-overload]  # by name
    try:
        yield page
    except BaseException:
        context.close()
        raise
    if once:
        context.close()
        return
    for name, hear in hears.items():
        context.remove_listener(name, hear)
    for other in context.pages:
        if other is not page:
            other.close()
    page.unroute_all(behavior="ignoreErrors")
    page.goto("about:blank")
    assert page.evaluate("/native code/.test(Date)"), "a page that has another time can be lent once only"
    context.clear_cookies()
    page.mouse.move(*AWAY)
    page.set_viewport_size(options.get("viewport", USUAL_SIZE))
    page.emulate_media(
        color_scheme=options.get("color_scheme", "light"),
        reduced_motion=options.get("reduced_motion", "no-preference"),
    )
    kept.append((look, page))
    if len(kept) > MOST_KEPT:
        kept.pop(0)[1].context.close()


class Chromium:
    """Started when it is first lent, once for each set of arguments, until it is closed.

    Playwright leaves its loop marked as running in this thread. Between tests it is not, so that others can run one.

    Attributes:
        path: of the machine's own; None lets Playwright take the one it brought.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._playwright: Playwright | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: dict[tuple[str, ...], Browser] = {}

    @contextmanager
    def _playing(self) -> Iterator[Playwright]:
        asyncio._set_running_loop(self._loop)
        try:
            if self._playwright is None:
                self._playwright = sync_playwright().start()
            yield self._playwright
        finally:
            with suppress(RuntimeError):
                self._loop = asyncio.get_running_loop()
            asyncio._set_running_loop(None)

    @contextmanager
    def lent(self, *arguments: str) -> Iterator[Browser]:
        """The browser of these arguments, in which nothing of earlier tests is shown and nothing may be left."""
        with self._playing() as playwright:
            browser = self._started.get(arguments)
            if browser is None or not browser.is_connected():
                args = ["--no-sandbox", *arguments]
                browser = playwright.chromium.launch(executable_path=self._path, args=args)
                self._started[arguments] = browser
            try:
                yield browser
            finally:
                kept = {page.context for _, page in _kept.get(browser, [])}
                others = [context for context in browser.contexts if context not in kept]
                left = [page.url for context in others for page in context.pages]
                for context in others:
                    context.close()
            assert not left, f"pages that were left open: {left}"

    def close(self) -> None:
        """End it."""
        if self._playwright is None:
            return
        with self._playing() as playwright:
            for browser in self._started.values():
                browser.close()
            playwright.stop()
