"""Keeps orders as shipments: the same reference again changes the shipment, or nothing."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from hub.accounts.audit import audit
from hub.shipments.order import Order, Wrong
from hub.shipments.personal import ORDER_FIELDS, impersonal
from hub.shipments.queries import ShipmentView, find_shipments
from hub.shipments.reading import BadLine, FileRead
from hub.shipments.tables import shipment, shipment_parcel, shipment_task
from hub.timeline import chunks

_s = shipment.c
MAX_AUDITED: Final = 200
"""Changed shipments that get a line each in the audit trail; of more, the line of the file tells the number."""
MAX_DETAIL: Final = 2_000
LOOKED_UP_AT_ONCE: Final = 10_000


class Kept(Struct, frozen=True):
    """What a file came to: references that are new, changed, unchanged, and lines that could not be used.

    Attributes:
        numbers: of the changed shipments; two shippers may use one reference.
    """

    created: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    bad: tuple[BadLine, ...]
    numbers: tuple[int, ...]


def keep_orders(tx: Connection, read: FileRead, *, who: str, now_ms: int, source: str = "") -> Kept:
    """Keep what can be kept of a file, in one transaction with its line in the audit trail.

    Args:
        tx: a write transaction.
        read: the file's orders and bad lines.
        who: sends it.
        now_ms: the hub's clock.
        source: the file's name.
    """
    known = _known(tx, [order for _, order in read.orders])
    before = find_shipments(tx, known.values())
    owners = _owners(tx, [item.parcel for _, order in read.orders for item in order.items])
    bad = list(read.bad)
    fresh: list[Order] = []
    changed: list[tuple[int, Order]] = []
    unchanged: list[str] = []
    for line, order in read.orders:
        number = known.get((order.shipper, order.reference))
        if (wrong := _taken(order, number, owners)) is not None:
            bad.append(BadLine(line, order.reference, (wrong,)))
        elif number is None:
            fresh.append(order)
        elif _says_the_same(before[number], order):
            unchanged.append(order.reference)
        else:
            changed.append((number, order))
    _add(tx, fresh, now_ms)
    _change(tx, changed, now_ms)
    counts = f"{len(fresh)} new, {len(changed)} changed, {len(unchanged)} unchanged, {len(bad)} lines refused"
    audit(tx, at_ms=now_ms, who=who, action="shipments.import", subject=source[:256], new=counts)
    for number, order in changed[:MAX_AUDITED]:
        old, new = _differing(before[number].order, order)
        audit(tx, at_ms=now_ms, who=who, action="shipment.change", subject=order.reference, old=old, new=new)
    bad.sort(key=lambda one: one.line)
    return Kept(
        tuple(order.reference for order in fresh),
        tuple(order.reference for _, order in changed),
        tuple(unchanged),
        tuple(bad),
        tuple(number for number, _ in changed),
    )


def cancel_shipment(tx: Connection, number: int, *, who: str, now_ms: int, why: str) -> None:
    """Nobody is to deliver it any more; the shipper may send it anew under its reference. Twice changes nothing."""
    done = tx.execute(update(shipment).where(_s.id == number, _s.cancelled_ms.is_(None)).values(cancelled_ms=now_ms))
    if done.rowcount:
        reference = tx.execute(select(_s.reference).where(_s.id == number)).scalar_one()
        audit(tx, at_ms=now_ms, who=who, action="shipment.cancel", subject=reference, why=why)


def _says_the_same(known: ShipmentView, order: Order) -> bool:
    """Nothing new: also where it is what was withheld meanwhile, which does not come back that way."""
    same = impersonal(known.order) == impersonal(order) if known.withheld else known.order == order
    return same and known.cancelled_ms is None


def _known(tx: Connection, orders: Sequence[Order]) -> dict[tuple[str, str], int]:
    found = {}
    for some in chunks([order.reference for order in orders], LOOKED_UP_AT_ONCE):
        rows = tx.execute(select(_s.id, _s.shipper, _s.reference).where(_s.reference.in_(some)))
        found.update({(row.shipper, row.reference): row.id for row in rows})
    return found


def _owners(tx: Connection, parcels: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Which shipment has a parcel now; a cancelled one gives it free."""
    p = shipment_parcel.c
    found = {}
    for some in chunks(parcels, LOOKED_UP_AT_ONCE):
        joined = select(p.parcel, _s.id, _s.reference).join(shipment, _s.id == p.shipment)
        found.update({row.parcel: (row.id, row.reference) for row in tx.execute(joined.where(p.parcel.in_(some)))})
    return found


def _taken(order: Order, number: int | None, owners: dict[str, tuple[int, str]]) -> Wrong | None:
    for item in order.items:
        owner = owners.get(item.parcel)
        if owner is not None and owner[0] != number:
            return Wrong("parcels", item.code, f"a parcel of no other shipment; {owner[1]!r} has it")
    return None


def _add(tx: Connection, orders: Sequence[Order], now_ms: int) -> None:
    first = (tx.execute(select(func.max(_s.id))).scalar() or 0) + 1
    numbered = list(enumerate(orders, start=first))
    if numbered:
        rows = [{"id": n, **_row(order, now_ms), "created_ms": now_ms} for n, order in numbered]
        tx.execute(insert(shipment), rows)
        _add_contents(tx, numbered)


def _change(tx: Connection, numbered: Sequence[tuple[int, Order]], now_ms: int) -> None:
    for table, column in ((shipment_parcel, shipment_parcel.c.shipment), (shipment_task, shipment_task.c.shipment)):
        for some in chunks([number for number, _ in numbered], LOOKED_UP_AT_ONCE):
            tx.execute(delete(table).where(column.in_(some)))
    rows = [{"number": number, **{f"new_{n}": v for n, v in _row(order, now_ms).items()}} for number, order in numbered]
    if rows:
        values: dict[str, Any] = {n.removeprefix("new_"): bindparam(n) for n in rows[0] if n != "number"}
        # All at once: one after the other, a large file would hold up what devices say for a minute.
        tx.execute(update(shipment).where(_s.id == bindparam("number")).values(values), rows)
    _add_contents(tx, numbered)


def _add_contents(tx: Connection, numbered: Iterable[tuple[int, Order]]) -> None:
    rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, order in numbered:
        for n, item in enumerate(order.items):
            row = {"parcel": item.parcel, "shipment": number, "n": n, "code": item.code, "what": item.what}
            rows["parcels"].append(row)
        for n, task in enumerate(order.tasks):
            row = {"shipment": number, "n": n, "kind": task.kind.value, "what": task.what, "parcel": task.parcel}
            rows["tasks"].append(row)
    if rows["parcels"]:
        tx.execute(insert(shipment_parcel), rows["parcels"])
    if rows["tasks"]:
        tx.execute(insert(shipment_task), rows["tasks"])


def _row(order: Order, now_ms: int) -> dict[str, Any]:
    told = {name: getattr(order, name) for name in order.__struct_fields__ if name not in {"items", "tasks"}}
    checks = " ".join(check.value for check in order.checks)
    words = {"kind": order.kind.value, "service": order.service.value, "checks": checks}
    return {**told, **words, "changed_ms": now_ms, "cancelled_ms": None, "withheld": ""}


def _differing(old: Order, new: Order) -> tuple[str, str]:
    """What was and what is. The audit trail is for ever, so of people it tells only that something changed."""
    changed = [name for name in new.__struct_fields__ if getattr(old, name) != getattr(new, name)]
    names = [name for name in changed if name not in ORDER_FIELDS]
    before, after = ({name: getattr(order, name) for name in names} for order in (old, new))
    if personal := [name for name in changed if name in ORDER_FIELDS]:
        after["personal"] = personal
    told = [msgspec.json.encode(one).decode()[:MAX_DETAIL] for one in (before, after)]
    return told[0], told[1]
