"""What pages, planning and the interface read about shipments."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, and_, func, or_, select

from contract.route import Check, TaskKind
from hub.routes.tables import route_shipment, route_stop
from hub.shipments.order import Item, Order, OrderKind, OrderTask, Service
from hub.shipments.personal import PersonalField, withheld_fields
from hub.shipments.tables import shipment, shipment_parcel, shipment_task
from hub.timeline import chunks

MAX_PAGE: Final = 1_000
_s, _p, _t = shipment.c, shipment_parcel.c, shipment_task.c
_AT_ONCE: Final = 10_000
_LATEST: Final = and_(route_shipment.c.shipment == _s.id, route_shipment.c.latest.is_(True))


class ShipmentView(Struct, frozen=True):
    """A shipment as it stands.

    Attributes:
        stop: where it is planned, and `route` on which; of several attempts the latest. Empty while it is not.
        stop_day: of that stop, which for a further attempt is another one than the shipper's.
        attempt: how many stops were made for it.
        withheld: fields that said something once and are empty now: their time is over.
    """

    id: int
    order: Order
    created_ms: int
    changed_ms: int
    cancelled_ms: int | None
    stop: str
    route: str
    stop_day: str = ""
    attempt: int = 0
    withheld: tuple[PersonalField, ...] = ()


class ShipmentFilters(Struct, frozen=True):
    """Which shipments; empty means any. `q` is a part of reference, consignee or address, or a parcel's key."""

    q: str = ""
    day: str = ""
    planned: bool | None = None


def list_shipments(
    conn: Connection, wanted: ShipmentFilters, *, before: int | None = None, limit: int = 100
) -> list[ShipmentView]:
    """Shipments, the latest first; `before` is the id of the last one already seen."""
    query = _views()
    if before is not None:
        query = query.where(_s.id < before)
    if wanted.day:
        query = query.where(_s.day == wanted.day)
    if wanted.planned is not None:
        # A stop that no route has waits, and so does its shipment.
        on_route = and_(route_stop.c.route.is_not(None), route_stop.c.route != "")
        query = query.where(on_route if wanted.planned else or_(route_stop.c.route.is_(None), route_stop.c.route == ""))
        query = query.where(_s.cancelled_ms.is_(None))
    if wanted.q:
        parts = [c.contains(wanted.q, autoescape=True) for c in (_s.reference, _s.consignee, _s.address)]
        named = select(_p.shipment).where(_p.parcel == wanted.q)
        query = query.where(or_(*parts, _s.id.in_(named)))
    return _told(conn, conn.execute(query.order_by(_s.id.desc()).limit(limit)).all())


def find_shipments(conn: Connection, numbers: Iterable[int]) -> dict[int, ShipmentView]:
    """These shipments by number."""
    found: dict[int, ShipmentView] = {}
    for some in chunks(sorted(set(numbers)), _AT_ONCE):
        found |= {view.id: view for view in _told(conn, conn.execute(_views().where(_s.id.in_(some))).all())}
    return found


def unplanned(conn: Connection, day: str, references: Sequence[str] = ()) -> list[ShipmentView]:
    """Shipments that no stop has yet, in order of arrival: of this day or of any, or those named."""
    query = _views().where(_s.cancelled_ms.is_(None), route_shipment.c.stop.is_(None))
    query = query.where(_s.reference.in_(references) if references else _s.day.in_([day, ""]))
    return _told(conn, conn.execute(query.order_by(_s.id)).all())


def shipment_numbers(conn: Connection, references: Sequence[str]) -> list[int]:
    """Numbers of the shipments with these references, of whichever shippers."""
    found: list[int] = []
    for some in chunks(references, _AT_ONCE):
        found += conn.scalars(select(_s.id).where(_s.reference.in_(some)).order_by(_s.id))
    return found


def shipment_counts(conn: Connection, day: str) -> tuple[int, int]:
    """Of a day: shipments that wait for a plan, and all that are not cancelled."""
    joined = shipment.outerjoin(route_shipment, _LATEST)
    waiting = func.count().filter(route_shipment.c.stop.is_(None))
    query = select(waiting, func.count()).select_from(joined)
    row = conn.execute(query.where(_s.cancelled_ms.is_(None), _s.day.in_([day, ""]))).one()
    return row[0], row[1]


def _views() -> Any:
    st = route_stop.c
    joined = shipment.outerjoin(route_shipment, _LATEST).outerjoin(route_stop, st.stop == route_shipment.c.stop)
    return select(shipment, st.stop, st.route, st.day.label("stop_day"), route_shipment.c.attempt).select_from(joined)


def _told(conn: Connection, rows: Sequence[Row[Any]]) -> list[ShipmentView]:
    numbers = [row.id for row in rows]
    items: defaultdict[int, list[Item]] = defaultdict(list)
    tasks: defaultdict[int, list[OrderTask]] = defaultdict(list)
    for some in chunks(numbers, _AT_ONCE):
        for row in conn.execute(select(shipment_parcel).where(_p.shipment.in_(some)).order_by(_p.shipment, _p.n)):
            items[row.shipment].append(Item(row.parcel, row.code, row.what))
        for row in conn.execute(select(shipment_task).where(_t.shipment.in_(some)).order_by(_t.shipment, _t.n)):
            tasks[row.shipment].append(OrderTask(TaskKind(row.kind), row.what, row.parcel))
    return [_view(row, tuple(items[row.id]), tuple(tasks[row.id])) for row in rows]


_PLAIN: Final = (
    "reference", "consignee", "address", "shipper", "area", "lat_e7", "lon_e7", "day", "window_from_ms", "window_to_ms",
    "notes", "phone", "weight_g", "volume_ml",
)  # fmt: skip


def _view(row: Row[Any], items: tuple[Item, ...], tasks: tuple[OrderTask, ...]) -> ShipmentView:
    order = Order(
        **{name: getattr(row, name) for name in _PLAIN},
        kind=OrderKind(row.kind),
        service=Service(row.service),
        checks=tuple(map(Check, row.checks.split())),
        items=items,
        tasks=tasks,
    )
    return ShipmentView(
        id=row.id,
        order=order,
        created_ms=row.created_ms,
        changed_ms=row.changed_ms,
        cancelled_ms=row.cancelled_ms,
        stop=row.stop or "",
        route=row.route or "",
        stop_day=row.stop_day or "",
        attempt=row.attempt or 0,
        withheld=withheld_fields(row.withheld),
    )
