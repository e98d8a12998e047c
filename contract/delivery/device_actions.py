"""What the device's protocol asks its shell to do.

Writes (`SetAcked Release ReleaseBlobs MarkCorrupt BlobStored BlobRefused FixClock StoreDocument`) of one `handle` call go
into one transaction; only when it is committed are the messages sent.
"""

from dataclasses import dataclass

from contract.event import Lane
from contract.messages import Document, Up


@dataclass(frozen=True, slots=True)
class Send:
    """Publish this message."""

    message: Up


@dataclass(frozen=True, slots=True)
class SetAcked:
    """The hub has committed this lane up to `n`; it may be less than before. Frees nothing."""

    lane: Lane
    n: int


@dataclass(frozen=True, slots=True)
class Release:
    """The hub holds these contents safely: each becomes a tombstone `released`."""

    identities: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ReleaseBlobs:
    """The hub holds these attachments safely."""

    sha256s: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MarkCorrupt:
    """The stored content does not hash to its identity: set it aside, leave a tombstone `corrupt`, state the damage."""

    lane: Lane
    n: int
    fact_id: bytes


@dataclass(frozen=True, slots=True)
class BlobStored:
    """Whether the hub has this attachment whole on its disk.

    `stored=False` makes it pending again; the shell hands in `Appended` after the commit, so that it goes out.
    """

    sha256: bytes
    stored: bool


@dataclass(frozen=True, slots=True)
class BlobRefused:
    """This attachment cannot be sent, or the hub will never take it; it stays on the device."""

    sha256: bytes
    why: str


@dataclass(frozen=True, slots=True)
class FixClock:
    """At `mono_ms` the hub's clock read `hub_ms`, give or take `uncertainty_ms`."""

    mono_ms: int
    hub_ms: int
    uncertainty_ms: int


@dataclass(frozen=True, slots=True)
class StoreDocument:
    """A part of a versioned document came."""

    document: Document


@dataclass(frozen=True, slots=True)
class Reincarnate:
    """Begin a new incarnation for this reason, chain all kept contents anew under it, then hand in `Replaced`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reconnect:
    """The connection is dead although it looks alive: close it and connect again with back-off."""

    why: str


Action = (
    Send
    | SetAcked
    | Release
    | ReleaseBlobs
    | MarkCorrupt
    | BlobStored
    | BlobRefused
    | FixClock
    | StoreDocument
    | Reincarnate
    | Reconnect
)
