"""What the ledger, the latest hellos and what came since say about devices. Read-only, typed, bounded."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, tuple_

from contract.event import Lane
from hub.ahead import Ahead
from hub.archive.redaction import Personal
from hub.archive.store import whole
from hub.fleet.freshness import SILENT_AFTER_MS, is_silent
from hub.fleet.projection import BLOB_REFUSED
from hub.fleet.tables import device_report
from hub.tables import branch, claim, device, device_contact, fact, gap, incident, position, quarantine, stream


@dataclass(frozen=True, slots=True)
class Contact:
    """What a device told in its latest hello."""

    at_ms: int
    version: str
    incarnation: bytes
    clock_offset_ms: int
    backlog_facts: int
    backlog_blobs: int
    oldest_at_ms: int | None
    room_bytes: int
    room_s: int | None


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device as listed."""

    id: str
    place: str
    enrolled_ms: int
    revoked_ms: int | None
    heard_ms: int | None
    """When an authentic message of it came last."""
    contact: Contact | None
    incidents: int


@dataclass(frozen=True, slots=True)
class MissingRange:
    """Positions that the hub does not have: on their way when there is no cause, gone for ever when there is one."""

    first_n: int
    last_n: int
    cause: str | None


@dataclass(frozen=True, slots=True)
class LaneRow:
    """How far the hub has come with one lane of one incarnation."""

    incarnation: bytes
    lane: Lane
    committed_n: int
    announced_n: int
    branches: int
    missing: tuple[MissingRange, ...]


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """What an operator must know about keeping and delivering."""

    key: str
    kind: str
    device: str
    detail: str
    first_ms: int
    last_ms: int
    count: int
    closed_ms: int | None
    closed_by: str


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """What could not be read or used, and waits for a person."""

    id: int
    kind: str
    device: str
    fact_id: bytes | None
    why: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A fact as the ledger has it."""

    seq: int
    fact_id: bytes
    device: str
    incarnation: bytes | None
    lane: str | None
    n: int | None
    branch: int | None
    chain_hash: bytes | None
    core: bytes | None
    cause: str | None
    problem: str | None
    received_ms: int
    withheld: tuple[Personal, ...] = ()
    """Fields that are empty in `core`, and were not in what the device stated."""


@dataclass(frozen=True, slots=True)
class RollCall:
    """Which devices in use are in contact, both by their ids."""

    silent: tuple[str, ...]
    heard: tuple[str, ...]
    next_silent_ms: int | None
    """When the first of those in contact counts as silent, unless it is heard before; None where there are none."""


@dataclass(frozen=True, slots=True)
class FleetTotals:
    """The fleet in figures."""

    devices: int
    silent: int
    open_incidents: int
    held: int


_open = incident.c.closed_ms.is_(None)
_active = device.c.revoked_ms.is_(None)


def _contact_of(row: object) -> Contact | None:
    at_ms = getattr(row, "contact_ms", None)
    if at_ms is None:
        return None
    return Contact(
        at_ms,
        *(
            getattr(row, name)
            for name in ("version", "incarnation", "clock_offset_ms", "backlog_facts", "backlog_blobs")
        ),
        *(getattr(row, name) for name in ("oldest_at_ms", "room_bytes", "room_s")),
    )


def _select_devices(reader: Connection, ahead: Ahead, *where: ColumnElement[bool], limit: int) -> list[DeviceRow]:
    counted = (
        select(incident.c.device, func.count().label("incidents")).where(_open).group_by(incident.c.device).subquery()
    )
    rows = reader.execute(
        select(
            device.c.id,
            device.c.place,
            device.c.enrolled_ms,
            device.c.revoked_ms,
            *(column for column in device_contact.c if column.name != "device"),
            func.coalesce(counted.c.incidents, 0).label("incidents"),
        )
        .outerjoin(device_contact, device_contact.c.device == device.c.id)
        .outerjoin(counted, counted.c.device == device.c.id)
        .where(*where)
        .order_by(device.c.id)
        .limit(limit)
    )
    return [
        DeviceRow(
            row.id,
            row.place,
            row.enrolled_ms,
            row.revoked_ms,
            ahead.contact_ms(row.id, row.contact_ms),
            _contact_of(row),
            row.incidents,
        )
        for row in rows
    ]


def _named(q: str) -> ColumnElement[bool]:
    return or_(device.c.id.contains(q, autoescape=True), device.c.place.contains(q, autoescape=True))


def list_devices(reader: Connection, ahead: Ahead, *, after: str = "", q: str = "", limit: int) -> list[DeviceRow]:
    """Devices in order of their ids, from the one behind `after`; `q` is a part of the id or place."""
    return _select_devices(reader, ahead, device.c.id > after, _named(q), limit=limit)


def roll_call(reader: Connection, ahead: Ahead, now_ms: int, *, q: str = "") -> RollCall:
    """Devices in use by whether they are in contact; `q` is a part of the id or place."""
    joined = device.outerjoin(device_contact, device_contact.c.device == device.c.id)
    told = select(device.c.id, device_contact.c.contact_ms).select_from(joined).where(_active, _named(q))
    silent: list[str] = []
    heard: list[str] = []
    oldest_ms: int | None = None
    for name, kept_ms in reader.execute(told.order_by(device.c.id)):
        contact_ms = ahead.contact_ms(name, kept_ms)
        if contact_ms is None or is_silent(contact_ms, now_ms):
            silent.append(name)
        else:
            heard.append(name)
            oldest_ms = contact_ms if oldest_ms is None else min(oldest_ms, contact_ms)
    return RollCall(tuple(silent), tuple(heard), None if oldest_ms is None else oldest_ms + SILENT_AFTER_MS + 1)


def devices_by_id(reader: Connection, ahead: Ahead, ids: Sequence[str]) -> list[DeviceRow]:
    """These devices in this order, where they exist."""
    found = {row.id: row for row in _select_devices(reader, ahead, device.c.id.in_(ids), limit=len(ids))}
    return [found[name] for name in ids if name in found]


def find_device(reader: Connection, ahead: Ahead, name: str) -> DeviceRow | None:
    """One device."""
    return next(iter(devices_by_id(reader, ahead, [name])), None)


def fleet_totals(reader: Connection, roll: RollCall) -> FleetTotals:
    """Counts for the head of pages; `roll` is that of all devices."""
    return FleetTotals(
        devices=len(roll.silent) + len(roll.heard),
        silent=len(roll.silent),
        open_incidents=reader.scalar(select(func.count()).select_from(incident).where(_open)) or 0,
        held=reader.scalar(select(func.count()).select_from(quarantine).where(quarantine.c.state == "held")) or 0,
    )


def lanes_of(reader: Connection, name: str) -> list[LaneRow]:
    """How far the hub has come with each stream of a device, newest incarnation as announced last."""
    streams = reader.execute(
        select(
            stream.c.id,
            stream.c.incarnation,
            stream.c.lane,
            func.coalesce(func.max(branch.c.n), 0).label("committed_n"),
            func.count(branch.c.branch.distinct()).label("branches"),
            func.coalesce(func.max(claim.c.head_n), 0).label("announced_n"),
        )
        .outerjoin(branch, branch.c.stream_id == stream.c.id)
        .outerjoin(claim, claim.c.stream_id == stream.c.id)
        .where(stream.c.device == name)
        .group_by(stream.c.id, stream.c.incarnation, stream.c.lane)
        .order_by(stream.c.id)
    ).all()
    gone: defaultdict[int, list[MissingRange]] = defaultdict(list)
    for row in reader.execute(
        select(gap).where(gap.c.stream_id.in_([s.id for s in streams])).order_by(gap.c.stream_id, gap.c.first_n)
    ):
        gone[row.stream_id].append(MissingRange(row.first_n, row.last_n, row.cause))
    lanes = []
    for row in streams:
        missing = gone[row.id]
        if row.announced_n > row.committed_n:
            missing.append(MissingRange(row.committed_n + 1, row.announced_n, None))
        lanes.append(
            LaneRow(
                row.incarnation,
                Lane(row.lane),
                row.committed_n,
                max(row.announced_n, row.committed_n),
                row.branches,
                tuple(missing),
            )
        )
    return lanes


def refused_attachments(reader: Connection, devices: Collection[str], digests: Collection[bytes]) -> dict[bytes, str]:
    """Which of these attachments their devices will not send, by SHA-256 with the device's word for why."""
    r = device_report.c
    names = [digest.hex() for digest in digests]
    told = select(r.name, r.detail).where(r.device.in_(devices), r.kind == BLOB_REFUSED, r.name.in_(names))
    return {bytes.fromhex(row.name): row.detail for row in reader.execute(told)}


def list_incidents(
    reader: Connection,
    *,
    device_id: str = "",
    kind: str = "",
    also_closed: bool = False,
    before: tuple[int, str] | None = None,
    limit: int,
) -> list[IncidentRow]:
    """Incidents, the one that happened last first; `before` is the (last_ms, key) of the last one already seen."""
    where: list[ColumnElement[bool]] = []
    if device_id:
        where.append(incident.c.device == device_id)
    if kind:
        where.append(incident.c.kind == kind)
    if not also_closed:
        where.append(_open)
    if before is not None:
        where.append(tuple_(incident.c.last_ms, incident.c.key) < before)
    columns = [incident.c[name] for name in IncidentRow.__slots__]
    rows = reader.execute(
        select(*columns).where(*where).order_by(incident.c.last_ms.desc(), incident.c.key.desc()).limit(limit)
    )
    return [IncidentRow(*row) for row in rows]


def incidents_by_key(reader: Connection, keys: Sequence[str]) -> list[IncidentRow]:
    """These incidents, where they exist."""
    columns = [incident.c[name] for name in IncidentRow.__slots__]
    return [IncidentRow(*row) for row in reader.execute(select(*columns).where(incident.c.key.in_(keys)))]


def list_quarantine(reader: Connection, *, after: int = 0, limit: int) -> list[QuarantineRow]:
    """What is held, oldest first."""
    columns = [quarantine.c[name] for name in QuarantineRow.__slots__]
    rows = reader.execute(
        select(*columns)
        .where(quarantine.c.state == "held", quarantine.c.id > after)
        .order_by(quarantine.c.id)
        .limit(limit)
    )
    return [QuarantineRow(*row) for row in rows]


def list_facts(
    reader: Connection, *, after: int, device_id: str = "", lane: Lane | None = None, limit: int
) -> list[LedgerRow]:
    """The ledger in the hub's own order behind `after`."""
    where = [fact.c.seq > after]
    if device_id:
        where.append(fact.c.device == device_id)
    if lane is not None:
        where.append(stream.c.lane == lane.value)
    placed = and_(
        position.c.stream_id == fact.c.stream_id, position.c.n == fact.c.n, position.c.branch == fact.c.branch
    )
    rows = reader.execute(
        select(
            fact.c.seq,
            fact.c.fact_id,
            fact.c.device,
            stream.c.incarnation,
            stream.c.lane,
            fact.c.n,
            fact.c.branch,
            position.c.hash.label("chain_hash"),
            fact.c.core,
            fact.c.cause,
            fact.c.problem,
            fact.c.received_ms,
        )
        .outerjoin(stream, stream.c.id == fact.c.stream_id)
        .outerjoin(position, placed)
        .where(*where)
        .order_by(fact.c.seq)
        .limit(limit)
    )
    return [_with_content(reader, LedgerRow(**row)) for row in rows.mappings()]


def _with_content(reader: Connection, row: LedgerRow) -> LedgerRow:
    if row.core is None:
        return row
    content = whole(reader, row.core, row.fact_id)
    return replace(row, core=content.core, withheld=content.withheld)
