"""The list of stops: only the rows on the screen exist, so that 200 scroll as smoothly as 10."""

from collections.abc import Callable
from typing import Any

from kivy.graphics import Color, Rectangle
from kivy.metrics import dp, sp
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from kivy.uix.recycleboxlayout import RecycleBoxLayout
from kivy.uix.recycleview import RecycleView
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from contract.route import Stop
from mobile_ui.core.day import Day, StopDay
from mobile_ui.core.reasons import CHANGES, NEEDS, STATES
from mobile_ui.core.say import Sentence, say
from mobile_ui.core.shown import clock, window_text
from mobile_ui.look import Look
from mobile_ui.widgets.press import Press

ROW_DP = 84
NUMBER_DP = 44
WINDOW_DP = 96
"""Both grow with the text."""


class StopRow(RecycleDataViewBehavior, Press, BoxLayout):  # type: ignore[misc] # kivy ships without types
    """One stop: its number, beside it name and window over the address over what became of it."""

    def __init__(self, **more: Any) -> None:
        super().__init__(orientation="horizontal", padding=(dp(8), dp(8), dp(12), dp(8)), spacing=dp(8), **more)
        self._number = _label("center")
        self._name, self._window = _label("left"), _label("right")
        # Town and house stand at its two ends, in one language or the other.
        self._address = _label("left", shorten_from="center")
        self._state = _label("left")
        for label in (self._number, self._window):
            label.size_hint_x = None
        first = BoxLayout(spacing=dp(8), size_hint_y=1.2)
        first.add_widget(self._name)
        first.add_widget(self._window)
        lines = BoxLayout(orientation="vertical")
        for line in (first, self._address, self._state):
            lines.add_widget(line)
        self.add_widget(self._number)
        self.add_widget(lines)
        with self.canvas.before:
            self._ground_colour = Color(1, 1, 1, 1)
            self._ground = Rectangle()
            self._rule_colour = Color(0, 0, 0, 1)
            self._rule = Rectangle()
            self._mark_colour = Color(0, 0, 0, 0)
            self._mark = Rectangle()
        self.bind(pos=self._place, size=self._place)

    def _place(self, *_: object) -> None:
        self._ground.pos, self._ground.size = self.pos, self.size
        self._rule.pos, self._rule.size = self.pos, (self.width, dp(1))
        self._mark.pos, self._mark.size = self.pos, (dp(4), self.height)

    def refresh_view_attrs(self, view: Any, index: int, data: dict[str, Any]) -> None:
        """Show another stop."""
        super().refresh_view_attrs(view, index, data)
        look: Look = data["look"]
        one: StopDay = data["stop"]
        self._tapped: Callable[[str], None] = data["tapped"]
        self._stop = one.stop.stop
        palette = look.palette
        ink = palette.text if one.is_open else palette.quiet
        self._ground_colour.rgba = palette.panel if data["is_next"] else palette.ground
        self._rule_colour.rgba = palette.rule
        for label, text, size in (
            (self._number, str(one.number or ""), 22),
            (self._name, one.stop.name, 17),
            (self._address, one.stop.address, 15),
            (self._window, _when(one), 15),
            (self._state, _state(look, one), 14),
        ):
            label.font_name, label.font_size, label.color, label.text = look.font, sp(size) * look.scale, ink, text
        self._number.width, self._window.width = dp(NUMBER_DP) * look.scale, dp(WINDOW_DP) * look.scale
        self._state.color = palette.quiet
        red, green, blue, _ = palette.accent
        self._mark_colour.rgba = (red, green, blue, float(data["is_next"]))
        if data["is_next"]:
            self._number.color = palette.accent
        if one.conflict or one.change is not None:
            self._state.color = palette.accent

    def on_release(self) -> None:
        """Open it."""
        self._tapped(self._stop)


def _label(align: str, shorten_from: str = "right") -> Any:
    label = Label(halign=align, valign="middle", shorten=True, shorten_from=shorten_from)
    label.bind(size=label.setter("text_size"))
    return label


def _when(one: StopDay) -> str:
    return clock(one.proofs[-1].fact.at_ms) if one.proofs else window_text(one.stop.window)


def _state(look: Look, one: StopDay) -> str:
    if one.conflict:
        return f"! {look(say('conflict'))}"
    if one.change is not None:
        return f"! {look(CHANGES[one.change])}"
    sign, word = STATES[one.state]
    if not one.number:
        return f"{sign} {look(word)} · {look(say('not on the route any more'))}"
    return " · ".join(map(look, _contents(one.stop))) if one.is_open else f"{sign} {look(word)}"


def _contents(stop: Stop) -> list[Sentence]:
    """What the courier takes along to the door."""
    counts = [
        *([say("Parcels: {n}", n=len(stop.parcels))] if stop.parcels else []),
        *([say("Tasks: {n}", n=len(stop.tasks))] if stop.tasks else []),
    ]
    return counts + [word for check, word in NEEDS.items() if check in stop.checks]


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
            {"look": look, "stop": one, "tapped": self._tapped, "is_next": one is current}
            for one in (*day.stops, *day.left)
        ]
