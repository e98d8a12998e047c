"""Language, theme and size of text, as rows of buttons."""

from collections.abc import Iterable

import msgspec
from kivy.uix.widget import Widget

from mobile_ui.core.say import Sentence, say
from mobile_ui.core.settings import FONT_SCALES, Settings, Theme
from mobile_ui.core.words import LANGUAGES
from mobile_ui.screens.page import Shell
from mobile_ui.widgets.basics import SMALL, Box, Tap, Text

THEMES: dict[Theme, Sentence] = {
    Theme.LIGHT: say("Light"),
    Theme.DARK: say("Dark"),
    Theme.SUNLIGHT: say("Sunlight"),
}


def look_choices(shell: Shell) -> Iterable[Widget]:
    """The rows."""
    look, settings = shell.look, shell.courier.settings

    def choice(text: Sentence | str, after: Settings) -> Widget:
        return Tap(look, text, lambda: shell.courier.set(after), selected=after == settings)

    def changed(**what: object) -> Settings:
        return msgspec.structs.replace(settings, **what)

    rows = (
        (say("Language"), [choice(name, changed(language=code)) for code, name in LANGUAGES.items()]),
        (say("Screen"), [choice(text, changed(theme=theme)) for theme, text in THEMES.items()]),
        (say("Text size"), [choice(f"{round(scale * 100)} %", changed(font_scale=scale)) for scale in FONT_SCALES]),
        (say("Sounds"), [choice(say("On"), changed(sounds=True)), choice(say("Off"), changed(sounds=False))]),
    )
    for title, taps in rows:
        yield Text(look, title, size=SMALL, colour=look.palette.quiet)
        yield Box(*taps, across=True)
