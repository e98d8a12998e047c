"""The route as a drawing: stops put on a square by their coordinates, no tiles needed. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from contract.route import Route

E7 = 10_000_000


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A place from 0 to 1, x to the east, y to the north; `number` 0 is the depot."""

    number: int
    x: float
    y: float


def map_points(route: Route) -> tuple[MapPoint, ...]:
    """The depot and all stops that have coordinates, in order; one scale for both directions."""
    places: list[tuple[int, float, float]] = []
    if route.depot_lat_e7 is not None and route.depot_lon_e7 is not None:
        places.append((0, route.depot_lat_e7 / E7, route.depot_lon_e7 / E7))
    for n, stop in enumerate(route.stops, 1):
        if stop.lat_e7 is not None and stop.lon_e7 is not None:
            places.append((n, stop.lat_e7 / E7, stop.lon_e7 / E7))
    return _fit(places)


def _fit(places: Sequence[tuple[int, float, float]]) -> tuple[MapPoint, ...]:
    if not places:
        return ()
    # Degrees of longitude are shorter away from the equator.
    narrow = math.cos(math.radians(sum(lat for _, lat, _ in places) / len(places)))
    east = [lon * narrow for _, _, lon in places]
    north = [lat for _, lat, _ in places]
    span = max(max(east) - min(east), max(north) - min(north)) or 1.0
    middle_x, middle_y = (max(east) + min(east)) / 2, (max(north) + min(north)) / 2
    return tuple(
        MapPoint(place[0], 0.5 + (x - middle_x) / span, 0.5 + (y - middle_y) / span)
        for place, x, y in zip(places, east, north, strict=True)
    )
