"""Keeps proofs: their drafts on disk with the agent after every step, and each finished one as a fact, once."""

from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from contract.cold_verdict import ColdVerdict
from contract.errors import Malformed
from contract.local import Answer, Done, Draft, DraftDrop, DraftGet, DraftPut, Drafts, Kept, ListDrafts, Refused
from contract.route import Stop
from contract.signature import encode_signature
from mobile_ui.core import proof_draft
from mobile_ui.core.documents import Asks
from mobile_ui.core.files import write_once
from mobile_ui.core.photos import NoPhoto, settle
from mobile_ui.core.proof_draft import DraftStep, NotYet, ProofDraft
from mobile_ui.core.say import say
from mobile_ui.core.scan_check import Tone
from mobile_ui.core.voice import Voice

PROOF_DRAFT: Final = "proof-"
Cold = tuple[ColdVerdict | None, int | None]
"""How the load stands, and the time left in seconds."""


class ProofKeeper:
    """The proofs of one courier.

    Args:
        link: asks the agent.
        incoming: the agent's folder for pictures.
        voice: says what is missing, and what was kept.
        now_ms: the wall clock.
        entropy: random bytes for request ids.
        changed: told when a draft is another.
        was_kept: told when a proof became a fact.
    """

    def __init__(
        self,
        link: Asks,
        incoming: Path,
        voice: Voice,
        *,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
        changed: Callable[[], None],
        was_kept: Callable[[], None],
    ) -> None:
        self._link = link
        self._incoming = incoming
        self._voice = voice
        self._now_ms = now_ms
        self._entropy = entropy
        self._changed = changed
        self._tell_kept = was_kept
        self.drafts: dict[str, ProofDraft] = {}
        """By the stop's key."""
        self._answered: dict[str, ProofDraft] = {}
        self.at_stop: str | None = None
        """The stop whose draft takes scans now."""
        self.kept: ProofDraft | None = None
        """The proof that was kept last."""
        self._kept_ids: set[bytes] = set()

    # -- drafts ----------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Fetch the drafts that the agent has."""
        self._link.ask(ListDrafts(), self._take_names)

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
            said = say("A proof that was begun cannot be read any more. Begin it anew")
            self._voice.tell(said, Tone.UNEXPECTED)
            return
        key = draft.stop.stop
        # One that was kept since it was asked for may still be told.
        if key not in self.drafts and draft.request_id not in self._kept_ids:
            self.drafts[key] = self._answered[key] = draft
            if draft.step is DraftStep.KEEPING:
                # The answer of the time before is unknown: the same request again is the same fact.
                self._ask_to_keep(draft)
            self._changed()

    def begin(self, stop: Stop, *, hands_over: bool, collects: bool) -> None:
        """Begin a proof at a stop, or go on with the one begun there, this way or the other."""
        draft = self.drafts.get(stop.stop)
        if draft is None:
            draft = proof_draft.begin(stop, self._entropy(16), self._now_ms(), hands_over=hands_over, collects=collects)
        elif draft.step is not DraftStep.KEEPING:
            draft = proof_draft.turn(draft, hands_over=hands_over, collects=collects)
        self.at_stop = stop.stop
        self._put(draft)

    @property
    def draft(self) -> ProofDraft | None:
        """Of the stop that is open."""
        return None if self.at_stop is None else self.drafts.get(self.at_stop)

    @property
    def shown(self) -> ProofDraft | None:
        """The open one as it is on disk, or was refused; one that was only begun has nothing to lose."""
        return None if self.at_stop is None else self._answered.get(self.at_stop)

    def change(self, what: Callable[[ProofDraft], ProofDraft]) -> None:
        """Do something to the open draft; it is on disk before the screens hear of it."""
        draft = self.draft
        if draft is None:
            return
        try:
            self._put(what(draft))
            self._voice.unsay()
        except NotYet as error:
            self._voice.tell(error.why, Tone.UNEXPECTED)

    def forward(self, cold: Cold) -> None:
        """The step is finished; the last one only by `keep`."""
        if self.draft is not None and self.draft.step is not DraftStep.REVIEW:
            self.change(lambda draft: proof_draft.forward(proof_draft.cold(draft, *cold)))

    def _put(self, draft: ProofDraft) -> None:
        # In memory at once, so that two quick taps build on each other; shown when it is on disk.
        key = draft.stop.stop
        self.drafts[key] = draft
        self._answered.setdefault(key, draft)

        def put(answer: Answer) -> None:
            if isinstance(answer, Refused):
                self._voice.refused(answer)
                self._stay(draft)
            elif key in self.drafts:
                self._answered[key] = draft
            self._changed()

        self._link.ask(DraftPut(_draft_name(key), proof_draft.encode_draft(draft)), put)

    def _stay(self, draft: ProofDraft) -> None:
        """What was said is still known, and goes along with whatever is said next; no step is finished by it."""
        key = draft.stop.stop
        if self.drafts.get(key) is not draft or draft.step is DraftStep.KEEPING:
            return
        before = self._answered[key].step
        if before in proof_draft.steps_of(draft):
            draft = replace(draft, step=before)
        self.drafts[key] = self._answered[key] = draft

    # -- photos ----------------------------------------------------------------------------------------------------

    def photo_path(self) -> Path | None:
        """Where the next photo of the open draft goes."""
        draft = self.draft
        if draft is None:
            return None
        return self._incoming / f"{draft.request_id.hex()}-{self._entropy(4).hex()}.jpg"

    def add_photo(self, path: Path) -> None:
        """A photo was taken to where `photo_path` said; it is on disk before it counts."""
        try:
            settle(path)
        except NoPhoto as error:
            self._voice.tell(error.why, Tone.REFUSED)
        else:
            self.change(lambda draft: proof_draft.add_photo(draft, path.name))

    # -- keeping ---------------------------------------------------------------------------------------------------

    def keep(self, cold: Cold) -> None:
        """The review is done: hand the proof to the agent."""
        draft = self.draft
        if draft is None or draft.step is not DraftStep.REVIEW:
            return
        try:
            after = proof_draft.forward(proof_draft.cold(draft, *cold))
        except NotYet as error:
            self._voice.tell(error.why, Tone.UNEXPECTED)
            return
        self._put(after)
        self._ask_to_keep(after)

    def _ask_to_keep(self, draft: ProofDraft) -> None:
        request = proof_draft.request_of(draft)
        try:
            if draft.signature is not None and request.signature is not None:
                write_once(self._incoming / request.signature, encode_signature(draft.signature))
        except OSError as error:
            self._put(proof_draft.not_kept(draft))
            self._voice.tell(say("NOT KEPT: {why}", why=str(error)), Tone.REFUSED)
            return

        def answered(answer: Answer) -> None:
            if isinstance(answer, Kept):
                self._was_kept(draft)
            elif isinstance(answer, Refused):
                # Nothing is on disk: back to the review, so that the person can mend it or try again.
                self._put(proof_draft.not_kept(draft))
                self._voice.refused(answer)

        self._link.ask(request, answered)

    def _was_kept(self, draft: ProofDraft) -> None:
        key = draft.stop.stop
        self.drafts.pop(key, None)
        self._answered.pop(key, None)
        self.kept = draft
        self._kept_ids.add(draft.request_id)
        files = [*([draft.signature_file] if draft.signature is not None else []), *draft.photos]

        def dropped(answer: Answer) -> None:
            for name in files if isinstance(answer, Done) else ():
                with suppress(OSError):
                    (self._incoming / name).unlink(missing_ok=True)

        self._link.ask(DraftDrop(_draft_name(key)), dropped)
        if self.at_stop == key:
            self.at_stop = None
        self._tell_kept()
        self._voice.tell(say("Kept: {name}", name=draft.stop.name), Tone.KEPT)
        self._changed()


def _draft_name(stop: str) -> str:
    return PROOF_DRAFT + blake2b(stop.encode(), digest_size=16).hexdigest()
