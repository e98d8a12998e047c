"""What a stop has come to, whatever arrived first."""

import random

from hypothesis import given
from hypothesis import strategies as st

from contract.event import Outcome
from hub.deliveries.state import ProofView, StopStatus, contradicting, fold_stop


def proof(
    outcome: Outcome,
    at_ms: int = 0,
    device: str = "van-1",
    *parcels: str,
    refused: tuple[str, ...] = (),
    corrected: bool = False,
) -> ProofView:
    given = outcome in {Outcome.DELIVERED, Outcome.PICKED_UP}
    identity = f"{outcome}{at_ms}{device}{parcels}{refused}".encode().ljust(32)[:32]
    return ProofView(
        fact_id=identity,
        stop="s",
        outcome=outcome,
        delivered=parcels if given else (),
        refused=refused if given else parcels,
        happened_ms=at_ms,
        time_source="device",
        uncertainty_ms=None,
        known_ms=at_ms,
        at_ms=at_ms,
        device=device,
        incarnation=b"i" * 16,
        ord=at_ms,
        corrected_by=b"c" * 32 if corrected else None,
    )


D, A, R, B, P = Outcome.DELIVERED, Outcome.ATTEMPTED, Outcome.REFUSED, Outcome.RETURNED, Outcome.PICKED_UP


def test_nobody_was_there() -> None:
    assert fold_stop([]).status is StopStatus.OPEN
    assert fold_stop([], cancelled=True).status is StopStatus.CANCELLED
    assert not fold_stop([]).visited


def test_an_attempt_is_followed_by_a_delivery_of_another_courier_without_contradiction() -> None:
    outcome = fold_stop([proof(A, 1, "van-1", "P"), proof(D, 2, "van-2", "P")])
    assert (outcome.status, outcome.conflict) == (StopStatus.DELIVERED, False)
    assert outcome.first is not None
    assert outcome.first.outcome is A


def test_two_couriers_on_one_stop_contradict_each_other_and_both_proofs_are_kept() -> None:
    outcome = fold_stop([proof(R, 2, "van-2", "P"), proof(D, 1, "van-1", "P")])
    assert (outcome.status, outcome.conflict) == (StopStatus.DELIVERED, True)
    assert [one.device for one in outcome.proofs] == ["van-1", "van-2"]


def test_a_late_attempt_takes_no_delivery_back_but_a_return_does() -> None:
    assert fold_stop([proof(D, 1, "van-1", "P"), proof(A, 2, "van-1", "P")]).status is StopStatus.DELIVERED
    back = fold_stop([proof(D, 1, "van-1", "P"), proof(B, 2, "van-2", "P")])
    assert (back.status, back.conflict) == (StopStatus.RETURNED, False)


def test_what_is_handed_over_in_part_says_so_until_the_rest_is() -> None:
    half = proof(D, 1, "van-1", "P1", refused=("P2",))
    assert fold_stop([half]).status is StopStatus.PARTLY
    assert fold_stop([half, proof(D, 2, "van-1", "P2")]).status is StopStatus.DELIVERED


def test_a_proof_that_was_taken_back_does_not_count_and_stays_visible() -> None:
    outcome = fold_stop([proof(D, 1, corrected=True), proof(A, 2)])
    assert (outcome.status, len(outcome.proofs)) == (StopStatus.ATTEMPTED, 2)
    assert fold_stop([proof(D, 1, corrected=True)]).status is StopStatus.OPEN


def test_a_proof_of_a_cancelled_stop_counts() -> None:
    assert fold_stop([proof(D, 1)], cancelled=True).status is StopStatus.DELIVERED


proofs = st.lists(
    st.builds(
        proof,
        st.sampled_from(Outcome),
        st.integers(0, 9),
        st.sampled_from(["van-1", "van-2", "van-3"]),
        st.sampled_from(["P1", "P2"]),
        corrected=st.booleans(),
    ),
    max_size=7,
    unique_by=lambda one: one.fact_id,
)


@given(proofs, st.integers(), st.booleans())
def test_the_order_of_arrival_makes_no_difference(told: list[ProofView], seed: int, cancelled: bool) -> None:
    mixed = told.copy()
    random.Random(seed).shuffle(mixed)
    assert fold_stop(mixed, cancelled=cancelled) == fold_stop(told, cancelled=cancelled)


@given(proofs, st.booleans())
def test_the_status_is_told_by_a_proof_that_counts(told: list[ProofView], cancelled: bool) -> None:
    outcome = fold_stop(told, cancelled=cancelled)
    counts = [one for one in told if one.corrected_by is None]
    assert outcome.visited is bool(counts)
    if counts:
        assert outcome.decided_by in counts
        assert outcome.status is not StopStatus.CANCELLED


@given(st.lists(st.tuples(st.sampled_from(list(Outcome)), st.sampled_from(["van-1", "van-2", "van-3"])), max_size=8))
def test_a_stop_is_in_conflict_where_any_two_proofs_contradict_each_other(said: list[tuple[Outcome, str]]) -> None:
    outcome = fold_stop([proof(what, n, device) for n, (what, device) in enumerate(said)])
    assert outcome.conflict == any(contradicting(one, outcome.proofs) for one in outcome.proofs)
