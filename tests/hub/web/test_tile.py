"""A sensor as a tile: what others named is text in it, never markup."""

from html.parser import HTMLParser

import pytest

from hub.coldchain.freshness import Freshness, Seen
from hub.pages.standing import Standing, Word
from hub.pages.tile import tile
from hub.web.i18n import Words
from tests.hub.web.seeded import MINUTE_MS, NOW_MS

OK = Word(9, "ok", "·", "ok")
WARM = Word(0, "alarm", "▲", "above the limit")


class Read(HTMLParser):
    """The elements of a piece of HTML, with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def standing(
    *,
    sensor: str = "van-1.rear.temperature_c",
    name: str = "Van 1 rear",
    seen: Seen | None = None,
    freshness: Freshness | None = Freshness.FRESH,
    word: Word = OK,
) -> Standing:
    seen = seen or Seen(NOW_MS - MINUTE_MS, 512, 10_000, NOW_MS, NOW_MS)
    return Standing(sensor, "van-1", name, "", "°C", seen, freshness, word, word, None, None, None)


def read(cell: Standing, *, first: bool = False) -> Read:
    return Read(tile(Words("en"), cell, NOW_MS, first=first))


def test_tile_says_the_figure_and_the_name_beside_its_device() -> None:
    told = read(standing(), first=True)

    [(tag, data)] = told.elements
    assert (tag, data["href"], data["data-aged"]) == ("a", "/temperature/van-1%2Erear%2Etemperature_c", "1 min")
    assert (data["data-value"], data["data-kept"], "data-first" in data, "data-judged" in data) == (
        "512",
        "yes",
        True,
        False,
    )
    assert told.text == "5.1\u00a0°C\nrear temperature"


@pytest.mark.parametrize(
    ("cell", "begins"),
    [
        (standing(word=WARM), "▲ 5.1"),
        (standing(freshness=Freshness.FAULT, seen=Seen(NOW_MS, None, 10_000, NOW_MS, NOW_MS)), "fault"),
        (standing(freshness=None, seen=Seen(None, None, None, None)), "–"),
    ],
)
def test_tile_says_what_is_wrong(cell: Standing, begins: str) -> None:
    assert read(cell).text.startswith(begins)


@pytest.mark.parametrize("kept", [True, False])
def test_what_a_device_and_people_named_is_text(kept: bool) -> None:
    hostile = '"><script>alert(1)</script>&amp;'
    seen = Seen(NOW_MS, 512, 10_000, NOW_MS, NOW_MS, kept=kept)
    told = read(standing(sensor=f"van-1.{hostile}", name=hostile, seen=seen))

    [(_, data)] = told.elements
    assert data["data-sensor"] == f"van-1.{hostile}"
    assert hostile in (data["title"] or "")
    assert told.text.endswith(f"{hostile} temperature")
