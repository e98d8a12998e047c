"""Today: where to go, what is done, what the hub changed; as a list or as a map."""

from collections.abc import Callable
from typing import ClassVar

from kivy.metrics import dp
from kivy.uix.floatlayout import FloatLayout
from kivy.uix.widget import Widget

from mobile_ui.core.courier import Topic
from mobile_ui.core.say import say
from mobile_ui.core.shown import clock
from mobile_ui.look import PRIMARY_DP
from mobile_ui.screens.page import Page, Shell
from mobile_ui.widgets.basics import LARGE, SMALL, Box, Rule, Tap, Text
from mobile_ui.widgets.route_map import RouteMap, View
from mobile_ui.widgets.stop_rows import StopList


class TodayPage(Page):
    """The day's stops."""

    topics: ClassVar = frozenset({Topic.DAY, Topic.SETTINGS, Topic.PERSON, Topic.DRAFT})
    as_map = False

    def __init__(self, shell: Shell, name: str) -> None:
        super().__init__(shell, name)
        self._view = View()

    def draw(self) -> Widget:
        """Head, changes, then list or map."""
        look, day = self.look, self.courier.day
        if day.route is None:
            return self._kept() if day.left else self.page(say("Today"), *self._nothing())
        done = say("{done} of {all} done", done=day.done, all=len(day.stops))
        head = Box(
            Text(look, day.route.name, size=LARGE),
            Text(look, say("{vehicle} · {progress}", vehicle=day.route.vehicle, progress=done), size=SMALL),
            gap=0,
        )
        toggle = Tap(look, say("List") if self.as_map else say("Map"), self._toggle, size_hint_x=0.32)
        whole = Box(Box(head, toggle, across=True, pad=10, fill=look.palette.panel), Rule(look), gap=0, size_hint_y=1)
        for line in self._lines():
            whole.add_widget(line)
        if self.as_map:
            whole.add_widget(self._map())
        else:
            whole.add_widget(self._list())
        return whole

    def _list(self) -> Widget:
        stops = getattr(self, "_stops", None) or StopList(self.shell.open_stop)
        self._stops = stops
        if stops.parent is not None:
            stops.parent.remove_widget(stops)
        stops.show(self.look, self.courier.day)
        return stops

    def _kept(self) -> Widget:
        """What was proved today, where the hub withdrew the route or none has come yet."""
        look = self.look
        head = Box(
            Text(look, say("There is no route now."), size=LARGE),
            Text(look, say("What was kept today stays:"), size=SMALL),
            gap=0,
        )
        load = Tap(look, say("Load the van"), lambda: self.shell.go("load"), size_hint_x=0.4)
        whole = Box(Box(head, load, across=True, pad=10, fill=look.palette.panel), Rule(look), gap=0, size_hint_y=1)
        for part in (*self._lines(), self._list()):
            whole.add_widget(part)
        return whole

    def _map(self) -> Widget:
        drawn = RouteMap(self.look, self.courier.day, self.shell.open_stop, self._view)
        buttons = Box(
            Tap(self.look, "+", drawn.nearer, size=LARGE),
            Tap(self.look, "-", drawn.farther, size=LARGE),
            size_hint_x=None,
            width=dp(PRIMARY_DP),
            pos_hint={"right": 0.98, "y": 0.02},
        )
        over = FloatLayout()
        over.add_widget(drawn)
        over.add_widget(buttons)
        return over

    def _nothing(self) -> list[Widget]:
        look = self.look
        return [
            Text(look, say("No route has come yet."), size=LARGE),
            Text(look, say("It comes by itself when there is network. What you scan is kept meanwhile.")),
            Tap(look, say("Load the van"), lambda: self.shell.go("load"), primary=True),
        ]

    def _lines(self) -> list[Widget]:
        look, courier, palette = self.look, self.courier, self.look.palette
        lines: list[Widget] = []
        if changes := courier.changes:
            text = say("! The route was changed, stops: {n}. Tap when you have seen it", n=len(changes))
            lines.append(Tap(look, text, courier.look_at_changes, fill=palette.attention, ink=palette.on_attention))
        begun = [draft for draft in courier.drafts.values() if draft.stop.stop != courier.at_stop]
        for draft in begun[:1]:
            text = say("◆ Begun and not finished: {name}. Tap to go on", name=draft.stop.name)
            lines.append(Tap(look, text, self._going_on(draft.stop.stop)))
        current = courier.day.next_stop
        if current is not None and current.stop.window is not None and self.shell.now_ms() > current.stop.window.to_ms:
            lines.append(
                Box(
                    Text(
                        look,
                        say("◆ Stop {n} was due by {time}", n=current.number, time=clock(current.stop.window.to_ms)),
                    ),
                    pad=10,
                )
            )
        return lines

    def _going_on(self, stop: str) -> Callable[[], None]:
        return lambda: self.shell.open_stop(stop)

    def _toggle(self) -> None:
        self.as_map = not self.as_map
        self.redraw()
