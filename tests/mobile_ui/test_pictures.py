"""Pictures of every screen in both languages and all themes, by software GL; they stay in build/screenshots to be looked at."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
OUT = Path(__file__).parents[2] / "build" / "screenshots" / "courier"
SCREENS = 30
LOOKS = [
    ("en", "dark", 1.0, 1.0),
    ("en", "sunlight", 1.0, 1.0),
    ("en", "light", 1.0, 2.0),
    ("zh", "light", 1.0, 1.0),
    ("zh", "dark", 1.3, 1.0),
    ("zh", "sunlight", 1.3, 1.5),
]
"""Each theme in each language; text sizes and densities among them."""


@pytest.mark.parametrize(("language", "theme", "scale", "density"), LOOKS)
def test_every_screen_can_be_looked_at(language: str, theme: str, scale: float, density: float) -> None:
    from PIL import Image  # noqa: PLC0415 only here

    out = OUT / f"{language}-{theme}-{scale}-{density}"
    arguments = [str(out), language, theme, str(scale), str(density)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.mobile_ui.pictures", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]

    pictures = sorted(out.glob("[0-9][0-9]-*.png"))
    assert len(pictures) > SCREENS
    assert (out / "sheet.png").exists()
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.size == (round(480 * density), round(800 * density))
            # Not black, not empty: several colours are on it.
            assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20) or []) > 8, path
