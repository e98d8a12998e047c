"""What lies under the vehicles on the map: the built-in world, or what `serve --map` names."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hub.errors import Refused

PMTILES_PREFIX: Final = "pmtiles://"
PMTILES_SUFFIX: Final = ".pmtiles"
PMTILES_MAGIC: Final = b"PMTiles\x03"
"""PMTiles version 3 specification, section 3.1: magic number and version."""
SERVED_TILES: Final = "/map/tiles.pmtiles"
"""Where the hub serves a tile archive of its own disk."""
_HOST: Final = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]")
_EXPECTED: Final = (
    "expected a style (https://HOST/style.json), raster tiles (https://HOST/{z}/{x}/{y}.png), an archive "
    "(pmtiles://https://HOST/FILE.pmtiles) or a .pmtiles file on this machine"
)


class MapKind(StrEnum):
    """What the browser is to make of a map's address."""

    WORLD = "world"
    """Land and borders that come with the hub; nothing is asked of anybody."""
    STYLE = "style"
    RASTER = "raster"
    PMTILES = "pmtiles"


@dataclass(frozen=True, slots=True)
class MapSource:
    """A base map.

    Attributes:
        url: what the browser loads; empty for the built-in world.
        origin: the one host that pages may then ask beside the hub, as `scheme://host:port`; empty where there is none.
        file: the archive that the hub itself serves.
        credit: who is to be named as its maker, where its own metadata do not say.
    """

    kind: MapKind
    url: str = ""
    origin: str = ""
    file: Path | None = None
    credit: str = ""


BUILT_IN: Final = MapSource(MapKind.WORLD)


def parse_map(text: str) -> MapSource:
    """Read what follows `--map`; nothing means the built-in world. Behind a `#` in an address stands who made the map.

    Raises:
        Refused: it is no address or file of a map.
    """
    if not text:
        return BUILT_IN
    if "://" not in text:
        return _archive(Path(text))
    address, _, credit = text.partition("#")
    url = address.removeprefix(PMTILES_PREFIX)
    origin = _origin(url, text)
    if url != address or urlsplit(url).path.endswith(PMTILES_SUFFIX):
        return MapSource(MapKind.PMTILES, url, origin, credit=credit)
    places = [place for place in ("{z}", "{x}", "{y}") if place in url]
    if len(places) == 3:  # noqa: PLR2004 as many as there are
        return MapSource(MapKind.RASTER, url, origin, credit=credit)
    if places:
        raise Refused(f"map {text!r}: a template of tiles needs {{z}}, {{x}} and {{y}}; {_EXPECTED}")
    return MapSource(MapKind.STYLE, url, origin, credit=credit)


def _origin(url: str, text: str) -> str:
    """The host as the content security policy names it; nothing else of the address may get into that header."""
    try:
        parts = urlsplit(url)
        host, port = parts.netloc.lower(), parts.port
    except ValueError as error:
        raise Refused(f"map {text!r}: {error}; {_EXPECTED}") from error
    if "@" in host:
        raise Refused("map: an address with a password in it would be shown to every viewer; leave it out")
    name = host.removesuffix(f":{port}") if port is not None else host
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(name):
        raise Refused(f"map {text!r}: {_EXPECTED}")
    return f"{parts.scheme}://{host}"


def _archive(path: Path) -> MapSource:
    try:
        with path.open("rb") as file:
            magic = file.read(len(PMTILES_MAGIC))
    except OSError as error:
        raise Refused(f"map {str(path)!r}: {error.strerror}; {_EXPECTED}") from error
    if magic != PMTILES_MAGIC:
        raise Refused(f"map {str(path)!r}: no PMTiles archive of version 3; `pmtiles convert` makes one")
    return MapSource(MapKind.PMTILES, SERVED_TILES, file=path.absolute())
