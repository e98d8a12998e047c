"""From shipments to stops: several of one address, met at one time, are one stop. Pure, but for its two writers."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, insert, select, update

from contract.route import MAX_PARCELS_PER_STOP
from hub.routes.tables import route, route_shipment, route_stop
from hub.shipments.order import Order
from hub.shipments.queries import ShipmentView, find_shipments
from hub.timeline import chunks

SERVICE_S: Final = 150
"""At a door: park, walk, ring, hand over, sign."""
NEXT_PARCEL_S: Final = 20
TASK_S: Final = 60
MAX_SERVICE_S: Final = 4 * 3600
KEY_BYTES: Final = 6

_st, _rs = route_stop.c, route_shipment.c
_keys = msgspec.json.Decoder(tuple[str, ...])


class Merged(Struct, frozen=True):
    """Shipments that are met together, and when that can be."""

    shipments: tuple[ShipmentView, ...]
    window_from_ms: int | None
    window_to_ms: int | None

    @property
    def first(self) -> Order:
        """Whose address and place the stop has."""
        return next((one.order for one in self.shipments if one.order.lat_e7 is not None), self.shipments[0].order)

    @property
    def service_s(self) -> int:
        """How long it takes at the door."""
        parcels = sum(len(one.order.items) for one in self.shipments)
        tasks = sum(len(one.order.tasks) for one in self.shipments)
        return min(MAX_SERVICE_S, SERVICE_S + NEXT_PARCEL_S * max(0, parcels - 1) + TASK_S * tasks)


def same_address(order: Order) -> tuple[str, ...]:
    """What is equal for the same address, however it is written."""
    text = unicodedata.normalize("NFKC", order.address).casefold()
    return ("".join(sign for sign in text if sign.isalnum()),)


def merge(shipments: Iterable[ShipmentView]) -> list[Merged]:
    """Put shipments of one address together as long as one visit can meet all their windows."""
    found: dict[tuple[str, ...], list[Merged]] = {}
    for one in shipments:
        several = found.setdefault(same_address(one.order), [])
        for i, stop in enumerate(several):
            if (both := _with(stop, one)) is not None:
                several[i] = both
                break
        else:
            several.append(Merged((one,), one.order.window_from_ms, one.order.window_to_ms))
    return [stop for several in found.values() for stop in several]


def _with(stop: Merged, one: ShipmentView) -> Merged | None:
    parcels = sum(len(other.order.items) for other in stop.shipments) + len(one.order.items)
    if parcels > MAX_PARCELS_PER_STOP:
        return None
    starts = [at for at in (stop.window_from_ms, one.order.window_from_ms) if at is not None]
    ends = [at for at in (stop.window_to_ms, one.order.window_to_ms) if at is not None]
    if starts and ends and max(starts) >= min(ends):
        return None
    return Merged((*stop.shipments, one), max(starts, default=None), min(ends, default=None))


def given_before(given: str) -> frozenset[str]:
    """The parcels in the column `given` of a stop's shipment."""
    return frozenset(_keys.decode(given))


def add_stops(tx: Connection, merged: Sequence[Merged], day: str, given: Mapping[int, str] | None = None) -> list[str]:
    """Keep new stops, on no route yet, as further attempts where shipments have had stops before; their keys.

    Args:
        tx: a write transaction.
        merged: shipments that are met together; none of them has a stop that is its latest.
        day: ISO 8601 date.
        given: by shipment, the parcels that were handed over before, as JSON; as at its last stop where left out.
    """
    keys = [token_hex(KEY_BYTES) for _ in merged]
    if not merged:
        return keys
    stops = list(zip(keys, merged, strict=True))
    before: dict[int, Row[Any]] = {}
    query = select(_rs.shipment, _rs.attempt, _rs.given).order_by(_rs.attempt)
    for some in chunks([one.id for _, stop in stops for one in stop.shipments]):
        before |= {row.shipment: row for row in tx.execute(query.where(_rs.shipment.in_(some)))}
    tx.execute(insert(route_stop), [{"stop": key, "day": day, **_row(one)} for key, one in stops])
    told = given or {}
    rows = [
        {
            "shipment": one.id,
            "attempt": before[one.id].attempt + 1 if one.id in before else 1,
            "stop": key,
            "latest": True,
            "given": told.get(one.id, before[one.id].given if one.id in before else "[]"),
        }
        for key, stop in stops
        for one in stop.shipments
    ]
    tx.execute(insert(route_shipment), rows)
    return keys


def _row(stop: Merged) -> dict[str, Any]:
    order = stop.first
    return {
        "route": "",
        "seq": 0,
        "name": order.consignee,
        "address": order.address,
        "area": order.area,
        "lat_e7": order.lat_e7,
        "lon_e7": order.lon_e7,
        "window_from_ms": stop.window_from_ms,
        "window_to_ms": stop.window_to_ms,
        "service_s": stop.service_s,
        "why": "",
        "why_value": 0,
        "withheld": "",
    }


def follow_shipments(tx: Connection, numbers: Iterable[int], now_ms: int) -> list[str]:
    """Bring stops up to what their shipments say since these changed; the routes that changed with them.

    A shipment whose address or window is no longer that of its stop gets one of its own, behind it on the same route.
    """
    stops: set[str] = set()
    for some in chunks(list(numbers)):
        stops |= set(tx.scalars(select(_rs.stop).where(_rs.shipment.in_(some), _rs.latest.is_(True))))
    changed: set[str] = set()
    for stop in sorted(stops):
        row = tx.execute(select(route_stop).where(_st.stop == stop)).one()
        query = select(_rs.shipment).where(_rs.stop == stop, _rs.latest.is_(True))
        mine = tx.scalars(query.order_by(_rs.shipment)).all()
        views = find_shipments(tx, mine)
        wanted = [number for number in mine if views[number].cancelled_ms is None]
        if row.cancelled_ms is not None:
            # Ordered again after nobody was to go there: it waits for a plan anew.
            tx.execute(delete(route_shipment).where(_rs.shipment.in_(wanted), _rs.latest.is_(True)))
            continue
        if not wanted:
            tx.execute(update(route_stop).where(_st.stop == stop).values(cancelled_ms=now_ms))
            changed |= {row.route} - {""}
            continue
        first, *others = merge([views[number] for number in mine])
        tx.execute(update(route_stop).where(_st.stop == stop).values(**_same_place(_row(first), row, first)))
        for other in others:
            tx.execute(
                delete(route_shipment).where(
                    _rs.shipment.in_([one.id for one in other.shipments]), _rs.latest.is_(True)
                )
            )
            [key] = add_stops(tx, [other], row.day)
            last = tx.scalar(select(func.max(_st.seq)).where(_st.route == row.route)) or 0
            tx.execute(update(route_stop).where(_st.stop == key).values(route=row.route, seq=last + 1))
        if row.route:
            changed.add(row.route)
    if changed:
        tx.execute(update(route).where(route.c.id.in_(changed)).values(changed_ms=changed_at(now_ms)))
    return sorted(changed)


def changed_at(now_ms: int) -> ColumnElement[int]:
    """When a route is changed now: later than each change before, so that it also tells two of them apart."""
    return case((route.c.changed_ms >= now_ms, route.c.changed_ms + 1), else_=now_ms)


def _same_place(row: dict[str, Any], stop: Row[Any], one: Merged) -> dict[str, Any]:
    """What a stop takes over from its shipments. On another day than they say, its window stays: it was moved there."""
    stays = {"route", "seq", "why", "why_value"}
    if stop.day != one.first.day:
        stays |= {"window_from_ms", "window_to_ms"} if one.shipments[0].attempt > 1 else set()
    return {name: value for name, value in row.items() if name not in stays}
