"""What the map of `/routes` draws: each van's way, and its stops by what came of them. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from hub.pages.route_words import STATUSES
from hub.routes.progress import Progress, StopProgress

LATE = "late"
"""Of stops that are open: late, or most likely will be."""


class SheetRoute(Struct, frozen=True):
    """One van. `stops` in order: longitude, latitude (degrees), state, place in the order, key."""

    id: str
    name: str
    done: int
    wanted: int
    late: int
    depot: tuple[float, float]
    stops: tuple[tuple[float, float, str, int, str], ...]


class Sheet(Struct, frozen=True):
    """The routes of a day."""

    routes: tuple[SheetRoute, ...]


def sheet_of(told: Sequence[Progress]) -> Sheet:
    """From how far the routes are."""
    return Sheet(tuple(_route(one) for one in told))


def _route(one: Progress) -> SheetRoute:
    van = one.route.vehicle
    return SheetRoute(
        one.route.id,
        one.route.name,
        one.visited,
        one.wanted,
        len(one.late),
        (van.depot_lon_e7 / 1e7, van.depot_lat_e7 / 1e7),
        tuple(
            (at.stop.lon_e7 / 1e7, at.stop.lat_e7 / 1e7, state_of(at), n, at.stop.stop)
            for n, at in enumerate(one.stops, start=1)
            if at.stop.lat_e7 is not None and at.stop.lon_e7 is not None
        ),
    )


def state_of(at: StopProgress) -> str:
    """`late` and `open` where somebody still has to go; else `gone`, or as `STATUSES` colours what came of it."""
    if at.open:
        return LATE if at.late_ms else "open"
    if not at.outcome.visited:
        return "gone"
    return STATUSES[at.outcome.status][0]
