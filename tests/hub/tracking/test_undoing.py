"""Corrections that are corrected in turn, and when a device took something back."""

from itertools import permutations

from sqlalchemy import select

from contract.event import Correction, Decision, Outcome, Step
from contract.fact import Clock
from hub.tracking.custody import taken_back
from hub.tracking.queries import parcel, parcel_events
from hub.tracking.stated import CORRECT, correction_subject
from hub.tracking.tables import custody_correction
from tests.hub.folding import T0, Ledger, dump, engine, fix, fold, folded, proof, scan

HOUR_MS = 3_600_000


def undone_ledger() -> Ledger:
    """A delivery that was taken back with another step in its place, and that correction undone."""
    ledger = Ledger()
    ledger.add(scan("A", Step.LOADED))
    given = ledger.add(proof(Outcome.DELIVERED, ["A"]), at_ms=T0 + 1_000)
    wrong = Decision(CORRECT, (given.fact_id,), "m.ito", "wrong door", correction_subject(None))
    correction = ledger.add(wrong, device="hub", at_ms=T0 + 2_000)
    ledger.add(Decision(CORRECT, (correction.fact_id,), "li", "it was the right door"), device="hub", at_ms=T0 + 3_000)
    return ledger


def test_what_a_correction_took_back_counts_again_once_that_is_undone() -> None:
    ledger = undone_ledger()
    with engine().begin() as tx:
        fold(tx, ledger.facts[:3])
        before = parcel(tx, "A")
        fold(tx, ledger.facts[3:])
        after = parcel(tx, "A")
        chain = parcel_events(tx, "A")
    assert before is not None
    assert after is not None
    assert (before.status, after.status, after.corrections) == ("in_transit", "delivered", 2)
    ids = [known.fact_id for known in ledger.facts]
    assert [(e.kind, e.reason, e.corrected_by) for e in chain] == [
        ("scan", "", None),
        ("proof", "", None),
        ("correction", "wrong door", ids[3]),
        ("correction", "it was the right door", None),
    ]


def test_it_comes_out_the_same_in_any_order_and_after_a_rebuild() -> None:
    facts = undone_ledger().facts
    wanted = folded([facts])
    for order in permutations(facts):
        assert folded([[one] for one in order]) == wanted


def test_a_correction_of_an_undoing_holds_again() -> None:
    assert taken_back([(b"c", b"fact")]) == {b"fact": b"c"}
    assert taken_back([(b"c", b"fact"), (b"u", b"c")]) == {b"c": b"u"}
    assert taken_back([(b"c", b"fact"), (b"u", b"c"), (b"w", b"u")]) == {b"fact": b"c", b"u": b"w"}


def test_a_device_undoes_nothing_that_a_person_decided() -> None:
    ledger = undone_ledger()
    third = ledger.facts[2].fact_id
    ledger.facts.pop()
    ledger.add(Correction(third, "no"), device="van-1", at_ms=T0 + 9_000)
    with engine().begin() as tx:
        fold(tx, ledger.facts)
        found = parcel(tx, "A")
    assert found is not None
    assert found.status == "in_transit"


def test_a_correction_of_a_device_is_dated_by_its_corrected_time() -> None:
    ledger = Ledger()
    wrong = ledger.add(scan("A", Step.LOADED), clock=Clock.FREE, at_ms=T0, mono_ms=1_000, received_ms=T0 + 9 * HOUR_MS)
    ledger.add(
        Correction(wrong.fact_id, "the wrong box"),
        clock=Clock.FREE,
        at_ms=T0 + 60_000,
        mono_ms=61_000,
        received_ms=T0 + 9 * HOUR_MS,
    )
    # The device's clock was four hours slow, as the hub's tells.
    late = ledger.add(fix(T0 + 4 * HOUR_MS + 120_000, 121_000), received_ms=T0 + 9 * HOUR_MS, mono_ms=121_000)
    with engine().begin() as tx:
        fold(tx, ledger.facts)
        chain = parcel_events(tx, "A")
        c = custody_correction.c
        assert tx.execute(select(c.at_ms, c.happened_ms, c.time_source)).one() == (
            T0 + 60_000,
            T0 + 4 * HOUR_MS + 60_000,
            "hub_fix",
        )
        told = dump(tx)
    assert [(e.kind, e.happened.at_ms, e.raw_at_ms) for e in chain] == [
        ("scan", T0 + 4 * HOUR_MS, T0),
        ("correction", T0 + 4 * HOUR_MS + 60_000, T0 + 60_000),
    ]
    assert folded([[late], ledger.facts[:2]]) == told
