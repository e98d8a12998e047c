"""The form of an archive file: facts with their places, in deflated blocks, sealed by SHA-256. Pure, but for reading a file.

    "hf1.archive" 1 | block | block | ... | index | offset of the index (8 bytes) | SHA-256 over all before (32 bytes)

A block is deflated MessagePack of an array of entries; the index is MessagePack of (offset, length) of each block. Every entry
says which fact it is and where its device put it, so a file can be read without any database.
"""

import zlib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from contract.event import Digest
from contract.fact import fact_id
from contract.limits import MAX_CORE_BYTES
from hub.archive.redaction import ADDED_BYTES
from hub.errors import Refused

MAGIC: Final = b"hf1.archive\x01"
BLOCK_FACTS: Final = 512
"""One fact is read by inflating its block: a millisecond."""
MAX_BLOCK_BYTES: Final = BLOCK_FACTS * (MAX_CORE_BYTES + ADDED_BYTES + 512)
OFFSET_BYTES: Final = 8
SEAL_BYTES: Final = 32
LEVEL: Final = 9
"""Written once and kept for years."""


class ArchiveDamaged(Refused):
    """An archive file that is not there, not whole, or not as it was written."""


class Entry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One fact as the ledger had it.

    Attributes:
        seq: its number in the hub's own order when it was archived.
        core: its exact bytes, or their redacted form (`hub.archive.redaction`).
        device, incarnation, lane, n, branch, hash: where it was first placed; None for a fact that has no place.
    """

    seq: int
    core: Annotated[bytes, Meta(min_length=1, max_length=MAX_CORE_BYTES + ADDED_BYTES)]
    received_ms: int
    device: str
    incarnation: bytes | None = None
    lane: str | None = None
    n: int | None = None
    branch: int | None = None
    hash: Digest | None = None


Block = tuple[int, int]
"""Offset and length."""

_encode: Final = msgspec.msgpack.Encoder().encode
_entries: Final = msgspec.msgpack.Decoder(tuple[Entry, ...])
_index: Final = msgspec.msgpack.Decoder(tuple[Block, ...])


def pack(entries: Sequence[Entry]) -> bytes:
    """The bytes of an archive file; the same entries always give the same bytes."""
    parts, offset = [MAGIC], len(MAGIC)
    blocks: list[Block] = []
    for start in range(0, len(entries), BLOCK_FACTS):
        block = zlib.compress(_encode(entries[start : start + BLOCK_FACTS]), LEVEL)
        blocks.append((offset, len(block)))
        parts.append(block)
        offset += len(block)
    parts += [_encode(blocks), offset.to_bytes(OFFSET_BYTES, "big")]
    body = b"".join(parts)
    return body + sha256(body).digest()


class ArchiveReader:
    """A file whose seal was checked when it was opened."""

    def __init__(self, path: Path) -> None:
        """Read and check a file.

        Raises:
            ArchiveDamaged: it is not there, not whole, or a byte of it was changed.
        """
        self._path = path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ArchiveDamaged(
                f"archive {path} cannot be read: {error.strerror}; put it back from a backup"
            ) from error
        least = len(MAGIC) + OFFSET_BYTES + SEAL_BYTES
        if len(data) < least or not data.startswith(MAGIC) or sha256(data[:-SEAL_BYTES]).digest() != data[-SEAL_BYTES:]:
            raise ArchiveDamaged(f"archive {path} was changed or is not whole; put it back from a backup")
        self.sha256 = sha256(data).digest()
        self.bytes = len(data)
        end = len(data) - SEAL_BYTES - OFFSET_BYTES
        try:
            self.blocks: Sequence[Block] = _index.decode(data[int.from_bytes(data[end:-SEAL_BYTES], "big") : end])
        except msgspec.DecodeError as error:
            raise ArchiveDamaged(f"archive {path} has no index: {error}") from error

    def block(self, number: int) -> tuple[Entry, ...]:
        """The entries of one block.

        Raises:
            ArchiveDamaged: there is no such block, or it cannot be read (any more).
        """
        try:
            offset, length = self.blocks[number]
            with self._path.open("rb") as file:
                file.seek(offset)
                raw = zlib.decompressobj().decompress(file.read(length), MAX_BLOCK_BYTES)
            return _entries.decode(raw)
        except (IndexError, OSError, zlib.error, msgspec.DecodeError) as error:
            raise ArchiveDamaged(f"archive {self._path}, block {number}: {error}; put it back from a backup") from error

    def identities(self) -> list[bytes]:
        """The identity of every fact inside, by its bytes; of a redacted one these tell another."""
        return [fact_id(entry.core) for number in range(len(self.blocks)) for entry in self.block(number)]
