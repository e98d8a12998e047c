"""The window's keys, for scanners that type."""

from collections.abc import Callable
from typing import Any, Final

from kivy.clock import Clock
from kivy.core.window import Window
from kivy.uix.textinput import TextInput

from mobile_ui.core.wedge import GROUP_SEPARATOR, Held, Press, Read, Wedge, sign_of, typed

ENTER_KEYS: Final = frozenset({13, 271})
TAB_KEY: Final = 9
REST_S: Final = 0.2
"""So soon after its pause a cut code is told."""


class Keyboard:
    """Hears keys whoever has the focus.

    Kivy polls them once in a frame, behind the frame's own work: what is heard now was pressed after the poll of the frame
    before, which was after that frame began.

    Args:
        read: told what a scanner typed.
    """

    def __init__(self, read: Callable[[Read], None]) -> None:
        self._read = read
        self.wedge = Wedge()
        self._held = Held()

    def start(self) -> None:
        """The window is there. What was typed before went elsewhere."""
        self.wedge.listen(Clock.time())
        Window.bind(on_key_down=self._down, on_key_up=self._up, on_touch_down=self._touch, focus=self._focus)
        self._resting = Clock.schedule_interval(self._rest, REST_S)

    def stop(self) -> None:
        """It goes."""
        Window.unbind(on_key_down=self._down, on_key_up=self._up, on_touch_down=self._touch, focus=self._focus)
        self._resting.cancel()

    def _down(self, _window: Any, key: int, _scancode: int, character: str | None, modifiers: list[str]) -> bool:
        heard_s, earliest_s = Clock.time(), _heard_until_s()
        press = self._held.down(key, heard_s, earliest_s)
        ends = "\n" if key in ENTER_KEYS else "\t" if key == TAB_KEY else ""
        made = ends or typed(sign_of(key, character), shift="shift" in modifiers, control="ctrl" in modifiers)
        if not made or press is Press.REPEAT or (ends and press is Press.UNSURE):
            return False
        if press is Press.UNSURE:
            self.wedge.spoil(heard_s)
        field = _focused()
        read = self.wedge.key(made, heard_s, earliest_s, in_field=field is not None)
        if read is None:
            return False
        if field is not None:
            _take_out(field, read.text)
        self._read(read)
        # The end of a code is not for the field.
        return bool(ends)

    def _up(self, _window: Any, key: int, *_: object) -> None:
        self._held.up(key)

    def _rest(self, _dt: float) -> None:
        read = self.wedge.rest(_heard_until_s())
        if read is not None:
            self._read(read)

    def _touch(self, _window: Any, touch: Any) -> None:
        if not touch.is_mouse_scrolling:
            self.wedge.touch()

    def _focus(self, _window: Any, focused: bool) -> None:
        self._held.forget()
        if focused:
            self.wedge.listen(Clock.time())


def _heard_until_s() -> float:
    """All keys that were pressed before were heard."""
    return float(Clock.get_time() - Clock.frametime)


def _focused() -> TextInput | None:
    """The field that keys go to."""
    widgets = (widget for top in Window.children for widget in top.walk())
    return next((widget for widget in widgets if isinstance(widget, TextInput) and widget.focus), None)


def _take_out(field: TextInput, text: str) -> None:
    """A field heard a scanner, too."""
    shown = text.replace(GROUP_SEPARATOR, "").lower()
    at = field.cursor_index()
    before, behind = field.text[:at], field.text[at:]
    # With the lock of capitals it heard something else in letters of the other size.
    if shown and before.lower().endswith(shown):
        field.text = before[: -len(shown)] + behind
