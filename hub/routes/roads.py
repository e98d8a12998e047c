"""How long it takes from place to place: estimated from the distance, or asked of a routing service in the house.

- OSRM, `table` service (project-osrm.org, HTTP API v1)
- Valhalla, `sources_to_targets` (valhalla.github.io, time-distance matrix)

Where the service does not answer, times are estimated and the plan says so: a van must leave the dock either way.
"""

import json
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import structlog

from hub.errors import Refused
from hub.routes.plan import Table

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

EARTH_M: Final = 6_371_000
"""Mean radius (IUGG)."""
DETOUR: Final = 1.35
"""Roads in cities are about a third longer than the line of flight."""
SPEED_KM_H: Final = 28.0
"""Of a van in a city, lights and lanes included; the way from the kerb to the door belongs to the service time."""
BLOCK: Final = 100
"""Places in one question to a service: OSRM's own limit (`--max-table-size`)."""
TIMEOUT_S: Final = 20
MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
MAX_S: Final = 10 * 86_400
"""For pairs that no road joins."""
ESTIMATE: Final = "estimate"

Place = tuple[int, int]
"""Latitude and longitude in 1e-7 degrees."""


class Roads(Protocol):
    """Where road times come from."""

    @property
    def name(self) -> str:
        """What plans say."""

    def table(self, places: Sequence[Place]) -> tuple[Table, str]:
        """From each place to each other one, and where the times come from."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Line of flight times a factor, at one speed."""

    detour: float = DETOUR
    speed_km_h: float = SPEED_KM_H
    name: str = ESTIMATE

    def table(self, places: Sequence[Place]) -> tuple[Table, str]:
        """See `Roads`."""
        import numpy as np  # noqa: PLC0415 slow to load, and only plans need it

        lat, lon = (np.radians(np.array([place[i] for place in places], dtype=float) / 1e7) for i in (0, 1))
        chord = (
            np.sin((lat[:, None] - lat[None, :]) / 2) ** 2
            + np.cos(lat[:, None]) * np.cos(lat[None, :]) * np.sin((lon[:, None] - lon[None, :]) / 2) ** 2
        )
        metres = 2 * EARTH_M * np.arcsin(np.sqrt(np.clip(chord, 0, 1))) * self.detour
        return _packed(metres / (self.speed_km_h / 3.6), metres), ESTIMATE


@dataclass(frozen=True, slots=True)
class Service:
    """A routing service that is asked block by block; `ask` gives seconds and metres, None where no road leads."""

    name: str
    ask: "Callable[[Sequence[Place], Sequence[Place]], tuple[Any, Any]]"
    instead: Estimate = Estimate()

    def table(self, places: Sequence[Place]) -> tuple[Table, str]:
        """See `Roads`."""
        import numpy as np  # noqa: PLC0415 slow to load, and only plans need it

        size = len(places)
        seconds, metres = np.zeros((size, size)), np.zeros((size, size))
        half = BLOCK // 2
        try:
            for row in range(0, size, half):
                for column in range(0, size, half):
                    found = self.ask(places[row : row + half], places[column : column + half])
                    for whole, part in zip((seconds, metres), found, strict=True):
                        block = np.array(part, dtype=float)
                        whole[row : row + half, column : column + half] = np.where(np.isnan(block), MAX_S, block)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the routing service gave no times; they are estimated", service=self.name, why=str(error))
            return self.instead.table(places)
        return _packed(seconds, metres), self.name


@dataclass(slots=True)
class Remembered:
    """Road times that were asked before: whoever holds the writer cannot wait for a service."""

    roads: Roads
    _numbers: dict[Place, int] = field(default_factory=dict)
    _known: Table | None = None
    _source: str = ESTIMATE

    @property
    def name(self) -> str:
        """See `Roads`."""
        return self.roads.name

    def ask(self, places: Sequence[Place]) -> tuple[Table, str]:
        """Ask for these places, and remember."""
        self._known, self._source = self.roads.table(places)
        self._numbers = {place: n for n, place in enumerate(places)}
        return self._known, self._source

    def table(self, places: Sequence[Place]) -> tuple[Table, str]:
        """See `Roads`; estimated where a place was not among those that were asked for."""
        import numpy as np  # noqa: PLC0415 slow to load, and only plans need it

        if self._known is None or any(place not in self._numbers for place in places):
            return Estimate().table(places)
        at = np.array([self._numbers[place] for place in places], dtype=int)
        size = self._known.size
        cells = [
            np.frombuffer(values, dtype=np.int32).reshape(size, size)[np.ix_(at, at)].tobytes()
            for values in (self._known.seconds, self._known.metres)
        ]
        return Table(len(places), *cells), self._source


def _packed(seconds: Any, metres: Any) -> Table:
    import numpy as np  # noqa: PLC0415 slow to load, and only plans need it

    cells = [np.rint(np.clip(values, 0, MAX_S * 40)).astype(np.int32).tobytes() for values in (seconds, metres)]
    return Table(len(seconds), *cells)


def parse_roads(text: str) -> Roads:
    """Read what follows `serve --roads`; nothing means estimated.

    Raises:
        Refused: it is no address of a routing service.
    """
    if not text:
        return Estimate()
    kind, _, url = text.partition("+")
    expected = "expected osrm+http://HOST:PORT or valhalla+http://HOST:PORT"
    asks = {"osrm": _ask_osrm, "valhalla": _ask_valhalla}
    parts = urlsplit(url)
    if kind not in asks or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused(f"roads {text!r}: {expected}")
    base = url.rstrip("/")
    return Service(kind, lambda starts, ends: asks[kind](base, starts, ends))


def _ask_osrm(base: str, starts: Sequence[Place], ends: Sequence[Place]) -> tuple[Any, Any]:
    places = [*starts, *ends]
    coordinates = ";".join(f"{lon / 1e7:.6f},{lat / 1e7:.6f}" for lat, lon in places)
    sources = ";".join(map(str, range(len(starts))))
    targets = ";".join(str(len(starts) + i) for i in range(len(ends)))
    query = f"sources={sources}&destinations={targets}&annotations=duration,distance"
    told = _fetched(urllib.request.Request(f"{base}/table/v1/driving/{coordinates}?{query}"))  # noqa: S310 - http(s) only, checked
    return told["durations"], told["distances"]


def _ask_valhalla(base: str, starts: Sequence[Place], ends: Sequence[Place]) -> tuple[Any, Any]:
    sources, targets = ([{"lat": lat / 1e7, "lon": lon / 1e7} for lat, lon in some] for some in (starts, ends))
    body = json.dumps({"sources": sources, "targets": targets, "costing": "auto"}).encode()
    request = urllib.request.Request(  # noqa: S310 - as above
        f"{base}/sources_to_targets", data=body, headers={"content-type": "application/json"}
    )
    rows = _fetched(request)["sources_to_targets"]
    seconds = [[cell["time"] for cell in row] for row in rows]
    metres = [[None if cell["distance"] is None else cell["distance"] * 1000 for cell in row] for row in rows]
    return seconds, metres


def _fetched(request: urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
        data = answer.read(MAX_ANSWER_BYTES + 1)
    if len(data) > MAX_ANSWER_BYTES:
        raise ValueError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return json.loads(data)
