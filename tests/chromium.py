"""One Chromium for all tests of a process: to start one takes longer than most of them look at it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Browser, Playwright, sync_playwright

SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""Draws maps without a graphics card."""


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
        """The browser of these arguments, in which nothing of earlier tests is open and nothing may be left."""
        with self._playing() as playwright:
            browser = self._started.get(arguments)
            if browser is None or not browser.is_connected():
                args = ["--no-sandbox", *arguments]
                browser = playwright.chromium.launch(executable_path=self._path, args=args)
                self._started[arguments] = browser
            try:
                yield browser
            finally:
                left = [page.url for context in browser.contexts for page in context.pages]
                for context in browser.contexts:
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
