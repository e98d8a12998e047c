"""What kind of picture a file is. Photos are told from their first bytes alone; none is ever decoded here.

Only the kinds of `contract.picture`, and signatures as the hub draws them from their strokes, are shown by the pages. Anything
else, and any picture too large to open safely, is kept as evidence and handed out as a plain file.
"""

from pathlib import Path
from typing import Final

from contract.errors import Malformed
from contract.picture import HEAD_BYTES, Picture, picture_of
from contract.signature import MAX_SIGNATURE_BYTES, Signature, decode_signature

SIGNATURE_TYPE: Final = "image/vnd.holdfast.signature+json"
"""Strokes of a pen (`contract.signature`); `image`, because pages draw it."""


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
