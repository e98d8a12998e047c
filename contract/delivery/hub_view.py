"""What the hub's protocol reads from the ledger. Reading only: all writes are actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from contract.event import Lane
from contract.messages import DocumentVersion


@dataclass(frozen=True, slots=True)
class StreamName:
    """A stream of positions: one lane of one incarnation of one device."""

    device: str
    incarnation: bytes
    lane: Lane


@dataclass(frozen=True, slots=True)
class BranchHead:
    """Where one branch of a stream ends. A stream without a fork has just branch 0."""

    branch: int
    n: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Audited:
    """What the hub holds of an identity that a device asked about by its first 8 bytes."""

    identity: bytes | None
    has_content: bool
    safe: bool


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A stream of an earlier incarnation of which the device once claimed more than ever came."""

    stream: StreamName
    claimed_n: int
    committed_n: int


class HubView(Protocol):
    """The ledger as the protocol sees it, inside the transaction of the group that is being decided."""

    def branches(self, stream: StreamName) -> Sequence[BranchHead]:
        """The ends of a stream's branches in order of their numbers; empty when nothing of it is known."""

    def hashes_at(self, stream: StreamName, first_n: int, last_n: int) -> Mapping[int, Sequence[bytes]]:
        """Whole hashes of all branches at the positions `first_n` to `last_n`."""

    def audit(self, device: str, prefixes: Sequence[bytes]) -> Sequence[Audited]:
        """One answer per prefix, in order, about facts of this device."""

    def audit_blobs(self, prefixes: Sequence[bytes]) -> Sequence[Audited]:
        """The same for attachments."""

    def documents(self, device: str) -> Sequence[DocumentVersion]:
        """The versions of the documents that this device should have."""

    def claimed_n(self, stream: StreamName) -> int:
        """The furthest position that a hello ever announced for this stream; 0 for none."""

    def is_first_hello(self, device: str, incarnation: bytes) -> bool:
        """Whether this incarnation never said hello before."""

    def unfinished(self, device: str, incarnation: bytes) -> Sequence[Unfinished]:
        """Streams of other incarnations of this device that end before what was claimed."""

    def last_mono_ms(self, device: str, boot: bytes) -> int | None:
        """The monotonic time of the latest hello of this boot."""
