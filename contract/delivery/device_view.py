"""What the device's protocol reads from its store. Reading only: all writes are actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from contract.event import Lane
from contract.messages import Backlog, DocumentVersion, LatestReading


@dataclass(frozen=True, slots=True)
class LaneEnds:
    """Where a lane's stored positions begin (after `base_n`) and end, and what was last known to be committed."""

    base_n: int
    base_hash: bytes
    head_n: int
    head_hash: bytes
    acked_n: int


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """One position: its content, or the cause why there is none."""

    n: int
    fact_id: bytes
    core: bytes | None
    cause: str | None


@dataclass(frozen=True, slots=True)
class PendingBlob:
    """An attachment that the hub does not have whole yet."""

    sha256: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a hello tells beside the lanes."""

    version: str
    documents: tuple[DocumentVersion, ...]
    backlog: Backlog
    snapshot: tuple[LatestReading, ...]


class DeviceView(Protocol):
    """The outbox as the protocol sees it."""

    @property
    def incarnation(self) -> bytes:
        """The 16 bytes under which positions are chained now."""

    @property
    def boot(self) -> bytes:
        """The 16 bytes that name this boot."""

    def lane(self, lane: Lane) -> LaneEnds:
        """The ends of a lane."""

    def hash_at(self, lane: Lane, n: int) -> bytes | None:
        """The whole hash of position `n`, base and root included; None where it is not stored."""

    def read(self, lane: Lane, after_n: int, most: int, most_bytes: int) -> Sequence[StoredPosition]:
        """Positions after `after_n` in order: at most `most`, together at most `most_bytes` of content, but at least one."""

    def release_candidates(self, most: int) -> Sequence[bytes]:
        """D8: identities whose content should go as soon as it is safe, oldest first."""

    def identities_after(self, cursor: bytes, most: int) -> Sequence[bytes]:
        """Identities with content, in their own order, behind `cursor`: the rotation of the audit."""

    def committed_only(self, identities: Sequence[bytes], acked: Mapping[Lane, int]) -> Sequence[bytes]:
        """Those identities whose position is not above what was acknowledged; the others are on their way anyway."""

    def contents(self, identities: Sequence[bytes]) -> Sequence[bytes]:
        """The cores that are still stored and whose hash fits."""

    def pending_blob(self) -> PendingBlob | None:
        """The oldest attachment that the hub does not have whole."""

    def blob_chunk(self, sha256: bytes, start: int, size: int) -> bytes | None:
        """Bytes of an attachment; None when it can no longer be read."""

    def blob_release_candidates(self, most: int) -> Sequence[bytes]:
        """Attachments that should go as soon as they are safe."""

    def blobs_after(self, cursor: bytes, most: int) -> Sequence[bytes]:
        """Attachments that the hub said it has, behind `cursor`: the rotation of the audit."""

    def report(self, at_ms: int) -> Report:
        """Versions, backlog and latest values."""
