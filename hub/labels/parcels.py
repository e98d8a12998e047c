"""Labels of parcels: what a person needs to put it into the right van, and the codes that scanners read."""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from hub.errors import Refused
from hub.labels.codes import Symbol, Symbology, draw, linear
from hub.labels.printing import MARGIN_MM, Label, Sheet
from hub.pages.route_words import CHECKS
from hub.routes.queries import find_route, stops_of
from hub.shipments.order import Item
from hub.shipments.queries import ShipmentView, find_shipments, shipment_numbers
from hub.web.i18n import Words

MAX_LABELS: Final = 5_000
WIDTH_MM: Final = 100
HEIGHT_MM: Final = 62
"""A common size of label printers' rolls."""


def plain_labels(codes: Sequence[str]) -> Sheet:
    """Labels with nothing but these codes.

    Raises:
        Refused: a code that cannot be printed.
    """
    return _sheet([Label(title=code, lines=(), symbols=symbols(code)) for code in codes])


def route_labels(conn: Connection, route: str, words: Words) -> Sheet:
    """Labels of all parcels of a route, in the order of its stops.

    Raises:
        Refused: there is no such route, or a code that cannot be printed.
    """
    view = find_route(conn, route)
    if view is None:
        raise Refused(f"there is no route {route!r}")
    stops = [stop for stop in stops_of(conn, [route])[route] if stop.cancelled_ms is None]
    numbered = enumerate(stops, start=1)
    made = [
        _label(item, one, words, f"{view.vehicle.name} · {view.day} · {n}/{len(stops)}")
        for n, stop in numbered
        for item, one in stop.items
    ]
    return _sheet(made)


def shipment_labels(conn: Connection, references: Sequence[str], words: Words) -> Sheet:
    """Labels of all parcels of these shipments.

    Raises:
        Refused: an unknown reference, or a code that cannot be printed.
    """
    made: list[Label] = []
    for reference in references:
        found = find_shipments(conn, shipment_numbers(conn, [reference])).values()
        if not found:
            raise Refused(f"there is no shipment {reference!r}")
        made += [_label(item, one, words, one.order.day) for one in found for item in one.order.items]
    return _sheet(made)


def symbols(code: str) -> tuple[Symbol, ...]:
    """A linear code for old scanners where it fits, and a small square one for all others."""
    return (*linear(code, WIDTH_MM - 2 * MARGIN_MM), draw(code, Symbology.DATAMATRIX))


def _label(item: Item, one: ShipmentView, words: Words, foot: str) -> Label:
    order = one.order
    asked = " · ".join(words(CHECKS[check]) for check in order.checks)
    lines = (order.address, *filter(None, (item.what, asked, order.reference)))
    return Label(title=order.consignee, lines=lines, symbols=symbols(item.code), foot=foot)


def _sheet(labels: Iterable[Label]) -> Sheet:
    made = tuple(labels)
    if not made:
        raise Refused("no parcel to print a label for")
    if len(made) > MAX_LABELS:
        raise Refused(f"{len(made)} labels; at most {MAX_LABELS} are printed at once")
    return Sheet(made, width_mm=WIDTH_MM, height_mm=HEIGHT_MM)
