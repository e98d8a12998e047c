"""The van: how cold the load is, how long it may still be so, and what alarms."""

from collections.abc import Callable
from typing import ClassVar

from kivy.uix.widget import Widget

from contract.cold_verdict import ColdVerdict
from contract.local import OpenAlarm
from mobile_ui.core.agent_words import limit_name
from mobile_ui.core.courier import Topic
from mobile_ui.core.reasons import VERDICTS, WHY_ACKNOWLEDGED
from mobile_ui.core.say import say
from mobile_ui.core.shown import ago, celsius, clock, duration
from mobile_ui.core.van import Probe
from mobile_ui.screens.page import Page
from mobile_ui.widgets.basics import HUGE, LARGE, SMALL, Bar, Box, Rule, Tap, Text, ask

HALF = 0.5


class VanPage(Page):
    """All sensors of this device."""

    topics: ClassVar = frozenset({Topic.VAN, Topic.LINK, Topic.SETTINGS})

    def draw(self) -> Widget:
        """One block for each sensor."""
        look = self.look
        probes = sorted(self.courier.van.probes, key=_worst_first)
        body: list[Widget] = [part for probe in probes for part in (self._probe(probe), Rule(look))]
        if not probes:
            body = [Text(look, say("No sensor has spoken on this device."), size=LARGE)]
        if (as_of := self.courier.cold_as_of) is not None:
            body.insert(0, Text(look, as_of, colour=look.palette.alarm))
        return self.page(say("How cold is the load?"), *body)

    def _probe(self, probe: Probe) -> Widget:
        look, palette = self.look, self.look.palette
        now_ms = self.shell.now_ms()
        # While nobody measures, nothing draws an age anew.
        away = self.courier.cold_as_of is not None
        stale = away or probe.stale(now_ms)
        measured = say("measured {ago}", ago=ago(probe.at_ms, now_ms))
        if away and probe.at_ms is not None:
            measured = say("measured at {time}", time=clock(probe.at_ms))
        box = Box(
            Text(look, probe.name, size=LARGE),
            Text(look, celsius(probe.value_c), size=HUGE, colour=palette.quiet if stale else palette.text),
            Text(look, measured, size=SMALL, colour=palette.quiet),
            gap=4,
        )
        if probe.verdict is None:
            box.add_widget(Text(look, say("No limits are set for this sensor."), colour=palette.quiet))
            return box
        sign, word = VERDICTS[probe.verdict]
        said = say("{sign} {word}", sign=sign, word=word)
        if probe.verdict is ColdVerdict.INSIDE:
            box.add_widget(Text(look, said, size=18))
        else:
            # Silence is as loud as an alarm, and looks otherwise.
            silent = probe.verdict is ColdVerdict.NO_DATA
            ink, fill = (palette.panel, palette.quiet) if silent else (palette.on_alarm, palette.alarm)
            box.add_widget(Box(Text(look, said, size=18, colour=ink), pad=8, fill=fill))
        if probe.low_c is not None or probe.high_c is not None:
            limits = say("Limits {low} to {high}", low=celsius(probe.low_c), high=celsius(probe.high_c))
            box.add_widget(Text(look, limits))
        if probe.allowed_s:
            used = probe.used_s / probe.allowed_s
            text = say(
                "Used {used} of {allowed}; left {left}",
                used=duration(probe.used_s),
                allowed=duration(probe.allowed_s),
                left=duration(max(probe.allowed_s - probe.used_s, 0)),
            )
            mark = "▲ " if used >= 1 else "◆ " if used >= HALF else ""
            box.add_widget(Text(look, f"{mark}{look(text)}"))
            box.add_widget(
                Bar(look, used, palette.alarm if used >= 1 else palette.attention if used >= HALF else palette.accent)
            )
        for alarm in probe.alarms:
            box.add_widget(self._alarm(alarm))
        return box

    def _alarm(self, alarm: OpenAlarm) -> Widget:
        look = self.look
        since = say("Alarm since {time}: {limit}", time=clock(alarm.started_at_ms), limit=limit_name(alarm.limit))
        words = Text(look, since)
        if alarm.acknowledged:
            return Box(words, Text(look, say("Seen and explained"), size=SMALL, colour=look.palette.quiet), gap=2)
        return Box(words, Tap(look, say("I have seen it"), lambda: self._ask_why(alarm)), gap=8)

    def _ask_why(self, alarm: OpenAlarm) -> None:
        def answer(why: str) -> Callable[[], None]:
            return lambda: self.courier.acknowledge(alarm.alarm, why)

        options = [(text, answer(why)) for why, text in WHY_ACKNOWLEDGED.items()]
        ask(self.look, say("What happened?"), options, say("Leave it as it is"))


def _worst_first(probe: Probe) -> tuple[bool, int, str]:
    """What nobody has seen yet comes first."""
    unseen = any(not alarm.acknowledged for alarm in probe.alarms)
    order = list(ColdVerdict)
    return not unseen, 1 if probe.verdict is None else -order.index(probe.verdict), probe.name
