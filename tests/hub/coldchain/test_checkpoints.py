"""Which checkpoints of a judgement are kept, and that judging again from them finds the same."""

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from contract.fact import Clock
from hub.coldchain.tables import course
from hub.projector import LedgerFact
from tests.hub.coldchain.test_excursions_order import AIR, BOOTS, BOX, VALUES, assign, define, excursions_of
from tests.hub.folding import T0, Ledger, block, engine, fix, fold, folded

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = T0 - T0 % DAY


def judged_ledger() -> Ledger:
    ledger = Ledger()
    ledger.add(define(BOX), device="hub", received_ms=MIDNIGHT)
    ledger.add(assign(AIR, "box", MIDNIGHT), device="hub", received_ms=MIDNIGHT)
    return ledger


def read(ledger: Ledger, hour: int, value: int | None = 500, *, late_ms: int = 0, minute: int = 0, **more: Any) -> None:
    """Readings of a quarter of an hour."""
    at_ms = MIDNIGHT + hour * HOUR + minute * MINUTE
    told = block([(nr * 5 * MINUTE, value) for nr in range(3)], base_at_ms=at_ms, interval_ms=5 * MINUTE)
    ledger.add(told, at_ms=at_ms, received_ms=at_ms + 30 * MINUTE + late_ms, **more)


def hours_kept(tx: Connection) -> list[int]:
    return [(hour_ms - MIDNIGHT) // HOUR for hour_ms in tx.scalars(select(course.c.hour_ms).order_by(course.c.hour_ms))]


def test_of_days_that_are_over_one_checkpoint_is_kept() -> None:
    ledger = judged_ledger()
    for hour in range(3, 5 * 24 + 7):
        read(ledger, hour)
    made = engine()
    with made.begin() as tx:
        for known in ledger.facts:
            fold(tx, [known])
        # The one before the first reading of all is the beginning itself.
        assert hours_kept(tx) == [3, 24, 48, *range(72, 127)]
    made.dispose()


def test_late_readings_of_a_day_that_is_over_leave_what_a_whole_judgement_finds() -> None:
    ledger = judged_ledger()
    for hour in range(6 * 24):
        read(ledger, hour, 900 if hour == 30 else 500)
    for late in (31, 5, 125, 24):
        read(ledger, late, 1_200, late_ms=6 * DAY, minute=20)

    one_by_one = [[known] for known in ledger.facts]
    assert excursions_of(one_by_one) == excursions_of([ledger.facts])
    assert folded(one_by_one) == folded([ledger.facts])


def test_days_that_are_of_the_last_again_have_their_hours_again() -> None:
    ledger = judged_ledger()
    for hour in range(9 * 24):
        read(ledger, hour)
    # By its own clock four days ahead, by the hub's behind all others on the last day.
    astray = 12 * 24 + 18
    common: dict[str, Any] = {"boot": BOOTS[1], "mono_ms": DAY}
    at_ms = MIDNIGHT + astray * HOUR
    told = block([(0, 500)], base_at_ms=at_ms, base_mono_ms=DAY)
    ledger.add(told, at_ms=at_ms, received_ms=MIDNIGHT + 13 * DAY, **common)
    ledger.add(
        fix(at_ms - 4 * DAY, DAY, 500, BOOTS[1]), at_ms=at_ms + HOUR, received_ms=MIDNIGHT + 13 * DAY + HOUR, **common
    )
    made = engine()
    with made.begin() as tx:
        kept = []
        for known in ledger.facts:
            fold(tx, [known])
            kept.append(hours_kept(tx))
    made.dispose()

    assert kept[-2] == [*range(1, 24, 24), *range(24, 9 * 24, 24), astray]
    assert kept[-1] == [1, *range(24, 6 * 24, 24), *range(6 * 24, 9 * 24)]
    assert folded([[known] for known in ledger.facts]) == folded([ledger.facts])


@st.composite
def days(draw: st.DrawFn) -> list[LedgerFact]:
    """Blocks of two boots over ten days in any order, and clock fixes that move a boot by days."""
    ledger = judged_ledger()
    received_ms = MIDNIGHT + 10 * DAY
    for _ in range(draw(st.integers(1, 25))):
        received_ms += draw(st.sampled_from([0, MINUTE]))
        boot = draw(st.sampled_from(BOOTS))
        hour = draw(st.integers(0, 10 * 24))
        at_ms = MIDNIGHT + hour * HOUR
        common: dict[str, Any] = {"received_ms": received_ms, "boot": boot, "at_ms": at_ms}
        if draw(st.integers(0, 7)):
            told = block([(0, draw(st.sampled_from(VALUES)))], base_at_ms=at_ms, base_mono_ms=DAY + hour * HOUR)
            ledger.add(told, mono_ms=DAY + hour * HOUR, clock=draw(st.sampled_from(Clock)), **common)
        else:
            shift_ms = draw(st.sampled_from([0, -4, -3, -1, 3])) * DAY
            ledger.add(fix(MIDNIGHT + shift_ms, DAY, 500, boot), mono_ms=DAY, **common)
    return ledger.facts


@settings(max_examples=60)
@given(days(), st.lists(st.integers(1, 40), max_size=40))
def test_groups_of_any_size_keep_the_same_checkpoints(facts: list[LedgerFact], borders: list[int]) -> None:
    cuts = sorted({0, len(facts), *(cut for cut in borders if cut < len(facts))})

    assert folded([facts[start:end] for start, end in pairwise(cuts)]) == folded([facts])
