"""A proof in the making, a frozen state machine: each finished step is a new draft, kept by the agent before the next screen.

The way of a hand-over: scan, checks, outcome, recipient, signature, photos, review, keeping. Where nothing is handed over:
outcome, photos, review, keeping. `request_id` is made before the first step, so a proof whose answer was lost is one fact.
Nothing leads out of `keeping` but the agent's answer, and nothing discards what was kept.
"""

from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from contract.cold_verdict import ColdVerdict
from contract.errors import Malformed
from contract.event import Digest, EpochMs, Key, Note, Outcome, Proof, Text
from contract.limits import MAX_BLOBS_PER_FACT, MAX_PARCELS_PER_PROOF
from contract.local import FileName, RecordProof, RequestId
from contract.route import Check, Stop
from contract.signature import Signature, encode_signature
from mobile_ui.core.say import Sentence, say

MAX_PHOTOS: Final = MAX_BLOBS_PER_FACT - 1
"""The signature is an attachment, too."""


class DraftStep(StrEnum):
    """Where a draft is."""

    SCAN = "scan"
    CHECKS = "checks"
    OUTCOME = "outcome"
    RECIPIENT = "recipient"
    SIGNATURE = "signature"
    PHOTOS = "photos"
    REVIEW = "review"
    KEEPING = "keeping"
    """Handed to the agent; the answer is still to come, or was lost."""


HANDED_OVER: Final = frozenset({Outcome.DELIVERED, Outcome.PICKED_UP})
HAND_OVER_STEPS: Final = (
    DraftStep.SCAN,
    DraftStep.CHECKS,
    DraftStep.OUTCOME,
    DraftStep.RECIPIENT,
    DraftStep.SIGNATURE,
    DraftStep.PHOTOS,
    DraftStep.REVIEW,
    DraftStep.KEEPING,
)
OTHER_STEPS: Final = (DraftStep.OUTCOME, DraftStep.PHOTOS, DraftStep.REVIEW, DraftStep.KEEPING)


class DraftScan(Struct, frozen=True, array_like=True):
    """A parcel scanned for this proof; `fact_id` is that of its scan, by which it can be taken back."""

    parcel: Key
    fact_id: Digest | None = None


class ProofDraft(Struct, frozen=True, array_like=True):
    """All that was said so far."""

    stop: Stop
    """As the courier saw it when they began: a change of the route meanwhile shows in the day, not in what is being done."""
    request_id: RequestId
    begun_ms: EpochMs
    step: DraftStep
    outcome: Outcome
    scanned: Annotated[tuple[DraftScan, ...], Meta(max_length=MAX_PARCELS_PER_PROOF)] = ()
    checked: tuple[Check, ...] = ()
    refused: tuple[Key, ...] = ()
    """Of those scanned: what the recipient did not take."""
    reason: Text = ""
    """Why something was not handed over."""
    cold_reason: Text = ""
    """Why it was, although the cold was left."""
    cold_acknowledged: bool = False
    """The recipient knows that the cold was left, and takes it all the same."""
    recipient: Text = ""
    relation: Text = ""
    notes: Note = ""
    signature: Signature | None = None
    photos: tuple[FileName, ...] = ()
    cold_verdict: Text = ""
    """As shown to the recipient."""
    cold_budget_s: int | None = None

    @property
    def hands_over(self) -> bool:
        """Whether parcels change hands."""
        return self.outcome in HANDED_OVER

    @property
    def parcels(self) -> frozenset[str]:
        """All that were scanned for it."""
        return frozenset(one.parcel for one in self.scanned)

    @property
    def delivered(self) -> tuple[str, ...]:
        """What changes hands."""
        return tuple(one.parcel for one in self.scanned if one.parcel not in self.refused) if self.hands_over else ()

    @property
    def not_delivered(self) -> tuple[str, ...]:
        """What stays in the van although it was to be handed over, scanned or not."""
        if self.outcome is Outcome.PICKED_UP:
            return self.refused
        given = frozenset(self.delivered)
        return tuple(dict.fromkeys([*(p.parcel for p in self.stop.parcels if p.parcel not in given), *self.refused]))

    @property
    def turned_away(self) -> tuple[str, ...]:
        """What the proof says was not taken: of a hand-over only what was held out, for what was not found is no refusal."""
        return self.refused if self.hands_over else self.not_delivered

    @property
    def signature_file(self) -> str:
        """In the agent's `incoming/`; another drawing is another file, because a file there is written once."""
        drawn = b"" if self.signature is None else encode_signature(self.signature)
        return f"{self.request_id.hex()}-{blake2b(drawn, digest_size=8).hexdigest()}.json"


class NotYet(Exception):
    """A step that cannot be taken; `why` is for the person."""

    def __init__(self, why: Sentence) -> None:
        super().__init__(why.key)
        self.why = why


def begin(stop: Stop, request_id: bytes, now_ms: int, *, hands_over: bool, collects: bool = False) -> ProofDraft:
    """A new draft. `collects`: the courier takes something with them instead of giving it."""
    if hands_over:
        outcome = Outcome.PICKED_UP if collects else Outcome.DELIVERED
        return ProofDraft(stop, request_id, now_ms, DraftStep.SCAN, outcome)
    return ProofDraft(stop, request_id, now_ms, DraftStep.OUTCOME, Outcome.ATTEMPTED)


# -- what a person says ------------------------------------------------------------------------------------------------


def _open(draft: ProofDraft) -> ProofDraft:
    if draft.step is DraftStep.KEEPING:
        raise NotYet(say("It is being kept and cannot be changed any more"))
    return draft


def turn(draft: ProofDraft, *, hands_over: bool, collects: bool = False) -> ProofDraft:
    """The other way at the same stop. All that was said stays, for it may be turned again; each way has its own reasons."""
    if _open(draft).hands_over is hands_over:
        return draft
    other = begin(draft.stop, draft.request_id, draft.begun_ms, hands_over=hands_over, collects=collects)
    return replace(draft, step=other.step, outcome=other.outcome, reason="")


def scan(draft: ProofDraft, parcel: str, fact_id: bytes | None) -> ProofDraft:
    """A parcel was scanned for it; one scanned before stays as it is."""
    if _open(draft).step is not DraftStep.SCAN:
        raise NotYet(say("Parcels are scanned at the first step"))
    if parcel in draft.parcels:
        return draft
    if len(draft.scanned) >= MAX_PARCELS_PER_PROOF:
        raise NotYet(say("A proof holds {n} parcels; keep this one and begin another", n=MAX_PARCELS_PER_PROOF))
    return replace(draft, scanned=(*draft.scanned, DraftScan(parcel, fact_id)))


def take_back(draft: ProofDraft, parcel: str) -> ProofDraft:
    """A wrong scan is taken out; its fact stays, with a correction beside it."""
    _open(draft)
    return replace(
        draft,
        scanned=tuple(one for one in draft.scanned if one.parcel != parcel),
        refused=tuple(one for one in draft.refused if one != parcel),
    )


def check(draft: ProofDraft, what: Check, *, done: bool) -> ProofDraft:
    """The courier looked."""
    others = tuple(one for one in _open(draft).checked if one is not what)
    return replace(draft, checked=(*others, what) if done else others)


def cold(draft: ProofDraft, verdict: ColdVerdict | None, budget_s: int | None) -> ProofDraft:
    """How the load stands, as it is shown to the recipient now."""
    return replace(_open(draft), cold_verdict="" if verdict is None else verdict.value, cold_budget_s=budget_s)


def acknowledge_cold(draft: ProofDraft, *, done: bool) -> ProofDraft:
    """The recipient was told that the cold was left, and takes the goods all the same."""
    return replace(_open(draft), cold_acknowledged=done)


def choose(draft: ProofDraft, outcome: Outcome) -> ProofDraft:
    """What came of it; a hand-over cannot become another way, nor the other way round: go back and begin anew."""
    if (outcome in HANDED_OVER) is not _open(draft).hands_over:
        raise NotYet(say("Go back to the stop to begin the other way"))
    return replace(draft, outcome=outcome)


def refuse(draft: ProofDraft, parcel: str, *, refused: bool) -> ProofDraft:
    """The recipient does not take one of the parcels, or takes it after all."""
    others = tuple(one for one in _open(draft).refused if one != parcel)
    known = parcel in draft.parcels
    return replace(draft, refused=(*others, parcel) if refused and known else others)


def give_reason(draft: ProofDraft, reason: str) -> ProofDraft:
    """Why something was not handed over."""
    return replace(_open(draft), reason=reason)


def give_cold_reason(draft: ProofDraft, reason: str) -> ProofDraft:
    """Why it is handed over although the cold was left."""
    return replace(_open(draft), cold_reason=reason)


def note(draft: ProofDraft, notes: str) -> ProofDraft:
    """The courier's own words."""
    return replace(_open(draft), notes=notes)


def receive(draft: ProofDraft, recipient: str, relation: str) -> ProofDraft:
    """Who took it. A document that proves it is never asked for."""
    return replace(_open(draft), recipient=recipient.strip(), relation=relation)


def sign(draft: ProofDraft, signature: Signature | None) -> ProofDraft:
    """The recipient signed, or begins anew."""
    return replace(_open(draft), signature=signature if signature is not None and signature.points else None)


def add_photo(draft: ProofDraft, name: str) -> ProofDraft:
    """A photo lies in `incoming/`."""
    if len(_open(draft).photos) >= MAX_PHOTOS:
        raise NotYet(say("A proof holds {n} photos", n=MAX_PHOTOS))
    return replace(draft, photos=(*(one for one in draft.photos if one != name), name))


def drop_photo(draft: ProofDraft, name: str) -> ProofDraft:
    """A photo that was no good, before anything was kept."""
    return replace(_open(draft), photos=tuple(one for one in draft.photos if one != name))


# -- steps -------------------------------------------------------------------------------------------------------------


def steps_of(draft: ProofDraft) -> tuple[DraftStep, ...]:
    """The way of this draft. Checks are a step where there is something to check."""
    if not draft.hands_over:
        return OTHER_STEPS
    checks = bool(_to_look_at(draft)) or needs_cold_reason(draft)
    return tuple(step for step in HAND_OVER_STEPS if checks or step is not DraftStep.CHECKS)


def needed(draft: ProofDraft) -> frozenset[Check]:
    """What the parcels that change hands ask for."""
    given = frozenset(draft.delivered)
    return frozenset(check for one in draft.stop.parcels if one.parcel in given for check in one.checks)


def _to_look_at(draft: ProofDraft) -> frozenset[Check]:
    return draft.stop.checks & {Check.AGE, Check.COLD}


def needs_cold_reason(draft: ProofDraft) -> bool:
    """More than the limits allow was used, and cold goods are to change hands."""
    return draft.hands_over and draft.cold_verdict == ColdVerdict.EXCEEDED and Check.COLD in draft.stop.checks


def lacks(draft: ProofDraft, step: DraftStep) -> Sentence | None:
    """What a step still wants; None when it is finished."""
    match step:
        case DraftStep.SCAN:
            return None if draft.scanned else say("Scan at least one parcel")
        case DraftStep.CHECKS:
            return _lacks_check(draft)
        case DraftStep.OUTCOME:
            return _lacks_reason(draft)
        case DraftStep.RECIPIENT:
            return None if draft.recipient and draft.relation else say("Who took it?")
        case DraftStep.SIGNATURE:
            wanted = Check.SIGNATURE in needed(draft) and draft.signature is None
            return say("A signature is required here") if wanted else None
        case DraftStep.PHOTOS:
            return say("A photo is required here") if Check.PHOTO in needed(draft) and not draft.photos else None
        case DraftStep.REVIEW | DraftStep.KEEPING:
            return None


def _lacks_check(draft: ProofDraft) -> Sentence | None:
    if _to_look_at(draft) - set(draft.checked):
        return say("Look and tick each check")
    if needs_cold_reason(draft) and not (draft.cold_reason and draft.cold_acknowledged):
        return say("The cold budget is used up: give a reason, and let the recipient confirm")
    return None


def _lacks_reason(draft: ProofDraft) -> Sentence | None:
    if draft.hands_over and not draft.delivered:
        return say("Nothing would be handed over; go back and choose another outcome")
    why_needed = not draft.hands_over or bool(draft.not_delivered)
    return say("Choose a reason") if why_needed and not draft.reason else None


def forward(draft: ProofDraft) -> ProofDraft:
    """Finish the step.

    Raises:
        NotYet: something is still wanted, or it is already with the agent.
    """
    step = _open(draft).step
    if (why := lacks(draft, step)) is not None:
        raise NotYet(why)
    steps = steps_of(draft)
    after = _next(steps, step)
    if after is DraftStep.KEEPING and (why := next(filter(None, (lacks(draft, one) for one in steps)), None)):
        raise NotYet(why)
    return replace(draft, step=after)


def _next(steps: tuple[DraftStep, ...], step: DraftStep) -> DraftStep:
    later = HAND_OVER_STEPS[HAND_OVER_STEPS.index(step) + 1 :]
    return next(one for one in later if one in steps)


def back(draft: ProofDraft) -> ProofDraft | None:
    """The step before, with all that was said; None: back to the stop."""
    steps = steps_of(draft)
    earlier = [one for one in HAND_OVER_STEPS[: HAND_OVER_STEPS.index(_open(draft).step)] if one in steps]
    return replace(draft, step=earlier[-1]) if earlier else None


# -- keeping -----------------------------------------------------------------------------------------------------------


def request_of(draft: ProofDraft) -> RecordProof:
    """What the agent is asked, the same for the same draft; place and, without a judged load, cold are the agent's to state.

    Raises:
        NotYet: it is not finished.
    """
    if draft.step is not DraftStep.KEEPING:
        raise NotYet(say("The proof is not finished"))
    reasons = (draft.cold_reason if needs_cold_reason(draft) else "", draft.reason if draft.not_delivered else "")
    proof = Proof(
        stop=draft.stop.stop,
        outcome=draft.outcome,
        delivered=draft.delivered,
        refused=draft.turned_away,
        reason=",".join(filter(None, reasons)),
        recipient=draft.recipient if draft.hands_over else "",
        relation=draft.relation if draft.hands_over else "",
        notes=draft.notes,
        cold_verdict=draft.cold_verdict if draft.hands_over else "",
        cold_budget_s=draft.cold_budget_s if draft.hands_over else None,
    )
    signature = draft.signature_file if draft.signature is not None and draft.hands_over else None
    return RecordProof(draft.request_id, proof, signature, draft.photos)


def not_kept(draft: ProofDraft) -> ProofDraft:
    """The agent refused it and kept nothing: the person reviews it again, and tries again with the same id."""
    return replace(draft, step=DraftStep.REVIEW) if draft.step is DraftStep.KEEPING else draft


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(ProofDraft)


def encode_draft(draft: ProofDraft) -> bytes:
    """For the agent's shelf."""
    return _encoder.encode(draft)


def decode_draft(data: bytes) -> ProofDraft:
    """From the agent's shelf.

    Raises:
        Malformed: another version kept it.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not a draft of a proof: {error}") from error
