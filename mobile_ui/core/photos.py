"""Photos before they are kept: which may be, and how they look in small.

A photo is what the camera made of it and is never changed: it is kept and sent whole. One that is too large for that is refused
at once; one that is too large to be opened safely, or no picture at all, is evidence all the same and only not shown.
"""

import io
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Final

from contract.limits import MAX_BLOB_BYTES
from contract.picture import HEAD_BYTES, MAX_PIXELS, picture_of
from mobile_ui.core.say import Sentence, say
from mobile_ui.core.shown import megabytes

SMALL_PX: Final = (640, 480)
_KINDS: Final = ("JPEG", "PNG", "WEBP")


class NoPhoto(Exception):
    """A photo that is not taken; `why` is for the person."""

    def __init__(self, why: Sentence) -> None:
        super().__init__(why.key)
        self.why = why


def refuse_size(size: int) -> None:
    """Refuse what no agent takes.

    Raises:
        NoPhoto: it is empty or too large.
    """
    if size == 0:
        raise NoPhoto(say("The photo is empty. Take it again"))
    if size > MAX_BLOB_BYTES:
        sizes = {"size": megabytes(size), "limit": megabytes(MAX_BLOB_BYTES)}
        raise NoPhoto(say("The photo has {size}; at most {limit} can be kept. Take it again, smaller", **sizes))


def not_stored(error: OSError) -> NoPhoto:
    """What to tell of a disk or a camera that did not give one."""
    return NoPhoto(say("The photo could not be stored ({why}). Take it again", why=error.strerror or str(error)))


def settle(path: Path) -> None:
    """Put a photo to disk for good.

    Raises:
        NoPhoto: it cannot be kept; the file is gone.
    """
    try:
        with path.open("rb") as file:
            refuse_size(os.fstat(file.fileno()).st_size)
            os.fsync(file.fileno())
    except (OSError, NoPhoto) as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise not_stored(error) if isinstance(error, OSError) else error from error


def small(path: Path) -> bytes | None:
    """A small PNG of a photo; None where it must not be opened, or cannot.

    Raises:
        FileNotFoundError: it is gone.
    """
    with path.open("rb") as file:
        if picture_of(file.read(HEAD_BYTES)) is None:
            return None
        from PIL import Image, ImageOps  # noqa: PLC0415 the core starts without it

        file.seek(0)
        # A broken file is an OSError to most decoders, and one of the others to some.
        broken = (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning)
        with (
            suppress(*broken),
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(file, formats=_KINDS) as image,
        ):
            if image.width * image.height > MAX_PIXELS:
                return None
            # A JPEG is decoded at a fraction of its size then.
            image.thumbnail(SMALL_PX)
            body = io.BytesIO()
            ImageOps.exif_transpose(image).convert("RGB").save(body, "PNG")
            return body.getvalue()
    return None
