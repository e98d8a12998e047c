"""Takes a picture of every screen: `python -m tests.mobile_ui.pictures FOLDER LANGUAGE THEME [SCALE [DENSITY]]`."""

# ruff: noqa: PLC0415 kivy is imported when its environment is set, and opens a window

import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.mobile_ui.scenes import hard_route, scenes, settle
from tests.mobile_ui.stage import on_stage, prepare

SHEET = "sheet.png"
COLUMNS = 8
THUMB_PX = 300


def main(out: Path, language: str, theme: str, scale: float = 1.0, density: float = 1.0) -> None:
    """Take them, and put them side by side on one sheet."""
    prepare(mock=False, width=round(480 * density), height=round(800 * density), density=density)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.png"):
        old.unlink()
    look = partial(settle, language=language, theme=theme, scale=scale)
    with tempfile.TemporaryDirectory() as folder, on_stage(hard_route(), Path(folder), agent=look) as stage:
        from kivy.core.window import Window

        for n, name in enumerate(scenes(stage)):
            stage.frames(2)
            Window.dispatch("on_draw")
            Path(Window.screenshot(str(out / "shot.png"))).replace(out / f"{n:02d}-{name}.png")
    sheet(out)


def sheet(folder: Path) -> None:
    """All pictures of a folder on one."""
    from PIL import Image, ImageDraw

    paths = sorted(folder.glob("[0-9][0-9]-*.png"))
    height = THUMB_PX * 800 // 480
    rows = -(-len(paths) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * (THUMB_PX + 8), rows * (height + 24)), (96, 96, 96))
    draw = ImageDraw.Draw(whole)
    for n, path in enumerate(paths):
        x, y = n % COLUMNS * (THUMB_PX + 8), n // COLUMNS * (height + 24)
        with Image.open(path) as picture:
            whole.paste(picture.convert("RGB").resize((THUMB_PX, height), Image.Resampling.LANCZOS), (x, y + 20))
        draw.text((x + 4, y + 4), path.stem, fill=(255, 255, 255))
    whole.save(folder / SHEET)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], *(float(a) for a in sys.argv[4:]))
