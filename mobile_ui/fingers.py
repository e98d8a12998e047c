"""The fingers on the screen: nothing moves away under them."""

from collections.abc import Callable, Hashable
from typing import Any, Final

from kivy.clock import Clock
from kivy.core.window import Window

PATIENCE_S: Final = 1.5
"""No tap takes longer; a palm or a drop of rain that rests on the glass must not keep what is new from being shown."""


class Fingers:
    """Puts off what would change the screen while a finger is down.

    A button that is replaced or moved between the finger's coming and going loses the tap, or another one gets it.

    Args:
        touched: told of each finger that comes.
    """

    def __init__(self, touched: Callable[[], None]) -> None:
        self._touched = touched
        self._down: dict[Any, float] = {}
        self._due: dict[Hashable, Callable[[], None]] = {}
        self._looking: Any = None

    def start(self) -> None:
        """The window is there."""
        Window.bind(on_touch_down=self._comes, on_touch_up=self._goes)

    def stop(self) -> None:
        """It goes."""
        Window.unbind(on_touch_down=self._comes, on_touch_up=self._goes)
        if self._looking is not None:
            self._looking.cancel()

    def when_up(self, key: Hashable, call: Callable[[], None]) -> None:
        """Call it now, or when no finger is down; of calls with the same key only the last."""
        if not self._down and not self._due:
            call()
            return
        self._due[key] = call
        if self._looking is None:
            self._looking = Clock.schedule_interval(self._look, 0)

    def _comes(self, _window: Any, touch: Any) -> None:
        if not touch.is_mouse_scrolling:
            self._down[touch.uid] = Clock.get_time()
            self._touched()

    def _goes(self, _window: Any, touch: Any) -> None:
        # What it touched hears of it behind this; what is due waits for the next frame.
        self._down.pop(touch.uid, None)

    def _look(self, _dt: float) -> bool:
        """Each frame while something is due."""
        now_s = Clock.get_time()
        self._down = {uid: since_s for uid, since_s in self._down.items() if now_s - since_s <= PATIENCE_S}
        if self._down:
            return True
        self._looking = None
        due, self._due = self._due, {}
        for call in due.values():
            call()
        return False
