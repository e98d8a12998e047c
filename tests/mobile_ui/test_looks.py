"""How every screen looks on a hard day: no text is cut, every target is large, nothing is in the other language.

Layout is kivy's own; only the drawing is left out.
"""

# ruff: noqa: PLC0415 kivy is imported when its environment is set, and opens a window

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mobile_ui.core.settings import Theme
from mobile_ui.look import PALETTES, TARGET_DP, Colour
from tests.mobile_ui.kit import NAMES
from tests.mobile_ui.scenes import LONG_ADDRESS, LONG_CODE, LONG_NAME, hard_route, scenes, settle
from tests.mobile_ui.stage import Stage, on_stage, prepare

pytestmark = pytest.mark.filterwarnings("default")
WIDTH, HEIGHT = 480, 800
ROUNDING_PX = 1.5
LOOKS = [("en", 1.0, 2.0), ("en", 1.3, 1.5), ("zh", 1.3, 1.0)]
"""Language, font scale, density: the largest text of each language, and all densities."""


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> None:
    prepare(mock=True)


@contextmanager
def shown(folder: Path, language: str, scale: float, density: float) -> Iterator[Stage]:
    """The hard day on a display of that density."""
    from kivy.core.window import Window
    from kivy.metrics import Metrics

    Metrics.density = density
    Window.size = (WIDTH * density, HEIGHT * density)
    look = partial(settle, language=language, theme="light", scale=scale)
    try:
        with on_stage(hard_route(), folder, agent=look) as stage:
            yield stage
    finally:
        Metrics.density = 1.0
        Window.size = (WIDTH, HEIGHT)


@pytest.mark.parametrize(("language", "scale", "density"), LOOKS)
def test_on_no_screen_a_text_is_cut_or_in_the_other_language_or_a_target_is_small(
    tmp_path: Path, language: str, scale: float, density: float
) -> None:
    with shown(tmp_path, language, scale, density) as stage:
        names = []
        for name in scenes(stage):
            names.append(name)
            faults = list(_faults(stage))
            assert not faults, (name, faults)
            foreign = [text for text in _own(stage) if FOREIGN[language].search(text)]
            assert not foreign, (name, foreign)
    assert len(names) == len(set(names)) > 30


def _faults(stage: Stage) -> Iterator[str]:
    from kivy.core.window import Window
    from kivy.metrics import dp
    from kivy.uix.label import Label
    from kivy.uix.textinput import TextInput

    from mobile_ui.widgets.basics import Tap
    from mobile_ui.widgets.stop_rows import StopRow

    assert Window.width == pytest.approx(dp(WIDTH), abs=1)
    for one in stage.widgets():
        if isinstance(one, (Tap, TextInput, StopRow)) and min(one.width, one.height) < dp(TARGET_DP):
            yield f"{_name(one)} is only {one.width / dp(1):.0f} x {one.height / dp(1):.0f} dp"
        if isinstance(one, Label):
            wide, high = _needs(one)
            if wide > one.width + ROUNDING_PX or high > one.height + ROUNDING_PX:
                yield f"{_name(one)} needs {wide} x {high} and has {one.width:.0f} x {one.height:.0f}"
        if isinstance(one, (Label, TextInput)) and one.text:
            left, low = one.to_window(one.x, one.y)
            if left < -ROUNDING_PX or left + one.width > Window.width + ROUNDING_PX:
                yield f"{_name(one)} is beside the screen"
            if not _scrolls(one) and (low < -ROUNDING_PX or low + one.height > Window.height + ROUNDING_PX):
                yield f"{_name(one)} is above or below the screen"


def _needs(label: Any) -> tuple[float, float]:
    """How large its text is; a label of a fixed height cuts what is more without a word."""
    from kivy.core.text import Label as Glyphs

    width, height = label.text_size
    if height is None:
        return tuple(label.texture_size)
    style = {"font_name": label.font_name, "font_size": label.font_size, "shorten": label.shorten}
    whole = Glyphs(text=label.text, text_size=(width, None), shorten_from=label.shorten_from, **style)
    whole.resolve_font_name()
    return tuple(whole.render())


def _name(widget: Any) -> str:
    return f"{type(widget).__name__} {getattr(widget, 'text', '')!r}"


def _scrolls(widget: Any) -> bool:
    from kivy.core.window import Window
    from kivy.uix.scrollview import ScrollView

    parent = widget.parent
    while parent is not None and parent is not Window:
        if isinstance(parent, ScrollView):
            return True
        parent = parent.parent
    return False


OWN_WORDS = re.compile(
    "|".join(
        [
            "WangXiaoming王小明|陈伟W.Chen",
            *(re.escape("".join(text.split())) for name in NAMES for text in name),
            LONG_NAME,
            LONG_ADDRESS,
            r"Holdfast|English|简体中文|Route7North|van[ -]?\d+|probe\.\w+|above8|RET-1|sign$|OTHER",
            r"胰岛素注射液|Books|Wine|Insulin|Returnofshoes|Bellisbroken,call\.|门铃坏了.*|退回的.*|°C|MB|\d+",
        ]
    )
)
"""Names, addresses and goods of the demo, in whatever language they are; and units."""


FOREIGN = {"zh": re.compile("[A-Za-z]{2,}"), "en": re.compile("[\u4e00-\u9fff]")}


def _own(stage: Stage) -> list[str]:
    """What the app itself says."""
    return [OWN_WORDS.sub("", "".join(text.split()).replace(LONG_CODE, "")) for text in stage.texts()]


# -- colours -------------------------------------------------------------------------------------------------------------


def _contrast(one: Colour, other: Colour) -> float:
    """WCAG 2.2, "contrast ratio"."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", Theme)
def test_everything_that_is_read_stands_out(theme: Theme) -> None:
    palette = PALETTES[theme]
    least = 7.0 if theme is Theme.SUNLIGHT else 4.5
    for ink, ground in (
        (palette.text, palette.ground),
        (palette.text, palette.panel),
        (palette.quiet, palette.ground),
        (palette.quiet, palette.panel),
        (palette.accent, palette.panel),
        (palette.accent, palette.ground),
        (palette.alarm, palette.ground),
        (palette.on_accent, palette.accent),
        (palette.on_alarm, palette.alarm),
        (palette.on_attention, palette.attention),
    ):
        assert _contrast(ink, ground) >= least
