"""Proof: one step on each screen, in large targets; each is on disk before the next."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, ClassVar

from kivy.core.image import Image as CoreImage
from kivy.metrics import dp
from kivy.uix.image import Image
from kivy.uix.widget import Widget

from contract.event import Outcome
from contract.limits import MAX_NOTE_CHARS
from contract.proof_words import Reason
from contract.route import Check
from mobile_ui.core import proof_draft
from mobile_ui.core.courier import Topic
from mobile_ui.core.photos import NoPhoto, not_stored, small
from mobile_ui.core.proof_draft import DraftStep, ProofDraft, needed, needs_cold_reason, steps_of
from mobile_ui.core.reasons import CHECKS, COLD_REASONS, OUTCOMES, REASONS, RELATIONS, VERDICTS, WHY_TAKEN_BACK
from mobile_ui.core.say import Sentence, say
from mobile_ui.core.scan_check import Tone, missing
from mobile_ui.core.shown import celsius, duration
from mobile_ui.core.signature_picture import png_of
from mobile_ui.screens.page import Page, Shell, beside_field
from mobile_ui.widgets.basics import LARGE, SMALL, Box, Field, Rule, Tap, Text, ask
from mobile_ui.widgets.signature_pad import SignaturePad

TITLES: dict[DraftStep, Sentence] = {
    DraftStep.SCAN: say("Scan what you hand over"),
    DraftStep.CHECKS: say("Check"),
    DraftStep.OUTCOME: say("What came of it?"),
    DraftStep.RECIPIENT: say("Who took it?"),
    DraftStep.SIGNATURE: say("Signature"),
    DraftStep.PHOTOS: say("Photos"),
    DraftStep.REVIEW: say("Is it all right?"),
    DraftStep.KEEPING: say("Being kept ..."),
}
PICK_UP_TITLES: dict[DraftStep, Sentence] = TITLES | {
    DraftStep.SCAN: say("Scan what you pick up"),
    DraftStep.RECIPIENT: say("Who gave it?"),
}


class ProofPage(Page):
    """The open draft at its step."""

    topics: ClassVar = frozenset({Topic.DRAFT, Topic.SETTINGS, Topic.DAY, Topic.LINK})

    def __init__(self, shell: Shell, name: str) -> None:
        super().__init__(shell, name)
        self._shown: object = None
        self.name_typed = ""
        self.notes_typed = ""
        self.code_typed = ""
        self._small: dict[str, bytes] = {}

    def changed(self, topic: Topic) -> None:
        """Drawn anew where it looks otherwise; a pen on the pad and a hand on the keys are left alone."""
        if topic is Topic.DRAFT and self.courier.draft is None:
            self._shown = None
            self._small.clear()
            self.shell.go("today")
        elif topic is Topic.SETTINGS or (topic in self.topics and self._looks() != self._shown):
            self.redraw()

    def redraw(self) -> None:
        """Draw it as it is now, with what a pen that rests has drawn so far."""
        for widget in self.walk():
            if isinstance(widget, SignaturePad):
                widget.end_stroke()
        super().redraw()

    def _looks(self) -> object:
        draft = self.courier.shown_draft
        if draft is None:
            return None
        return (
            draft.request_id,
            draft.step,
            draft.outcome,
            draft.scanned,
            draft.checked,
            draft.refused,
            draft.reason,
            draft.cold_reason,
            draft.cold_acknowledged,
            draft.relation,
            draft.photos,
            self._is_off(draft),
            self.courier.cold_as_of if draft.step is DraftStep.CHECKS else None,
        )

    def _is_off(self, draft: ProofDraft) -> bool:
        """Whether the hub wants nobody to go there any more, since the proof was begun."""
        day = self.courier.day
        now = day.find(draft.stop.stop)
        return day.route is not None and not draft.stop.cancelled and (now is None or now.stop.cancelled)

    def draw(self) -> Widget:
        """The step."""
        draft = self.courier.shown_draft
        before, self._shown = self._shown, self._looks()
        if draft is None:
            return self.page(say("Proof"), back=lambda: self.shell.go("today"))
        if before is None or self._shown is None or before[0] != self._shown[0]:  # type: ignore[index] # made by `_looks`
            self.name_typed, self.notes_typed = draft.recipient, draft.notes
        draws: dict[DraftStep, Callable[[ProofDraft], list[Widget]]] = {
            DraftStep.SCAN: self._scan,
            DraftStep.CHECKS: self._checks,
            DraftStep.OUTCOME: self._outcome,
            DraftStep.RECIPIENT: self._recipient,
            DraftStep.SIGNATURE: self._signature,
            DraftStep.PHOTOS: self._photos,
            DraftStep.REVIEW: self._review,
            DraftStep.KEEPING: self._keeping,
        }
        steps = [step for step in steps_of(draft) if step is not DraftStep.KEEPING]
        at = steps.index(draft.step) + 1 if draft.step in steps else len(steps)
        where = say("{name} · step {n} of {all}", name=draft.stop.name, n=at, all=len(steps))
        body: list[Widget] = [Text(self.look, where, size=SMALL, colour=self.look.palette.quiet)]
        if self._is_off(draft):
            off = say("! The hub took this stop off meanwhile. What you keep is kept all the same")
            body.append(
                Box(
                    Text(self.look, off, colour=self.look.palette.on_attention),
                    pad=10,
                    fill=self.look.palette.attention,
                )
            )
        body += draws[draft.step](draft)
        title = (PICK_UP_TITLES if draft.outcome is Outcome.PICKED_UP else TITLES)[draft.step]
        if draft.step is DraftStep.KEEPING:
            return self.page(title, *body)
        still = draft.step is DraftStep.SIGNATURE
        return self.page(title, *body, back=self._back, foot=(self._next(draft),), still=still)

    def _next(self, draft: ProofDraft) -> Widget:
        if draft.step is DraftStep.REVIEW:
            return Tap(self.look, say("KEEP"), self.courier.keep, primary=True)
        return Tap(self.look, say("Next"), self._forward, primary=True)

    def _forward(self) -> None:
        draft, shown = self.courier.draft, self.courier.shown_draft
        if draft is None or shown is None or draft.step is not shown.step:
            # Finished already, and on its way to the disk: the next step is nobody's to finish before it was seen.
            return
        if draft.step is DraftStep.RECIPIENT:
            self.courier.change(lambda now: proof_draft.receive(now, self.name_typed, now.relation))
        if draft.step is DraftStep.OUTCOME:
            self.courier.change(lambda now: proof_draft.note(now, self.notes_typed))
        self.courier.forward()

    def _back(self) -> None:
        draft = self.courier.draft
        before = None if draft is None else proof_draft.back(draft)
        if before is None:
            stop = "" if draft is None else draft.stop.stop
            self.courier.leave_stop()
            self._shown = None
            self.shell.open_stop(stop)
        else:
            self.courier.change(lambda _now: before)

    def _changing(self, what: Callable[..., ProofDraft], *more: Any, **named: Any) -> Callable[[], None]:
        return lambda: self.courier.change(lambda now: what(now, *more, **named))

    # -- steps -----------------------------------------------------------------------------------------------------

    def _scan(self, draft: ProofDraft) -> list[Widget]:
        look, palette = self.look, self.look.palette
        body: list[Widget] = []
        still = missing(draft.stop, draft.parcels)
        if draft.outcome is not Outcome.PICKED_UP:
            count = say("{n} of {all}", n=len(draft.stop.parcels) - len(still), all=len(draft.stop.parcels))
            body.append(Text(look, count, size=34))
        self.code_typed = ""
        typed = Field(look, say("Scan, or type a code"), self._type_code)
        body.append(Box(typed, beside_field(look, say("Keep"), self._scan_typed), across=True))
        for parcel in still if draft.outcome is not Outcome.PICKED_UP else ():
            line = Box(Text(look, f"□  {parcel.parcel}", size=18), gap=2)
            if parcel.what:
                line.add_widget(Text(look, parcel.what, size=SMALL, colour=palette.quiet))
            body += [line, Rule(look)]
        for one in draft.scanned:
            undo = Tap(look, say("Take back"), self._taking_out(one.parcel), size_hint_x=0.4, size=SMALL)
            body += [Box(Text(look, f"■  {one.parcel}", size=18), undo, across=True), Rule(look)]
        if still and draft.scanned and draft.outcome is not Outcome.PICKED_UP:
            body.append(Text(look, say("You may go on with what is scanned; the rest stays in the van.")))
        return body

    def _type_code(self, text: str) -> None:
        self.code_typed = text

    def _scan_typed(self) -> None:
        text, self.code_typed = self.code_typed, ""
        self.courier.scan_typed(text)
        self.redraw()

    def _taking_out(self, parcel: str) -> Callable[[], None]:
        def answer(why: str) -> Callable[[], None]:
            return lambda: self.courier.take_out(parcel, why)

        options = [(text, answer(why)) for why, text in WHY_TAKEN_BACK.items()]
        title = say("Why take {parcel} back?", parcel=parcel)
        return lambda: (ask(self.look, title, options, say("Leave it as it is")), None)[1]

    def _checks(self, draft: ProofDraft) -> list[Widget]:
        look, van = self.look, self.courier.van
        body: list[Widget] = []
        if Check.COLD in draft.stop.checks and van.verdict is not None:
            sign, word = VERDICTS[van.verdict]
            body.append(
                Text(look, say("{value} {sign} {word}", value=celsius(van.reading_c), sign=sign, word=word), size=LARGE)
            )
            if van.left_s is not None:
                body.append(Text(look, say("May be outside its limits for: {time}", time=duration(van.left_s))))
            if (as_of := self.courier.cold_as_of) is not None:
                body.append(Text(look, as_of, colour=look.palette.alarm))
        for check in (Check.AGE, Check.COLD):
            if check in draft.stop.checks:
                done = check in draft.checked
                body.append(
                    self._tick(CHECKS[check], self._changing(proof_draft.check, check, done=not done), done=done)
                )
        if Check.AGE in draft.stop.checks:
            body.append(
                Text(look, say("The document itself is never recorded."), size=SMALL, colour=look.palette.quiet)
            )
        if needs_cold_reason(draft):
            body.append(
                Text(
                    look,
                    say("▲ The time allowed outside the limits is used up."),
                    size=LARGE,
                    colour=look.palette.alarm,
                )
            )
            body += self._choices(COLD_REASONS, draft.cold_reason, proof_draft.give_cold_reason)
            text = say("The recipient knows it and takes the goods")
            done = draft.cold_acknowledged
            body.append(self._tick(text, self._changing(proof_draft.acknowledge_cold, done=not done), done=done))
        return body

    def _tick(self, text: Sentence, what: Callable[[], None], *, done: bool) -> Widget:
        label = f"{'■' if done else '□'}  {self.look(text)}"
        return Tap(self.look, label, what, selected=done, align="left", size=18)

    def _choices(
        self, reasons: Mapping[Reason, Sentence], chosen: str, give: Callable[..., ProofDraft] = proof_draft.give_reason
    ) -> list[Widget]:
        return [
            Tap(
                self.look,
                text,
                self._changing(give, code),
                selected=code == chosen,
            )
            for code, text in reasons.items()
        ]

    def _outcome(self, draft: ProofDraft) -> list[Widget]:
        look, body = self.look, list[Widget]()
        if draft.hands_over:
            body.append(Text(look, say("Tap what is not taken."), colour=look.palette.quiet))
            for one in draft.scanned:
                no = one.parcel in draft.refused
                text = f"{'x' if no else '√'}  {one.parcel} · {look(say('not taken') if no else say('is taken'))}"
                what = self._changing(proof_draft.refuse, one.parcel, refused=not no)
                body.append(Tap(look, text, what, selected=not no, align="left"))
            if draft.not_delivered:
                body.append(Text(look, say("Why not all?"), size=LARGE))
                body += self._choices(REASONS[draft.outcome], draft.reason)
        else:
            ways = (Outcome.ATTEMPTED, Outcome.REFUSED, Outcome.RETURNED)
            taps = [
                Tap(
                    look,
                    OUTCOMES[one],
                    self._changing(_choose, one),
                    selected=one is draft.outcome,
                    size=15,
                )
                for one in ways
            ]
            body += [
                Box(*taps, across=True),
                Text(look, say("Why?"), size=LARGE),
                *self._choices(REASONS[draft.outcome], draft.reason),
            ]
        notes = say("Notes, if you like")
        body.append(Field(look, notes, self._type_notes, text=self.notes_typed, most=MAX_NOTE_CHARS))
        return body

    def _type_notes(self, text: str) -> None:
        self.notes_typed = text

    def _recipient(self, draft: ProofDraft) -> list[Widget]:
        look = self.look
        locker = draft.relation == "locker"
        body: list[Widget] = [
            Field(
                look,
                say("Number of the locker") if locker else say("Name of the recipient"),
                self._type_name,
                text=self.name_typed,
            )
        ]
        # The name typed so far goes along, so that drawing anew does not lose it.
        for code, text in RELATIONS.items():
            what = self._relating(code)
            body.append(Tap(look, text, what, selected=code == draft.relation))
        return body

    def _relating(self, code: str) -> Callable[[], None]:
        return lambda: self.courier.change(lambda now: proof_draft.receive(now, self.name_typed, code))

    def _type_name(self, text: str) -> None:
        self.name_typed = text

    def _signature(self, draft: ProofDraft) -> list[Widget]:
        look = self.look
        required = Check.SIGNATURE in needed(draft)
        # With strokes that are on their way to the disk, for the next one is put behind those that the pad has.
        latest = self.courier.draft or draft
        pad = SignaturePad(
            look,
            lambda drawn: self.courier.change(lambda now: proof_draft.sign(now, drawn)),
            signature=latest.signature,
            now_ms=self.shell.now_ms,
        )
        who = say("{name} signs here", name=draft.recipient)
        hint = say("Required here") if required else say("Not required; Next goes on without")
        return [
            Text(look, who, size=LARGE),
            pad,
            Tap(look, say("Clear"), pad.clear),
            Text(look, hint, colour=look.palette.quiet),
        ]

    def _photos(self, draft: ProofDraft) -> list[Widget]:
        look = self.look
        hint = say("Required here") if Check.PHOTO in needed(draft) else say("Not required; Next goes on without")
        body: list[Widget] = [
            Tap(look, say("Take a photo"), self._take_photo, primary=True),
            Text(look, hint, colour=look.palette.quiet),
        ]
        for name in draft.photos:
            drop = Tap(look, say("Remove"), self._changing(proof_draft.drop_photo, name), size_hint_x=0.35)
            body.append(Box(self._photo(name), drop, across=True))
        return body

    def _photo(self, name: str) -> Widget:
        try:
            picture = self._small.get(name) or small(self.courier.incoming / name)
        except OSError:
            return Text(self.look, say("This photo is gone. Remove it, and take it again"))
        if picture is None:
            return Text(self.look, say("Too large to be shown here, or no picture. It is kept and sent as it is"))
        self._small[name] = picture
        texture = CoreImage(BytesIO(picture), ext="png").texture
        return Image(texture=texture, size_hint_y=None, height=dp(180), fit_mode="contain")

    def _take_photo(self) -> None:
        path = self.courier.photo_path()
        if path is None:
            return
        try:
            self.shell.camera.take(path, self.courier.add_photo)
        except NoPhoto as error:
            self.courier.tell(error.why, Tone.REFUSED)
        except OSError as error:
            self.courier.tell(not_stored(error).why, Tone.REFUSED)

    def _review(self, draft: ProofDraft) -> list[Widget]:
        look, palette = self.look, self.look.palette
        picks_up = draft.outcome is Outcome.PICKED_UP
        lines: list[tuple[Sentence, Sentence | str]] = [(say("Outcome"), OUTCOMES[draft.outcome])]
        if draft.hands_over:
            lines.append((say("Picked up") if picks_up else say("Handed over"), "\n".join(draft.delivered)))
        if draft.not_delivered:
            lines.append((say("Not handed over"), "\n".join(draft.not_delivered)))
        if draft.reason and draft.not_delivered:
            lines.append((say("Reason"), _told(REASONS[draft.outcome], draft.reason)))
        if needs_cold_reason(draft):
            lines.append((say("In spite of the cold"), _told(COLD_REASONS, draft.cold_reason)))
        if draft.hands_over:
            who = say("{name}, {relation}", name=draft.recipient, relation=_told(RELATIONS, draft.relation))
            lines.append((say("Given by") if picks_up else say("Taken by"), who))
        if draft.notes:
            lines.append((say("Notes"), draft.notes))
        lines.append((say("Photos"), str(len(draft.photos))))
        body: list[Widget] = []
        for title, text in lines:
            body.append(Box(Text(look, title, size=SMALL, colour=palette.quiet), Text(look, text, size=18), gap=0))
        if draft.signature is not None and draft.hands_over:
            picture = CoreImage(BytesIO(png_of(draft.signature)), ext="png")
            body.append(Image(texture=picture.texture, size_hint_y=None, height=dp(110), fit_mode="contain"))
        body.append(Text(look, say("What is kept cannot be changed or thrown away."), colour=palette.quiet))
        return body

    def _keeping(self, _draft: ProofDraft) -> list[Widget]:
        return [Text(self.look, say("The device is writing it down. You need not wait for the network."), size=LARGE)]


def _choose(draft: ProofDraft, outcome: Outcome) -> ProofDraft:
    """Another outcome has other reasons."""
    return proof_draft.choose(proof_draft.give_reason(draft, ""), outcome)


def _told(texts: Mapping[Any, Sentence], code: str) -> Sentence | str:
    return next((text for known, text in texts.items() if known == code), code)
