"""Contents cut out of the pages of a damaged database, where SQLite itself gives up.

Reads table leaf pages of the main file and of every WAL frame (SQLite file format, sections 1.6, 2.3 and 4.1) without trusting
anything that connects them. Whatever comes out is believed only if its bytes hash to the identity that stands beside it.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = 4096
FILE_HEADER_BYTES: Final = 100
WAL_HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
TABLE_LEAF: Final = 0x0D
MAX_PAYLOAD_BYTES: Final = 64 * 1024
CONTENT_COLUMNS: Final = 6
ID_SERIAL: Final = 12 + 2 * 32
"""Serial type of a blob of 32 bytes."""
_INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)


class _Pages:
    """The newest image of each page, and all images there are."""

    def __init__(self, database: Path) -> None:
        main = _bytes_of(database)
        wal = _bytes_of(database.with_name(database.name + "-wal"))
        self._newest = {i + 1: main[at : at + PAGE_BYTES] for i, at in enumerate(range(0, len(main), PAGE_BYTES))}
        self.images: list[tuple[int, bytes]] = list(self._newest.items())
        step = FRAME_HEADER_BYTES + PAGE_BYTES
        for at in range(WAL_HEADER_BYTES, len(wal) - step + 1, step):
            number = int.from_bytes(wal[at : at + 4], "big")
            image = wal[at + FRAME_HEADER_BYTES : at + step]
            self.images.append((number, image))
            self._newest[number] = image

    def newest(self, number: int) -> bytes:
        return self._newest.get(number, b"")


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(9):
        byte = data[at + i]
        if i == 8:  # noqa: PLR2004 the ninth byte counts whole
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at + i + 1
    raise IndexError


def _payload(pages: _Pages, page: bytes, at: int) -> tuple[int, bytes]:
    """Row number and record of a cell, overflow pages included."""
    size, at = _varint(page, at)
    row, at = _varint(page, at)
    if size > MAX_PAYLOAD_BYTES:
        raise IndexError
    most_local = PAGE_BYTES - 35
    if size <= most_local:
        return row, page[at : at + size]
    least = (PAGE_BYTES - 12) * 32 // 255 - 23
    local = least + (size - least) % (PAGE_BYTES - 4)
    local = local if local <= most_local else least
    data = page[at : at + local]
    (overflow,) = struct.unpack_from(">I", page, at + local)
    while len(data) < size:
        further = pages.newest(overflow)
        if len(further) < PAGE_BYTES:
            raise IndexError
        data += further[4 : 4 + size - len(data)]
        (overflow,) = struct.unpack_from(">I", further)
    return row, data


def _content(record: bytes) -> tuple[bytes, bytes] | None:
    """Identity and core, if the record has the shape of a row of `content`."""
    header_bytes, at = _varint(record, 0)
    kinds: list[int] = []
    while at < header_bytes and len(kinds) <= CONTENT_COLUMNS:
        kind, at = _varint(record, at)
        kinds.append(kind)
    is_blob = kinds[-1] >= len(_INTEGER_BYTES) + 2 and kinds[-1] % 2 == 0 if kinds else False
    if len(kinds) != CONTENT_COLUMNS or kinds[1] != ID_SERIAL or not is_blob:
        return None
    sizes = [_INTEGER_BYTES[k] if k < len(_INTEGER_BYTES) else (k - 12) // 2 for k in kinds]
    starts = [header_bytes + sum(sizes[:i]) for i in range(CONTENT_COLUMNS)]
    identity, core = (record[starts[i] : starts[i] + sizes[i]] for i in (1, 5))
    return identity, core


def carve(database: Path) -> Iterator[tuple[int, bytes, bytes]]:
    """Row number, identity and core of everything that looks like a stored content, in no order, doubles included."""
    pages = _Pages(database)
    for number, page in pages.images:
        start = FILE_HEADER_BYTES if number == 1 else 0
        if len(page) < PAGE_BYTES or page[start] != TABLE_LEAF:
            continue
        (cells,) = struct.unpack_from(">H", page, start + 3)
        for pointer in range(start + 8, min(start + 8 + 2 * cells, PAGE_BYTES - 1), 2):
            (at,) = struct.unpack_from(">H", page, pointer)
            try:
                row, record = _payload(pages, page, at)
                found = _content(record)
            except (IndexError, struct.error):
                continue
            if found is not None:
                yield row, *found
