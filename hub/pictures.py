"""What kind of picture a file is. Photos are told from their first bytes alone; none is ever decoded here.

Only these three kinds, and signatures as the hub draws them from their strokes, are shown by the pages. Anything else, and any
picture too large to open safely, is kept as evidence and handed out as a plain file.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contract.errors import Malformed
from contract.signature import MAX_SIGNATURE_BYTES, Signature, decode_signature

MAX_PIXELS: Final = 25_000_000
"""A phone's photo has 12; a small file that claims more is made to exhaust a viewer's memory."""
HEAD_BYTES: Final = 256 * 1024
"""A JPEG tells its size behind its metadata, of which one segment holds up to 64 KiB."""
SIGNATURE_TYPE: Final = "image/vnd.holdfast.signature+json"
"""Strokes of a pen (`contract.signature`). `image`, because they are kept and erased as photos are."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_PNG_HEAD: Final = 24
_WEBP_HEAD: Final = 30
_MARKER: Final = 0xFF
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers (ITU-T T.81, table B.1)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that pages may show."""

    media_type: str
    width: int
    height: int


def picture_of(head: bytes) -> Picture | None:
    """The picture that begins with these bytes; None for another kind, or one of more than MAX_PIXELS."""
    picture = _png(head) or _jpeg(head) or _webp(head)
    if picture is None or not 0 < picture.width * picture.height <= MAX_PIXELS:
        return None
    return picture


def signature_in(path: Path) -> Signature | None:
    """The signature in a file; None for anything else."""
    with path.open("rb") as file:
        data = file.read(1)
        if data != b"{":
            return None
        data += file.read(MAX_SIGNATURE_BYTES)
    try:
        return decode_signature(data)
    except Malformed:
        return None


def picture_in(path: Path) -> Picture | None:
    """The picture in a file; None for anything else."""
    with path.open("rb") as file:
        return picture_of(file.read(HEAD_BYTES))


def media_type_of(path: Path) -> str:
    """Of a file that pages show; empty for any other."""
    if picture := picture_in(path):
        return picture.media_type
    return "" if signature_in(path) is None else SIGNATURE_TYPE


def _png(head: bytes) -> Picture | None:
    if not head.startswith(_PNG) or head[12:16] != b"IHDR" or len(head) < _PNG_HEAD:
        return None
    return Picture("image/png", *struct.unpack(">II", head[16:24]))


def _jpeg(head: bytes) -> Picture | None:
    if not head.startswith(_JPEG):
        return None
    at = 2
    while at + 9 <= len(head) and head[at] == _MARKER:
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return Picture("image/jpeg", width, height)
        at += 2 + length
    return None


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
