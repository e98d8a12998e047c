"""The fingers on the screen: nothing moves away under them."""

from collections.abc import Callable, Hashable
from typing import Any, Final

from kivy.clock import Clock
from kivy.core.window import Window
from kivy.metrics import dp

PATIENCE_S: Final = 1.5
"""No tap takes longer; a palm or a drop of rain that rests on the glass must not keep what is new from being shown."""
MOVES_DP: Final = 4
"""A pen that signs goes further than this between two waits; what rests only trembles."""
BEFORE_DRAWING: Final = -1
"""Kivy's word for: in this frame, behind the fingers that it brings, and before it is laid out and drawn."""


class Fingers:
    """Puts off what would change the screen while a finger is down, and until the fingers of this frame were heard.

    A button that is replaced or moved between the finger's coming and going loses the tap, or another one gets it. So does
    one that is replaced just before the finger is heard of: it has no place yet.

    Args:
        touched: told of each finger that comes.
    """

    def __init__(self, touched: Callable[[], None]) -> None:
        self._touched = touched
        self._down: dict[Any, tuple[float, float]] = {}
        self._due: dict[Hashable, Callable[[], None]] = {}
        self._soon = Clock.create_trigger(self._do_due, BEFORE_DRAWING)
        self._patience = Clock.create_trigger(self._forget, PATIENCE_S)

    def start(self) -> None:
        """The window is there."""
        Window.bind(on_touch_down=self._comes, on_touch_move=self._moves, on_touch_up=self._goes)

    def stop(self) -> None:
        """It goes."""
        Window.unbind(on_touch_down=self._comes, on_touch_move=self._moves, on_touch_up=self._goes)
        self._soon.cancel()
        self._patience.cancel()

    def when_up(self, key: Hashable, call: Callable[[], None]) -> None:
        """Call it before this frame is drawn, or that in which the last finger goes; of the same key only the last call."""
        self._due[key] = call
        if not self._down:
            self._soon()

    def _comes(self, _window: Any, touch: Any) -> None:
        if not touch.is_mouse_scrolling:
            self._wait(touch)
            self._touched()

    def _moves(self, _window: Any, touch: Any) -> None:
        if (last := self._down.get(touch.uid)) and max(abs(touch.x - last[0]), abs(touch.y - last[1])) >= dp(MOVES_DP):
            self._wait(touch)

    def _wait(self, touch: Any) -> None:
        self._down[touch.uid] = touch.pos
        self._patience.cancel()
        self._patience()

    def _goes(self, _window: Any, touch: Any) -> None:
        # What it touched hears of it behind this.
        self._down.pop(touch.uid, None)
        if not self._down and self._due:
            self._soon()

    def _forget(self, _dt: float) -> None:
        """A finger that stays is none."""
        self._down.clear()
        if self._due:
            self._soon()

    def _do_due(self, _dt: float) -> None:
        if self._down:
            return
        due, self._due = self._due, {}
        for call in due.values():
            call()
