"""What `serve --map` may name."""

from pathlib import Path

import pytest

from hub.errors import Refused
from hub.map.source import BUILT_IN, SERVED_TILES, MapKind, MapSource, parse_map


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("", BUILT_IN),
        (
            "https://tiles.example/style.json",
            MapSource(MapKind.STYLE, "https://tiles.example/style.json", "https://tiles.example"),
        ),
        (
            "http://10.0.0.7:8081/{z}/{x}/{y}.png",
            MapSource(MapKind.RASTER, "http://10.0.0.7:8081/{z}/{x}/{y}.png", "http://10.0.0.7:8081"),
        ),
        (
            "https://tiles.example/{z}/{x}/{y}.png#© Tile makers",
            MapSource(
                MapKind.RASTER, "https://tiles.example/{z}/{x}/{y}.png", "https://tiles.example", credit="© Tile makers"
            ),
        ),
        (
            "pmtiles://https://Files.Example/cn.pmtiles?v=1",
            MapSource(MapKind.PMTILES, "https://Files.Example/cn.pmtiles?v=1", "https://files.example"),
        ),
        (
            "https://[2001:db8::1]:8443/cn.pmtiles",
            MapSource(MapKind.PMTILES, "https://[2001:db8::1]:8443/cn.pmtiles", "https://[2001:db8::1]:8443"),
        ),
    ],
)
def test_an_address_says_what_it_is_and_which_host_may_be_asked(text: str, source: MapSource) -> None:
    assert parse_map(text) == source


def test_a_file_is_served_by_the_hub_itself(tmp_path: Path) -> None:
    file = tmp_path / "city.pmtiles"
    file.write_bytes(b"PMTiles\x03" + bytes(120))
    assert parse_map(str(file)) == MapSource(MapKind.PMTILES, SERVED_TILES, file=file)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://tiles.example/{z}/{x}.png", "needs {z}, {x} and {y}"),
        ("ftp://tiles.example/style.json", "expected a style"),
        ("https://tiles.example; script-src */{z}/{x}/{y}", "expected a style"),
        ("https://me:secret@tiles.example/style.json", "leave it out"),
        ("https://tiles.example:port/style.json", "Port could not be cast"),
        ("https:///style.json", "expected a style"),
        ("nowhere.pmtiles", "No such file"),
    ],
)
def test_what_is_no_map_is_refused_with_what_was_expected(text: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_map(text)
    assert why in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "city.pmtiles"
    file.write_bytes(b"SQLite format 3\x00")
    with pytest.raises(Refused, match="no PMTiles archive of version 3"):
        parse_map(str(file))
