"""How the app looks: colours of three themes, one font that holds Latin and Chinese, sizes. No kivy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mobile_ui.core.say import Sentence
from mobile_ui.core.settings import Theme
from mobile_ui.core.words import Words

Colour = tuple[float, float, float, float]

TARGET_DP: Final = 48
PRIMARY_DP: Final = 64
"""For gloves."""
GAP_DP: Final = 8


def _colour(text: str) -> Colour:
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return (red, green, blue, 1.0)


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by use."""

    ground: Colour
    panel: Colour
    text: Colour
    quiet: Colour
    rule: Colour
    accent: Colour
    on_accent: Colour
    alarm: Colour
    on_alarm: Colour
    attention: Colour
    on_attention: Colour


def _palette(*colours: str) -> Palette:
    return Palette(*map(_colour, colours))


PALETTES: Final = {
    Theme.LIGHT: _palette(
        "#F6F7F8",
        "#FFFFFF",
        "#1A1D21",
        "#5B646E",
        "#D9DEE3",
        "#0B62A8",
        "#FFFFFF",
        "#B3261E",
        "#FFFFFF",
        "#E69F00",
        "#1A1D21",
    ),
    Theme.DARK: _palette(
        "#15181B",
        "#1D2125",
        "#E8EBEE",
        "#9AA4AE",
        "#333A41",
        "#5AA9E6",
        "#10161B",
        "#F2675E",
        "#1A0705",
        "#F0B23A",
        "#1A1D21",
    ),
    # Contrast of 10 and more against the ground: read in the sun through a scratched glass.
    Theme.SUNLIGHT: _palette(
        "#FFFFFF",
        "#FFFFFF",
        "#000000",
        "#2B2F33",
        "#000000",
        "#003A70",
        "#FFFFFF",
        "#8C0000",
        "#FFFFFF",
        "#FFD24D",
        "#000000",
    ),
}

FONTS: Final = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/system/fonts/NotoSansCJK-Regular.ttc",
    "/system/fonts/DroidSansFallback.ttf",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)
"""Debian: fonts-wqy-microhei or fonts-noto-cjk. A label has one font, so it must hold both scripts."""
LATIN_ONLY: Final = "Roboto"
"""Kivy's own: without Chinese."""


def find_font(paths: tuple[str, ...] = FONTS) -> str:
    """The first font that is there."""
    return next((path for path in paths if Path(path).exists()), LATIN_ONLY)


@dataclass(frozen=True, slots=True)
class Look:
    """What every widget is drawn with."""

    palette: Palette
    words: Words
    font: str
    scale: float = 1.0

    def __call__(self, sentence: Sentence | str) -> str:
        """In the courier's language."""
        return self.words(sentence)
