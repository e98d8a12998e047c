"""Takes a picture of every screen: `python -m tests.mobile_ui.pictures FOLDER LOOK...`, a look as in `zh-dark-1.3-2.0`."""

# ruff: noqa: PLC0415 kivy is imported when its environment is set, and opens a window

import gc
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.mobile_ui.scenes import hard_route, scenes, settle
from tests.mobile_ui.stage import on_stage, prepare

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

WIDTH, HEIGHT = 480, 800
SHEET = "sheet.png"
COLUMNS = 8
THUMB = 300, 500
YOUNG = 50_000
"""Values until the garbage collector looks at them: after 700, as by default, it would always look."""
FEW_COLOURS = 8
"""No more are black, or empty: a text alone has more, at its soft edges."""


class Look(NamedTuple):
    """In what language and theme, how large the text, how many pixels for one dp."""

    language: str
    theme: str
    scale: float = 1.0
    density: float = 1.0

    def __str__(self) -> str:
        return "-".join(map(str, self))

    @property
    def size(self) -> tuple[int, int]:
        """Of the window, in pixels."""
        return round(WIDTH * self.density), round(HEIGHT * self.density)


@dataclass(slots=True)
class Blind:
    """Whether the window draws: nobody looks at it between the pictures, and software GL is slow."""

    now: bool = True

    def __call__(self, *_: object) -> bool:
        return self.now


def main(out: Path, looks: list[Look]) -> None:
    """Take those of each look in a folder of its own, and put them side by side on one sheet.

    Raises:
        ValueError: a picture shows next to nothing.
    """
    # Without a screen the window's pixels are never more than at first.
    width, height = max(look.size for look in looks)
    prepare(mock=False, width=width, height=height)
    from kivy.core.window import Window

    gc.freeze()
    gc.set_threshold(YOUNG)
    blind = Blind()
    Window.bind(on_draw=blind, on_flip=blind)
    for look in looks:
        folder = out / str(look)
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.png"):
            old.unlink()
        sheet(folder, dict(_taken(look, folder, blind)))


def _taken(look: Look, folder: Path, blind: Blind) -> Iterator[tuple[str, "Picture"]]:
    """The name of each picture, and a small one of it."""
    from kivy.core.window import Window
    from kivy.metrics import Metrics
    from PIL import Image

    Metrics.density = look.density
    Window.size = look.size
    settled = partial(settle, language=look.language, theme=look.theme, scale=look.scale)
    with tempfile.TemporaryDirectory() as data, on_stage(hard_route(), Path(data), agent=settled) as stage:
        for n, name in enumerate(scenes(stage)):
            stage.frames(2)
            blind.now = False
            picture = _shot(look)
            blind.now = True
            path = folder / f"{n:02d}-{name}.png"
            if picture.resize(THUMB, Image.Resampling.NEAREST).getcolors(maxcolors=FEW_COLOURS):
                raise ValueError(f"{path} shows next to nothing")
            picture.save(path, compress_level=1)
            yield path.stem, picture.resize(THUMB, Image.Resampling.BILINEAR, reducing_gap=1.0)


def _shot(look: Look) -> "Picture":
    """What is on the window."""
    from kivy.core.window import Window
    from kivy.graphics.opengl import GL_RGBA, GL_UNSIGNED_BYTE, glReadPixels
    from PIL import Image

    Window.dispatch("on_draw")
    # Not by Window.screenshot, whose files are named by itself. GL counts rows from below.
    pixels = glReadPixels(0, 0, *look.size, GL_RGBA, GL_UNSIGNED_BYTE)
    return Image.frombuffer("RGBA", look.size, pixels, "raw", "RGBA", 0, -1).convert("RGB")


def sheet(folder: Path, thumbs: dict[str, "Picture"]) -> None:
    """All pictures of a folder on one."""
    from PIL import Image, ImageDraw

    width, height = THUMB
    rows = -(-len(thumbs) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * (width + 8), rows * (height + 24)), (96, 96, 96))
    draw = ImageDraw.Draw(whole)
    for n, (name, thumb) in enumerate(thumbs.items()):
        x, y = n % COLUMNS * (width + 8), n // COLUMNS * (height + 24)
        whole.paste(thumb, (x, y + 20))
        draw.text((x + 4, y + 4), name, fill=(255, 255, 255))
    whole.save(folder / SHEET, compress_level=1)


def read_look(text: str) -> Look:
    language, theme, scale, density = text.split("-")
    return Look(language, theme, float(scale), float(density))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [read_look(text) for text in sys.argv[2:]])
