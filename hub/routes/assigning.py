"""Gives routes to devices: the route and the manifest of the day as documents, and a decision as the fact that it was done.

A manifest tells a device which van each parcel of the day is for, so all devices of the day get a new one when a route is
given: those in the vans, and those at the docks where these are loaded.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select, update

from contract.event import Decision
from contract.limits import DOCUMENT_PART_BYTES, MAX_DOCUMENT_PARTS
from contract.route import (
    MANIFEST_DOCUMENT,
    MAX_MANIFEST,
    MAX_STOPS,
    ROUTE_DOCUMENT,
    Check,
    Manifest,
    ManifestEntry,
    Route,
    Stop,
    StopParcel,
    Task,
    TaskKind,
    Window,
    encode_manifest,
    encode_route,
)
from hub import tables as t
from hub.db import Database
from hub.documents import put_document
from hub.errors import Refused
from hub.routes.progress import read_progress
from hub.routes.queries import RouteView, StopView, find_route, list_routes, stops_of
from hub.routes.stops import changed_at
from hub.routes.tables import route
from hub.said import Said

ASSIGN_ROUTE: Final = "route.assign"
"""Subject: the route; detail: `Assigned`."""
_device = t.device.c


class Assigned(Struct, frozen=True):
    """What a device was given."""

    device: str
    day: str
    vehicle: str
    version: int
    stops: int
    parcels: int


def assign(
    database: Database, decide: Callable[[Decision], bytes], name: str, device: str, *, who: str, now_ms: int
) -> tuple[Assigned, frozenset[str]]:
    """Give a route to a device; what it got, and the devices that have new documents.

    Given again without a change, nothing is new but the decision.

    Args:
        database: the hub's.
        decide: makes the decision a fact.
        name: of the route.
        device: which; empty: the one that rides in the route's van.
        who: decides.
        now_ms: the hub's clock.

    Raises:
        Refused: the device is none, or has another route to finish, or the route is larger than a document may be.
    """
    with database.write() as tx:
        view = _route(tx, name)
        chosen = device or view.vehicle.device
        _refuse_device(tx, view, chosen, now_ms)
        changed = _give(tx, view, chosen, now_ms)
        stops = stops_of(tx, [name])[name]
        parcels = sum(len(stop.parcels) for stop in stops)
        given = _route(tx, name)
        told = Assigned(chosen, view.day, view.vehicle.name, given.version, len(stops), parcels)
    # Behind the documents: a decision that says what could not be done would be a lie for ever.
    decide(Decision(ASSIGN_ROUTE, (), who, "", name, msgspec.json.encode(told).decode()))
    return told, changed


def withdraw(
    database: Database, decide: Callable[[Decision], bytes], name: str, *, who: str, now_ms: int, why: str
) -> frozenset[str]:
    """Take a route from its device; what was proved on it stays. The devices that have new documents.

    Raises:
        Refused: there is no such route.
    """
    with database.write() as tx:
        view = _route(tx, name)
        changed = {view.device} - {""}
        if view.device:
            put_document(tx, view.device, ROUTE_DOCUMENT, b"", now_ms=now_ms)
            tx.execute(
                update(route)
                .where(route.c.id == name)
                .values(device="", assigned_ms=None, changed_ms=changed_at(now_ms))
            )
            changed |= push_manifests(tx, view.day, now_ms)
    decide(Decision("route.withdraw", (), who, why, name, ""))
    return frozenset(changed)


def _route(tx: Connection, name: str) -> RouteView:
    view = find_route(tx, name)
    if view is None:
        raise Refused(Said("there is no route {name}", name=repr(name)))
    return view


def _refuse_device(tx: Connection, view: RouteView, device: str, now_ms: int) -> None:
    if not device:
        raise Refused(Said("no device rides in {name}; name one", name=view.vehicle.name))
    known = tx.execute(select(_device.revoked_ms).where(_device.id == device)).first()
    if known is None or known.revoked_ms is not None:
        raise Refused(Said("there is no device {name} that may speak to this hub", name=repr(device)))
    others = [one for one in list_routes(tx, device=device) if one.id != view.id and one.day >= view.day]
    for progress in read_progress(tx, others, stops_of(tx, [one.id for one in others]), now_ms):
        if any(at.open for at in progress.stops):
            other = progress.route
            raise Refused(
                Said(
                    "{device} has {name} of {day} to finish; take that from it first",
                    device=device,
                    name=other.name,
                    day=other.day,
                )
            )


def _give(tx: Connection, view: RouteView, device: str, now_ms: int) -> frozenset[str]:
    changed = set()
    if view.device and view.device != device:
        put_document(tx, view.device, ROUTE_DOCUMENT, b"", now_ms=now_ms)
        changed.add(view.device)
    stops = stops_of(tx, [view.id])[view.id]
    if len(stops) > MAX_STOPS:
        raise Refused(
            Said(
                "{number} stops; a device takes a route of at most {most}, so split it",
                number=len(stops),
                most=MAX_STOPS,
            )
        )
    data = encode_route(route_document(view, stops))
    if len(data) > DOCUMENT_PART_BYTES * MAX_DOCUMENT_PARTS:
        raise Refused(
            Said(
                "the route takes {n} bytes; at most {most} fit",
                n=len(data),
                most=DOCUMENT_PART_BYTES * MAX_DOCUMENT_PARTS,
            )
        )
    before = _data(tx, device, ROUTE_DOCUMENT)
    version = put_document(tx, device, ROUTE_DOCUMENT, data, now_ms=now_ms)
    if before != data:
        changed.add(device)
    # No earlier than what it was given of: changes are told apart even within one millisecond.
    values = {"device": device, "assigned_ms": max(now_ms, view.changed_ms), "version": version}
    tx.execute(update(route).where(route.c.id == view.id).values(**values))
    return frozenset(changed | push_manifests(tx, view.day, now_ms))


def _data(tx: Connection, device: str, kind: str) -> bytes | None:
    c = t.device_document.c
    return tx.execute(select(c.data).where(c.device == device, c.kind == kind)).scalar()


def push_manifests(tx: Connection, day: str, now_ms: int) -> set[str]:
    """Make the manifest of a day the document of its devices; those for which it changed."""
    given = [view for view in list_routes(tx, day=day) if view.device]
    entries, vans = manifest_entries(given, stops_of(tx, [view.id for view in given]))
    mine: dict[str, int | None] = dict.fromkeys(dock_devices(tx, {view.vehicle.depot for view in given}))
    mine |= {view.device: vans.index(view.vehicle.name) for view in given}
    changed = set()
    for device, number in mine.items():
        data = encode_manifest(Manifest(day, tuple(vans), number, entries))
        if _data(tx, device, MANIFEST_DOCUMENT) != data:
            put_document(tx, device, MANIFEST_DOCUMENT, data, now_ms=now_ms)
            changed.add(device)
    return changed


def dock_devices(conn: Connection, depots: Collection[str]) -> list[str]:
    """Devices whose place is one of these depots, or a part of one: "Depot North" has "Depot North, dock 4"."""
    rows = conn.execute(select(_device.id, _device.place).where(_device.revoked_ms.is_(None)).order_by(_device.id))
    return [row.id for row in rows if any(_within(row.place, depot) for depot in depots if depot)]


def _within(place: str, depot: str) -> bool:
    rest = place.removeprefix(depot)
    return place.startswith(depot) and not rest[:1].isalnum()


def manifest_entries(
    routes: Sequence[RouteView], stops: dict[str, list[StopView]]
) -> tuple[tuple[ManifestEntry, ...], list[str]]:
    """Which van each parcel is for, and the vans as people call them.

    Raises:
        Refused: more parcels than a manifest holds.
    """
    vans = list(dict.fromkeys(view.vehicle.name for view in routes))
    number_of = {name: number for number, name in enumerate(vans)}
    found = {
        parcel: number_of[view.vehicle.name]
        for view in routes
        for stop in stops[view.id]
        if stop.cancelled_ms is None
        for parcel in stop.parcels
    }
    if len(found) > MAX_MANIFEST:
        raise Refused(
            Said("{number} parcels leave that day; a manifest holds {most}", number=len(found), most=MAX_MANIFEST)
        )
    return tuple(ManifestEntry(parcel, van) for parcel, van in sorted(found.items())), vans


def route_document(view: RouteView, stops: Sequence[StopView]) -> Route:
    """A route as its device gets it."""
    van = view.vehicle
    return Route(
        route=view.id,
        name=view.name,
        day=view.day,
        vehicle=van.name,
        depot=van.depot,
        depot_lat_e7=van.depot_lat_e7,
        depot_lon_e7=van.depot_lon_e7,
        start_ms=view.start_ms,
        stops=tuple(_stop(stop) for stop in stops),
    )


def _stop(stop: StopView) -> Stop:
    window = None
    if stop.window_from_ms is not None and stop.window_to_ms is not None:
        window = Window(stop.window_from_ms, stop.window_to_ms)
    return Stop(
        stop=stop.stop,
        name=stop.name,
        address=stop.address,
        lat_e7=stop.lat_e7,
        lon_e7=stop.lon_e7,
        window=window,
        eta_ms=stop.eta_ms,
        service_s=stop.service_s,
        parcels=tuple(_parcel(stop)),
        tasks=tuple(_tasks(stop)),
        notes=stop.notes[:2000],
        phone=stop.phone,
        cancelled=stop.cancelled_ms is not None,
    )


def _parcel(stop: StopView) -> Sequence[StopParcel]:
    return [StopParcel(item.parcel, item.what, _in_order(one.order.checks)) for item, one in stop.items]


def _in_order(checks: Collection[Check]) -> tuple[Check, ...]:
    return tuple(check for check in Check if check in checks)


def _tasks(stop: StopView) -> Sequence[Task]:
    """Tasks of its shipments; a parcel to be fetched is one, too."""
    found = []
    for one in stop.shipments:
        if one.cancelled_ms is not None:
            continue
        for n, task in enumerate(one.order.tasks):
            found.append(Task(f"{one.id}.{n}", task.kind, task.what, task.parcel))
    found += [Task(f"pickup.{item.parcel}"[:256], TaskKind.COLLECT, item.what, item.parcel) for item in stop.pickups]
    if stop.fetches and not stop.pickups:
        found.append(Task(f"pickup.{stop.stop}", TaskKind.COLLECT))
    return found
