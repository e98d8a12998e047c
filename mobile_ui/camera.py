"""Where photos come from: a port, because every platform takes them in its own way. No kivy."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from mobile_ui.core.photos import refuse_size

WIDTH_PX: Final = 960
HEIGHT_PX: Final = 720


class Camera(Protocol):
    """Takes a photo to a path and says so; takes nothing and says nothing where the person thought better of it."""

    def take(self, path: Path, done: Callable[[Path], None]) -> None:
        """Take one.

        Raises:
            NoPhoto: it took one that cannot be kept.
            OSError: it took none.
        """


class FileCamera:
    """For desktops and tests: every photo is a copy of one file, byte for byte."""

    def __init__(self, source: Path) -> None:
        self._source = source

    def take(self, path: Path, done: Callable[[Path], None]) -> None:
        """Copy it."""
        refuse_size(self._source.stat().st_size)
        shutil.copyfile(self._source, path)
        done(path)


class TestCard:
    """For desktops without a file: a picture that says what it is, different each time."""

    __test__ = False

    def take(self, path: Path, done: Callable[[Path], None]) -> None:
        """Draw it."""
        from PIL import Image, ImageDraw  # noqa: PLC0415 the app starts without it

        image = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (214, 222, 230))
        draw = ImageDraw.Draw(image)
        draw.rectangle((280, 220, 680, 560), fill=(186, 140, 99), outline=(90, 62, 40), width=6)
        draw.rectangle((440, 220, 520, 560), fill=(222, 196, 160))
        draw.text((290, 600), f"TEST PICTURE {path.stem[-8:]}", fill=(40, 48, 56))
        image.save(path, "JPEG", quality=85)
        done(path)
