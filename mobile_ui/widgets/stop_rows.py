"""The list of stops: only the rows on the screen exist, so that 200 scroll as smoothly as 10."""

from collections.abc import Callable
from typing import Any

from kivy.graphics import Color, Rectangle
from kivy.metrics import dp, sp
from kivy.properties import ObjectProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from kivy.uix.recycleboxlayout import RecycleBoxLayout
from kivy.uix.recycleview import RecycleView
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from mobile_ui.core.day import Day, StopDay
from mobile_ui.core.reasons import CHANGES, STATES
from mobile_ui.core.say import say
from mobile_ui.core.shown import clock, window_text
from mobile_ui.look import Look

ROW_DP = 76


class StopRow(RecycleDataViewBehavior, ButtonBehavior, BoxLayout):  # type: ignore[misc] # kivy ships without types
    """One stop: number, name and address, window, what became of it."""

    row = ObjectProperty(None, allownone=True)

    def __init__(self, **more: Any) -> None:
        super().__init__(orientation="horizontal", padding=(dp(12), dp(6)), spacing=dp(10), **more)
        self._labels = [Label(halign=align, valign="middle", shorten=True) for align in ("center", "left", "right")]
        for label, part in zip(self._labels, (0.14, 0.56, 0.30), strict=True):
            label.size_hint_x = part
            label.bind(size=self._fit)
            self.add_widget(label)
        with self.canvas.before:
            self._ground_colour = Color(1, 1, 1, 1)
            self._ground = Rectangle()
            self._rule_colour = Color(0, 0, 0, 1)
            self._rule = Rectangle()
        self.bind(pos=self._place, size=self._place)

    @staticmethod
    def _fit(label: Any, size: tuple[float, float]) -> None:
        label.text_size = size

    def _place(self, *_: object) -> None:
        self._ground.pos, self._ground.size = self.pos, self.size
        self._rule.pos, self._rule.size = self.pos, (self.width, dp(1))

    def refresh_view_attrs(self, view: Any, index: int, data: dict[str, Any]) -> None:
        """Show another stop."""
        super().refresh_view_attrs(view, index, data)
        look: Look = data["look"]
        one: StopDay = data["stop"]
        self._tapped: Callable[[str], None] = data["tapped"]
        self._stop = one.stop.stop
        palette = look.palette
        number, middle, right = self._labels
        ink = palette.text if one.is_open else palette.quiet
        self._ground_colour.rgba = palette.panel if data["is_next"] else palette.ground
        self._rule_colour.rgba = palette.rule
        for label, size in zip(self._labels, (22, 15, 14), strict=True):
            label.font_name, label.font_size, label.color = look.font, sp(size) * look.scale, ink
        number.text = str(one.number)
        number.color = palette.accent if data["is_next"] else ink
        middle.text = f"{one.stop.name}\n{one.stop.address}"
        middle.max_lines = 2
        sign, word = STATES[one.state]
        when = window_text(one.stop.window)
        if not one.is_open and one.proofs:
            when = clock(one.proofs[-1].fact.at_ms)
        state = look(word) if one.state.value != "open" else look(_contents(one))
        changed = "" if one.change is None else f"! {look(CHANGES[one.change])} · "
        clash = f"! {look(say('conflict'))} · " if one.conflict else ""
        right.text = f"{when}\n{clash}{changed}{sign} {state}"
        if one.conflict or one.change is not None:
            right.color = palette.accent

    def on_release(self) -> None:
        """Open it."""
        self._tapped(self._stop)


def _contents(one: StopDay) -> Any:
    return say("{n} parcels", n=len(one.stop.parcels)) if one.stop.parcels else say("{n} tasks", n=len(one.stop.tasks))


class StopList(RecycleView):  # type: ignore[misc] # kivy ships without types
    """All stops of a day."""

    def __init__(self, tapped: Callable[[str], None]) -> None:
        super().__init__(do_scroll_x=False, bar_width=dp(6), scroll_type=["bars", "content"])
        self._tapped = tapped
        self._layout = RecycleBoxLayout(
            orientation="vertical", default_size=(None, dp(ROW_DP)), default_size_hint=(1, None), size_hint_y=None
        )
        self._layout.bind(minimum_height=self._layout.setter("height"))
        self.add_widget(self._layout)
        self.viewclass = StopRow

    def show(self, look: Look, day: Day) -> None:
        """Show the day as it is now; the place in the list stays."""
        self._layout.default_size = (None, dp(ROW_DP) * look.scale)
        current = day.next_stop
        self.data = [
            {"look": look, "stop": one, "tapped": self._tapped, "is_next": one is current} for one in day.stops
        ]
