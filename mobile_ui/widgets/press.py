"""What a tap does, it does once."""

import math
from typing import Any, ClassVar, Final

from kivy.base import EventLoop
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.metrics import dp
from kivy.uix.behaviors import ButtonBehavior

DOUBLE_S: Final = 0.12
"""From a finger's going to its coming again, when it taps twice; to see something new and tap it takes longer."""
DOUBLE_DP: Final = 32
"""It comes again not farther away."""


class Press(ButtonBehavior):  # type: ignore[misc] # kivy ships without types
    """Something that a tap does, once.

    The second tap of a double one comes to what the first has put there, or does the same again, and was never meant: it
    does nothing.
    """

    _last: ClassVar[Any] = None
    """The finger that pressed last,"""
    _last_at: ClassVar[tuple[float, float]] = (0.0, 0.0)
    """and where,"""
    _gone_s: ClassVar[float] = -math.inf
    """and when it went."""

    def on_touch_down(self, touch: Any) -> bool:
        """A finger comes."""
        at = touch.sx * Window.width, touch.sy * Window.height
        soon = Clock.get_time() - Press._gone_s < DOUBLE_S or Press._last in EventLoop.touches
        again = soon and touch is not Press._last and math.dist(at, Press._last_at) < dp(DOUBLE_DP)
        if again and not touch.is_mouse_scrolling and self.collide_point(*touch.pos):
            return True
        if not super().on_touch_down(touch):
            return False
        Press._last, Press._last_at = touch, at
        return True

    def on_touch_up(self, touch: Any) -> bool:
        """It goes."""
        if touch.grab_current is self:
            Press._gone_s = Clock.get_time()
        return bool(super().on_touch_up(touch))
