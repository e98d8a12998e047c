"""What goes first when storage runs short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.room import BUCKET_MS, Growth, Level, at_least, level_of, thin, time_left_s
from contract.columns import (
    THINNED,
    Position,
    Reading,
    pack_positions,
    pack_readings,
    unpack_positions,
    unpack_readings,
)
from contract.event import Positions, Quantity, Readings

HOUR_S = 3_600
IDENTITY = bytes(range(32))


@pytest.mark.parametrize(
    ("used", "level"),
    [(0, "ok"), (69, "ok"), (70, "releasing"), (85, "thinning"), (95, "stopped"), (100, "refusing"), (500, "refusing")],
)
def test_level_rises_with_the_share_in_use(used: int, level: str) -> None:
    assert level_of(used, 100, Level.OK, disk_full=False) == level


@pytest.mark.parametrize(
    ("used", "level"), [(99, "refusing"), (96, "stopped"), (93, "stopped"), (83, "thinning"), (66, "ok")]
)
def test_level_is_left_only_some_way_below_where_it_began(used: int, level: str) -> None:
    assert level_of(used, 100, Level.REFUSING, disk_full=False) == level


def test_full_disk_refuses_whatever_the_budget_says() -> None:
    assert level_of(0, 100, Level.OK, disk_full=True) is Level.REFUSING


def test_levels_are_in_order() -> None:
    assert at_least(Level.STOPPED, Level.THINNING)
    assert not at_least(Level.RELEASING, Level.THINNING)


@pytest.mark.parametrize(
    ("growth", "left_s"),
    [
        (Growth(0, 0), None),
        (Growth(1_000, 2 * HOUR_S * 1_000), 20 * HOUR_S),
        (Growth(1_000, 5), 10 * HOUR_S),
    ],
)
def test_time_left_at_the_present_rate(growth: Growth, left_s: int | None) -> None:
    assert time_left_s(10_000, growth) == left_s


def block(values: list[int | None], interval_ms: int = 10_000) -> Readings:
    readings = [Reading(i * interval_ms, value) for i, value in enumerate(values)]
    return Readings(
        sensor="s",
        quantity=Quantity.TEMPERATURE_C,
        base_at_ms=0,
        base_mono_ms=0,
        interval_ms=interval_ms,
        count=len(values),
        columns=pack_readings(readings, interval_ms),
    )


def thinned(values: list[int | None], interval_ms: int = 10_000) -> list[Reading]:
    rest = thin(block(values, interval_ms), IDENTITY)
    assert isinstance(rest, Readings)
    assert rest.replaces == IDENTITY
    return unpack_readings(rest.columns, rest.count, interval_ms)


def test_thinned_block_keeps_first_last_lowest_and_highest_of_each_half_hour() -> None:
    values: list[int | None] = [500 + (i * 37) % 100 for i in range(180)]

    kept = thinned(values)

    assert kept[0].offset_ms == 0
    assert kept[-1].offset_ms == 179 * 10_000
    assert min(r.value for r in kept if r.value is not None) == 500
    assert max(r.value for r in kept if r.value is not None) == 599
    assert len(kept) <= 4


def test_thinned_readings_are_marked_where_neighbours_were_dropped() -> None:
    kept = thinned([500, 500, 500, 500, 500, 900, 900, 500, *[500] * 100])

    by_offset = {r.offset_ms: r.flags for r in kept}
    assert by_offset[0] & THINNED
    assert not by_offset[5 * 10_000] & THINNED


@given(st.lists(st.none() | st.integers(-500, 1_500), min_size=1, max_size=512), st.integers(1_000, 900_000))
def test_p4_excursions_survive_thinning(values: list[int | None], interval_ms: int) -> None:
    rest = thin(block(values, interval_ms), IDENTITY)
    if rest is None:
        return
    assert isinstance(rest, Readings)
    kept = {r.offset_ms // interval_ms: r for r in unpack_readings(rest.columns, rest.count, interval_ms)}

    assert {0, len(values) - 1} <= kept.keys()
    assert all(values[i] == reading.value for i, reading in kept.items())
    for i in range(len(values) - 1):
        if _is_out(values[i]) != _is_out(values[i + 1]):
            assert {i, i + 1} <= kept.keys()
    starts = {i * interval_ms // BUCKET_MS for i in range(len(values))}
    assert starts == {i * interval_ms // BUCKET_MS for i in kept}


def _is_out(value: int | None) -> str:
    if value is None:
        return "fault"
    return "low" if value < 200 else "high" if value > 800 else "in"


def test_thinned_block_is_not_thinned_again() -> None:
    rest = thin(block([500] * 100), IDENTITY)

    assert isinstance(rest, Readings)
    assert thin(rest, bytes(32)) is None


def test_block_that_would_not_shrink_is_left_alone() -> None:
    assert thin(block([500, 900, 500, 900]), IDENTITY) is None


def test_positions_keep_the_ends_of_each_half_hour() -> None:
    positions = [Position(i * 60_000, 10_000 * i, 20_000 * i, 5, 100, 200) for i in range(90)]
    whole = Positions("gps", 0, 0, 60_000, 90, pack_positions(positions, 60_000))

    rest = thin(whole, IDENTITY)

    assert isinstance(rest, Positions)
    kept = unpack_positions(rest.columns, rest.count, 60_000)
    assert kept == [positions[i] for i in (0, 29, 30, 59, 60, 89)]
