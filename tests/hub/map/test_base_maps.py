"""What `serve --map` names, drawn in a real browser; and what is drawn where it cannot be had."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from hub.context import HubContext
from hub.map.source import BUILT_IN, MapSource, parse_map
from tests.hub.map.browsing import open_map, visit
from tests.hub.map.tiles import MVT, PNG, Colour, TileHost, archive, first_pixel, png, tile_host, vector_tile
from tests.hub.web.seeded import SeededHub
from tests.hub.web.serving import served

pytestmark = pytest.mark.slow

PICTURES = Path(os.environ.get("HOLDFAST_PICTURES", "build/pictures"))
GREEN: Colour = (30, 140, 60)
CREDIT = "© the makers <b>& friends</b>"
SEA: Colour = (0xE9, 0xED, 0xF1)
"""Of the page's light theme."""


@dataclass
class MappedHub(SeededHub):
    """A hub with a base map."""

    source: MapSource = BUILT_IN

    def context(self) -> HubContext:
        return replace(super().context(), map=self.source)


@pytest.fixture
def tiles() -> Iterator[TileHost]:
    with tile_host() as host:
        host.tile = png(GREEN)
        yield host


@contextmanager
def drawn(browser: Browser, fleet: SeededHub, setting: str, others: list[str], **options: Any) -> Iterator[Page]:
    """The map page of a hub with this setting, around 0° north 0° east."""
    hub = MappedHub(fleet.database, fleet.clock, fleet.live, source=parse_map(setting))
    with (
        served(hub) as address,
        visit(browser, hub, address, others=others, color_scheme="light", **options) as page,
    ):
        open_map(page, f"{address}/map?at=0,0")
        yield page


def becomes(page: Page, colour: Colour) -> bool:
    """Whether the map is of this colour beside its middle, sooner or later: software draws slowly."""
    box = page.locator("#map").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2 - 150, box["y"] + box["height"] / 2 + 110
    for _ in range(120):
        seen = first_pixel(page.screenshot(clip={"x": x, "y": y, "width": 1, "height": 1}))
        if all(abs(a - b) <= 3 for a, b in zip(seen, colour, strict=True)):
            return True
        page.wait_for_timeout(500)
    keep(page, "unexpected")
    return False


def keep(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"map-{name}.png")


def test_raster_tiles_are_drawn_and_their_maker_is_named(browser: Browser, fleet: SeededHub, tiles: TileHost) -> None:
    with drawn(browser, fleet, f"{tiles.address}/{{z}}/{{x}}/{{y}}.png#{CREDIT}", [tiles.netloc]) as page:
        assert becomes(page, GREEN)
        keep(page, "raster")
        expect(page.locator(".maplibregl-ctrl-attrib")).to_contain_text(CREDIT)
        assert len(tiles.asked) > 3


def test_a_style_is_drawn_with_the_credits_of_its_sources(browser: Browser, fleet: SeededHub, tiles: TileHost) -> None:
    style = {
        "version": 8,
        # Names that the built-in world uses, too, and the hub's own of old.
        "sources": {
            "track": {"type": "raster", "tiles": [f"{tiles.address}/{{z}}/{{x}}/{{y}}.png"], "attribution": "© Style"},
            "graticule": {"type": "raster", "tiles": [f"{tiles.address}/{{z}}/{{x}}/{{y}}.png"]},
        },
        "layers": [
            {"id": "land", "type": "background", "paint": {"background-color": "#ff0000"}},
            {"id": "track", "type": "raster", "source": "track", "paint": {"raster-fade-duration": 0}},
        ],
    }
    tiles.files["/style.json"] = ("application/json", json.dumps(style).encode())
    with drawn(browser, fleet, f"{tiles.address}/style.json", [tiles.netloc]) as page:
        assert becomes(page, GREEN)
        keep(page, "style")
        expect(page.locator(".maplibregl-ctrl-attrib")).to_contain_text("© Style")
        page.emulate_media(color_scheme="dark")
        assert becomes(page, GREEN)


def test_a_style_is_not_given_what_is_on_further_hosts_and_the_page_says_so(
    browser: Browser, fleet: SeededHub, tiles: TileHost
) -> None:
    with tile_host() as further:
        further.tile = png((200, 0, 0))
        style = {
            "version": 8,
            "sources": {"tiles": {"type": "raster", "tiles": [f"{further.address}/{{z}}/{{x}}/{{y}}.png"]}},
            "layers": [
                {"id": "ground", "type": "background", "paint": {"background-color": "rgb(30, 140, 60)"}},
                {"id": "tiles", "type": "raster", "source": "tiles"},
            ],
        }
        tiles.files["/style.json"] = ("application/json", json.dumps(style).encode())
        with drawn(browser, fleet, f"{tiles.address}/style.json", [tiles.netloc], quiet=False) as page:
            assert becomes(page, GREEN)
            expect(page.get_by_text("Parts of what lies under the vehicles cannot be loaded.")).to_be_visible()
            assert further.asked == []


def test_a_vector_archive_of_the_hub_is_drawn_in_the_colours_of_the_page(
    browser: Browser, fleet: SeededHub, tmp_path: Path
) -> None:
    file = tmp_path / "region.pmtiles"
    told = {"vector_layers": [{"id": "earth", "fields": {}}, {"id": "water", "fields": {}}], "attribution": "© Vector"}
    file.write_bytes(archive(vector_tile("water"), MVT, told))
    with drawn(browser, fleet, str(file), []) as page:
        assert becomes(page, SEA)
        keep(page, "vector")
        expect(page.locator(".maplibregl-ctrl-attrib")).to_contain_text("© Vector")
        page.emulate_media(color_scheme="dark")
        assert becomes(page, (0x14, 0x17, 0x1A))


def test_a_raster_archive_of_another_host_is_drawn(browser: Browser, fleet: SeededHub, tiles: TileHost) -> None:
    tiles.files["/r.pmtiles"] = ("application/octet-stream", archive(png(GREEN), PNG, {"attribution": "© Raster"}))
    with drawn(browser, fleet, f"{tiles.address}/r.pmtiles", [tiles.netloc]) as page:
        assert becomes(page, GREEN)
        keep(page, "raster-archive")
        expect(page.locator(".maplibregl-ctrl-attrib")).to_contain_text("© Raster")


@pytest.mark.parametrize("path", ["style.json", "region.pmtiles"])
def test_where_the_setting_cannot_be_had_the_world_is_drawn_and_the_page_says_why(
    browser: Browser, fleet: SeededHub, tiles: TileHost, path: str
) -> None:
    with drawn(browser, fleet, f"{tiles.address}/{path}", [tiles.netloc], quiet=False) as page:
        keep(page, f"no-{path}")
        expect(page.get_by_text("the built-in world is drawn instead")).to_be_visible()
        assert becomes(page, SEA)


def test_vehicles_are_drawn_while_the_host_of_tiles_does_not_answer(
    browser: Browser, fleet: SeededHub, tiles: TileHost
) -> None:
    tiles.tile = b""
    hub = MappedHub(fleet.database, fleet.clock, fleet.live, source=parse_map(f"{tiles.address}/{{z}}/{{x}}/{{y}}.png"))
    with served(hub) as address, visit(browser, hub, address, others=[tiles.netloc], quiet=False) as page:
        page.route(f"{tiles.address}/**", lambda _: None)
        page.goto(f"{address}/map")
        expect(page.locator(".pin", has_text="van-1")).to_be_visible()
