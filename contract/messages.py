"""What device and hub say to each other. Every message is a MessagePack array that starts with its kind.

A message travels inside a statement (`contract.statement`), which carries the MAC and the deflate flag.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from contract.errors import Malformed, TooLarge
from contract.event import Digest, EpochMs, Lane, MonoMs, Quantity, Text
from contract.items import Core, Item, Packed, pack, unpack
from contract.limits import (
    AUDIT_BLOBS,
    AUDIT_PREFIX_BYTES,
    BLOB_CHUNK_BYTES,
    DOCUMENT_PART_BYTES,
    MAX_AUDIT,
    MAX_BATCH_ITEMS,
    MAX_BLOB_BYTES,
    MAX_BLOB_RANGES,
    MAX_CHECKPOINTS,
    MAX_DECODED_BYTES,
    MAX_DOCUMENT_PARTS,
    MAX_DOCUMENTS,
    MAX_HEADS,
    MAX_SNAPSHOT_SENSORS,
)

MARK_HASH_BYTES: Final = 16
"""A prefix is named by this much of its hash; both sides keep the whole."""

Nonce = Annotated[bytes, Meta(min_length=16, max_length=16)]
Incarnation = Annotated[bytes, Meta(min_length=16, max_length=16)]
MarkHash = Annotated[bytes, Meta(min_length=MARK_HASH_BYTES, max_length=MARK_HASH_BYTES)]
N = Annotated[int, Meta(ge=0, le=2**53)]
Prefix = Annotated[bytes, Meta(min_length=AUDIT_PREFIX_BYTES, max_length=AUDIT_PREFIX_BYTES)]


class Mark(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The name of a prefix: its length and the first 16 bytes of its hash."""

    n: N
    hash: MarkHash


def mark(n: int, whole_hash: bytes) -> Mark:
    """Name the prefix that ends at position `n`."""
    return Mark(n, whole_hash[:MARK_HASH_BYTES])


class LaneClaim(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a device says of one of its lanes: where its stored positions begin, end, and what it believes is committed."""

    lane: Lane
    base: Mark
    head: Mark
    acked: Mark | None = None
    """None when it equals the head."""
    checkpoints: Annotated[tuple[Mark, ...], Meta(max_length=MAX_CHECKPOINTS)] = ()


class LatestReading(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The latest value of a sensor, ahead of its fact: shown as "now, history following", never stored."""

    sensor: Text
    quantity: Quantity
    at_ms: EpochMs
    value: int | None


class DocumentVersion(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Which version of a versioned document one side has."""

    kind: Text
    version: N


class Backlog(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What waits on the device and how long it can go on keeping."""

    facts: N
    blobs: N
    oldest_at_ms: EpochMs | None
    room_bytes: N
    room_s: N | None
    """Seconds until storage is full at the present rate; None when it is not filling."""


class Hello(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="hello"):
    """A device reports: what it holds, what it asks about, how it is."""

    nonce: Nonce
    incarnation: Incarnation
    boot: Incarnation
    mono_ms: MonoMs
    at_ms: EpochMs
    version: Text
    lanes: Annotated[tuple[LaneClaim, ...], Meta(max_length=2)]
    audit: Annotated[tuple[Prefix, ...], Meta(max_length=MAX_AUDIT)]
    audit_blobs: Annotated[tuple[Prefix, ...], Meta(max_length=AUDIT_BLOBS)]
    documents: Annotated[tuple[DocumentVersion, ...], Meta(max_length=MAX_DOCUMENTS)]
    backlog: Backlog
    snapshot: Annotated[tuple[LatestReading, ...], Meta(max_length=MAX_SNAPSHOT_SENSORS)] = ()


class Batch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="batch"):
    """Consecutive positions of a lane, starting at `n`, whose predecessor has the hash `previous`.

    On the wire `items` are packed (`contract.items`).
    """

    incarnation: Incarnation
    lane: Lane
    n: Annotated[int, Meta(ge=1, le=2**53)]
    previous: MarkHash
    items: tuple[Item, ...]


class _WireBatch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="batch"):
    incarnation: Incarnation
    lane: Lane
    n: Annotated[int, Meta(ge=1, le=2**53)]
    previous: MarkHash
    items: Packed


class Fill(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="fill"):
    """Contents that the hub said it is missing."""

    cores: Annotated[tuple[Core, ...], Meta(min_length=1, max_length=MAX_BATCH_ITEMS)]


class Gap(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="gap"):
    """Positions `first` to `last` can never come from this device; the chain goes on from `end`, the hash at `last`."""

    incarnation: Incarnation
    lane: Lane
    first: Annotated[int, Meta(ge=1, le=2**53)]
    last: Annotated[int, Meta(ge=1, le=2**53)]
    end: Digest
    cause: Text


class Blob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="blob"):
    """One chunk of an attachment. An empty chunk of offset 0 asks what is missing."""

    sha256: Digest
    size: Annotated[int, Meta(ge=1, le=MAX_BLOB_BYTES)]
    offset: Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)]
    data: Annotated[bytes, Meta(max_length=BLOB_CHUNK_BYTES)]
    chunk_hash: Digest


class Live(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="live"):
    """Latest values, for displays only."""

    readings: Annotated[tuple[LatestReading, ...], Meta(max_length=MAX_SNAPSHOT_SENSORS)]


class Credit(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How many facts the hub will take in the next batch; 0 means wait for `retry_after_ms`."""

    facts: Annotated[int, Meta(ge=0, le=MAX_BATCH_ITEMS)] = MAX_BATCH_ITEMS
    retry_after_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 0


class LaneAnswer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Which of the claimed marks the hub has (`best`), and where its own branches of that stream end (`heads`)."""

    lane: Lane
    best: Mark | None
    heads: Annotated[tuple[Mark, ...], Meta(max_length=MAX_HEADS)] = ()


class Welcome(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="welcome"):
    """The hub's answer to one hello, tied to it by the nonce.

    `audit` and `audit_blobs` hold one byte per identity asked about, in order: `m` missing, `h` have, `s` safe. `safe` and
    `safe_blobs` repeat the whole identities of those that are safe.
    """

    nonce: Nonce
    lanes: Annotated[tuple[LaneAnswer, ...], Meta(max_length=2)]
    forked: bool
    audit: Annotated[bytes, Meta(max_length=MAX_AUDIT)]
    audit_blobs: Annotated[bytes, Meta(max_length=AUDIT_BLOBS)]
    safe: Annotated[tuple[Digest, ...], Meta(max_length=MAX_AUDIT)]
    safe_blobs: Annotated[tuple[Digest, ...], Meta(max_length=AUDIT_BLOBS)]
    documents: Annotated[tuple[DocumentVersion, ...], Meta(max_length=MAX_DOCUMENTS)]
    hub_ms: EpochMs
    credit: Credit


class Ack(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ack"):
    """Committed: the prefix named by `mark`."""

    incarnation: Incarnation
    lane: Lane
    mark: Mark
    credit: Credit


class Nack(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="nack"):
    """Not taken; a hint to say hello. `reason` is one of `NACK_REASONS`."""

    incarnation: Incarnation
    lane: Lane
    reason: Text
    credit: Credit


NACK_REASONS: Final = ("parent_unknown", "busy")


class BlobState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="blob_state"):
    """Which byte ranges (start, end) of an attachment are still missing; none means the hub has it whole on disk."""

    sha256: Digest
    missing: Annotated[tuple[tuple[N, N], ...], Meta(max_length=MAX_BLOB_RANGES)]
    refused: Text = ""
    """Why the hub will never take this attachment; empty when it will."""


class Document(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="document"):
    """Part `part` (from 0) of `parts` of a versioned document; versions only go up."""

    kind: Text
    version: N
    part: Annotated[int, Meta(ge=0, lt=MAX_DOCUMENT_PARTS)]
    parts: Annotated[int, Meta(ge=1, le=MAX_DOCUMENT_PARTS)]
    data: Annotated[bytes, Meta(max_length=DOCUMENT_PART_BYTES)]


Up = Hello | Batch | Fill | Gap | Blob | Live
Down = Welcome | Ack | Nack | BlobState | Document

AUDIT_MISSING: Final = ord("m")
AUDIT_HAVE: Final = ord("h")
AUDIT_SAFE: Final = ord("s")

_encoder = msgspec.msgpack.Encoder()
_up: msgspec.msgpack.Decoder[Hello | _WireBatch | Fill | Gap | Blob | Live] = msgspec.msgpack.Decoder(
    Hello | _WireBatch | Fill | Gap | Blob | Live
)
_down: msgspec.msgpack.Decoder[Down] = msgspec.msgpack.Decoder(Down)


def encode_message(message: Up | Down) -> bytes:
    """The body of a message.

    Raises:
        TooLarge: more than MAX_DECODED_BYTES.
    """
    if isinstance(message, Batch):
        wire = _WireBatch(message.incarnation, message.lane, message.n, message.previous, pack(message.items))
        body = _encoder.encode(wire)
    else:
        body = _encoder.encode(message)
    if len(body) > MAX_DECODED_BYTES:
        raise TooLarge(f"message of {len(body)} bytes; at most {MAX_DECODED_BYTES} are allowed")
    return body


def decode_up(body: bytes) -> Up:
    """Read what a device said.

    Raises:
        Malformed: not one of the messages of `docs/protocol.md`, or a value outside its range.
    """
    try:
        message = _up.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not a message to the hub: {error}") from error
    if isinstance(message, _WireBatch):
        return Batch(message.incarnation, message.lane, message.n, message.previous, unpack(message.items))
    return message


def decode_down(body: bytes) -> Down:
    """Read what the hub said.

    Raises:
        Malformed: not one of the messages of `docs/protocol.md`, or a value outside its range.
    """
    try:
        return _down.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not a message to a device: {error}") from error
