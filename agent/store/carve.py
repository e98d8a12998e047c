"""Contents cut out of the pages of a damaged database, where SQLite itself gives up.

Looks for records of `fact` by their first bytes, in every page of the main file and of the WAL (SQLite file format, sections
1.6, 2.1 and 4.1), and trusts nothing that connects pages or cells: one bit in a page's head would hide all that stands on it.
Whatever comes out is to be believed only if its bytes hash to the identity that stands beside it.
"""

import os
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from contract.limits import KIB, MAX_CORE_BYTES

PAGE_BYTES: Final = 4096
WAL_HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
NEXT_PAGE_BYTES: Final = 4
MAX_RECORD_BYTES: Final = MAX_CORE_BYTES + KIB
_INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
# Serial types of the first columns: place is the row number (NULL in the record), hash and fact_id have 32 bytes.
_START: Final = bytes([0, 12 + 2 * 32, 12 + 2 * 32])


class _Pages:
    """The pages of the main file and of the WAL, read one by one."""

    def __init__(self, main: BinaryIO, wal: BinaryIO) -> None:
        self._main = main
        self._wal = wal
        self._frames: dict[int, int] = {}
        """Where the newest image of a page stands in the WAL, by its number."""
        step = FRAME_HEADER_BYTES + PAGE_BYTES
        for at in range(WAL_HEADER_BYTES, _size_of(wal) - step + 1, step):
            number = int.from_bytes(_read(wal, at, NEXT_PAGE_BYTES), "big")
            self._frames[number] = at + FRAME_HEADER_BYTES

    def images(self) -> Iterator[bytes]:
        """All images there are."""
        for at in range(0, _size_of(self._main), PAGE_BYTES):
            yield _read(self._main, at, PAGE_BYTES)
        step = FRAME_HEADER_BYTES + PAGE_BYTES
        for at in range(WAL_HEADER_BYTES, _size_of(self._wal) - step + 1, step):
            yield _read(self._wal, at + FRAME_HEADER_BYTES, PAGE_BYTES)

    def _newest(self, number: int) -> bytes:
        if number in self._frames:
            return _read(self._wal, self._frames[number], PAGE_BYTES)
        return _read(self._main, (number - 1) * PAGE_BYTES, PAGE_BYTES) if number else b""

    def whole(self, page: bytes, at: int, size: int) -> bytes:
        """A record of `size` bytes that starts on a page, continued on its overflow pages.

        Raises:
            IndexError: it is not there.
            struct.error: the same.
        """
        most_local = PAGE_BYTES - 35
        least_local = (PAGE_BYTES - 12) * 32 // 255 - 23
        if size <= most_local:
            return page[at : at + size]
        local = least_local + (size - least_local) % (PAGE_BYTES - NEXT_PAGE_BYTES)
        local = local if local <= most_local else least_local
        data = page[at : at + local]
        (overflow,) = struct.unpack_from(">I", page, at + local)
        while len(data) < size:
            further = self._newest(overflow)
            (overflow,) = struct.unpack_from(">I", further)
            data += further[NEXT_PAGE_BYTES : NEXT_PAGE_BYTES + size - len(data)]
        return data


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError:
        return BytesIO()


def _size_of(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    try:
        file.seek(at)
        return file.read(size)
    except OSError:
        # A part of the disk that gives nothing back.
        return b""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(at, at + 3):
        value = value << 7 | data[i] & 0x7F
        if not data[i] & 0x80:
            return value, i + 1
    # No column of a content is so large.
    raise IndexError


def _size(kind: int) -> int:
    return _INTEGER_BYTES[kind] if kind < len(_INTEGER_BYTES) else (kind - 12) // 2


def _content(pages: _Pages, page: bytes, at: int) -> tuple[bytes, bytes] | None:
    """Identity and core of the record whose column types start at `at`."""
    hash_kind, identity_kind, seq_kind, at_ms_kind, cause_kind = page[at + 1 : at + 6]
    core_kind, end = _varint(page, at + 6)
    is_record = max(seq_kind, at_ms_kind) < len(_INTEGER_BYTES) and cause_kind == 0 and core_kind % 2 == 0
    header_bytes = end - at + 1
    if not is_record:
        return None
    sizes = [_size(kind) for kind in (hash_kind, identity_kind, seq_kind, at_ms_kind, core_kind)]
    total = header_bytes + sum(sizes)
    if total > MAX_RECORD_BYTES:
        return None
    record = pages.whole(page, at - 1, total)
    starts = [header_bytes + sum(sizes[:i]) for i in range(len(sizes))]
    _hash, identity, _seq, _at_ms, core = (record[s : s + size] for s, size in zip(starts, sizes, strict=True))
    return identity, core


def carve(database: Path) -> Iterator[tuple[bytes, bytes]]:
    """Identity and core of everything that looks like a stored content, in no order, doubles included."""
    with _opened(database) as main, _opened(database.with_name(database.name + "-wal")) as wal:
        pages = _Pages(main, wal)
        for page in pages.images():
            at = page.find(_START, 1)
            while at > 0:
                try:
                    found = _content(pages, page, at)
                except (IndexError, ValueError, struct.error):
                    found = None
                if found is not None:
                    yield found
                at = page.find(_START, at + 1)
