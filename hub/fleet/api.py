"""Devices, the ledger itself, and what is wrong, for programs."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from contract.delivery.hub_actions import IncidentKind
from contract.event import Lane
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.archive.redaction import Personal
from hub.context import Hub, Reader
from hub.fleet.decoded import readable
from hub.fleet.freshness import is_silent
from hub.fleet.queries import (
    DeviceRow,
    IncidentRow,
    LaneRow,
    LedgerRow,
    QuarantineRow,
    find_device,
    lanes_of,
    list_devices,
    list_facts,
    list_incidents,
    list_quarantine,
)
from hub.problems import PROBLEM_RESPONSES, BadRequest, NotFound
from hub.web.times import utc

router = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, dependencies=[Depends(require(Role.VIEWER))])

Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many items.")]
DeviceName = Annotated[str, Query(max_length=64, description="Only this device.")]
MAX_MS_DIGITS: Final = 15
"""Of the last instant of the year 9999 in epoch ms; a database compares no number of any length."""
Cursor = Annotated[str, Query(max_length=1024, description="`next_cursor` of the page before.")]


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


class Backlog(BaseModel):
    """What waits on the device, as it announced in its last hello."""

    facts: int
    attachments: int
    oldest_at: datetime | None = Field(description="When the oldest waiting fact happened.")
    room_bytes: int
    room_s: int | None = Field(description="Seconds until its storage is full at the present rate.")


class Missing(BaseModel):
    """Positions that the hub does not have."""

    first: int
    last: int
    cause: str | None = Field(description="Why they can never come; null while they are only on their way.")


class LaneState(BaseModel):
    """One ordered stream of the device."""

    lane: Lane
    incarnation: str = Field(description="Hex; a device begins a new one when its storage was lost or set back.")
    committed: int = Field(description="Last position committed at the hub.")
    announced: int = Field(description="Last position that the device said it has recorded.")
    branches: int = Field(description="More than one after a clone or a restored device.")
    missing: list[Missing]

    @classmethod
    def of(cls, row: LaneRow) -> Self:
        """From the ledger."""
        return cls(
            lane=row.lane,
            incarnation=row.incarnation.hex(),
            committed=row.committed_n,
            announced=row.announced_n,
            branches=row.branches,
            missing=[Missing(first=m.first_n, last=m.last_n, cause=m.cause) for m in row.missing],
        )


class DeviceSummary(BaseModel):
    """A device with the freshness of what is known of it."""

    id: str
    place: str
    enrolled_at: datetime
    revoked_at: datetime | None
    last_contact: datetime | None = Field(description="When any authentic message of it came last.")
    silent: bool = Field(description="No contact for longer than the schedule of hellos allows.")
    clock_offset_ms: int | None = Field(description="The device's clock minus the hub's.")
    version: str | None
    incarnation: str | None
    backlog: Backlog | None
    open_incidents: int

    @classmethod
    def of(cls, row: DeviceRow, now_ms: int) -> dict[str, Any]:
        """The fields, from the ledger."""
        contact = row.contact
        return {
            "id": row.id,
            "place": row.place,
            "enrolled_at": utc(row.enrolled_ms),
            "revoked_at": utc(row.revoked_ms),
            "last_contact": utc(row.heard_ms),
            "silent": is_silent(row.heard_ms, now_ms),
            "clock_offset_ms": contact and contact.clock_offset_ms,
            "version": contact and contact.version,
            "incarnation": contact and contact.incarnation.hex(),
            "backlog": contact
            and {
                "facts": contact.backlog_facts,
                "attachments": contact.backlog_blobs,
                "oldest_at": utc(contact.oldest_at_ms),
                "room_bytes": contact.room_bytes,
                "room_s": contact.room_s,
            },
            "open_incidents": row.incidents,
        }


class DeviceDetail(DeviceSummary):
    """A device with its lanes."""

    lanes: list[LaneState]


class DevicePage(BaseModel):
    """Some devices in order of their ids."""

    items: list[DeviceSummary]
    next_cursor: str | None


class FactItem(BaseModel):
    """A fact as it stands in the ledger."""

    seq: int = Field(description="The hub's own order; pass it as `after`.")
    id: str = Field(description="Identity of the fact: SHA-256 over its core, hex.")
    device: str
    incarnation: str | None = Field(description="Hex; null for a fact that came outside any stream.")
    lane: str | None
    position: int | None
    branch: int | None
    chain_hash: str | None = Field(description="Hash that names the stream up to this position, hex.")
    received_at: datetime
    cause: str | None = Field(description="Why there is no content; null when there is.")
    problem: str | None = Field(description="Why the content cannot be used; null when it can.")
    fact: dict[str, Any] | None = Field(description="The content by the names of its fields; bytes are hex.")
    withheld: list[Personal] = Field(description="Fields that are empty in `fact` because their time is over.")
    core: str | None = Field(description="The exact bytes of the fact, hex; null where something is withheld.")

    @classmethod
    def of(cls, row: LedgerRow) -> Self:
        """From the ledger."""
        return cls(
            seq=row.seq,
            id=row.fact_id.hex(),
            device=row.device,
            incarnation=_hex(row.incarnation),
            lane=row.lane,
            position=row.n,
            branch=row.branch,
            chain_hash=_hex(row.chain_hash),
            received_at=utc(row.received_ms),
            cause=row.cause,
            problem=row.problem,
            fact=readable(row.core) if row.core else None,
            withheld=list(row.withheld),
            core=None if row.withheld else _hex(row.core),
        )


class FactPage(BaseModel):
    """A stretch of the ledger."""

    items: list[FactItem]
    next_cursor: str | None = Field(description="The `after` of the next stretch; null at the end.")


class IncidentItem(BaseModel):
    """What an operator must know about keeping and delivering."""

    key: str
    kind: str
    device: str
    detail: str
    first_at: datetime
    last_at: datetime
    count: int
    closed_at: datetime | None

    @classmethod
    def of(cls, row: IncidentRow) -> Self:
        """From its table."""
        return cls(
            key=row.key,
            kind=row.kind,
            device=row.device,
            detail=row.detail,
            first_at=utc(row.first_ms),
            last_at=utc(row.last_ms),
            count=row.count,
            closed_at=utc(row.closed_ms),
        )


class IncidentPage(BaseModel):
    """Some incidents, the latest first."""

    items: list[IncidentItem]
    next_cursor: str | None


class QuarantineItem(BaseModel):
    """What could not be read or used."""

    id: int
    kind: str
    device: str
    fact_id: str | None
    why: str
    at: datetime

    @classmethod
    def of(cls, row: QuarantineRow) -> Self:
        """From its table."""
        return cls(
            id=row.id,
            kind=row.kind,
            device=row.device,
            fact_id=_hex(row.fact_id),
            why=row.why,
            at=utc(row.at_ms),
        )


class QuarantinePage(BaseModel):
    """Some of what is held, the oldest first."""

    items: list[QuarantineItem]
    next_cursor: str | None


@router.get("/devices", tags=["fleet"], summary="Devices with their last contact and backlog")
def get_devices(
    reader: Reader, hub: Hub, q: Annotated[str, Query(max_length=64)] = "", cursor: Cursor = "", limit: Limit = 100
) -> DevicePage:
    """In order of their ids; `q` is a part of the id or place."""
    rows = list_devices(reader, hub.ahead, after=cursor, q=q, limit=limit)
    now_ms = hub.now_ms()
    return DevicePage(
        items=[DeviceSummary(**DeviceSummary.of(row, now_ms)) for row in rows],
        next_cursor=rows[-1].id if len(rows) == limit else None,
    )


@router.get("/devices/{device_id}", tags=["fleet"], summary="One device with its lanes and missing ranges")
def get_device(reader: Reader, hub: Hub, device_id: str) -> DeviceDetail:
    """Last contact, clock offset, versions, committed positions, what is missing and what it said it still keeps."""
    row = find_device(reader, hub.ahead, device_id)
    if row is None:
        raise NotFound("device", device_id)
    lanes = [LaneState.of(lane) for lane in lanes_of(reader, device_id)]
    return DeviceDetail(**DeviceDetail.of(row, hub.now_ms()), lanes=lanes)


@router.get("/facts", tags=["ledger"], summary="The raw ledger in the hub's own order")
def get_facts(
    reader: Reader,
    *,
    device: DeviceName = "",
    lane: Annotated[Lane | None, Query(description="Only this lane.")] = None,
    after: Annotated[int, Query(ge=0, le=2**62, description="Facts behind this `seq`.")] = 0,
    cursor: Annotated[int, Query(ge=0, le=2**62, description="The same as `after`.")] = 0,
    limit: Limit = 100,
) -> FactPage:
    """Each fact decoded, with its identity, position and chain hash; a tombstone has a cause instead of content."""
    rows = list_facts(reader, after=max(after, cursor), device_id=device, lane=lane, limit=limit)
    return FactPage(
        items=[FactItem.of(row) for row in rows], next_cursor=str(rows[-1].seq) if len(rows) == limit else None
    )


@router.get("/incidents", tags=["fleet"], summary="Forks, gaps, quarantine, regressions")
def get_incidents(
    reader: Reader,
    *,
    device: DeviceName = "",
    kind: Annotated[IncidentKind | None, Query(description="Only this kind.")] = None,
    closed: Annotated[bool, Query(description="Closed ones too.")] = False,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> IncidentPage:
    """Open incidents, the one that happened last first."""
    rows = list_incidents(
        reader,
        device_id=device,
        kind=kind or "",
        also_closed=closed,
        before=_incident_cursor(cursor) if cursor else None,
        limit=limit,
    )
    more = f"{rows[-1].last_ms}.{rows[-1].key}" if len(rows) == limit else None
    return IncidentPage(items=[IncidentItem.of(row) for row in rows], next_cursor=more)


def _incident_cursor(cursor: str) -> tuple[int, str]:
    last_ms, _, key = cursor.partition(".")
    if not (last_ms.isdecimal() and last_ms.isascii() and len(last_ms) <= MAX_MS_DIGITS):
        raise BadRequest(f"The cursor {cursor!r} is not a `next_cursor` of this list.")
    return int(last_ms), key


@router.get("/quarantine", tags=["fleet"], summary="What could not be read or used and waits for a person")
def get_quarantine(
    reader: Reader, cursor: Annotated[int, Query(ge=0, le=2**62)] = 0, limit: Limit = 100
) -> QuarantinePage:
    """Oldest first. `holdfast-hub quarantine replay` tries again, `drop` lets go."""
    rows = list_quarantine(reader, after=cursor, limit=limit)
    return QuarantinePage(
        items=[QuarantineItem.of(row) for row in rows], next_cursor=str(rows[-1].id) if len(rows) == limit else None
    )
