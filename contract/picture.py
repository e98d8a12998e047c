"""What kind of picture a file is, told from its first bytes alone; nothing is ever decoded here. Pure.

Only these three kinds are shown, by the hub's pages and by the courier's app. Anything else, and any picture too large to open
safely, is kept as evidence.
"""

import struct
from dataclasses import dataclass
from typing import Final

MAX_PIXELS: Final = 25_000_000
"""A phone's photo has 12; a small file that claims more is made to exhaust a viewer's memory."""
HEAD_BYTES: Final = 256 * 1024
"""A JPEG tells its size behind its metadata, of which one segment holds up to 64 KiB."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_PNG_HEAD: Final = 24
_WEBP_HEAD: Final = 30
_MARKER: Final = 0xFF
_START_OF_SCAN: Final = 0xDA
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers (ITU-T T.81, table B.1)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that may be shown."""

    media_type: str
    width: int
    height: int


def picture_of(head: bytes) -> Picture | None:
    """The picture that begins with these bytes; None for another kind, or one of more than MAX_PIXELS."""
    picture = _png(head) or _jpeg(head) or _webp(head)
    if picture is None or not 0 < picture.width * picture.height <= MAX_PIXELS:
        return None
    return picture


def _png(head: bytes) -> Picture | None:
    if not head.startswith(_PNG) or head[12:16] != b"IHDR" or len(head) < _PNG_HEAD:
        return None
    return Picture("image/png", *struct.unpack(">II", head[16:24]))


def _jpeg(head: bytes) -> Picture | None:
    if not head.startswith(_JPEG):
        return None
    found: Picture | None = None
    at = 2
    while at + 4 <= len(head) and head[at] == _MARKER and head[at + 1] != _START_OF_SCAN:
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if marker in _JPEG_FRAMES:
            size = head[at + 5 : at + 9]
            # Of two sizes nobody can say which one a viewer goes by.
            if found is not None or len(size) < struct.calcsize(">HH"):
                return None
            height, width = struct.unpack(">HH", size)
            found = Picture("image/jpeg", width, height)
        at += 2 + length
    return found


def _webp(head: bytes) -> Picture | None:
    """RFC 9649, sections 2.5 to 2.7."""
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < _WEBP_HEAD:
        return None
    match head[12:16]:
        case b"VP8X":
            width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        case _:
            return None
    return Picture("image/webp", width, height)
