"""A fact's core bytes, its identity, and its place in a chain.

The core is encoded once, at capture, and never again: identity, retry, restore and proof all rest on these exact bytes.
"""

from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from contract.errors import Malformed, TooLarge
from contract.event import LANE_OF, Digest, EpochMs, Event, Lane, MonoMs, Text
from contract.limits import MAX_BLOBS_PER_FACT, MAX_CORE_BYTES

CORE_VERSION: Final = 1
SALT_BYTES: Final = 8
"""Two equal statements of one instant are still two facts."""


class Clock(StrEnum):
    """Whether the wall clock was known to be right when the fact was made."""

    SYNCED = "synced"
    FREE = "free"


class Fact(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One fact as the device stated it. Field order is the wire order (`docs/protocol.md`, Core)."""

    version: Annotated[int, Meta(ge=CORE_VERSION, le=CORE_VERSION)]
    device: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,64}$")]
    incarnation: Annotated[bytes, Meta(min_length=16, max_length=16)]
    boot: Annotated[bytes, Meta(min_length=16, max_length=16)]
    ord: Annotated[int, Meta(ge=1, le=2**53)]
    salt: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
    at_ms: EpochMs
    mono_ms: MonoMs
    clock: Clock
    actor: Text
    event: Event
    blobs: Annotated[tuple[Digest, ...], Meta(max_length=MAX_BLOBS_PER_FACT)] = ()

    @property
    def lane(self) -> Lane:
        """The lane in which facts of this kind travel."""
        return LANE_OF[type(self.event)]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Fact)


def encode_core(fact: Fact) -> bytes:
    """The exact bytes of a fact.

    Raises:
        TooLarge: the fact needs more than MAX_CORE_BYTES.
        Malformed: a value is outside its range; msgspec checks constraints only when decoding, so the bytes are read back.
    """
    core = _encoder.encode(fact)
    decode_core(core)
    return core


def decode_core(core: bytes) -> Fact:
    """Read a fact back from its bytes.

    Raises:
        TooLarge: more than MAX_CORE_BYTES.
        Malformed: not a core of this version, or a value outside its range.
    """
    if len(core) > MAX_CORE_BYTES:
        raise TooLarge(f"core of {len(core)} bytes; at most {MAX_CORE_BYTES} are allowed")
    try:
        return _decoder.decode(core)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not a core of version {CORE_VERSION}: {error}") from error


def fact_id(core: bytes) -> bytes:
    """Identity of a fact: SHA-256 over its core (32 bytes). The same bytes are the same fact, however often they are sent."""
    return sha256(b"hf1.fact" + core).digest()


def root_hash(device: str, incarnation: bytes, lane: Lane) -> bytes:
    """The hash before the first position of a stream."""
    name = device.encode()
    return sha256(b"hf1.root" + bytes([len(name)]) + name + incarnation + lane.encode()).digest()


def next_hash(previous: bytes, n: int, identity: bytes) -> bytes:
    """The hash of position `n`, which names the whole prefix up to it."""
    return sha256(b"hf1.pos" + previous + n.to_bytes(8, "big") + identity).digest()
