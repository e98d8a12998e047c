"""What the hub's protocol asks its shell to do: writes first, in one transaction; `Reply` is published after its commit."""

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from contract.delivery.hub_view import StreamName
from contract.fact import Fact
from contract.messages import Down, Hello, Mark


class IncidentKind(StrEnum):
    """What an operator must be told about keeping and delivering."""

    FORK = "fork"
    """Two devices, or one restored from an image, spoke under one incarnation; both branches are kept."""
    HUB_REGRESSED = "hub_regressed"
    """A device shows an acknowledgement that this hub does not know: the hub was restored."""
    DEVICE_REGRESSED = "device_regressed"
    """The hub has more of a stream than the device: the device was restored or lost its newest rows."""
    GAP = "gap"
    """Positions that will not come, with their cause."""
    CONTENT_LOST = "content_lost"
    """Tombstones for content that the device lost or had no room for."""
    QUARANTINE = "quarantine"
    """Facts that cannot be read or used; their bytes are kept."""
    NOT_AUTHENTIC = "not_authentic"
    """Statements whose MAC does not fit."""
    MALFORMED = "malformed"
    """Statements that cannot be read."""
    STALE_HELLO = "stale_hello"
    """An old hello was played back; it is no proof of life."""
    READING_CONFLICT = "reading_conflict"
    """Two different values for one sensor and instant; one is shown, both are kept."""
    DEVICE_DAMAGE = "device_damage"
    """A device found its own storage damaged, behind its witness, or gone."""
    CLOCK_TAMPER = "clock_tamper"
    """A device's wall clock was set back behind what the device knew to be right."""
    BLOB_REFUSED = "blob_refused"
    """An attachment that the hub cannot take."""
    BACKUP_FAILED = "backup_failed"
    """The hub could not make its scheduled backup, so nothing new becomes safe."""
    HUB_CLOCK = "hub_clock"
    """The hub's own clock was set, so what is dated by it is doubtful."""


class Placement(Struct, frozen=True, gc=False):
    """A position and the identity chained there; None where a stated gap ends."""

    n: int
    hash: bytes
    fact_id: bytes | None


@dataclass(frozen=True, slots=True)
class Place:
    """Append positions to a branch; `forks_after_n` is set when this begins a new branch beside an existing one."""

    stream: StreamName
    branch: int
    placements: tuple[Placement, ...]
    forks_after_n: int | None = None


class FactRow(Struct, frozen=True, gc=False):
    """A fact for the ledger: with its core, or with the cause why there is none; `problem` sends it to quarantine."""

    fact_id: bytes
    core: bytes | None
    cause: str | None = None
    fact: Fact | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PutFacts:
    """Insert facts that are not there yet; content takes the place of a tombstone; nothing else changes."""

    device: str
    rows: tuple[FactRow, ...]


@dataclass(frozen=True, slots=True)
class PutGap:
    """Keep what a device stated: these positions will never come from it."""

    stream: StreamName
    first_n: int
    last_n: int
    cause: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A device is alive: keep what its hello told (claims, backlog, clock, versions)."""

    device: str
    hello: Hello


@dataclass(frozen=True, slots=True)
class ForgetClaims:
    """These announced heads have come, or have been told of; nobody need look for them any more."""

    stream: StreamName
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Open or repeat an incident. The same `key` is the same incident, counted again."""

    kind: IncidentKind
    device: str
    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Publish to the device after the commit."""

    device: str
    message: Down


HubAction = Place | PutFacts | PutGap | Contact | ForgetClaims | Report | Reply
