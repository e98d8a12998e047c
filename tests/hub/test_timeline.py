"""Corrected time: right where anything tells it, and never more precise than what told it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from contract.event import ClockFix
from contract.fact import Clock
from hub.timeline import (
    AGREE_MS,
    DRIFT_PPM,
    MAX_AHEAD_MS,
    Dated,
    Stamped,
    TimeSource,
    date,
    date_boot,
    epoch_ms,
    fixes_of,
)
from tests.hub.folding import BOOT, T0, engine

HOUR = 3_600_000


def stamp(at_ms: int = T0, mono_ms: int = HOUR, clock: Clock = Clock.FREE, known_ms: int = T0 + 60_000) -> Stamped:
    return Stamped(at_ms, mono_ms, mono_ms, clock, known_ms)


def fix(hub_ms: int = T0, mono_ms: int = HOUR, uncertainty_ms: int = 20) -> ClockFix:
    return ClockFix(BOOT, mono_ms, hub_ms, uncertainty_ms)


def test_fixes_of_a_boot_are_found_by_their_key() -> None:
    made = engine()
    asked: list[tuple[str, Any]] = []
    with made.connect() as tx:
        event.listen(tx, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        fixes_of(tx, [("van-1", BOOT), ("van-2", BOOT)])
        ((text, values),) = asked
        plan = [row.detail for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
    made.dispose()
    assert plan == ["SEARCH clock_fix USING PRIMARY KEY (device=? AND boot=?)"]


def test_a_synchronised_clock_that_agrees_with_the_fix_stays() -> None:
    assert date(stamp(T0 + 500, clock=Clock.SYNCED), [fix()]) == Dated(T0 + 500, TimeSource.DEVICE, 520)


def test_a_synchronised_clock_that_contradicts_the_fix_is_corrected() -> None:
    wrong = stamp(T0 + AGREE_MS + 21, clock=Clock.SYNCED)

    assert date(wrong, [fix()]) == Dated(T0, TimeSource.HUB_FIX, 20)


def test_without_a_fix_a_plausible_clock_stays_and_says_what_it_is_worth() -> None:
    assert date(stamp(clock=Clock.SYNCED), []) == Dated(T0, TimeSource.DEVICE)
    assert date(stamp(), []) == Dated(T0, TimeSource.DEVICE_UNSYNCED)


def test_f090_a_clock_in_1970_is_corrected_by_the_fix_within_what_it_states() -> None:
    ten_minutes_on = stamp(at_ms=5, mono_ms=HOUR + 600_000, known_ms=T0 + HOUR)

    assert date(ten_minutes_on, [fix()]) == Dated(T0 + 600_000, TimeSource.HUB_FIX, 20 + 600_000 * DRIFT_PPM // 10**6)


def test_f090_a_clock_ten_years_ahead_is_never_the_latest() -> None:
    ahead = stamp(at_ms=T0 + 10 * 365 * 24 * HOUR, known_ms=T0, clock=Clock.SYNCED)

    assert date(ahead, []) == Dated(T0, TimeSource.RECEIVED)


def test_f091_a_clock_set_back_does_not_move_what_the_monotonic_clock_saw() -> None:
    honest = stamp(T0 + 60_000, mono_ms=HOUR + 60_000, known_ms=T0 + HOUR)
    set_back = stamp(T0 - 5 * HOUR, mono_ms=HOUR + 60_000, known_ms=T0 + HOUR)

    assert date(set_back, [fix()]) == date(honest, [fix()]) == Dated(T0 + 60_000, TimeSource.HUB_FIX, 23)


def test_a_block_whose_end_would_be_in_the_future_is_dated_by_its_receipt() -> None:
    block = Stamped(T0, HOUR, HOUR, Clock.SYNCED, known_ms=T0, span_ms=MAX_AHEAD_MS + 1)

    assert date(block, []) == Dated(T0 - MAX_AHEAD_MS - 1, TimeSource.RECEIVED)


def test_f092_a_fix_that_lies_in_the_hubs_future_is_not_believed() -> None:
    assert date(stamp(known_ms=T0), [fix(hub_ms=T0 + MAX_AHEAD_MS + 1)]) == Dated(T0, TimeSource.DEVICE_UNSYNCED)


def test_f093_a_vague_fix_gives_way_to_an_older_better_one() -> None:
    slow, older = fix(T0 + 9_000, HOUR, 15_000), fix(T0 - HOUR, 0, 20)

    assert date(stamp(), [slow, older]) == Dated(T0, TimeSource.HUB_FIX, 20 + HOUR * DRIFT_PPM // 10**6)


def test_f094_a_boot_without_any_fix_is_dated_no_later_than_its_receipt_in_its_own_order() -> None:
    lost = [stamp(at_ms=n, mono_ms=n * 1_000, known_ms=T0 + 60_000) for n in (1, 2, 9)]

    assert date_boot(lost, []) == [
        Dated(T0 + 52_000, TimeSource.RECEIVED),
        Dated(T0 + 53_000, TimeSource.RECEIVED),
        Dated(T0 + 60_000, TimeSource.RECEIVED),
    ]


def test_f095_zones_do_not_move_an_instant() -> None:
    shanghai = timezone(timedelta(hours=8))

    assert epoch_ms(datetime(2026, 7, 1, 8, 0, 0, 123_000, shanghai)) == epoch_ms(
        datetime(2026, 7, 1, 0, 0, 0, 123_000, UTC)
    )


fixes = st.lists(
    st.builds(fix, st.integers(T0 - HOUR, T0 + HOUR), st.integers(0, 2 * HOUR), st.integers(0, 60_000)), max_size=4
)
stamps = st.lists(
    st.builds(
        stamp,
        st.one_of(st.integers(0, 10**6), st.integers(T0 - HOUR, T0 + HOUR), st.just(T0 * 2)),
        st.integers(0, 2 * HOUR),
        st.sampled_from(Clock),
        st.integers(T0, T0 + HOUR),
    ),
    max_size=5,
)


@given(stamps, fixes, st.randoms())
def test_p8_no_instant_depends_on_what_came_first(said: list[Stamped], told: list[ClockFix], random: st.DrawFn) -> None:
    in_order = dict(zip(said, date_boot(said, told), strict=True))
    random.shuffle(said)
    random.shuffle(told)

    assert dict(zip(said, date_boot(said, told), strict=True)) == in_order


@given(stamps, fixes)
def test_f090_nothing_is_dated_in_1970_or_in_the_future_of_its_receipt(
    said: list[Stamped], told: list[ClockFix]
) -> None:
    for one, dated in zip(said, date_boot(said, told), strict=True):
        assert T0 - 3 * HOUR <= dated.at_ms <= one.known_ms + MAX_AHEAD_MS
