"""Another day for what could not be handed over, and for what nobody came to.

Each attempt has a stop of its own; the one before stays what it was, with its proofs, on its route. Where nobody was, it was
no attempt: that stop is nobody's any more.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, delete, select, update

from hub.accounts.audit import audit
from hub.db import Database
from hub.deliveries.queries import outcomes_of
from hub.deliveries.state import DONE, TO_DECIDE, StopOutcome, StopStatus, handed_over
from hub.deliveries.tables import delivery
from hub.errors import Refused
from hub.routes.queries import StopView, cancelled_of, find_stops, vehicles
from hub.routes.stops import add_stops, given_before, leave, merge
from hub.routes.tables import route, route_shipment, route_stop
from hub.routes.vehicles import read_day, today, zone_of
from hub.said import Said
from hub.shipments.order import Item
from hub.shipments.queries import ShipmentView, find_shipments
from hub.shipments.tables import shipment, shipment_parcel
from hub.timeline import chunks, epoch_ms

OFFERED_DAYS: Final = 30
"""What nobody decided for a month is asked about elsewhere: its shipper has."""
MAX_OFFERED: Final = 1_000
_s, _p, _st, _rs, _r = shipment.c, shipment_parcel.c, route_stop.c, route_shipment.c, route.c


class Undone(Struct, frozen=True):
    """A shipment of which something was not handed over at its latest stop, and nobody decided yet what is next.

    Attributes:
        shipment: as it stands.
        stop: where it was tried last, or was to be.
        outcome: what came of that; open where nobody was on that day, as far as is known.
        left: the parcels that were not handed over.
    """

    shipment: ShipmentView
    stop: StopView
    outcome: StopOutcome
    left: tuple[Item, ...]


def undone(conn: Connection, day: str, now_ms: int, *, limit: int = MAX_OFFERED) -> list[Undone]:
    """What waits for a decision on this day, the latest first: tried on it or in the month before, or left from that month.

    Raises:
        Refused: it is no day.
    """
    until = read_day(day)
    since = date.fromordinal(max(1, until.toordinal() - OFFERED_DAYS)).isoformat()
    failed = (delivery.c.outcome.in_(_FAILED)) | (delivery.c.refused != "[]")
    proved = select(delivery.c.stop).where(delivery.c.stop == _rs.stop)
    left = (_st.day < day) & _st.cancelled_ms.is_(None) & ~proved.exists()
    query = (
        select(_s.id)
        .join(route_shipment, (_rs.shipment == _s.id) & _rs.latest.is_(True))
        .join(route_stop, _st.stop == _rs.stop)
        .where(_st.day.between(since, day), _s.cancelled_ms.is_(None), _s.withheld == "")
        .where(proved.where(failed).exists() | left)
        .order_by(_st.day.desc(), _s.id)
    )
    views = find_shipments(conn, conn.scalars(query.limit(limit)))
    found = _undone(conn, views.values(), now_ms)
    return sorted(found, key=lambda one: (one.stop.day, -one.shipment.id), reverse=True)


_FAILED: Final = ("attempted", "refused", "returned")


def _undone(conn: Connection, views: Iterable[ShipmentView], now_ms: int) -> list[Undone]:
    views = [view for view in views if view.stop]
    stops = find_stops(conn, (view.stop for view in views))
    outcomes = outcomes_of(conn, stops)
    here = _today(conn, now_ms)
    found = []
    for view in views:
        stop, outcome = stops[view.stop], outcomes[view.stop]
        mine = next(one for one in stop.shipments if one.id == view.id)
        given = frozenset() if outcome.status is StopStatus.RETURNED else handed_over(outcome.proofs)
        left = tuple(item for item in mine.order.items if item.parcel not in given)
        # What has no parcels is done with its stop.
        is_left = bool(left) if mine.order.items else outcome.status not in DONE
        if _is_to_decide(stop, outcome, here) and is_left:
            found.append(Undone(view, stop, outcome, left))
    return found


def _is_to_decide(stop: StopView, outcome: StopOutcome, today: str) -> bool:
    """Somebody was there in vain, or nobody at all while it was the day; what is open today is its route's."""
    if outcome.status is StopStatus.OPEN:
        return stop.cancelled_ms is None and stop.day < today
    return outcome.status in TO_DECIDE


def _today(conn: Connection, now_ms: int) -> str:
    """Where the vans are; the earliest day where they are far apart."""
    return min((today(van, now_ms) for van in vehicles(conn)), default=today(None, now_ms))


def plan_again(
    database: Database, numbers: Sequence[int], day: str, *, who: str, now_ms: int, why: str = ""
) -> dict[int, str]:
    """Let these shipments wait for a van on another day: new stops, by shipment, with what was not handed over.

    A window moves to that day, by the clock on the wall.

    Args:
        database: the hub's.
        numbers: of shipments that were tried in vain, whose stop was cancelled before anybody was there, or was left over on an
            earlier day.
        day: ISO 8601 date.
        who: decides.
        now_ms: the hub's clock.
        why: for the audit trail.

    Raises:
        Refused: it is no day, or a shipment of which nothing is to be done again; nothing is changed.
    """
    wanted = read_day(day)
    with database.write() as tx:
        views = find_shipments(tx, numbers)
        if missing := [number for number in numbers if number not in views]:
            raise Refused(Said("there is no shipment {n}", n=missing[0]))
        found = {one.shipment.id: one for one in _undone(tx, views.values(), now_ms)}
        stops = find_stops(tx, (view.stop for view in views.values() if view.stop))
        never_met = {
            view.id: stops[view.stop]
            for view in views.values()
            if view.stop and stops[view.stop].cancelled_ms is not None and view.id not in found
        }
        tried = outcomes_of(tx, (stop.stop for stop in never_met.values()))
        never_met = {number: stop for number, stop in never_met.items() if not tried[stop.stop].visited}
        for view in views.values():
            _refuse(view, found, never_met, day)
        zones = _zones(tx, stops.values())
        due = [
            _moved(one, found[one.id].left if one.id in found else None, wanted, zones[one.stop])
            for one in views.values()
        ]
        given = {number: _given_by_now(tx, number, one) for number, one in found.items()}
        left_over = {number: one.stop for number, one in found.items() if one.outcome.status is StopStatus.OPEN}
        for some in chunks(sorted(views)):
            mine = (_rs.shipment.in_(some), _rs.latest.is_(True))
            # Nobody was there, so it was no attempt.
            tx.execute(delete(route_shipment).where(*mine, _rs.shipment.in_(sorted({*never_met, *left_over}))))
            tx.execute(update(route_shipment).where(*mine).values(latest=False))
        leave(tx, {stop.stop for stop in left_over.values()}, now_ms)
        merged = merge(due)
        made = dict(zip(add_stops(tx, merged, day, given), merged, strict=True))
        for view in views.values():
            name, before = view.order.reference, stops[view.stop].day
            audit(tx, at_ms=now_ms, who=who, action="shipment.again", subject=name, old=before, new=day, why=why)
        return {one.id: key for key, several in made.items() for one in several.shipments}


def _refuse(view: ShipmentView, found: Mapping[int, Undone], never_met: Mapping[int, StopView], day: str) -> None:
    name = view.order.reference
    if view.cancelled_ms is not None:
        raise Refused(Said("{name} is cancelled; its shipper sends it anew under the same reference", name=name))
    if view.withheld:
        raise Refused(Said("{name}: its consignee is withheld, its time is over; its shipper sends it anew", name=name))
    if not view.stop:
        raise Refused(Said("{name} waits for its first plan already", name=name))
    if view.id not in found and view.id not in never_met:
        raise Refused(
            Said(
                "{name}: nobody was there in vain; what is open is planned with its route, or cancelled first",
                name=name,
            )
        )
    tried = found[view.id].stop.day if view.id in found else ""
    if day < tried:
        raise Refused(
            Said(
                "{name} was tried on {tried}; it cannot be planned again for {day}, which is before",
                name=name,
                tried=tried,
                day=day,
            )
        )


def _zones(tx: Connection, stops: Iterable[StopView]) -> dict[str, ZoneInfo]:
    """The time zone of each stop's van; UTC where no van took it."""
    several = list(stops)
    named = {van.id: van.zone for van in vehicles(tx, retired=True)}
    rows = tx.execute(select(_r.id, _r.vehicle).where(_r.id.in_({stop.route for stop in several})))
    van_of: dict[str, str] = {row.id: row.vehicle for row in rows}
    return {stop.stop: zone_of(named.get(van_of.get(stop.route, ""), "UTC")) for stop in several}


def _moved(view: ShipmentView, left: tuple[Item, ...] | None, day: date, zone: ZoneInfo) -> ShipmentView:
    order = view.order
    if left is not None:
        order = structs.replace(order, items=left)
    if order.window_from_ms is not None and order.window_to_ms is not None:
        opens = datetime.fromtimestamp(order.window_from_ms / 1000, zone)
        closes = datetime.fromtimestamp(order.window_to_ms / 1000, zone)
        by = day - opens.date()
        # Sums of local times keep what the clock on the wall says.
        order = structs.replace(order, window_from_ms=epoch_ms(opens + by), window_to_ms=epoch_ms(closes + by))
    return structs.replace(view, order=order)


def _given_by_now(tx: Connection, number: int, one: Undone) -> str:
    before = tx.execute(select(_rs.given).where(_rs.shipment == number, _rs.latest.is_(True))).scalar_one()
    left = {item.parcel for item in one.left}
    now = {item.parcel for item in one.shipment.order.items if item.parcel not in left}
    return msgspec.json.encode(sorted(given_before(before) | now)).decode()


class Attempt(Struct, frozen=True):
    """One stop that was made for a shipment, and what came of it."""

    number: int
    stop: StopView
    outcome: StopOutcome
    given_before: frozenset[str]


def attempts_of(conn: Connection, number: int) -> list[Attempt]:
    """All stops of a shipment, in order."""
    query = select(_rs.attempt, _rs.stop, _rs.given).where(_rs.shipment == number).order_by(_rs.attempt)
    rows = conn.execute(query).all()
    stops = find_stops(conn, (row.stop for row in rows))
    outcomes = outcomes_of(conn, stops, cancelled_of(stops.values()))
    return [Attempt(row.attempt, stops[row.stop], outcomes[row.stop], given_before(row.given)) for row in rows]


def visits_of(conn: Connection, parcel: str) -> list[Attempt]:
    """The stops where a parcel is, or was, to be handed over, in order; none where no shipment has it."""
    number = conn.execute(select(_p.shipment).where(_p.parcel == parcel)).scalar()
    return [] if number is None else [one for one in attempts_of(conn, number) if parcel not in one.given_before]


def earlier_of(conn: Connection, stops: Iterable[StopView]) -> dict[str, list[Attempt]]:
    """By stop that is a further attempt, the ones right before it: several where its shipments were tried apart."""
    again = {stop.stop for stop in stops if stop.attempt > 1}
    before = route_shipment.alias()
    tried = (before.c.shipment == _rs.shipment) & (before.c.attempt == _rs.attempt - 1)
    query = select(_rs.stop, before.c.attempt, before.c.stop.label("earlier"), before.c.given).join(before, tried)
    rows = [row for some in chunks(sorted(again)) for row in conn.execute(query.where(_rs.stop.in_(some)))]
    found = find_stops(conn, (row.earlier for row in rows))
    outcomes = outcomes_of(conn, found, cancelled_of(found.values()))
    told: dict[str, dict[str, Attempt]] = {}
    for row in rows:
        one = Attempt(row.attempt, found[row.earlier], outcomes[row.earlier], given_before(row.given))
        told.setdefault(row.stop, {})[row.earlier] = one
    return {stop: list(several.values()) for stop, several in told.items()}
