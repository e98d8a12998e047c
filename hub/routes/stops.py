"""From shipments to stops: several of one address, met at one time, are one stop. Pure, but for its two writers."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, delete, func, insert, select, update

from contract.route import MAX_PARCELS_PER_STOP
from hub.deliveries.figures import work_out
from hub.deliveries.queries import outcomes_of
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
MAX_TRIED: Final = 50
"""Stops of one address, the latest, that a shipment may join."""

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
        # Where one address has hundreds, tried with all of them, a large file would hold the writer for hours.
        for i in range(max(0, len(several) - MAX_TRIED), len(several)):
            stop = several[i]
            if (both := _with(stop, one)) is not None:
                several[i] = both
                break
        else:
            several.append(Merged((one,), one.order.window_from_ms, one.order.window_to_ms))
    return [stop for several in found.values() for stop in several]


def _with(stop: Merged, one: ShipmentView) -> Merged | None:
    parcels = sum(len(other.order.items) for other in stop.shipments) + len(one.order.items)
    # Some bring no parcels at all.
    if max(parcels, len(stop.shipments) + 1) > MAX_PARCELS_PER_STOP:
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

    A shipment whose address or window is no longer that of its stop gets one of its own, behind it on the same route. All at
    once: one stop after the other, a large file would hold up what devices say for minutes.
    """
    rows, made_for = _stops_of(tx, numbers)
    outcomes = outcomes_of(tx, rows)
    views = find_shipments(tx, (number for mine in made_for.values() for number in mine))
    free: list[int] = []
    over: list[str] = []
    changed: list[dict[str, Any]] = []
    apart: list[tuple[Row[Any], Merged]] = []
    for stop, row in sorted(rows.items()):
        wanted = [views[number] for number in made_for[stop] if views[number].cancelled_ms is None]
        if row.cancelled_ms is not None:
            # Ordered again after nobody was to go there: it waits for a plan anew.
            free += [view.id for view in wanted]
        elif not wanted:
            over.append(stop)
        elif not outcomes[stop].visited:  # else it stays where somebody was, and when they were awaited
            first, *others = merge(wanted)
            changed.append({"key": stop, **{f"new_{name}": value for name, value in _same_place(row, first).items()}})
            apart += [(row, other) for other in others]
    _free(tx, [*free, *(one.id for _, other in apart for one in other.shipments)])
    for some in chunks(over):
        tx.execute(update(route_stop).where(_st.stop.in_(some)).values(cancelled_ms=now_ms))
    if changed:
        values: dict[str, Any] = {name.removeprefix("new_"): bindparam(name) for name in changed[0] if name != "key"}
        tx.execute(update(route_stop).where(_st.stop == bindparam("key")).values(values), changed)
    _set_apart(tx, apart)
    days = {row.route: row.day for row in rows.values() if row.cancelled_ms is None and row.route}
    _tell_changed(tx, days, now_ms)
    return sorted(days)


def leave(tx: Connection, stops: Iterable[str], now_ms: int) -> None:
    """Go there no more for shipments that were taken off: what has none left is cancelled, and its route has changed."""
    rows = [row for some in chunks(sorted(stops)) for row in tx.execute(select(route_stop).where(_st.stop.in_(some)))]
    for some in chunks([row.stop for row in rows]):
        nobody_s = ~select(_rs.stop).where(_rs.stop == _st.stop).exists()
        tx.execute(update(route_stop).where(_st.stop.in_(some), nobody_s).values(cancelled_ms=now_ms))
    _tell_changed(tx, {row.route: row.day for row in rows if row.route}, now_ms)


def _tell_changed(tx: Connection, days: Mapping[str, str], now_ms: int) -> None:
    """Routes have changed, by name with their days."""
    for some in chunks(sorted(days)):
        tx.execute(update(route).where(route.c.id.in_(some)).values(changed_ms=changed_at(now_ms)))
    for name, day in sorted(days.items()):
        work_out(tx, day, name, now_ms)


def _stops_of(tx: Connection, numbers: Iterable[int]) -> tuple[dict[str, Row[Any]], dict[str, list[int]]]:
    """The latest stops of these shipments by key, and all shipments that each of them is the latest of."""
    stops: set[str] = set()
    for some in chunks(list(numbers)):
        stops |= set(tx.scalars(select(_rs.stop).where(_rs.shipment.in_(some), _rs.latest.is_(True))))
    rows: dict[str, Row[Any]] = {}
    made_for: dict[str, list[int]] = {stop: [] for stop in stops}
    latest = select(_rs.stop, _rs.shipment).where(_rs.latest.is_(True)).order_by(_rs.shipment)
    for keys in chunks(sorted(stops)):
        rows |= {row.stop: row for row in tx.execute(select(route_stop).where(_st.stop.in_(keys)))}
        for row in tx.execute(latest.where(_rs.stop.in_(keys))):
            made_for[row.stop].append(row.shipment)
    return rows, made_for


def _free(tx: Connection, numbers: Sequence[int]) -> None:
    for some in chunks(numbers):
        tx.execute(delete(route_shipment).where(_rs.shipment.in_(some), _rs.latest.is_(True)))


def _set_apart(tx: Connection, apart: Sequence[tuple[Row[Any], Merged]]) -> None:
    """Stops of their own, each behind all others of its route."""
    behind: dict[str, int] = {}
    for some in chunks(sorted({row.route for row, _ in apart})):
        query = select(_st.route, func.max(_st.seq).label("seq")).where(_st.route.in_(some)).group_by(_st.route)
        behind |= {row.route: row.seq for row in tx.execute(query)}
    placed = []
    for day in sorted({row.day for row, _ in apart}):
        of_day = [(row, other) for row, other in apart if row.day == day]
        for key, (row, _) in zip(add_stops(tx, [other for _, other in of_day], day), of_day, strict=True):
            behind[row.route] += 1
            placed.append({"key": key, "on": row.route, "at": behind[row.route]})
    if placed:
        change = update(route_stop).where(_st.stop == bindparam("key"))
        tx.execute(change.values(route=bindparam("on"), seq=bindparam("at")), placed)


def changed_at(now_ms: int) -> ColumnElement[int]:
    """When a route is changed now: later than each change before, so that it also tells two of them apart."""
    return case((route.c.changed_ms >= now_ms, route.c.changed_ms + 1), else_=now_ms)


def _same_place(row: Row[Any], one: Merged) -> dict[str, Any]:
    """What a stop takes over from its shipments. On another day than they say, its window stays: it was moved there."""
    told = {name: value for name, value in _row(one).items() if name not in {"route", "seq", "why", "why_value"}}
    if row.day != one.first.day and one.shipments[0].attempt > 1:
        told |= {"window_from_ms": row.window_from_ms, "window_to_ms": row.window_to_ms}
    return told
