"""Rule 3: the same rows in any order of arrival, in batches of any size, with clock fixes between them."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.columns import Position, pack_positions
from contract.event import Decision, Outcome, Positions, Step
from contract.fact import Clock
from hub.projector import LedgerFact
from hub.tracking.custody import Deed
from hub.tracking.stated import CORRECT, correction_subject
from tests.hub.folding import T0, Ledger, block, fix, folded, proof, scan

BOOTS = (b"a" * 16, b"b" * 16)
OLD, SECOND = b"a" * 16, 1_000
instants = st.integers(0, 40).map(lambda n: T0 + n * SECOND)


def track(base_at_ms: int, base_mono_ms: int, count: int) -> Positions:
    positions = [Position(n * SECOND, 10 + n, 20, 5, 0, 0) for n in range(count)]
    return Positions("van-1.gps", base_at_ms, base_mono_ms, SECOND, count, pack_positions(positions, SECOND))


@st.composite
def ledgers(draw: st.DrawFn) -> list[LedgerFact]:
    """Facts of two boots of one device: clocks right, free, in 1970 or far ahead; blocks that overlap and contradict."""
    ledger = Ledger()
    for _ in range(draw(st.integers(1, 9))):
        at_ms = draw(st.one_of(instants, st.integers(0, 9_000), st.just(T0 + 10**12)))
        mono_ms = draw(st.integers(0, 40)) * SECOND
        common: dict[str, Any] = {
            "at_ms": at_ms,
            "mono_ms": mono_ms + 20 * SECOND,
            "received_ms": T0 + draw(st.integers(60, 90)) * SECOND,
            "clock": draw(st.sampled_from(Clock)),
            "boot": draw(st.sampled_from(BOOTS)),
        }
        kind = draw(st.sampled_from(["scan", "scan", "proof", "block", "block", "track", "fix", "correct"]))
        parcel = draw(st.sampled_from(["P1", "P2"]))
        if kind == "scan":
            ledger.add(scan(parcel, draw(st.sampled_from(Step))), **common)
        elif kind == "proof":
            ledger.add(proof(draw(st.sampled_from(Outcome)), [parcel], ["P2"], recipient="A. Bauer"), **common)
        elif kind == "block":
            values = draw(st.lists(st.one_of(st.none(), st.integers(-2, 2)), min_size=1, max_size=6))
            told = [(n * SECOND, value) for n, value in enumerate(values)]
            replaces = draw(st.sampled_from([None, b"r" * 32]))
            ledger.add(
                block(told, base_at_ms=at_ms, base_mono_ms=mono_ms, replaces=replaces, interval_ms=SECOND), **common
            )
        elif kind == "track":
            ledger.add(track(at_ms, mono_ms, draw(st.integers(1, 4))), **common)
        elif kind == "fix":
            ledger.add(
                fix(draw(instants), mono_ms, draw(st.integers(0, 5_000)), draw(st.sampled_from(BOOTS))), **common
            )
        elif ledger.facts:
            target = draw(st.sampled_from(ledger.facts)).fact_id
            subject = correction_subject(
                draw(st.sampled_from([None, Deed.RETURNED])), draw(st.sampled_from(["", "P1"]))
            )
            ledger.add(Decision(CORRECT, (target,), "m.ito", "wrong door", subject), device="hub")
    return ledger.facts


@settings(max_examples=80)
@given(ledgers(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_p3_p8_any_order_and_any_batches_give_the_same_rows(facts: list[LedgerFact], random: Any, size: int) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]

    assert folded(batches) == folded([facts])


@settings(max_examples=30)
@given(ledgers())
def test_p3_facts_that_are_folded_again_change_nothing(facts: list[LedgerFact]) -> None:
    assert folded([facts, facts]) == folded([facts])
