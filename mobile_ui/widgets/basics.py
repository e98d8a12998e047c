"""Texts, buttons and boxes that grow with their text, in the theme of the day."""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, Final

from kivy.core.text import Label as Glyphs
from kivy.graphics import Color, Line, Rectangle, SmoothRoundedRectangle
from kivy.metrics import dp, sp
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from kivy.uix.modalview import ModalView
from kivy.uix.scrollview import ScrollView
from kivy.uix.textinput import TextInput
from kivy.uix.widget import Widget

from contract.limits import MAX_TEXT_CHARS
from mobile_ui.core.say import Sentence
from mobile_ui.core.wrapping import wrapped
from mobile_ui.look import GAP_DP, PRIMARY_DP, TARGET_DP, Colour, Look
from mobile_ui.widgets.press import Press

SMALL: Final = 14
NORMAL: Final = 16
LARGE: Final = 20
HUGE: Final = 34
RADIUS_DP: Final = 4


def _hairline() -> float:
    """Kivy draws lines twice as thick as their width, but for the thinnest."""
    return float(max(1.0, dp(0.5)))


@lru_cache(8_192)
def _advance(font: str, size: float, character: str) -> float:
    return float(Glyphs(font_name=font, font_size=size).get_extents(character)[0])


def _wrap(label: Any, text: str, width: float) -> None:
    """Break a label's text at a width, in Chinese, too."""
    label.text = wrapped(text, width, partial(_advance, label.font_name, label.font_size))
    label.text_size = (width, None)


class Text(Label):  # type: ignore[misc] # kivy ships without types
    """A text that wraps at its width and is as high as it needs."""

    def __init__(
        self,
        look: Look,
        text: Sentence | str,
        *,
        size: int = NORMAL,
        colour: Colour | None = None,
        align: str = "left",
        **more: Any,
    ) -> None:
        super().__init__(
            font_name=look.font,
            font_size=sp(size) * look.scale,
            color=colour or look.palette.text,
            halign=align,
            valign="middle",
            size_hint_y=None,
            **more,
        )
        self._whole = look(text)
        self.bind(width=self._wrap, texture_size=self._grow)
        self._wrap()

    def _wrap(self, *_: object) -> None:
        _wrap(self, self._whole, self.width)

    def _grow(self, *_: object) -> None:
        self.height = self.texture_size[1] + dp(4)


class Tap(Press, Label):  # type: ignore[misc] # kivy ships without types
    """A button: flat, at least 48 dp high, higher where its text needs it."""

    def __init__(
        self,
        look: Look,
        text: Sentence | str,
        done: Callable[[], None],
        *,
        primary: bool = False,
        selected: bool = False,
        fill: Colour | None = None,
        ink: Colour | None = None,
        align: str = "center",
        size: int = NORMAL,
        **more: Any,
    ) -> None:
        palette = look.palette
        strong = primary or selected
        self._least = dp(PRIMARY_DP if primary else TARGET_DP)
        self._whole = look(text)
        super().__init__(
            text=self._whole,
            font_name=look.font,
            font_size=sp(LARGE if primary else size) * look.scale,
            color=ink or (palette.on_accent if strong else palette.text),
            halign=align,
            valign="middle",
            size_hint_y=None,
            height=self._least,
            **more,
        )
        self._fill = fill or (palette.accent if strong else palette.panel)
        self._edge = palette.accent if strong else palette.quiet
        self._done = done
        with self.canvas.before:
            self._colour = Color(*self._fill)
            self._shape = SmoothRoundedRectangle(radius=[dp(RADIUS_DP)])
            Color(*self._edge)
            self._line = Line(width=_hairline())
        self.bind(pos=self._place, size=self._place, texture_size=self._grow, state=self._press)

    def _place(self, *_: object) -> None:
        self._shape.pos, self._shape.size = self.pos, self.size
        self._line.rounded_rectangle = (*self.pos, *self.size, dp(RADIUS_DP))
        _wrap(self, self._whole, max(self.width - dp(2 * GAP_DP), 1))

    def _grow(self, *_: object) -> None:
        self.height = max(self._least, self.texture_size[1] + dp(12))

    def _press(self, *_: object) -> None:
        red, green, blue, _alpha = self._fill
        self._colour.rgba = (red, green, blue, 0.6 if self.state == "down" else 1.0)

    def on_release(self) -> None:
        """A tap ended on it."""
        self._done()


class Box(BoxLayout):  # type: ignore[misc] # kivy ships without types
    """A row or a column that is as high as what it holds; may have a ground of its own."""

    def __init__(
        self,
        *children: Widget,
        across: bool = False,
        gap: float = GAP_DP,
        pad: float = 0,
        fill: Colour | None = None,
        **more: Any,
    ) -> None:
        super().__init__(
            orientation="horizontal" if across else "vertical",
            spacing=dp(gap),
            padding=dp(pad),
            size_hint_y=more.pop("size_hint_y", None),
            **more,
        )
        if self.size_hint_y is None:
            self.height = 0
            self.bind(minimum_height=self.setter("height"))
        if fill is not None:
            with self.canvas.before:
                Color(*fill)
                self._ground = Rectangle()
            self.bind(pos=self._place, size=self._place)
        for child in children:
            if across and not child.pos_hint:
                child.pos_hint = {"center_y": 0.5}
            self.add_widget(child)

    def _place(self, *_: object) -> None:
        self._ground.pos, self._ground.size = self.pos, self.size


class Rule(Widget):  # type: ignore[misc] # kivy ships without types
    """A thin line."""

    def __init__(self, look: Look) -> None:
        super().__init__(size_hint_y=None, height=dp(1))
        with self.canvas:
            Color(*look.palette.rule)
            self._line = Rectangle()
        self.bind(pos=self._place, size=self._place)

    def _place(self, *_: object) -> None:
        self._line.pos, self._line.size = self.pos, self.size


class Field(TextInput):  # type: ignore[misc] # kivy ships without types
    """One line to type into. Keys of a keyboard-wedge scanner come here, too, and are taken out by whoever listens.

    It takes no more than `most` characters: what is longer than a fact may hold would be refused, and its draft unreadable.
    """

    def __init__(
        self,
        look: Look,
        hint: Sentence,
        typed: Callable[[str], None],
        *,
        text: str = "",
        most: int = MAX_TEXT_CHARS,
        **more: Any,
    ) -> None:
        palette = look.palette
        self._most = most
        super().__init__(
            text=text,
            hint_text=look(hint),
            multiline=False,
            write_tab=False,
            font_name=look.font,
            font_size=sp(LARGE) * look.scale,
            size_hint_y=None,
            height=max(dp(PRIMARY_DP), sp(LARGE) * look.scale * 2.2),
            padding=(dp(12), dp(14)),
            background_normal="",
            background_active="",
            background_color=palette.panel,
            foreground_color=palette.text,
            hint_text_color=palette.quiet,
            cursor_color=palette.accent,
            **more,
        )
        with self.canvas.after:
            Color(*palette.quiet)
            self._line = Line(width=_hairline())
        self.bind(pos=self._place, size=self._place, text=lambda _field, text: typed(text))

    def insert_text(self, substring: str, from_undo: bool = False) -> None:
        """Typed or pasted, as far as there is room."""
        super().insert_text(substring[: max(self._most - len(self.text), 0)], from_undo)

    def _place(self, *_: object) -> None:
        self._line.rectangle = (*self.pos, *self.size)


class Scroll(ScrollView):  # type: ignore[misc] # kivy ships without types
    """A column that scrolls when it is higher than the screen."""

    def __init__(self, *children: Widget) -> None:
        super().__init__(do_scroll_x=False, bar_width=dp(6), scroll_type=["bars", "content"])
        self.column = Box(*children, pad=12, gap=12)
        self.add_widget(self.column)


class Bar(Widget):  # type: ignore[misc] # kivy ships without types
    """How much of something is used, from 0 to 1."""

    def __init__(self, look: Look, part: float, colour: Colour) -> None:
        super().__init__(size_hint_y=None, height=dp(10))
        self._part = min(max(part, 0.0), 1.0)
        with self.canvas:
            Color(*colour)
            self._used = Rectangle()
            Color(*look.palette.quiet)
            self._whole = Line(width=_hairline())
        self.bind(pos=self._place, size=self._place)

    def _place(self, *_: object) -> None:
        self._whole.rectangle = (*self.pos, *self.size)
        self._used.pos, self._used.size = self.pos, (self.width * self._part, self.height)


def ask(
    look: Look, title: Sentence, options: Iterable[tuple[Sentence, Callable[[], None]]], stay: Sentence
) -> ModalView:
    """A question with a button for each answer, and one that changes nothing; opened at once."""
    view = ModalView(size_hint=(0.92, None), background="", background_color=look.palette.panel, auto_dismiss=False)

    def choosing(what: Callable[[], None]) -> Callable[[], None]:
        def chosen() -> None:
            view.dismiss(animation=False)
            what()

        return chosen

    column = Box(Text(look, title, size=LARGE), pad=16, gap=12)
    for text, what in options:
        column.add_widget(Tap(look, text, choosing(what)))
    column.add_widget(Tap(look, stay, choosing(lambda: None), fill=look.palette.ground))
    column.bind(height=view.setter("height"))
    view.add_widget(column)
    view.open(animation=False)
    return view
