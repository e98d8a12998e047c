"""What pages, planning and the interface read about vehicles, routes and stops."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import Connection, Row, select

from contract.route import Check
from hub.routes.plan import Load
from hub.routes.stops import given_before
from hub.routes.tables import route, route_shipment, route_stop, vehicle
from hub.shipments.order import Item, OrderKind, OrderTask
from hub.shipments.personal import PersonalField, withheld_fields
from hub.shipments.queries import ShipmentView, find_shipments
from hub.timeline import chunks

MAX_PAGE: Final = 500
_r, _st, _v, _rs = route.c, route_stop.c, vehicle.c, route_shipment.c


class Vehicle(Struct, frozen=True):
    """A van; fields as in `hub.routes.tables.VehicleRow`."""

    id: str
    name: str
    device: str
    depot: str
    depot_lat_e7: int
    depot_lon_e7: int
    weight_g: int | None
    volume_ml: int | None
    parcels: int | None
    shift_from_min: int
    shift_to_min: int
    zone: str
    retired_ms: int | None = None


class StopView(Struct, frozen=True, dict=True):
    """A stop with the shipments that it was made for, each with the parcels that were not handed over before.

    Attributes:
        attempt: which one it is for those of its shipments that were tried most.
        withheld: fields that said something once and are empty now: their time is over.
    """

    stop: str
    route: str
    seq: int
    day: str
    name: str
    address: str
    area: str
    lat_e7: int | None
    lon_e7: int | None
    window_from_ms: int | None
    window_to_ms: int | None
    service_s: int
    eta_ms: int | None
    cancelled_ms: int | None
    why: str
    why_value: int
    shipments: tuple[ShipmentView, ...] = ()
    attempt: int = 1
    withheld: tuple[PersonalField, ...] = ()

    @cached_property
    def items(self) -> tuple[tuple[Item, ShipmentView], ...]:
        """Parcels that are brought there, those of cancelled shipments left out."""
        open_ones = (one for one in self.shipments if one.cancelled_ms is None)
        return tuple(
            (item, one) for one in open_ones if one.order.kind is OrderKind.DELIVERY for item in one.order.items
        )

    @cached_property
    def parcels(self) -> tuple[str, ...]:
        """Their keys."""
        return tuple(item.parcel for item, _ in self.items)

    @property
    def pickups(self) -> tuple[Item, ...]:
        """Parcels that are fetched there."""
        open_ones = (one for one in self.shipments if one.cancelled_ms is None)
        return tuple(item for one in open_ones if one.order.kind is OrderKind.PICKUP for item in one.order.items)

    @property
    def fetches(self) -> bool:
        """Whether anything is picked up there."""
        return any(one.order.kind is OrderKind.PICKUP for one in self.shipments)

    @property
    def tasks(self) -> tuple[OrderTask, ...]:
        """What else is to be done there."""
        return tuple(task for one in self.shipments for task in one.order.tasks)

    @property
    def checks(self) -> tuple[Check, ...]:
        """All that any shipment asks for."""
        asked = {check for one in self.shipments for check in one.order.checks}
        return tuple(check for check in Check if check in asked)

    @property
    def notes(self) -> str:
        """Of all its shipments, each once."""
        return "\n".join(dict.fromkeys(one.order.notes for one in self.shipments if one.order.notes))

    @property
    def phone(self) -> str:
        """The first that any shipment names."""
        return next((one.order.phone for one in self.shipments if one.order.phone), "")

    def load(self, kind: OrderKind) -> Load:
        """What is brought, or fetched."""
        some = [one.order for one in self.shipments if one.order.kind is kind and one.cancelled_ms is None]
        return Load(
            sum(order.weight_g for order in some),
            sum(order.volume_ml for order in some),
            sum(len(order.items) for order in some),
        )


class RouteView(Struct, frozen=True):
    """A route with its van."""

    id: str
    name: str
    day: str
    vehicle: Vehicle
    device: str
    start_ms: int | None
    end_ms: int | None
    metres: int
    roads: str
    made_ms: int
    changed_ms: int
    assigned_ms: int | None
    version: int

    @property
    def assigned(self) -> bool:
        """Whether a device has it."""
        return bool(self.device)

    @property
    def stale(self) -> bool:
        """Whether it was changed after its device got it."""
        return self.assigned_ms is not None and self.changed_ms > self.assigned_ms


def vehicles(conn: Connection, *, retired: bool = False) -> list[Vehicle]:
    """Vans by id."""
    query = select(vehicle).order_by(_v.id)
    rows = conn.execute(query if retired else query.where(_v.retired_ms.is_(None)))
    return [_vehicle(row) for row in rows]


def find_vehicle(conn: Connection, name: str) -> Vehicle | None:
    """One van."""
    row = conn.execute(select(vehicle).where(_v.id == name)).first()
    return None if row is None else _vehicle(row)


def list_routes(
    conn: Connection, *, day: str = "", device: str = "", after: tuple[str, str] | None = None, limit: int = MAX_PAGE
) -> list[RouteView]:
    """Routes, the latest day first, then by id; `after` is day and id of the last one already seen."""
    query = select(route).order_by(_r.day.desc(), _r.id).limit(limit)
    if day:
        query = query.where(_r.day == day)
    if device:
        query = query.where(_r.device == device)
    if after is not None:
        query = query.where((_r.day < after[0]) | ((_r.day == after[0]) & (_r.id > after[1])))
    rows = conn.execute(query).all()
    vans = {van.id: van for van in vehicles(conn, retired=True)}
    return [_route(row, vans[row.vehicle]) for row in rows]


def find_route(conn: Connection, name: str) -> RouteView | None:
    """One route."""
    row = conn.execute(select(route).where(_r.id == name)).first()
    van = None if row is None else find_vehicle(conn, row.vehicle)
    return None if row is None or van is None else _route(row, van)


def stops_of(conn: Connection, routes: Iterable[str]) -> dict[str, list[StopView]]:
    """The stops of these routes, in order."""
    names = list(routes)
    found: dict[str, list[StopView]] = {name: [] for name in names}
    for some in chunks(names):
        rows = conn.execute(select(route_stop).where(_st.route.in_(some)).order_by(_st.route, _st.seq, _st.stop)).all()
        for view in _stops(conn, rows):
            found[view.route].append(view)
    return found


def waiting_stops(conn: Connection, day: str) -> list[StopView]:
    """Stops of a day that no van could take."""
    query = select(route_stop).where(_st.day == day, _st.route == "", _st.cancelled_ms.is_(None)).order_by(_st.stop)
    return _stops(conn, conn.execute(query).all())


def find_stops(conn: Connection, names: Iterable[str]) -> dict[str, StopView]:
    """These stops."""
    found: dict[str, StopView] = {}
    for some in chunks(list(dict.fromkeys(names))):
        rows = conn.execute(select(route_stop).where(_st.stop.in_(some))).all()
        found |= {view.stop: view for view in _stops(conn, rows)}
    return found


def cancelled_of(stops: Iterable[StopView]) -> frozenset[str]:
    """Keys of those that nobody is to go to any more."""
    return frozenset(stop.stop for stop in stops if stop.cancelled_ms is not None)


def _stops(conn: Connection, rows: Sequence[Row[Any]]) -> list[StopView]:
    made_for: defaultdict[str, list[Any]] = defaultdict(list)
    query = select(_rs.shipment, _rs.stop, _rs.attempt, _rs.given).order_by(_rs.shipment)
    for some in chunks([row.stop for row in rows]):
        for row in conn.execute(query.where(_rs.stop.in_(some))):
            made_for[row.stop].append(row)
    known = find_shipments(conn, (one.shipment for several in made_for.values() for one in several))
    plain = [name for name in StopView.__struct_fields__ if name not in {"shipments", "attempt", "withheld"}]
    return [
        StopView(
            **{name: getattr(row, name) for name in plain},
            shipments=tuple(
                _without(known[one.shipment], one.given) for one in made_for[row.stop] if one.shipment in known
            ),
            attempt=max((one.attempt for one in made_for[row.stop]), default=1),
            withheld=withheld_fields(row.withheld),
        )
        for row in rows
    ]


def _without(view: ShipmentView, given: str) -> ShipmentView:
    """What is left to bring of a shipment."""
    if not (done := given_before(given)):
        return view
    items = tuple(item for item in view.order.items if item.parcel not in done)
    return structs.replace(view, order=structs.replace(view.order, items=items))


def _vehicle(row: Row[Any]) -> Vehicle:
    return Vehicle(**{name: getattr(row, name) for name in Vehicle.__struct_fields__})


def _route(row: Row[Any], van: Vehicle) -> RouteView:
    plain = [name for name in RouteView.__struct_fields__ if name != "vehicle"]
    return RouteView(**{name: getattr(row, name) for name in plain}, vehicle=van)
