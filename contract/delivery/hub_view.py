"""What the hub's protocol reads from the ledger. Reading only: all writes are actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from contract.event import Lane
from contract.messages import DocumentVersion, Mark


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
    """A stream of an earlier incarnation of which a head was announced that never came."""

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

    def claims(self, stream: StreamName) -> Sequence[Mark]:
        """The heads that hellos announced for this stream and that were not forgotten since, in order of n."""

    def is_first_hello(self, device: str, incarnation: bytes) -> bool:
        """Whether this incarnation never said hello before."""

    def unfinished(self, device: str, incarnation: bytes) -> Sequence[Unfinished]:
        """Streams of other incarnations of this device of which an announced head is neither here nor in a stated gap."""

    def last_mono_ms(self, device: str, boot: bytes) -> int | None:
        """The monotonic time of the latest hello of this boot."""
