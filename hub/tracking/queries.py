"""What pages and the interface read about parcels."""

import base64
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from msgspec import DecodeError, Meta, Struct, msgpack
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, or_, select

from contract.identity import identify
from contract.limits import MAX_CODE_BYTES
from hub.archive.redaction import Personal, fields_in
from hub.routes.tables import route_shipment, route_stop
from hub.shipments.tables import shipment_parcel
from hub.tables import device_contact
from hub.timeline import TimeSource
from hub.tracking.custody import CustodyEvent, ParcelState, ParcelStatus, fold_parcel, in_order
from hub.tracking.projection import custody_of
from hub.tracking.rescans import rescans
from hub.tracking.stated import search_text
from hub.tracking.tables import custody_correction, custody_event, parcel_term
from hub.tracking.tables import parcel as parcel_table
from hub.tracking.typed import as_scanned
from hub.tracking.undoing import undoing

MAX_PAGE: Final = 500
LAST_CHARACTER: Final = "\U0010ffff"
"""Sorts behind all that a term can hold, so a prefix is a range of the index."""

_row = parcel_table.c
_AS_STORED: Final = (
    "kind",
    "step",
    "step_device",
    "step_actor",
    "step_place",
    "seen_device",
    "seen_place",
    "contact_ms",
    "known_ms",
    "lat_e7",
    "lon_e7",
    "verdict",
    "cold_verdict",
    "cold_budget_s",
    "recipient",
    "events",
    "corrections",
    "after_delivery",
)


class When(Struct, frozen=True):
    """When something happened, when the hub knew, and how sure the first is (`uncertainty_ms` None: nothing bounds it)."""

    at_ms: int
    known_ms: int
    source: TimeSource
    uncertainty_ms: int | None


class ParcelFilters(Struct, frozen=True):
    """Which parcels; empty means any. `since_ms`: the hub learnt something about it then or later."""

    q: str = ""
    status: ParcelStatus | None = None
    step: str = ""
    place: str = ""
    route: str = ""
    since_ms: int | None = None


class ParcelView(Struct, frozen=True):
    """A parcel as it is now.

    Attributes:
        step: the deed that holds now, empty where none does; `stepped` and `step_*` belong to it.
        seen: its latest event of any kind, counts included; `seen_*` and the position belong to it.
        contact_ms: last contact of the device that saw it last; None where it never said hello.
        route: on which it is planned, and `stop` where; of several attempts the latest. Empty where it is planned on none.
        withheld: which of recipient and position (`fix`) were told once and are withheld now.
        after_delivery: events later than the delivery that could not undo it.
    """

    key: str
    kind: str
    step: str
    status: ParcelStatus
    stepped: When | None
    step_device: str
    step_actor: str
    step_place: str
    seen: When
    seen_device: str
    seen_place: str
    contact_ms: int | None
    known_ms: int
    lat_e7: int | None
    lon_e7: int | None
    verdict: str
    cold_verdict: str
    cold_budget_s: int | None
    route: str
    stop: str
    recipient: str
    withheld: tuple[Personal, ...]
    events: int
    corrections: int
    after_delivery: int


class ParcelPage(Struct, frozen=True):
    """Latest seen first."""

    items: tuple[ParcelView, ...]
    next_cursor: str | None


class EventView(Struct, frozen=True):
    """One link of the chain of custody.

    Attributes:
        kind: `scan`, `proof` or `correction`.
        step: what it did; of a correction, what holds instead (may be empty).
        raw_at_ms: what the device's clock said.
        code: what the scanner sent, byte for byte; show it with `contract.identity.display`.
        rescan_of: identity of the scan right before it, which it only repeats (`hub.tracking.rescans`); None where it does not.
        corrected_by: identity of the correction because of which it no longer counts.
        ignored: later than a delivery that it could not undo.
        withheld: which fields were told once and are withheld now.
        targets: the events that a correction corrects.
    """

    fact_id: bytes
    kind: str
    step: str
    happened: When
    raw_at_ms: int
    mono_ms: int
    clock: str
    boot: bytes
    device: str
    incarnation: bytes
    ord: int
    actor: str
    place: str
    lat_e7: int | None
    lon_e7: int | None
    accuracy_m: int | None
    verdict: str
    cold_verdict: str
    cold_budget_s: int | None
    code: bytes | None
    aim: str
    code_kind: str
    port: str
    reason: str
    recipient: str
    withheld: tuple[Personal, ...]
    rescan_of: bytes | None
    corrected_by: bytes | None
    ignored: bool
    targets: tuple[bytes, ...]


class BadCursor(ValueError):
    """A cursor that no page gave."""


KeptInt = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What a database can compare with; a cursor may come from anybody."""


class _Cursor(Struct, frozen=True, array_like=True):
    seen_ms: KeptInt
    key: str


def _write_cursor(view: ParcelView) -> str:
    return base64.urlsafe_b64encode(msgpack.encode(_Cursor(view.seen.at_ms, view.key))).decode().rstrip("=")


def _read_cursor(text: str) -> _Cursor:
    try:
        return msgpack.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Cursor)
    except (ValueError, DecodeError) as error:
        raise BadCursor(f"expected the next_cursor of a page before, got {text!r}") from error


_latest: Final = and_(route_shipment.c.shipment == shipment_parcel.c.shipment, route_shipment.c.latest.is_(True))
_contacted: Final = (
    select(parcel_table, device_contact.c.contact_ms, route_stop.c.route, route_stop.c.stop)
    .outerjoin(device_contact, device_contact.c.device == _row.seen_device)
    .outerjoin(shipment_parcel, shipment_parcel.c.parcel == _row.parcel)
    .outerjoin(route_shipment, _latest)
    .outerjoin(route_stop, route_stop.c.stop == route_shipment.c.stop)
)
_planned: Final = (
    select(shipment_parcel.c.parcel)
    .join(route_shipment, _latest)
    .join(route_stop, route_stop.c.stop == route_shipment.c.stop)
)


def parcels_page(conn: Connection, filters: ParcelFilters, cursor: str | None = None, limit: int = 100) -> ParcelPage:
    """One page of parcels, latest seen first.

    Raises:
        BadCursor: the cursor is not one that this function gave.
    """
    query = _contacted.where(*_wanted(conn, filters)).order_by(_row.seen_ms.desc(), _row.parcel)
    if cursor:
        after = _read_cursor(cursor)
        query = query.where(
            or_(_row.seen_ms < after.seen_ms, and_(_row.seen_ms == after.seen_ms, _row.parcel > after.key))
        )
    size = max(1, min(limit, MAX_PAGE))
    views = tuple(_view(row) for row in conn.execute(query.limit(size + 1)).mappings())
    more = len(views) > size
    return ParcelPage(views[:size], _write_cursor(views[size - 1]) if more else None)


def _wanted(conn: Connection, filters: ParcelFilters) -> Iterator[ColumnElement[bool]]:
    if filters.status is not None:
        yield _row.status == filters.status.value
    for column, text in ((_row.step, filters.step), (_row.seen_place, filters.place)):
        if text:
            yield column == text
    if filters.route:
        # By the few parcels of a route, not by the route of each parcel.
        yield _row.parcel.in_(_planned.where(route_stop.c.route == filters.route))
    if filters.since_ms is not None:
        yield _row.known_ms >= filters.since_ms
    if filters.q.strip():
        yield _row.parcel.in_(select(parcel_term.c.parcel).where(_found_by(conn, filters.q)))


def _found_by(conn: Connection, q: str) -> ColumnElement[bool]:
    """Terms that begin with what was typed or with the key that it means; only where none does, terms that hold it."""
    typed = as_scanned(q).encode("utf-8", "replace")[:MAX_CODE_BYTES]
    starts = {search_text(typed.decode("utf-8", "replace").strip()), search_text(identify(typed).key)}
    term = parcel_term.c.term
    begins = or_(*(and_(term >= start, term < start + LAST_CHARACTER) for start in sorted(starts) if start))
    if conn.scalar(select(term).where(begins).limit(1)) is not None:
        return begins
    return or_(*(term.contains(start, autoescape=True) for start in sorted(starts) if start))


def _when(row: RowMapping, prefix: str) -> When:
    source = TimeSource(row[f"{prefix}_source"])
    return When(row[f"{prefix}_ms"], row[f"{prefix}_known_ms"], source, row[f"{prefix}_uncertainty_ms"])


def _view(row: RowMapping) -> ParcelView:
    return ParcelView(
        key=row["parcel"],
        status=ParcelStatus(row["status"]),
        stepped=_when(row, "step") if row["step"] else None,
        seen=_when(row, "seen"),
        withheld=fields_in(row["withheld"]),
        route=row["route"] or "",
        stop=row["stop"] or "",
        **{name: row[name] for name in _AS_STORED},
    )


def parcel(conn: Connection, key: str) -> ParcelView | None:
    """One parcel by its key."""
    row = conn.execute(_contacted.where(_row.parcel == key)).mappings().first() if _can_be_stored(key) else None
    return None if row is None else _view(row)


def _can_be_stored(key: str) -> bool:
    """A URL can hold what no label can: half of a surrogate pair, NUL."""
    return "\0" not in key and key.encode("utf-8", "ignore").decode() == key


def parcel_events(conn: Connection, key: str) -> tuple[EventView, ...]:
    """The whole chain of custody in order; empty for a parcel that is not known."""
    if not _can_be_stored(key):
        return ()
    events = custody_of(conn, [key]).get(key, [])
    if not events:
        return ()
    state = fold_parcel(events)
    ordered = sorted(events, key=in_order)
    repeats = rescans(ordered)
    stored = {row["fact_id"]: row for row in _stored_events(conn, key)}
    return tuple(_event_view(event, stored[event.fact_id], state, repeats.get(event.fact_id)) for event in ordered)


def _stored_events(conn: Connection, key: str) -> Iterator[Mapping[str, Any]]:
    event, correction = custody_event.c, custody_correction.c
    for row in conn.execute(select(custody_event).where(event.parcel == key)).mappings():
        yield {**row}
    targets = select(event.fact_id).where(event.parcel == key)
    rows = conn.execute(select(custody_correction).where(correction.target.in_(targets))).all()
    for corrected in (*rows, *undoing(conn, {row.fact_id for row in rows})):
        yield {**corrected._asdict(), "reason": corrected.why}


def _event_view(event: CustodyEvent, row: Mapping[str, Any], state: ParcelState, rescan_of: bytes | None) -> EventView:
    return EventView(
        fact_id=event.fact_id,
        kind=event.kind.value,
        step=event.deed.value if event.deed else "",
        happened=When(event.happened_ms, event.known_ms, event.time_source, event.uncertainty_ms),
        raw_at_ms=row["at_ms"],
        mono_ms=row["mono_ms"],
        clock=row["clock"],
        boot=row["boot"],
        device=event.device,
        incarnation=event.incarnation,
        ord=event.ord,
        actor=event.actor,
        place=event.place,
        lat_e7=event.lat_e7,
        lon_e7=event.lon_e7,
        accuracy_m=row.get("accuracy_m"),
        verdict=event.verdict,
        cold_verdict=event.cold_verdict,
        cold_budget_s=event.cold_budget_s,
        code=row.get("code"),
        aim=row.get("aim", ""),
        code_kind=event.code_kind,
        port=row.get("port", ""),
        reason=row["reason"],
        recipient=event.recipient,
        withheld=event.withheld,
        rescan_of=rescan_of,
        corrected_by=state.corrected.get(event.fact_id),
        ignored=event.fact_id in state.ignored,
        targets=event.targets,
    )


def parcel_counts(conn: Connection) -> Mapping[ParcelStatus, int]:
    """How many parcels are in each status; all statuses are there."""
    rows = conn.execute(select(_row.status, func.count()).group_by(_row.status))
    return dict.fromkeys(ParcelStatus, 0) | {ParcelStatus(status): count for status, count in rows}
