"""The draft of a proof: a way with no short cuts, frozen, and one fact whatever happens."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.cold_verdict import ColdVerdict
from contract.errors import Malformed
from contract.event import Outcome
from contract.route import Check
from contract.signature import Signature
from mobile_ui.core import proof_draft
from mobile_ui.core.proof_draft import DraftStep, NotYet, ProofDraft, begin, forward, lacks, request_of, steps_of
from tests.mobile_ui.kit import NOON_MS, parcel, stop

ID = bytes(range(16))
DRAWN = Signature(5_000, (((0, 0, 0), (100, 100, 20)),))
FULL = stop(1, parcels=2, checks=(Check.SIGNATURE, Check.PHOTO, Check.AGE, Check.COLD))
PLAIN = stop(2)


def hand_over(where: object = PLAIN) -> ProofDraft:
    return begin(where, ID, NOON_MS, hands_over=True)  # type: ignore[arg-type] # a stop


def finished(draft: ProofDraft) -> ProofDraft:
    """All that the fullest stop asks for."""
    for one in draft.stop.parcels:
        draft = proof_draft.scan(draft, one.parcel, None)
    draft = forward(draft)
    for check in (Check.AGE, Check.COLD):
        draft = proof_draft.check(draft, check, done=True)
    draft = forward(forward(draft))
    draft = forward(proof_draft.receive(draft, " Wang ", "consignee"))
    draft = forward(proof_draft.sign(draft, DRAWN))
    draft = forward(proof_draft.add_photo(draft, "p1.jpg"))
    assert draft.step is DraftStep.REVIEW
    return forward(draft)


def test_a_whole_hand_over_is_one_request_with_everything_in_it() -> None:
    draft = finished(hand_over(FULL))

    request = request_of(draft)
    assert request.request_id == ID
    assert request.proof.delivered == (parcel(1, 0), parcel(1, 1))
    assert (request.proof.recipient, request.proof.relation) == ("Wang", "consignee")
    assert (request.signature, request.photos) == (draft.signature_file, ("p1.jpg",))


def test_every_step_of_a_full_stop_wants_what_it_asks_for() -> None:
    draft = hand_over(FULL)
    wanted = []
    while draft.step is not DraftStep.REVIEW:
        with pytest.raises(NotYet):
            forward(draft)
        wanted.append(draft.step)
        match draft.step:
            case DraftStep.SCAN:
                draft = proof_draft.scan(draft, parcel(1, 0), None)
            case DraftStep.CHECKS:
                draft = proof_draft.check(proof_draft.check(draft, Check.AGE, done=True), Check.COLD, done=True)
            case DraftStep.OUTCOME:
                draft = proof_draft.give_reason(draft, "not_in_van")
            case DraftStep.RECIPIENT:
                draft = proof_draft.receive(draft, "Wang", "neighbour")
            case DraftStep.SIGNATURE:
                draft = proof_draft.sign(draft, DRAWN)
            case DraftStep.PHOTOS:
                draft = proof_draft.add_photo(draft, "p.jpg")
        draft = forward(draft)
    assert wanted == list(proof_draft.HAND_OVER_STEPS[:6])


def test_a_part_not_found_is_no_refusal_but_needs_a_reason() -> None:
    draft = proof_draft.scan(hand_over(FULL), parcel(1, 0), None)
    assert draft.not_delivered == (parcel(1, 1),)
    assert draft.turned_away == ()
    refused = proof_draft.refuse(proof_draft.scan(draft, parcel(1, 1), None), parcel(1, 1), refused=True)
    assert (refused.delivered, refused.turned_away) == ((parcel(1, 0),), (parcel(1, 1),))


def test_what_is_refused_altogether_cannot_be_kept_as_handed_over() -> None:
    draft = proof_draft.scan(hand_over(), parcel(2, 0), None)
    draft = proof_draft.refuse(forward(draft), parcel(2, 0), refused=True)

    with pytest.raises(NotYet):
        forward(proof_draft.give_reason(draft, "damaged"))


def test_an_attempt_needs_only_its_reason() -> None:
    draft = begin(FULL, ID, NOON_MS, hands_over=False)
    with pytest.raises(NotYet):
        forward(draft)
    draft = forward(forward(forward(proof_draft.give_reason(draft, "nobody_home"))))

    proof = request_of(draft).proof
    assert (proof.outcome, proof.delivered, proof.refused) == (Outcome.ATTEMPTED, (), (parcel(1, 0), parcel(1, 1)))
    assert (proof.recipient, request_of(draft).signature) == ("", None)


def test_a_used_up_cold_budget_wants_a_reason_and_the_recipients_word() -> None:
    draft = forward(proof_draft.scan(hand_over(FULL), parcel(1, 0), None))
    draft = proof_draft.check(proof_draft.check(draft, Check.AGE, done=True), Check.COLD, done=True)
    draft = proof_draft.cold(draft, ColdVerdict.EXCEEDED, 0)
    with pytest.raises(NotYet):
        forward(draft)
    draft = proof_draft.give_cold_reason(draft, "recipient_accepts")
    with pytest.raises(NotYet):
        forward(draft)

    draft = forward(proof_draft.acknowledge_cold(draft, done=True))
    assert draft.step is DraftStep.OUTCOME
    draft = forward(proof_draft.give_reason(draft, "not_in_van"))
    draft = forward(proof_draft.receive(draft, "Wang", "consignee"))
    draft = forward(proof_draft.sign(draft, DRAWN))
    draft = forward(forward(proof_draft.add_photo(draft, "p.jpg")))
    assert request_of(draft).proof.reason == "recipient_accepts,not_in_van"


def test_a_budget_that_ran_out_after_the_checks_is_still_asked_for_before_keeping() -> None:
    draft = finished(hand_over(FULL))
    review = proof_draft.cold(proof_draft.not_kept(draft), ColdVerdict.EXCEEDED, 0)

    with pytest.raises(NotYet):
        forward(review)


def test_what_is_with_the_agent_can_be_changed_by_nobody() -> None:
    draft = finished(hand_over(FULL))

    for change in CHANGES:
        with pytest.raises(NotYet):
            change(draft)
    with pytest.raises(NotYet):
        proof_draft.back(draft)


def test_another_drawing_is_another_file_and_the_same_drawing_the_same() -> None:
    draft = proof_draft.sign(hand_over(), DRAWN)
    other = proof_draft.sign(draft, Signature(5_000, (((0, 0, 0),),)))

    assert draft.signature_file == proof_draft.sign(hand_over(), DRAWN).signature_file != other.signature_file


def test_a_draft_that_cannot_be_read_says_so() -> None:
    with pytest.raises(Malformed, match="not a draft of a proof"):
        proof_draft.decode_draft(b"\xc1")


# -- any order of steps --------------------------------------------------------------------------------------------------

CHANGES: list[Callable[[ProofDraft], ProofDraft]] = [
    lambda d: proof_draft.scan(d, parcel(1, 0), b"f" * 32),
    lambda d: proof_draft.scan(d, parcel(1, 1), None),
    lambda d: proof_draft.take_back(d, parcel(1, 0)),
    lambda d: proof_draft.check(d, Check.AGE, done=True),
    lambda d: proof_draft.check(d, Check.COLD, done=True),
    lambda d: proof_draft.check(d, Check.COLD, done=False),
    lambda d: proof_draft.cold(d, ColdVerdict.EXCEEDED, 0),
    lambda d: proof_draft.cold(d, ColdVerdict.INSIDE, 600),
    lambda d: proof_draft.acknowledge_cold(d, done=True),
    lambda d: proof_draft.refuse(d, parcel(1, 1), refused=True),
    lambda d: proof_draft.refuse(d, parcel(1, 1), refused=False),
    lambda d: proof_draft.give_reason(d, "damaged"),
    lambda d: proof_draft.give_cold_reason(d, "recipient_accepts"),
    lambda d: proof_draft.note(d, "bell is broken"),
    lambda d: proof_draft.receive(d, "Wang", "neighbour"),
    lambda d: proof_draft.sign(d, DRAWN),
    lambda d: proof_draft.sign(d, None),
    lambda d: proof_draft.add_photo(d, "p1.jpg"),
    lambda d: proof_draft.drop_photo(d, "p1.jpg"),
    lambda d: proof_draft.choose(d, Outcome.REFUSED),
]
MOVES: list[Callable[[ProofDraft], ProofDraft]] = [forward, lambda d: proof_draft.back(d) or d]


@given(
    hands_over=st.booleans(),
    moves=st.lists(st.sampled_from([*CHANGES, *MOVES, forward, forward]), max_size=60),
    kill_at=st.sets(st.integers(0, 60)),
)
def test_any_hands_in_any_order_with_kills_between_end_in_a_whole_proof_or_none(
    hands_over: bool, moves: list[Callable[[ProofDraft], ProofDraft]], kill_at: set[int]
) -> None:
    draft = begin(FULL, ID, NOON_MS, hands_over=hands_over)
    for n, move in enumerate(moves):
        before = draft
        try:
            draft = move(draft)
        except NotYet as error:
            assert error.why.key  # noqa: PT017 it may be raised or not
            assert draft is before
        if n in kill_at:
            draft = proof_draft.decode_draft(proof_draft.encode_draft(draft))
        assert draft.request_id == ID
        assert draft.hands_over is hands_over
        if before.step is DraftStep.KEEPING:
            assert draft == before
    if draft.step is DraftStep.KEEPING:
        assert [lacks(draft, step) for step in steps_of(draft) if lacks(draft, step)] == []
        request = request_of(draft)
        assert bool(request.proof.delivered) is hands_over
        assert not set(request.proof.delivered) & set(request.proof.refused)
        assert request == request_of(proof_draft.decode_draft(proof_draft.encode_draft(draft)))
    else:
        with pytest.raises(NotYet):
            request_of(draft)
