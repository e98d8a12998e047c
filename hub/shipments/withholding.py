"""Withholds what shipments and stops tell of people, when its time is over: so many days after all was done, or cancelled.

Never of what is open, nor while one of its parcels waits for a person's decision, an alarm on its way is open, or a proof of it
is held (`hub.archive.holds`). What stays is what figures and the chain of custody need: references, parcels, areas, windows.
Documents on devices go the same way: a route that is over is taken from its device, one that goes on is told anew, and
manifests of past days are taken.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import structs
from sqlalchemy import ColumnElement, Connection, Table, and_, exists, func, literal, or_, select, update

from contract.route import MANIFEST_DOCUMENT, ROUTE_DOCUMENT, decode_manifest, decode_route, encode_route
from hub import tables as t
from hub.accounts.audit import audit
from hub.archive.holds import needed
from hub.archive.tables import held_fact
from hub.db import Database
from hub.deliveries.queries import outcomes_of
from hub.deliveries.state import StopStatus
from hub.deliveries.tables import delivery
from hub.documents import put_document
from hub.routes.assigning import route_document
from hub.routes.progress import read_progress
from hub.routes.queries import cancelled_of, find_route, find_stops, stops_of
from hub.routes.tables import route_shipment, route_stop
from hub.shipments.personal import SHIPMENT_COLUMNS, STOP_COLUMNS, PersonalField, emptied
from hub.shipments.queries import find_shipments
from hub.shipments.tables import shipment, shipment_parcel
from hub.tracking.tables import custody_event

AT_ONCE: Final = 500
"""Of one transaction: ingest never waits long for the writer."""
WHO: Final = "retention"
ACTION: Final = "shipments.withhold"
_s, _p, _rs, _st, _d = shipment.c, shipment_parcel.c, route_shipment.c, route_stop.c, delivery.c


def withhold_orders(db: Database, before_ms: int, now_ms: int) -> Iterator[int]:
    """Withhold what shipments and stops tell of people that were done before this instant; step by step, how many of both."""
    last = 0
    while True:
        with db.read() as conn:
            query = select(_s.id).where(_s.id > last, _over(before_ms)).order_by(_s.id).limit(AT_ONCE)
            some = conn.scalars(query).all()
            due = _met_or_cancelled(conn, some)
            stops = conn.scalars(select(_st.stop).where(_stop_over(due))).all()
        if not some:
            break
        last = some[-1]
        yield _withhold(db, due, stops, now_ms)
    with db.read() as conn:
        stray = conn.scalars(select(_st.stop).where(_stray(before_ms)).limit(AT_ONCE)).all()
    if stray:
        yield _withhold(db, (), stray, now_ms)
    with db.read() as conn:
        devices = _devices(conn, before_ms)
    for device in devices:
        with db.write() as tx:
            _tell_device(tx, device, before_ms, now_ms)
        yield 0


def _withhold(db: Database, shipments: Sequence[int], stops: Sequence[str], now_ms: int) -> int:
    with db.write() as tx:
        count = _empty(tx, shipment, "id", shipments, SHIPMENT_COLUMNS)
        count += _empty(tx, route_stop, "stop", stops, STOP_COLUMNS)
        if count:
            told = f"{len(shipments)} shipments, {len(stops)} stops"
            audit(tx, at_ms=now_ms, who=WHO, action=ACTION, subject="shipments", new=told, why="its time is over")
    return count


def _over(before_ms: int) -> ColumnElement[bool]:
    """Shipments whose time is over, as far as a query can tell, and that nothing holds."""
    latest = and_(_rs.shipment == _s.id, _rs.latest.is_(True), _st.stop == _rs.stop)
    met = exists().where(latest, or_(_st.cancelled_ms < before_ms, _d.stop == _rs.stop))
    proved_since = exists().where(_rs.shipment == _s.id, _d.stop == _rs.stop, _d.known_ms >= before_ms)
    over = or_(_s.cancelled_ms < before_ms, and_(_s.cancelled_ms.is_(None), met))
    mine = custody_event.c.parcel.in_(select(_p.parcel).where(_p.shipment == _s.id).correlate(shipment))
    held = exists().where(_rs.shipment == _s.id, _d.stop == _rs.stop, held_fact.c.fact_id == _d.fact_id)
    return and_(_s.withheld == "", _s.changed_ms < before_ms, over, ~proved_since, ~needed(mine, literal("")), ~held)


def _met_or_cancelled(conn: Connection, numbers: Sequence[int]) -> list[int]:
    """Without those whose stop is open: also where a proof was taken back."""
    views = find_shipments(conn, numbers)
    stops = find_stops(conn, (view.stop for view in views.values() if view.stop))
    outcomes = outcomes_of(conn, stops, cancelled_of(stops.values()))
    return [
        number
        for number in numbers
        if views[number].cancelled_ms is not None or outcomes[views[number].stop].status is not StopStatus.OPEN
    ]


def _stop_over(due: Sequence[int]) -> ColumnElement[bool]:
    """Stops of these shipments that have no other one that tells something."""
    mine = _st.stop.in_(select(_rs.stop).where(_rs.shipment.in_(due)))
    telling = exists().where(_rs.stop == _st.stop, _s.id == _rs.shipment, _s.withheld == "", _s.id.not_in(due))
    return and_(_st.withheld == "", mine, ~telling)


def _stray(before_ms: int) -> ColumnElement[bool]:
    """Stops whose shipments went to other ones before anybody came."""
    last_ms = select(func.max(_d.known_ms)).where(_d.stop == _st.stop).correlate(route_stop).scalar_subquery()
    over = and_(_st.cancelled_ms < before_ms, func.coalesce(last_ms, 0) < before_ms)
    return and_(_st.withheld == "", over, ~exists().where(_rs.stop == _st.stop))


def _empty(
    tx: Connection, table: Table, key: str, keys: Collection[Any], columns: Mapping[PersonalField, tuple[str, ...]]
) -> int:
    rows = tx.execute(select(table).where(table.c[key].in_(keys))).mappings().all()
    for row in rows:
        told = emptied({**row}, columns)
        tx.execute(update(table).where(table.c[key] == row[key]).values(told))
    return len(rows)


def _devices(conn: Connection, before_ms: int) -> list[str]:
    """Devices with documents that were made before this instant and are not empty."""
    c = t.device_document.c
    old = (c.kind.in_([ROUTE_DOCUMENT, MANIFEST_DOCUMENT]), c.made_ms < before_ms, func.length(c.data) > 0)
    return list(conn.scalars(select(c.device).where(*old).distinct().order_by(c.device)))


def _tell_device(tx: Connection, device: str, before_ms: int, now_ms: int) -> None:
    c = t.device_document.c
    rows: dict[str, Any] = {row.kind: row for row in tx.execute(select(c.kind, c.data).where(c.device == device))}
    day_before = datetime.fromtimestamp(before_ms / 1000, UTC).date().isoformat()
    if (row := rows.get(ROUTE_DOCUMENT)) is not None and row.data:
        data = _route_left(tx, row.data, day_before, now_ms)
        if data != row.data:
            put_document(tx, device, ROUTE_DOCUMENT, data, now_ms=now_ms)
    if (row := rows.get(MANIFEST_DOCUMENT)) is not None and row.data:
        manifest = decode_manifest(row.data)
        if manifest is not None and manifest.day < day_before:
            put_document(tx, device, MANIFEST_DOCUMENT, b"", now_ms=now_ms)


def _route_left(tx: Connection, data: bytes, day_before: str, now_ms: int) -> bytes:
    """What is left of a route on a device: nothing once it is over, else all but what is withheld."""
    on_device = decode_route(data)
    view = None if on_device is None else find_route(tx, on_device.route)
    if on_device is None or view is None:
        return data
    stops = stops_of(tx, [view.id])
    open_ones = any(at.open for at in read_progress(tx, [view], stops, now_ms)[0].stops)
    if not open_ones:
        return b"" if view.day < day_before else data
    withheld = {stop.stop for stop in stops[view.id] if stop.withheld}
    if not withheld:
        return data
    told = {stop.stop: stop for stop in route_document(view, stops[view.id]).stops}
    left = tuple(told.get(stop.stop, stop) if stop.stop in withheld else stop for stop in on_device.stops)
    return encode_route(structs.replace(on_device, stops=left))
