"""A dispatcher before the hub's pages in Chromium, who reads what became of a courier's day."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.journeys.courier_hands import PICTURES

SHOWN_MS: Final = 60_000
SOFTWARE_GL: Final = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
TOO_WIDE: Final = "document.documentElement.scrollWidth > innerWidth"
OWN_PASSWORD: Final = "nothing that anybody else has"
ALL_DRAWN: Final = """() => {
  const waiting = [...document.querySelectorAll(".pictures img")].filter((one) => !one.complete || one.naturalWidth === 0);
  // A picture is fetched when somebody comes near; the page may exchange it for a newer one at any time.
  for (const one of waiting) one.scrollIntoView();
  return waiting.length === 0;
}"""


@dataclass(frozen=True, slots=True)
class StopRow:
    """A stop as the page of its route tells it."""

    name: str
    state: str
    delivery: str
    """Where its link leads."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A proof as the list tells it."""

    name: str
    outcome: str
    parcels: int
    who: str


class Dispatcher:
    """Looks at pages; what a browser complains of is in `wrong`."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url
        self.wrong: list[str] = []
        page.context.on("console", self._hear)
        page.context.on("weberror", lambda error: self.wrong.append(str(error.error)))

    def _hear(self, message: ConsoleMessage) -> None:
        # What a machine without a graphics card says of the map.
        if message.type in {"error", "warning"} and "GL Driver Message" not in message.text:
            self.wrong.append(message.text)

    def signs_in(self, name: str, password: str) -> None:
        """With a password that is good for once, and then with one of their own."""
        self._page.goto(f"{self._url}/login")
        self._page.get_by_label("Name").fill(name)
        self._page.get_by_label("Password").fill(password)
        self._page.get_by_role("button", name="Sign in").click()
        self._page.get_by_label("The password you were given").fill(password)
        for label in ("New password", "New password again"):
            self._page.get_by_label(label, exact=True).fill(OWN_PASSWORD)
        with self._page.expect_navigation():
            self._page.get_by_role("button", name="Sign in").click()

    def goes(self, path: str) -> Locator:
        """Open a page; what it holds."""
        self._page.goto(self._url + path)
        expect(self._page.locator("#live")).to_have_attribute("data-state", "on", timeout=SHOWN_MS)
        return self._page.locator("main")

    def keeps(self, name: str) -> None:
        """Leave a picture of the page, which must fit."""
        assert not self._page.evaluate(TOO_WIDE), name
        PICTURES.mkdir(parents=True, exist_ok=True)
        self._page.screenshot(path=PICTURES / f"day-{name}.png", full_page=True)

    # -- pages -----------------------------------------------------------------------------------------------------

    def reads_board(self, route: str) -> str:
        """How far the route is, by `/routes`."""
        main = self.goes("/routes")
        row = main.locator("table.routes tbody tr").filter(has=self._page.locator(f'a[href="/routes/{route}"]'))
        return row.locator(".progress").inner_text().strip()

    def reads_route(self, route: str) -> list[StopRow]:
        """Its stops, in order, by `/routes/{id}`; the map is drawn."""
        main = self.goes(f"/routes/{route}")
        expect(main.locator(".stop-pin").first).to_be_visible(timeout=SHOWN_MS)
        return [
            StopRow(
                row.locator(".who b").inner_text(),
                _word(row.locator(".came").first),
                (row.locator('a[href^="/deliveries/"]').first.get_attribute("href") or "").rpartition("/")[2],
            )
            for row in main.locator("table.stops tbody tr").all()
        ]

    def reads_deliveries(self) -> list[DeliveryRow]:
        """All proofs, by `/deliveries`."""
        found = []
        for row in self.goes("/deliveries").locator("table tbody tr").all():
            cells = row.locator("td")
            name, parcels, who = (cells.nth(n).inner_text() for n in (2, 4, 5))
            found.append(DeliveryRow(name, _word(row.locator(".came")), int(parcels), who))
        return found

    def sees_pictures(self, delivery: str) -> int:
        """How many pictures a proof shows, all of them drawn."""
        pictures = self.goes(f"/deliveries/{delivery}").locator(".pictures img")
        expect(self._page.locator(".pictures li:not([data-state=here])")).to_have_count(0)
        self._page.wait_for_function(ALL_DRAWN)
        return pictures.count()

    def verifies(self) -> set[str]:
        """Press the button on the page of a proof; what is said of all that was checked."""
        # By the keyboard: where a picture comes the button moves away from a pointer.
        self._page.get_by_role("button", name="Verify").press("Enter")
        found = self._page.locator("#verify .checked li b")
        expect(found.first).to_be_visible(timeout=SHOWN_MS)
        return set(found.all_inner_texts())


def _word(mark: Locator) -> str:
    """Behind the sign, which is not alone."""
    return mark.inner_text().partition(" ")[2]


@contextmanager
def dispatcher(browser_path: str | None, url: str) -> Iterator[Dispatcher]:
    """Somebody before a wide screen. Nothing was wrong with any page, or it is told at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", *SOFTWARE_GL])
        context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="en-GB")
        try:
            person = Dispatcher(context.new_page(), url)
            yield person
            assert person.wrong == []
        finally:
            browser.close()
