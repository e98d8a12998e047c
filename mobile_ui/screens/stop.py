"""A stop: who, where, what, and the two ways to end it."""

from typing import ClassVar

from kivy.uix.widget import Widget

from contract.route import Check, Stop
from mobile_ui.core.courier import Topic
from mobile_ui.core.day import StopDay
from mobile_ui.core.proof_draft import DraftStep
from mobile_ui.core.reasons import CHANGES, NEEDS, OUTCOMES, STATES, TASKS, VERDICTS
from mobile_ui.core.say import Sentence, say
from mobile_ui.core.shown import celsius, clock, duration, window_text
from mobile_ui.screens.page import Page
from mobile_ui.widgets.basics import HUGE, LARGE, SMALL, Box, Rule, Tap, Text


class StopPage(Page):
    """The stop that was opened last."""

    topics: ClassVar = frozenset({Topic.DAY, Topic.DRAFT, Topic.VAN, Topic.LINK, Topic.SETTINGS})
    stop: str = ""

    def draw(self) -> Widget:
        """As the wireframe: number and window, name and address, cold, parcels, two buttons."""
        one = self.courier.day.find(self.stop)
        if one is None:
            return self.page(say("Stop"), *self._left(), back=self._back, foot=self._begun() or ())
        title = say("Stop {n} of {all}", n=one.number, all=len(self.courier.day.stops))
        return self.page(title, *self._body(one), back=self._back, foot=self._ways(one))

    def _body(self, one: StopDay) -> list[Widget]:
        look, palette, stop = self.look, self.look.palette, one.stop
        body: list[Widget] = []
        if one.change is not None or one.conflict:
            body.append(self._notice(one))
        if stop.window is not None:
            body.append(Text(look, window_text(stop.window), size=HUGE))
        body += [Text(look, stop.name, size=LARGE), Text(look, stop.address, size=18)]
        if stop.phone:
            body.append(Text(look, say("Phone {number}", number=stop.phone), colour=palette.quiet))
        if stop.notes:
            body.append(Text(look, stop.notes))
        body += [Rule(look), *self._attempts(one)]
        if Check.COLD in stop.checks:
            body.append(self._cold())
        body.append(Text(look, say("Parcels: {n}", n=len(stop.parcels)), size=LARGE))
        body += [self._parcel(stop, i) for i in range(len(stop.parcels))]
        for task in stop.tasks:
            what = say("{kind}: {what}", kind=TASKS[task.kind], what=task.what or task.parcel)
            body.append(Text(look, say("◆ {what}", what=what)))
        return body

    def _left(self) -> list[Widget]:
        """What became of a stop that the hub took off the route."""
        look, courier = self.look, self.courier
        one, draft = courier.day.find_left(self.stop), courier.drafts.get(self.stop)
        stop = one.stop if one is not None else draft.stop if draft is not None else None
        body: list[Widget] = [Text(look, say("This stop is no longer on the route."), size=LARGE)]
        if stop is not None:
            body += [Text(look, text) for text in (stop.name, stop.address) if text]
        if one is None:
            return body
        body += [Rule(look), *self._attempts(one)]
        for proof in one.said:
            body += [Text(look, f"√  {parcel}", size=17) for parcel in proof.delivered]
            body += [Text(look, f"x  {parcel}", size=17) for parcel in proof.refused]
        return body

    def _notice(self, one: StopDay) -> Widget:
        look, palette = self.look, self.look.palette
        text = say("! The hub says: {change}", change=CHANGES[one.change]) if one.change is not None else say("")
        lines = [Text(look, text, colour=palette.on_attention)] if one.change is not None else []
        if one.conflict:
            rule = say("! Two people meant different things. Both are kept; the dispatcher decides.")
            lines.append(Text(look, rule, colour=palette.on_attention))
        return Box(*lines, pad=10, fill=palette.attention)

    def _cold(self) -> Widget:
        look, van, as_of = self.look, self.courier.van, self.courier.cold_as_of
        if van.verdict is None:
            text = say("Cold goods: no sensor is judged in this van")
            if as_of is not None:
                text = say("Cold: {as_of}", as_of=as_of)
            return Text(look, text, colour=look.palette.quiet)
        sign, word = VERDICTS[van.verdict]
        text = say("Cold: {value} {sign} {word}", value=celsius(van.reading_c), sign=sign, word=word)
        lines = [Text(look, text)]
        if van.left_s is not None:
            lines.append(
                Text(look, say("May be outside its limits for: {time}", time=duration(van.left_s)), size=SMALL)
            )
        if as_of is not None:
            lines.append(Text(look, as_of, size=SMALL, colour=look.palette.alarm))
        return Box(*lines, gap=2)

    def _parcel(self, stop: Stop, index: int) -> Widget:
        look, palette, one = self.look, self.look.palette, stop.parcels[index]
        draft = self.courier.drafts.get(stop.stop)
        scanned = draft is not None and one.parcel in draft.parcels
        missing = one.parcel not in self.courier.day.loaded
        sign = "■" if scanned else "□"
        more: list[Sentence] = [NEEDS[check] for check in one.checks]
        line = one.what
        for word in more:
            line = f"{line} · {look(word)}" if line else look(word)
        box = Box(Text(look, f"{sign}  {one.parcel}", size=17), gap=2)
        if line:
            box.add_widget(Text(look, line, size=SMALL, colour=palette.quiet))
        if missing:
            box.add_widget(Text(look, say("not scanned into the van"), size=SMALL, colour=palette.alarm))
        return box

    def _attempts(self, one: StopDay) -> list[Widget]:
        look = self.look
        lines: list[Widget] = []
        for kept in one.proofs:
            outcome = OUTCOMES[kept.fact.event.outcome]  # type: ignore[union-attr] # only proofs are kept there
            where = say("at the hub") if kept.committed else say("kept on the device")
            text = say(
                "{time} {outcome}, {who} · {where}",
                time=clock(kept.fact.at_ms),
                outcome=outcome,
                who=kept.fact.actor,
                where=where,
            )
            lines.append(Text(look, text))
        if lines:
            sign, word = STATES[one.state]
            lines.insert(0, Text(look, say("{sign} {word}", sign=sign, word=word), size=LARGE))
        return lines

    def _begun(self) -> tuple[Widget, ...] | None:
        """The ways on with a proof that was begun, whether anybody is still to go there or not."""
        look, draft = self.look, self.courier.drafts.get(self.stop)
        if draft is None:
            return None
        if draft.step is DraftStep.KEEPING:
            return (Text(look, say("Being kept ...")),)
        stop, hands_over = draft.stop, draft.hands_over
        again = Tap(look, say("Go on with the proof"), lambda: self._begin(stop, hands_over=hands_over), primary=True)
        if hands_over:
            return (again, Tap(look, say("Cannot deliver"), lambda: self._begin(stop, hands_over=False)))
        if stop.parcels:
            return (again, Tap(look, say("Hand over"), lambda: self._begin(stop, hands_over=True)))
        return (again, Tap(look, say("Pick up"), lambda: self._begin(stop, hands_over=True, collects=True)))

    def _ways(self, one: StopDay) -> tuple[Widget, ...]:
        look, stop = self.look, one.stop
        begun = self._begun()
        if begun is not None:
            return begun
        ways: list[Widget] = []
        if not one.is_open:
            ways.append(Text(look, say("What was kept stays. Another proof comes beside it."), size=SMALL))
        others = [Tap(look, say("Cannot deliver"), lambda: self._begin(stop, hands_over=False))]
        if stop.parcels:
            ways.append(Tap(look, say("HAND OVER"), lambda: self._begin(stop, hands_over=True), primary=one.is_open))
        if stop.tasks:
            # The way on where there is nothing to hand over.
            first = one.is_open and not stop.parcels
            collect = Tap(
                look, say("Pick up"), lambda: self._begin(stop, hands_over=True, collects=True), primary=first
            )
            if first:
                ways.append(collect)
            else:
                others.insert(0, collect)
        return (*ways, Box(*others, across=True))

    def _begin(self, stop: Stop, *, hands_over: bool, collects: bool = False) -> None:
        self.courier.begin_proof(stop, hands_over=hands_over, collects=collects)
        self.shell.go("proof")

    def _back(self) -> None:
        self.shell.go("today")
