"""The witness (D9): how far the chain had come, in a file outside the database and outside backups.

If it is ahead of the database, the database was set back: restored from an image, or its last commits were lost. It needs no
fsync, because only being ahead matters.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from agent.store.files import replace_file
from contract.event import Lane

NAME: Final = "witness"
CHECK_BYTES: Final = 8


class Witness(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last position of each lane under an incarnation."""

    incarnation: Annotated[bytes, Meta(min_length=16, max_length=16)]
    heads: dict[Lane, int]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Witness)


def write_witness(folder: Path, incarnation: bytes, heads: Mapping[Lane, int]) -> None:
    """Write the witness down.

    Raises:
        OSError: the disk did not take it; the old one stands.
    """
    body = _encoder.encode(Witness(incarnation, dict(heads)))
    replace_file(folder / NAME, sha256(body).digest()[:CHECK_BYTES] + body, durable=False)


def read_witness(folder: Path) -> Witness | None:
    """The witness; None where there is none or it was torn."""
    try:
        data = (folder / NAME).read_bytes()
    except OSError:
        return None
    check, body = data[:CHECK_BYTES], data[CHECK_BYTES:]
    if sha256(body).digest()[:CHECK_BYTES] != check:
        return None
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        return None
