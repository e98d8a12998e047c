"""The witness (D9): how far the chain had come, in a file outside the database and outside backups.

If it is ahead of the database, the database was set back: restored from an image, or its last commits were lost. It needs no
fsync, because only being ahead matters.
"""

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from agent.clock import DeviceClock
from agent.store import chain
from agent.store.database import Database
from agent.store.errors import StoreDamaged
from agent.store.files import replace_file
from contract.event import Lane

NAME: Final = "witness"
CHECK_BYTES: Final = 8
INTERVAL_MS: Final = 1_000


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


class WitnessWriter:
    """Writes the witness of an open database, after commits and not too often."""

    def __init__(self, folder: Path, database: Database, clock: DeviceClock) -> None:
        self._folder = folder
        self._database = database
        self._clock = clock
        self._due_ms = 0

    def write_if_due(self) -> None:
        """Write it unless that was done a moment ago."""
        if self._clock.now().mono_ms >= self._due_ms:
            self.write()

    def write(self) -> None:
        """Write it. A failure costs nothing but a later notice."""
        self._due_ms = self._clock.now().mono_ms + INTERVAL_MS
        with suppress(OSError, StoreDamaged):
            heads = self._database.read(chain.heads)
            write_witness(self._folder, heads.incarnation, {lane: head.n for lane, head in heads.lanes.items()})


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
