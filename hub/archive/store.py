"""Archive files of one data folder, and how the ledger points into them.

Where a fact's content is archived, its row holds a *pointer* in the place of the core: a byte that MessagePack never uses, the
first eight bytes of the file's SHA-256, and the place inside. So to everything that only asks whether there is content, there
is: an archived fact is kept, counted, answered and never asked for again.
"""

import threading
from collections import OrderedDict
from hashlib import sha256
from os import fsync
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from contract.fact import fact_id
from hub.archive.file import ArchiveDamaged, ArchiveReader, Entry
from hub.archive.redaction import START, Content, opened
from hub.folders import make_folder, sync_folder

FOLDER: Final = "archive"
SUFFIX: Final = ".hfa"
INFO_KEY: Final = "holdfast_archives"
"""Where a connection's `info` has the archives of its data folder."""
MARK: Final = b"\xc1"
"""The one byte that MessagePack never uses (specification, section Formats), so no core that can be read begins with it."""
NAME_BYTES: Final = 8
_BLOCK_BYTES: Final = 4
_INDEX_BYTES: Final = 2
POINTER_BYTES: Final = len(MARK) + NAME_BYTES + _BLOCK_BYTES + _INDEX_BYTES
CACHED_BLOCKS: Final = 32
"""Of 512 facts each: some 4 MB."""


def name_of(data: bytes) -> bytes:
    """The name of a file with these bytes."""
    return sha256(data).digest()[:NAME_BYTES]


class Pointer(Struct, frozen=True):
    """Where the content of a fact is: `name` are the first bytes of the file's SHA-256."""

    name: bytes
    block: int
    index: int

    def encode(self) -> bytes:
        """As it stands in the place of a core."""
        place = self.block.to_bytes(_BLOCK_BYTES, "big") + self.index.to_bytes(_INDEX_BYTES, "big")
        return MARK + self.name + place


def is_pointer(core: bytes, identity: bytes) -> bool:
    """Whether these bytes point to a core. A device can state any bytes, but those hash to their own identity."""
    return core[:1] == MARK and not core.startswith(START) and fact_id(core) != identity


def read_pointer(core: bytes) -> Pointer:
    """The pointer in these bytes.

    Raises:
        ArchiveDamaged: they are none.
    """
    if len(core) != POINTER_BYTES or core[:1] != MARK:
        raise ArchiveDamaged(f"{core.hex()} points into no archive: expected {POINTER_BYTES} bytes")
    name, place = core[1 : 1 + NAME_BYTES], core[1 + NAME_BYTES :]
    return Pointer(name, int.from_bytes(place[:_BLOCK_BYTES], "big"), int.from_bytes(place[_BLOCK_BYTES:], "big"))


class Archives:
    """Reads contents out of archive files; thread-safe. A file is checked whole when it is first opened."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self._lock = threading.Lock()
        self._readers: dict[bytes, ArchiveReader] = {}
        self._blocks: OrderedDict[tuple[bytes, int], tuple[Entry, ...]] = OrderedDict()

    def whole(self, core: bytes, identity: bytes) -> Content:
        """The content of a fact with this identity, wherever it is.

        Raises:
            ArchiveDamaged: the archive is not there, or not as it was written.
        """
        if not is_pointer(core, identity):
            return opened(core, identity)
        pointer = read_pointer(core)
        entries = self._block(pointer.name, pointer.block)
        if pointer.index >= len(entries):
            raise ArchiveDamaged(f"archive {pointer.name.hex()}, block {pointer.block}: no fact {pointer.index} in it")
        return opened(entries[pointer.index].core, identity)

    def open(self, name: bytes) -> ArchiveReader:
        """A file by the first bytes of its SHA-256, checked anew.

        Raises:
            ArchiveDamaged: it is not there, or not as it was written.
        """
        path = self.path(name)
        reader = ArchiveReader(path)
        if reader.sha256[:NAME_BYTES] != name:
            raise ArchiveDamaged(f"archive {path} is another file than its name says; put it back from a backup")
        return reader

    def path(self, name: bytes) -> Path:
        """Where the file with this name is."""
        return self.folder / f"{name.hex()}{SUFFIX}"

    def add(self, data: bytes, name: bytes) -> Path:
        """Write a file so that no power cut can take it or leave half of it; one of that name is written over.

        Raises:
            OSError: the disk did not take it.
        """
        make_folder(self.folder)
        path = self.path(name)
        fresh = path.with_suffix(".part")
        with fresh.open("wb") as file:
            fresh.chmod(0o600)
            file.write(data)
            file.flush()
            fsync(file.fileno())
        self.take(fresh, name)
        return path

    def take(self, file: Path, name: bytes) -> None:
        """Give a file that is whole and flushed its place here; both are on one disk."""
        make_folder(self.folder)
        file.rename(self.path(name))
        sync_folder(self.folder)

    def _block(self, name: bytes, number: int) -> tuple[Entry, ...]:
        with self._lock:
            if (found := self._blocks.get((name, number))) is not None:
                self._blocks.move_to_end((name, number))
                return found
            if name not in self._readers:
                self._readers[name] = self.open(name)
            entries = self._blocks[name, number] = self._readers[name].block(number)
            if len(self._blocks) > CACHED_BLOCKS:
                self._blocks.popitem(last=False)
            return entries


def whole(conn: Connection, core: bytes, identity: bytes) -> Content:
    """The content of a fact, over a connection to the hub's database; `core` is what stands in its row.

    Raises:
        ArchiveDamaged: they are archived, and the archive is not there or not as it was written.
    """
    if not is_pointer(core, identity):
        return opened(core, identity)
    archives: Archives = conn.info[INFO_KEY]
    return archives.whole(core, identity)
