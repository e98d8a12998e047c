"""Which samples make one block, and when it is sealed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.blocks import (
    OFFLINE_SEAL_MS,
    OpenBlock,
    Sample,
    Series,
    ended_by,
    fits,
    is_due,
    pack_sample,
    seal,
    unpack_sample,
)
from contract.columns import unpack_positions, unpack_readings
from contract.event import Alarm, Booted, ClockFix, ClockStep, Configured, Event, Phase, Positions, Readings, Status
from contract.fact import Clock
from contract.limits import MAX_BLOCK_READINGS
from tests.agent.store.kit import BOOT, EPOCH_MS, OTHER_BOOT

SERIES = Series("readings", "s1", "temperature_c", 1_000, BOOT)
BLOCK = OpenBlock(1, SERIES, EPOCH_MS, 1_000, 5)


def sample(elapsed_ms: int, *numbers: int | None, drift_ms: int = 0, clock: Clock = Clock.SYNCED) -> Sample:
    return Sample(EPOCH_MS + elapsed_ms + drift_ms, 1_000 + elapsed_ms, clock, numbers or (500,))


def test_next_sample_of_the_schedule_fits() -> None:
    assert fits(BLOCK, SERIES, sample(5_000))


@pytest.mark.parametrize(
    "series",
    [replace(SERIES, interval_ms=2_000), replace(SERIES, boot=OTHER_BOOT), replace(SERIES, quantity="humidity_rh")],
)
def test_another_schedule_boot_or_quantity_begins_another_block(series: Series) -> None:
    assert not fits(BLOCK, series, sample(5_000))


def test_full_block_takes_nothing() -> None:
    assert not fits(replace(BLOCK, count=MAX_BLOCK_READINGS), SERIES, sample(5_000))


@pytest.mark.parametrize("drift_ms", [-2_001, 2_001])
def test_clocks_that_ran_apart_begin_another_block(drift_ms: int) -> None:
    assert not fits(BLOCK, SERIES, sample(5_000, drift_ms=drift_ms))
    assert fits(BLOCK, SERIES, sample(5_000, drift_ms=drift_ms // 2))


@pytest.mark.parametrize(
    ("age_ms", "in_contact", "due"),
    [(59_999, True, False), (60_000, True, True), (60_000, False, False), (OFFLINE_SEAL_MS, False, True)],
)
def test_block_is_due_by_its_age(age_ms: int, in_contact: bool, due: bool) -> None:
    assert is_due(BLOCK, 1_000 + age_ms, BOOT, in_contact=in_contact) is due


def test_block_of_another_boot_is_due_at_once() -> None:
    assert is_due(BLOCK, 1_000, OTHER_BOOT, in_contact=False)


def alarm(phase: Phase, sensor: str = "s1") -> Alarm:
    return Alarm("a", phase, sensor, "high", EPOCH_MS)


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        (alarm(Phase.RAISED), True),
        (alarm(Phase.ENDED), True),
        (alarm(Phase.ACKNOWLEDGED), False),
        (alarm(Phase.RAISED, "s2"), False),
        (Status(Booted("1")), True),
        (Status(ClockStep(9)), True),
        (Status(Configured("limits", 2)), True),
        (Status(ClockFix(BOOT, 0, 0, 0)), False),
    ],
)
def test_block_ends_with_what_changes_its_meaning(event: Event, ends: bool) -> None:
    assert ended_by(event, BLOCK) is ends


def test_sealed_readings_carry_both_times_of_the_first_and_the_stamp_of_the_last() -> None:
    event, stamp = seal(BLOCK, [sample(0, 500), sample(1_100, None), sample(2_000, -300, clock=Clock.FREE)])

    assert isinstance(event, Readings)
    assert (event.base_at_ms, event.base_mono_ms, event.count) == (EPOCH_MS, 1_000, 3)
    readings = unpack_readings(event.columns, 3, 1_000)
    assert [(r.offset_ms, r.value) for r in readings] == [(0, 500), (1_100, None), (2_000, -300)]
    assert (stamp.at_ms, stamp.mono_ms, stamp.clock) == (EPOCH_MS + 2_000, 3_000, Clock.FREE)


def test_sealed_positions_keep_all_their_numbers() -> None:
    block = replace(BLOCK, series=replace(SERIES, kind="positions", quantity=""))

    event, _stamp = seal(block, [sample(0, 1, 2, 3, 4, 5), sample(1_000, -6, -7, 8, 9, 10)])

    assert isinstance(event, Positions)
    rows = [
        (p.lat_e7, p.lon_e7, p.accuracy_m, p.speed_cm_s, p.heading_c) for p in unpack_positions(event.columns, 2, 1_000)
    ]
    assert rows == [(1, 2, 3, 4, 5), (-6, -7, 8, 9, 10)]


samples = st.builds(
    Sample,
    at_ms=st.integers(0, 2**48),
    mono_ms=st.integers(0, 2**48),
    clock=st.sampled_from(Clock),
    numbers=st.lists(st.none() | st.integers(-(2**53), 2**53), min_size=1, max_size=5).map(tuple),
)


@given(samples)
def test_row_reads_back_as_it_was_written(one: Sample) -> None:
    assert unpack_sample(pack_sample(one)) == one


@given(samples, st.data())
def test_row_with_a_flipped_bit_is_no_row(one: Sample, data: st.DataObject) -> None:
    packed = bytearray(pack_sample(one))
    bit = data.draw(st.integers(0, len(packed) * 8 - 1))
    packed[bit // 8] ^= 1 << bit % 8

    assert unpack_sample(bytes(packed)) is None


@given(st.binary(max_size=64))
def test_any_bytes_are_a_row_or_none(data: bytes) -> None:
    sample = unpack_sample(data)

    assert sample is None or unpack_sample(pack_sample(sample)) == sample
