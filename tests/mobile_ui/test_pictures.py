"""Pictures of every screen in both languages and all themes, by software GL; they stay in build/screenshots to be looked at."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mobile_ui.pictures import SHEET, Look

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "screenshots" / "courier"
SCREENS = 30
LOOKS = [
    [Look("en", "dark"), Look("en", "sunlight"), Look("en", "light", density=2.0)],
    [Look("zh", "light"), Look("zh", "dark", scale=1.3), Look("zh", "sunlight", scale=1.3, density=1.5)],
]
"""Each theme in each language; text sizes and densities among them."""


@pytest.mark.parametrize("looks", LOOKS, ids=["en", "zh"])
def test_every_screen_can_be_looked_at_and_shows_something(looks: list[Look]) -> None:
    from PIL import Image  # noqa: PLC0415 only here

    done = subprocess.run(
        [sys.executable, "-m", "tests.mobile_ui.pictures", str(OUT), *map(str, looks)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]

    for look in looks:
        folder = OUT / str(look)
        pictures = sorted(folder.glob("[0-9][0-9]-*.png"))
        assert len(pictures) > SCREENS
        assert (folder / SHEET).exists()
        for path in pictures:
            with Image.open(path) as picture:
                assert picture.size == look.size
