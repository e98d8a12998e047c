"""What all screens share."""

from collections.abc import Callable
from typing import ClassVar, Protocol

from kivy.metrics import dp
from kivy.uix.screenmanager import Screen
from kivy.uix.widget import Widget

from mobile_ui.camera import Camera
from mobile_ui.core.courier import Courier, Topic
from mobile_ui.core.say import Sentence, say
from mobile_ui.look import Look
from mobile_ui.widgets.basics import LARGE, Box, Field, Rule, Scroll, Tap, Text


class Shell(Protocol):
    """What the window gives its screens."""

    look: Look
    courier: Courier
    camera: Camera

    def go(self, name: str) -> None:
        """Show another screen."""

    def open_stop(self, stop: str) -> None:
        """Show a stop."""

    def now_ms(self) -> int:
        """The wall clock."""


def beside_field(look: Look, text: Sentence, done: Callable[[], None]) -> Tap:
    """A button as high as the field that it takes what was typed in, and not the way on."""
    palette = look.palette
    return Tap(look, text, done, primary=True, fill=palette.panel, ink=palette.text, size_hint_x=0.35)


class Page(Screen):  # type: ignore[misc] # kivy ships without types
    """A screen that is drawn anew when one of its topics changed, and only while it is shown."""

    topics: ClassVar[frozenset[Topic]] = frozenset()
    needs_person: ClassVar[bool] = True

    def __init__(self, shell: Shell, name: str) -> None:
        super().__init__(name=name)
        self.shell = shell
        self._stale = True

    @property
    def look(self) -> Look:
        """Theme and language of now."""
        return self.shell.look

    @property
    def courier(self) -> Courier:
        """What is known."""
        return self.shell.courier

    def on_pre_enter(self, *_: object) -> None:
        """It is about to be shown."""
        self.redraw()

    def changed(self, topic: Topic) -> None:
        """Something changed."""
        if topic in self.topics:
            self.redraw()

    def redraw(self) -> None:
        """Draw it as it is now; who types goes on typing."""
        typing = [field for field in self._fields() if field.focus]
        for field in typing:
            field.focus = False
        self.clear_widgets()
        self.add_widget(self.draw())
        hints = {field.hint_text for field in typing}
        for field in self._fields():
            # Of another step it would open the keyboard where nobody wants to type.
            if field.hint_text in hints:
                field.focus = True

    def _fields(self) -> list[Field]:
        return [widget for widget in self.walk() if isinstance(widget, Field)]

    def draw(self) -> Widget:
        """The whole screen."""
        # Kivy's metaclass leaves no room for that of abstract methods.
        raise NotImplementedError

    def page(
        self,
        title: Sentence | str,
        *body: Widget,
        back: Callable[[], None] | None = None,
        foot: tuple[Widget, ...] = (),
        still: bool = False,
    ) -> Widget:
        """Title, a body that scrolls unless it is to be `still` under a pen, and what is always in reach below it."""
        look = self.look
        head = Box(across=True, pad=8, fill=look.palette.panel)
        if back is not None:
            head.add_widget(Tap(look, say("← Back"), back, size_hint_x=None, width=dp(96) * look.scale))
        head.add_widget(Text(look, title, size=LARGE, pos_hint={"center_y": 0.5}))
        middle = Box(*body, Widget(), pad=12, gap=12, size_hint_y=1) if still else Scroll(*body)
        whole = Box(head, Rule(look), middle, gap=0, size_hint_y=1)
        if foot:
            whole.add_widget(Box(*foot, pad=12, gap=10, fill=look.palette.panel))
        return whole
