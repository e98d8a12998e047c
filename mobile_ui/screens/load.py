"""Scan check: what goes into the van, what is missing, what is another one's."""

from collections.abc import Callable
from typing import ClassVar

from kivy.uix.widget import Widget

from contract.event import Step
from mobile_ui.core.courier import Topic
from mobile_ui.core.day import KeptScan
from mobile_ui.core.reasons import WHY_TAKEN_BACK
from mobile_ui.core.say import say
from mobile_ui.core.shown import clock
from mobile_ui.screens.page import Page, beside_field
from mobile_ui.widgets.basics import HUGE, LARGE, SMALL, Bar, Box, Field, Rule, Tap, Text, ask

SHOWN_MISSING = 15
SHOWN_SCANS = 6


class LoadPage(Page):
    """While it is shown, scans put parcels into the van."""

    topics: ClassVar = frozenset({Topic.DAY, Topic.SETTINGS})

    def on_pre_enter(self, *_: object) -> None:
        """The scanners are switched to loading."""
        self.courier.begin_loading()
        super().on_pre_enter()

    def on_leave(self, *_: object) -> None:
        """Scans mean something else again."""
        self.courier.end_loading()

    def draw(self) -> Widget:
        """How many, what is missing, what was scanned last."""
        look, day, palette = self.look, self.courier.day, self.look.palette
        missing = day.not_loaded
        planned = len(day.stop_of)
        body: list[Widget] = []
        if planned:
            # Parcels of stops that are done went into the van, too.
            count = say("{n} of {all}", n=planned - len(missing), all=planned)
            body += [Text(look, count, size=HUGE), Bar(look, 1 - len(missing) / planned, palette.accent)]
            body.append(
                Text(
                    look,
                    say("Missing: {n}", n=len(missing)) if missing else say("√ Everything is in the van"),
                    size=LARGE,
                )
            )
        else:
            body.append(Text(look, say("Nothing is planned for this van yet. What you scan is kept."), size=LARGE))
        self.typed = getattr(self, "typed", "")
        field = Field(look, say("Scan, or type a code"), self._type, text=self.typed)
        body.append(Box(field, beside_field(look, say("Keep"), self._scan), across=True))
        for one in missing[:SHOWN_MISSING]:
            stop = day.stop_of[one.parcel]
            text = say("{n} · {name}", n=stop.number, name=stop.stop.name)
            body.append(
                Box(Text(look, one.parcel), Text(look, text, size=SMALL, colour=palette.quiet), Rule(look), gap=2)
            )
        if len(missing) > SHOWN_MISSING:
            body.append(Text(look, say("and {n} more", n=len(missing) - SHOWN_MISSING), colour=palette.quiet))
        loads = [scan for scan in day.scans if scan.scan.step is Step.LOADED]
        if loads:
            body.append(Text(look, say("Scanned last"), size=LARGE))
            body += [self._scanned(scan) for scan in loads[:SHOWN_SCANS]]
        return self.page(say("Load the van"), *body)

    def _scanned(self, scan: KeptScan) -> Widget:
        look, palette = self.look, self.look.palette
        words = Box(Text(look, f"{clock(scan.at_ms)}  {scan.scan.parcel}", size=15), gap=2)
        if scan.taken_back is not None:
            why = WHY_TAKEN_BACK.get(scan.taken_back, scan.taken_back)
            words.add_widget(Text(look, say("← taken back: {why}", why=why), size=SMALL, colour=palette.quiet))
            return words
        undo = Tap(look, say("Take back"), lambda: self._ask_why(scan), size_hint_x=0.4, size=SMALL)
        return Box(words, undo, across=True)

    def _ask_why(self, scan: KeptScan) -> None:
        def taking_back(why: str) -> Callable[[], None]:
            return lambda: self.courier.take_back(scan.fact_id, why)

        options = [(text, taking_back(why)) for why, text in WHY_TAKEN_BACK.items()]
        ask(self.look, say("Why take {parcel} back?", parcel=scan.scan.parcel), options, say("Leave it as it is"))

    def _type(self, text: str) -> None:
        self.typed = text

    def _scan(self) -> None:
        text, self.typed = self.typed, ""
        self.courier.scan_typed(text)
        self.redraw()
