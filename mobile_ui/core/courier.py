"""The app without its window: takes what the agent tells and what the courier does, and says what changed.

Everything runs on one thread; the link posts answers to it. Nothing here waits.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from contract.coldchain.assignments import COLDCHAIN_DOCUMENT, ColdChainDocument, decode_assignments
from contract.errors import Malformed
from contract.event import Lane, Outcome, Phase, Step
from contract.local import (
    AcknowledgeAlarm,
    AlarmHappened,
    Answer,
    ColdHappened,
    CorrectScan,
    DeviceStatus,
    DocumentHappened,
    Draft,
    DraftGet,
    DraftPut,
    GetStatus,
    Happening,
    Kept,
    LinkHappened,
    MeanScans,
    ReadingsHappened,
    RecordScan,
    Refused,
    Request,
    ScanHappened,
    Signal,
    SignOff,
    SignOn,
)
from contract.route import ROUTE_DOCUMENT, Stop, StopChange
from mobile_ui.core import proof_draft
from mobile_ui.core.agent_words import limit_name
from mobile_ui.core.day import Day
from mobile_ui.core.day_keeper import DayKeeper
from mobile_ui.core.documents import Asks, fetch
from mobile_ui.core.proof_draft import DraftStep, ProofDraft
from mobile_ui.core.proof_keeper import ProofKeeper
from mobile_ui.core.say import Sentence, say
from mobile_ui.core.scan_check import STEP_AT_STOP, Match, Tone, check_at_stop, check_while_loading
from mobile_ui.core.settings import DRAFT as SETTINGS_DRAFT
from mobile_ui.core.settings import Settings, decode_settings, encode_settings
from mobile_ui.core.shown import clock
from mobile_ui.core.sync import Sync, sync_of
from mobile_ui.core.van import Van
from mobile_ui.core.voice import Voice


class Topic(StrEnum):
    """What changed."""

    LINK = "link"
    PERSON = "person"
    DAY = "day"
    DRAFT = "draft"
    VAN = "van"
    SYNC = "sync"
    SETTINGS = "settings"
    SAID = "said"


class Courier:
    """One courier with one device.

    Args:
        link: asks the agent.
        incoming: the agent's folder for pictures.
        now_ms: the wall clock.
        changed: told what changed, so that screens draw it anew.
        sound: plays a tone.
        entropy: random bytes for request ids.
    """

    def __init__(
        self,
        link: Asks,
        incoming: Path,
        *,
        now_ms: Callable[[], int],
        changed: Callable[[Topic], None] = lambda _topic: None,
        sound: Callable[[Tone], None] = lambda _tone: None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._link = link
        self.incoming = incoming
        self._now_ms = now_ms
        self._changed = changed
        self._entropy = entropy
        self._voice = Voice(sound, lambda: changed(Topic.SAID))
        self._proofs = ProofKeeper(
            link,
            incoming,
            self._voice,
            now_ms=now_ms,
            entropy=entropy,
            changed=lambda: changed(Topic.DRAFT),
            was_kept=self._was_kept,
        )
        self._keeper = DayKeeper(link, now_ms, lambda: self._changed(Topic.DAY), self._route_unreadable)
        self.connected = False
        self._away_ms: int | None = None
        """Since when the agent does not answer; None before it ever did."""
        self.status: DeviceStatus | None = None
        self.van = Van()
        self.settings = Settings()
        self.loading = False
        self._asked_status = False

    # -- beginning -------------------------------------------------------------------------------------------------

    def link_changed(self, connected: bool) -> None:
        """The conversation with the agent began or ended; what is known of it is asked anew each time."""
        if self.connected and not connected:
            self._away_ms = self._now_ms()
        self.connected = connected
        if connected:
            self.load()
        self._changed(Topic.LINK)

    def load(self) -> None:
        """Ask for everything that the agent has of the day."""
        self._link.ask(DraftGet(SETTINGS_DRAFT), self._take_settings)
        self.refresh()
        self._keeper.load()
        fetch(self._link, COLDCHAIN_DOCUMENT, self._take_profiles)
        self._proofs.load()

    def _route_unreadable(self) -> None:
        self._voice.tell(say("The route that came cannot be read; the one before stays"))

    def refresh(self) -> None:
        """Ask how the device is; called every few seconds, also of an agent that is away all day."""
        if not self._asked_status:
            self._asked_status = True
            self._link.ask(GetStatus(), self._take_status)

    def _take_settings(self, answer: Answer) -> None:
        if isinstance(answer, Draft) and answer.data is not None:
            self.settings = decode_settings(answer.data)
            self._changed(Topic.SETTINGS)

    def set(self, settings: Settings) -> None:
        """The courier set something."""
        self.settings = settings
        self._link.ask(DraftPut(SETTINGS_DRAFT, encode_settings(settings)))
        self._changed(Topic.SETTINGS)

    def _take_status(self, answer: Answer) -> None:
        self._asked_status = False
        if isinstance(answer, DeviceStatus):
            before, self.status = self.status, answer
            if all(lane.kept == lane.committed for lane in answer.lanes if lane.lane is Lane.CUSTODY):
                self._keeper.all_at_hub()
            self._changed(Topic.SYNC)
            if before is None or before.actor != answer.actor:
                self._changed(Topic.PERSON)

    def _take_profiles(self, version: int, data: bytes) -> None:
        document = ColdChainDocument()
        with suppress(Malformed):
            document = decode_assignments(data) if version and data else document
        self.van = Van(self.van.latest, self.van.cold, document)
        self._changed(Topic.VAN)

    @property
    def cold_as_of(self) -> Sentence | None:
        """From when what `van` says is, while the agent does not answer; None while it does."""
        if self.connected:
            return None
        if self._away_ms is None:
            return say("not known: the recorder has not answered yet")
        return say("as of {time}: the recorder does not answer", time=clock(self._away_ms))

    @property
    def person(self) -> str:
        """Who is signed on; empty when nobody is, or before the agent said so."""
        return "" if self.status is None else self.status.actor

    @property
    def sync(self) -> Sync:
        """How far the facts are."""
        return sync_of(self.status, connected=self.connected)

    # -- session ---------------------------------------------------------------------------------------------------

    def sign_on(self, person: str) -> None:
        """Take the device, or take it over from another courier: both names stay with their facts."""
        if name := person.strip():
            self._record(SignOn(self._entropy(16), name), lambda _kept: self.refresh())

    def sign_off(self) -> None:
        """Leave the device."""
        self._record(SignOff(self._entropy(16)), lambda _kept: self.refresh())

    def _record(self, request: Request, done: Callable[[Kept], None] = lambda _kept: None) -> None:
        def take(answer: Answer) -> None:
            if isinstance(answer, Kept):
                done(answer)
            elif isinstance(answer, Refused):
                self._voice.refused(answer)

        self._link.ask(request, take)

    @property
    def said(self) -> Sentence:
        """The last thing that was said about a scan or a step."""
        return self._voice.said

    @property
    def tone(self) -> Tone | None:
        """How it was said; None: without one."""
        return self._voice.tone

    def tell(self, said: Sentence, tone: Tone) -> None:
        """Say what came of a scan before it was one."""
        self._voice.tell(said, tone)

    # -- the day ---------------------------------------------------------------------------------------------------

    @property
    def day(self) -> Day:
        """Today's stops, and what became of them."""
        return self._keeper.day

    @property
    def changes(self) -> dict[str, StopChange]:
        """What the hub changed since the courier looked."""
        return self._keeper.changes

    def look_at_changes(self) -> None:
        """The courier saw what the hub changed."""
        self._keeper.look_at_changes()

    # -- happenings ------------------------------------------------------------------------------------------------

    def happened(self, happening: Happening) -> None:
        """The agent told something."""
        match happening:
            case ScanHappened():
                self._heard(happening)
            case ReadingsHappened(readings):
                self.van = self.van.measured(readings)
                self._changed(Topic.VAN)
            case ColdHappened(sensors):
                self.van = Van(self.van.latest, sensors, self.van.profiles)
                self._changed(Topic.VAN)
            case DocumentHappened(kind, version):
                if kind == ROUTE_DOCUMENT:
                    self._keeper.fetch_route(version)
                elif kind == COLDCHAIN_DOCUMENT:
                    fetch(self._link, COLDCHAIN_DOCUMENT, self._take_profiles)
            case AlarmHappened(alarm):
                if alarm.phase is Phase.RAISED:
                    self._voice.tell(
                        say("▲ Cold alarm: {limit}. Look at the van", limit=limit_name(alarm.limit)), Tone.REFUSED
                    )
                self.refresh()
            case LinkHappened():
                self.refresh()
            case _:
                pass

    # -- scans -----------------------------------------------------------------------------------------------------

    def scan_typed(self, code: str, aim: str = "") -> None:
        """A code from a keyboard-wedge scanner, a camera or a person's fingers."""
        # Not all white space: a group separator is part of the code.
        code = code.strip(" \t\r\n")
        if not code:
            return
        step = STEP_AT_STOP if self.at_stop is not None else Step.LOADED if self.loading else Step.COUNTED
        request = RecordScan(self._entropy(16), code.encode(), step, aim)

        def kept(answer: Kept) -> None:
            self._heard(
                ScanHappened(
                    driver="hand",
                    code=request.code,
                    aim=aim,
                    kind=answer.kind,
                    parcel=answer.parcel,
                    signal=answer.signal,
                    at_ms=answer.at_ms,
                    verdict=answer.verdict,
                    vehicle=answer.vehicle,
                    step=step,
                    fact_id=answer.fact_id,
                )
            )

        self._record(request, kept)

    def _heard(self, scan: ScanHappened) -> None:
        if scan.kind == "control":
            self._voice.tell(say("The scanner was switched"))
            return
        if scan.signal is Signal.REFUSED:
            self._voice.tell(say("NOT KEPT. Scan it again"), Tone.REFUSED)
            return
        draft = self.draft
        if draft is not None:
            self._heard_at_stop(draft, scan)
        else:
            again = scan.signal is Signal.DUPLICATE or (self.loading and scan.parcel in self.day.loaded)
            checked = check_while_loading(self.day, scan.parcel, scan.verdict, scan.vehicle, again=again)
            self._voice.tell(checked.said, checked.tone)
        # Only the newest: this one, and what came beside it.
        self._keeper.refresh()

    def _heard_at_stop(self, draft: ProofDraft, scan: ScanHappened) -> None:
        collects = draft.outcome is Outcome.PICKED_UP
        checked = check_at_stop(self.day, draft.stop, scan.parcel, draft.parcels, scan.vehicle, collects=collects)
        takes = checked.match is Match.RIGHT or (checked.match is Match.EXTRA and collects)
        if takes and draft.step is not DraftStep.SCAN:
            self._voice.tell(say("Kept, but not in this proof. Go back to its scans for that"), Tone.UNEXPECTED)
            return
        if takes:
            self.change(lambda now: proof_draft.scan(now, scan.parcel, scan.fact_id))
        self._voice.tell(checked.said, Tone.KEPT if takes else checked.tone)

    def take_back(self, fact_id: bytes, why: str) -> None:
        """A wrong scan: it stays, with a correction beside it."""
        self._record(CorrectScan(self._entropy(16), fact_id, why), lambda _kept: self._keeper.refresh())

    def begin_loading(self) -> None:
        """From now on scans put parcels into the van."""
        self.loading, self._proofs.at_stop = True, None
        self._link.ask(MeanScans(Step.LOADED))

    def end_loading(self) -> None:
        """The van is loaded."""
        self.loading = False

    # -- proofs ----------------------------------------------------------------------------------------------------

    @property
    def drafts(self) -> dict[str, ProofDraft]:
        """Proofs that were begun, by the stop's key."""
        return self._proofs.drafts

    @property
    def at_stop(self) -> str | None:
        """The stop whose draft takes scans now."""
        return self._proofs.at_stop

    @property
    def draft(self) -> ProofDraft | None:
        """Of the stop that is open."""
        return self._proofs.draft

    @property
    def shown_draft(self) -> ProofDraft | None:
        """Of the stop that is open, as it is on disk: whatever is drawn anew meanwhile tells no more."""
        return self._proofs.shown

    @property
    def kept(self) -> ProofDraft | None:
        """The proof that was kept last."""
        return self._proofs.kept

    def begin_proof(self, stop: Stop, *, hands_over: bool, collects: bool = False) -> None:
        """Begin a proof at a stop, or go on with the one begun there, this way or the other."""
        self.loading = False
        self._link.ask(MeanScans(STEP_AT_STOP))
        self._proofs.begin(stop, hands_over=hands_over, collects=collects)

    def leave_stop(self) -> None:
        """Look at something else; the draft stays."""
        self._proofs.at_stop = None

    def change(self, what: Callable[[ProofDraft], ProofDraft]) -> None:
        """Do something to the open draft; it is on disk before the screens hear of it."""
        self._proofs.change(what)

    def forward(self) -> None:
        """The step is finished; how the load stands now goes along."""
        self._proofs.forward((self.van.verdict, self.van.left_s))

    def take_out(self, parcel: str, why: str) -> None:
        """A wrong scan of the open draft: it is taken out there, and corrected where it was kept."""
        draft = self.draft
        found = next((one for one in draft.scanned if one.parcel == parcel), None) if draft is not None else None
        if found is not None:
            # The correction first: what is still in a draft after a kill can be taken out again, what is not cannot be.
            if found.fact_id is not None:
                self.take_back(found.fact_id, why)
            self.change(lambda now: proof_draft.take_back(now, parcel))

    def photo_path(self) -> Path | None:
        """Where the next photo of the open draft goes."""
        return self._proofs.photo_path()

    def add_photo(self, path: Path) -> None:
        """A photo was taken to where `photo_path` said; it is on disk before it counts."""
        self._proofs.add_photo(path)

    def keep(self) -> None:
        """The review is done: hand the proof to the agent."""
        self._proofs.keep((self.van.verdict, self.van.left_s))

    def _was_kept(self) -> None:
        self._keeper.refresh()
        self.refresh()

    # -- alarms ----------------------------------------------------------------------------------------------------

    def acknowledge(self, alarm: str, why: str) -> None:
        """An alarm of the cold was seen."""
        self._record(AcknowledgeAlarm(self._entropy(16), alarm, why), lambda _kept: self.refresh())
