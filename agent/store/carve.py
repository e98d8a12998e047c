"""Contents cut out of the pages of a damaged database, where SQLite itself gives up.

Looks for records of `content` by their first bytes, in every page of the main file and of the WAL (SQLite file format, sections
1.6, 2.1 and 4.1), and trusts nothing that connects pages or cells: one bit in a page's head would hide all that stands on it.
Whatever comes out is to be believed only if its bytes hash to the identity that stands beside it.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contract.event import Lane
from contract.limits import KIB, MAX_CORE_BYTES

PAGE_BYTES: Final = 4096
WAL_HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
NEXT_PAGE_BYTES: Final = 4
MAX_RECORD_BYTES: Final = MAX_CORE_BYTES + KIB
_INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
# Serial types of the first columns: seq is the row number (NULL in the record), fact_id 32 bytes, lane a word.
_STARTS: Final = tuple(bytes([0, 12 + 2 * 32, 13 + 2 * len(lane.value)]) for lane in Lane)
_NEXT_COLUMNS: Final = len(_STARTS[0])


class _Pages:
    """The newest image of each page, and all images there are."""

    def __init__(self, database: Path) -> None:
        main = _bytes_of(database)
        wal = _bytes_of(database.with_name(database.name + "-wal"))
        self._newest = {i + 1: main[at : at + PAGE_BYTES] for i, at in enumerate(range(0, len(main), PAGE_BYTES))}
        self.images = list(self._newest.values())
        step = FRAME_HEADER_BYTES + PAGE_BYTES
        for at in range(WAL_HEADER_BYTES, len(wal) - step + 1, step):
            image = wal[at + FRAME_HEADER_BYTES : at + step]
            self.images.append(image)
            self._newest[int.from_bytes(wal[at : at + 4], "big")] = image

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
            further = self._newest.get(overflow, b"")
            (overflow,) = struct.unpack_from(">I", further)
            data += further[NEXT_PAGE_BYTES : NEXT_PAGE_BYTES + size - len(data)]
        return data


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
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


def _content(pages: _Pages, page: bytes, at: int) -> tuple[int, bytes, bytes] | None:
    """Position, identity and core of the record whose column types start at `at`."""
    identity_kind, lane_kind = page[at + 1], page[at + 2]
    n_kind, at_ms_kind = page[at + _NEXT_COLUMNS], page[at + _NEXT_COLUMNS + 1]
    core_kind, end = _varint(page, at + _NEXT_COLUMNS + 2)
    is_record = max(n_kind, at_ms_kind) < len(_INTEGER_BYTES) and core_kind > lane_kind and core_kind % 2 == 0
    header_bytes = end - at + 1
    if not is_record:
        return None
    sizes = [_size(kind) for kind in (identity_kind, lane_kind, n_kind, at_ms_kind, core_kind)]
    total = header_bytes + sum(sizes)
    if total > MAX_RECORD_BYTES:
        return None
    record = pages.whole(page, at - 1, total)
    starts = [header_bytes + sum(sizes[:i]) for i in range(len(sizes))]
    identity, _lane, n, _at_ms, core = (record[s : s + size] for s, size in zip(starts, sizes, strict=True))
    return int.from_bytes(n, "big"), identity, core


def carve(database: Path) -> Iterator[tuple[int, bytes, bytes]]:
    """Position, identity and core of everything that looks like a stored content, in no order, doubles included."""
    pages = _Pages(database)
    for page in pages.images:
        for start in _STARTS:
            at = page.find(start, 1)
            while at > 0:
                try:
                    found = _content(pages, page, at)
                except (IndexError, struct.error):
                    found = None
                if found is not None:
                    yield found
                at = page.find(start, at + 1)
