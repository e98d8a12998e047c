"""The app without its window: takes what the agent tells and what the courier does, and says what changed.

Everything runs on one thread; the link posts answers to it. Nothing here waits.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Final

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
    Done,
    Draft,
    DraftDrop,
    DraftGet,
    DraftPut,
    Drafts,
    GetStatus,
    Happening,
    Kept,
    LinkHappened,
    ListDrafts,
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
from contract.signature import encode_signature
from mobile_ui.core import proof_draft
from mobile_ui.core.day import Day
from mobile_ui.core.day_keeper import DayKeeper
from mobile_ui.core.documents import Asks, fetch
from mobile_ui.core.files import write_once
from mobile_ui.core.photos import NoPhoto, settle
from mobile_ui.core.proof_draft import DraftStep, NotYet, ProofDraft
from mobile_ui.core.say import NOTHING, Sentence, say
from mobile_ui.core.scan_check import STEP_AT_STOP, Match, Tone, check_at_stop, check_while_loading
from mobile_ui.core.settings import DRAFT as SETTINGS_DRAFT
from mobile_ui.core.settings import Settings, decode_settings, encode_settings
from mobile_ui.core.sync import Sync, sync_of
from mobile_ui.core.van import Van

PROOF_DRAFT: Final = "proof-"


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
        self._sound = sound
        self._entropy = entropy
        self._keeper = DayKeeper(link, now_ms, lambda: self._changed(Topic.DAY), self._route_unreadable)
        self.connected = False
        self.status: DeviceStatus | None = None
        self.van = Van()
        self.settings = Settings()
        self.drafts: dict[str, ProofDraft] = {}
        """By the stop's key."""
        self.at_stop: str | None = None
        """The stop whose draft takes scans now."""
        self.loading = False
        self.said: Sentence = NOTHING
        """The last thing that was said about a scan or a step."""
        self.tone: Tone | None = None
        self.kept: ProofDraft | None = None
        """The proof that was kept last."""
        self._kept_ids: set[bytes] = set()
        self._asked_status = False

    # -- beginning -------------------------------------------------------------------------------------------------

    def link_changed(self, connected: bool) -> None:
        """The conversation with the agent began or ended; what is known of it is asked anew each time."""
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
        self._link.ask(ListDrafts(), self._take_names)

    def _route_unreadable(self) -> None:
        self._say(say("The route that came cannot be read; the one before stays"))

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
                self._say(say("{why}", why=answer.why), Tone.REFUSED)

        self._link.ask(request, take)

    def _say(self, said: Sentence, tone: Tone | None = None) -> None:
        self.said, self.tone = said, tone
        if tone is not None:
            self._sound(tone)
        self._changed(Topic.SAID)

    def tell(self, said: Sentence, tone: Tone) -> None:
        """Say what came of a scan before it was one."""
        self._say(said, tone)

    def _unsay(self) -> None:
        """What a step wanted was given."""
        if self.tone is Tone.UNEXPECTED:
            self._say(NOTHING)

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
                    self._say(say("▲ Cold alarm: {limit}. Look at the van", limit=alarm.limit), Tone.REFUSED)
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
            self._say(say("The scanner was switched"))
            return
        if scan.signal is Signal.REFUSED:
            self._say(say("NOT KEPT. Scan it again"), Tone.REFUSED)
            return
        draft = self.drafts.get(self.at_stop) if self.at_stop is not None else None
        if draft is not None:
            self._heard_at_stop(draft, scan)
        else:
            again = scan.signal is Signal.DUPLICATE or (self.loading and scan.parcel in self.day.loaded)
            checked = check_while_loading(self.day, scan.parcel, scan.verdict, scan.vehicle, again=again)
            self._say(checked.said, checked.tone)
        # Only the newest: this one, and what came beside it.
        self._keeper.refresh()

    def _heard_at_stop(self, draft: ProofDraft, scan: ScanHappened) -> None:
        collects = draft.outcome is Outcome.PICKED_UP
        checked = check_at_stop(self.day, draft.stop, scan.parcel, draft.parcels, scan.vehicle, collects=collects)
        takes = checked.match is Match.RIGHT or (checked.match is Match.EXTRA and collects)
        if takes and draft.step is not DraftStep.SCAN:
            self._say(say("Kept, but not in this proof. Go back to its scans for that"), Tone.UNEXPECTED)
            return
        if takes:
            self.change(lambda now: proof_draft.scan(now, scan.parcel, scan.fact_id))
        self._say(checked.said, Tone.KEPT if takes else checked.tone)

    def take_back(self, fact_id: bytes, why: str) -> None:
        """A wrong scan: it stays, with a correction beside it."""
        self._record(CorrectScan(self._entropy(16), fact_id, why), lambda _kept: self._keeper.refresh())

    def begin_loading(self) -> None:
        """From now on scans put parcels into the van."""
        self.loading, self.at_stop = True, None
        self._link.ask(MeanScans(Step.LOADED))

    def end_loading(self) -> None:
        """The van is loaded."""
        self.loading = False

    # -- drafts ----------------------------------------------------------------------------------------------------

    def _take_names(self, answer: Answer) -> None:
        if isinstance(answer, Drafts):
            for name in answer.names:
                if name.startswith(PROOF_DRAFT):
                    self._link.ask(DraftGet(name), self._take_draft)

    def _take_draft(self, answer: Answer) -> None:
        if not isinstance(answer, Draft) or answer.data is None:
            return
        try:
            draft = proof_draft.decode_draft(answer.data)
        except Malformed:
            self._say(say("A proof that was begun cannot be read any more. Begin it anew"), Tone.UNEXPECTED)
            return
        key = draft.stop.stop
        # One that was kept since it was asked for may still be told.
        if key not in self.drafts and draft.request_id not in self._kept_ids:
            self.drafts[key] = draft
            if draft.step is DraftStep.KEEPING:
                # The answer of the time before is unknown: the same request again is the same fact.
                self._ask_to_keep(draft)
            self._changed(Topic.DRAFT)

    def begin_proof(self, stop: Stop, *, hands_over: bool, collects: bool = False) -> None:
        """Begin a proof at a stop, or go on with the one begun there, this way or the other."""
        draft = self.drafts.get(stop.stop)
        if draft is None:
            draft = proof_draft.begin(stop, self._entropy(16), self._now_ms(), hands_over=hands_over, collects=collects)
        elif draft.step is not DraftStep.KEEPING:
            draft = proof_draft.turn(draft, hands_over=hands_over, collects=collects)
        self.at_stop, self.loading = stop.stop, False
        self._link.ask(MeanScans(STEP_AT_STOP))
        self._put(draft)

    def leave_stop(self) -> None:
        """Look at something else; the draft stays."""
        self.at_stop = None

    @property
    def draft(self) -> ProofDraft | None:
        """Of the stop that is open."""
        return None if self.at_stop is None else self.drafts.get(self.at_stop)

    def forward(self) -> None:
        """The step is finished; how the load stands now goes along."""
        cold = self.van.verdict, self.van.left_s
        self.change(lambda draft: proof_draft.forward(proof_draft.cold(draft, *cold)))

    def take_out(self, parcel: str, why: str) -> None:
        """A wrong scan of the open draft: it is taken out there, and corrected where it was kept."""
        draft = self.draft
        found = next((one for one in draft.scanned if one.parcel == parcel), None) if draft is not None else None
        if found is not None:
            # The correction first: what is still in a draft after a kill can be taken out again, what is not cannot be.
            if found.fact_id is not None:
                self.take_back(found.fact_id, why)
            self.change(lambda now: proof_draft.take_back(now, parcel))

    def change(self, what: Callable[[ProofDraft], ProofDraft]) -> None:
        """Do something to the open draft; it is on disk before the screens hear of it."""
        draft = self.draft
        if draft is None:
            return
        try:
            self._put(what(draft))
            self._unsay()
        except NotYet as error:
            self._say(error.why, Tone.UNEXPECTED)

    def _put(self, draft: ProofDraft) -> None:
        # In memory at once, so that two quick taps build on each other; shown when it is on disk.
        self.drafts[draft.stop.stop] = draft

        def put(answer: Answer) -> None:
            if isinstance(answer, Refused):
                self._say(say("{why}", why=answer.why), Tone.REFUSED)
            else:
                self._changed(Topic.DRAFT)

        self._link.ask(DraftPut(_draft_name(draft.stop.stop), proof_draft.encode_draft(draft)), put)

    def keep(self) -> None:
        """The review is done: hand the proof to the agent."""
        draft = self.draft
        if draft is None or draft.step is not DraftStep.REVIEW:
            return
        verdict, left_s = self.van.verdict, self.van.left_s
        try:
            after = proof_draft.forward(proof_draft.cold(draft, verdict, left_s))
        except NotYet as error:
            self._say(error.why, Tone.UNEXPECTED)
            return
        self._put(after)
        self._ask_to_keep(after)

    def _ask_to_keep(self, draft: ProofDraft) -> None:
        request = proof_draft.request_of(draft)
        try:
            if draft.signature is not None and request.signature is not None:
                write_once(self.incoming / request.signature, encode_signature(draft.signature))
        except OSError as error:
            self._put(proof_draft.not_kept(draft))
            self._say(say("NOT KEPT: {why}", why=str(error)), Tone.REFUSED)
            return

        def answered(answer: Answer) -> None:
            if isinstance(answer, Kept):
                self._was_kept(draft)
            elif isinstance(answer, Refused):
                # Nothing is on disk: back to the review, so that the person can mend it or try again.
                self._put(proof_draft.not_kept(draft))
                self._say(say("{why}", why=answer.why), Tone.REFUSED)

        self._link.ask(request, answered)

    def _was_kept(self, draft: ProofDraft) -> None:
        key = draft.stop.stop
        self.drafts.pop(key, None)
        self.kept = draft
        self._kept_ids.add(draft.request_id)
        files = [*([draft.signature_file] if draft.signature is not None else []), *draft.photos]

        def dropped(answer: Answer) -> None:
            for name in files if isinstance(answer, Done) else ():
                with suppress(OSError):
                    (self.incoming / name).unlink(missing_ok=True)

        self._link.ask(DraftDrop(_draft_name(key)), dropped)
        if self.at_stop == key:
            self.at_stop = None
        self._keeper.refresh()
        self.refresh()
        self._say(say("Kept: {name}", name=draft.stop.name), Tone.KEPT)
        self._changed(Topic.DRAFT)

    # -- photos and alarms -----------------------------------------------------------------------------------------

    def photo_path(self) -> Path | None:
        """Where the next photo of the open draft goes."""
        draft = self.draft
        if draft is None:
            return None
        return self.incoming / f"{draft.request_id.hex()}-{self._entropy(4).hex()}.jpg"

    def add_photo(self, path: Path) -> None:
        """A photo was taken to where `photo_path` said; it is on disk before it counts."""
        try:
            settle(path)
        except NoPhoto as error:
            self._say(error.why, Tone.REFUSED)
        else:
            self.change(lambda draft: proof_draft.add_photo(draft, path.name))

    def acknowledge(self, alarm: str, why: str) -> None:
        """An alarm of the cold was seen."""
        self._record(AcknowledgeAlarm(self._entropy(16), alarm, why), lambda _kept: self.refresh())


def _draft_name(stop: str) -> str:
    return PROOF_DRAFT + blake2b(stop.encode(), digest_size=16).hexdigest()
