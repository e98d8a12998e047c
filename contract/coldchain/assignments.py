"""By which profile each sensor of a device is judged: the document `coldchain` that the hub sends to the device."""

from typing import Final

import msgspec
from msgspec import Struct

from contract.coldchain.profile import Profile
from contract.errors import Malformed
from contract.event import EpochMs, Key

COLDCHAIN_DOCUMENT: Final = "coldchain"
"""The kind of the document (`contract.messages.Document.kind`)."""


class Assignment(Struct, frozen=True, omit_defaults=True):
    """A sensor is judged by this profile from `from_ms` on, in corrected time; its budgets begin there."""

    profile: Profile
    from_ms: EpochMs


class ColdChainDocument(Struct, frozen=True, omit_defaults=True):
    """The sensors of one device that are judged, by their ids. A sensor that is not named is not judged."""

    sensors: dict[Key, Assignment] = {}


# Equal assignments are equal bytes, so that a document which says nothing new gets no new version.
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(ColdChainDocument)


def encode_assignments(document: ColdChainDocument) -> bytes:
    """The bytes of the document; equal documents have equal bytes."""
    return _encoder.encode(document)


def decode_assignments(data: bytes) -> ColdChainDocument:
    """Read the document.

    Raises:
        Malformed: not a document of this shape; keep the one before.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not a cold-chain document: {error}") from error
