import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.columns import (
    FAULT,
    THINNED,
    Position,
    Reading,
    pack_positions,
    pack_readings,
    unpack_positions,
    unpack_readings,
)
from contract.errors import Malformed, TooLarge

offsets = st.integers(0, 2**40)
values = st.integers(-(2**31), 2**31 - 1)
readings = st.builds(
    lambda offset, value, thinned: Reading(offset, value, (FAULT if value is None else 0) | thinned),
    offsets,
    st.none() | values,
    st.sampled_from((0, THINNED)),
)
positions = st.builds(Position, offsets, values, values, st.integers(0, 100_000), values, st.integers(0, 36_000))


@given(st.lists(readings, min_size=1, max_size=60), st.integers(1, 86_400_000))
def test_readings_unpack_to_what_was_packed(block: list[Reading], interval_ms: int) -> None:
    assert unpack_readings(pack_readings(block, interval_ms), len(block), interval_ms) == block


@given(st.lists(positions, min_size=1, max_size=60), st.integers(1, 86_400_000))
def test_positions_unpack_to_what_was_packed(block: list[Position], interval_ms: int) -> None:
    assert unpack_positions(pack_positions(block, interval_ms), len(block), interval_ms) == block


@given(st.binary(max_size=400), st.integers(1, 512))
def test_any_columns_unpack_or_are_malformed(data: bytes, count: int) -> None:
    for unpack in (unpack_readings, unpack_positions):
        try:
            found = unpack(data, count, 1000)
        except Malformed:
            continue
        assert len(found) == count


def test_a_backlog_costs_about_a_byte_a_reading() -> None:
    block = [Reading(n * 10_000 + n % 3, 500 + (n * n) % 7) for n in range(512)]
    assert len(zlib.compress(pack_readings(block, 10_000))) < 512


@pytest.mark.parametrize("count", [0, 513, -1])
def test_a_block_of_an_impossible_size_is_refused(count: int) -> None:
    with pytest.raises(TooLarge, match="1 to 512 are allowed"):
        unpack_readings(b"\0\0\0", count, 1000)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (b"\x80", "ends inside a number"),
        (b"\xff" * 11, "more than 10 bytes"),
        (b"\0\0", "its count needs"),
        (b"\0\0\0\4", "do not fit its count"),
        (b"\0\0\0\0\2", "another number of values"),
        (b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\2", "beyond 2\\^53"),
    ],
)
def test_columns_that_break_the_rule_are_malformed(columns: bytes, problem: str) -> None:
    with pytest.raises(Malformed, match=problem):
        unpack_readings(columns, 1, 1000)
