"""Readings and positions packed column-wise, so that a backlog costs about a byte a reading once it is deflated.

Each column is a row of zigzag varints (Protocol Buffers' wire types of that name): times as the deviation of each step from
the schedule, values and coordinates as differences, flags as runs. A block of one decodes by the same rule.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

from msgspec import Struct

from contract.errors import Malformed, TooLarge
from contract.limits import MAX_BLOCK_READINGS

FAULT: Final = 1
"""The sensor said it cannot measure; the value is null."""
THINNED: Final = 2
"""Neighbours of this reading were dropped for room."""

LOW_BITS: Final = 0x7F
MORE: Final = 0x80
MAX_VARINT_BYTES: Final = 10
MAX_NUMBER: Final = 2**53
"""Nothing that the contract measures is larger; beyond it a database or a browser would misread it."""


class Reading(Struct, frozen=True, gc=False):
    """One measurement: `offset_ms` after the block's base, value in hundredths (None for a fault)."""

    offset_ms: int
    value: int | None
    flags: int = 0


class Position(Struct, frozen=True, gc=False):
    """One position: `offset_ms` after the block's base, degrees in 1e-7, speed in cm/s, heading in hundredths of a degree."""

    offset_ms: int
    lat_e7: int
    lon_e7: int
    accuracy_m: int
    speed_cm_s: int
    heading_c: int


def _put(out: bytearray, value: int) -> None:
    zigzag = value << 1 if value >= 0 else (-value << 1) - 1
    while zigzag > LOW_BITS:
        out.append(zigzag & LOW_BITS | MORE)
        zigzag >>= 7
    out.append(zigzag)


def _put_all(out: bytearray, values: Iterable[int]) -> None:
    for value in values:
        _put(out, value)


def _take(data: bytes) -> list[int]:
    numbers: list[int] = []
    value = shift = 0
    for byte in data:
        if byte & MORE:
            value |= (byte & LOW_BITS) << shift
            shift += 7
            if shift >= MAX_VARINT_BYTES * 7:
                raise Malformed("column holds a number of more than 10 bytes")
        else:
            value |= byte << shift
            numbers.append(value >> 1 if not value & 1 else -((value + 1) >> 1))
            value = shift = 0
    if shift:
        raise Malformed("column ends inside a number")
    return numbers


def _deltas(values: Iterable[int]) -> Iterator[int]:
    previous = 0
    for value in values:
        yield value - previous
        previous = value


def _sums(deltas: Iterable[int]) -> list[int]:
    totals = list(accumulate(deltas))
    if totals and not -MAX_NUMBER <= min(totals) <= max(totals) <= MAX_NUMBER:
        raise Malformed("block holds a number beyond 2^53")
    return totals


def _time_column(offsets_ms: Iterable[int], interval_ms: int) -> Iterator[int]:
    expected = 0
    for offset in offsets_ms:
        yield offset - expected
        expected = offset + interval_ms


def _times(deviations: list[int], interval_ms: int) -> list[int]:
    return _sums([deviations[0], *(deviation + interval_ms for deviation in deviations[1:])])


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_BLOCK_READINGS:
        raise TooLarge(f"block of {count}; 1 to {MAX_BLOCK_READINGS} are allowed")


def _numbers(columns: bytes, at_least: int) -> list[int]:
    numbers = _take(columns)
    if len(numbers) < at_least:
        raise Malformed(f"block holds {len(numbers)} numbers; its count needs {at_least}")
    return numbers


def pack_readings(readings: list[Reading], interval_ms: int) -> bytes:
    """Pack 1 to 512 readings of one sensor, in order of time.

    Raises:
        TooLarge: no readings, or more than a block may hold.
    """
    _check_count(len(readings))
    out = bytearray()
    _put_all(out, _time_column((r.offset_ms for r in readings), interval_ms))
    _put_all(out, _deltas(r.value for r in readings if r.value is not None))
    run_flags, run = readings[0].flags | FAULT * (readings[0].value is None), 0
    for reading in readings:
        flags = reading.flags | FAULT * (reading.value is None)
        if flags != run_flags:
            _put_all(out, (run_flags, run))
            run_flags, run = flags, 0
        run += 1
    _put_all(out, (run_flags, run))
    return bytes(out)


def unpack_readings(columns: bytes, count: int, interval_ms: int) -> list[Reading]:
    """The readings of a block; the inverse of `pack_readings`.

    Raises:
        Malformed: the columns do not hold exactly `count` readings.
    """
    _check_count(count)
    numbers = _numbers(columns, count + 2)
    # The flag runs stand last and tell how many values there are, so they are read from the end.
    flags: list[int] = []
    end = len(numbers)
    while len(flags) < count:
        if end < count + 2:
            raise Malformed("flag runs of the block are shorter than its count")
        run_flags, run = numbers[end - 2], numbers[end - 1]
        if run < 1 or run_flags < 0 or len(flags) + run > count:
            raise Malformed("flag runs of the block do not fit its count")
        flags[:0] = [run_flags] * run
        end -= 2
    if end - count != sum(not f & FAULT for f in flags):
        raise Malformed("block holds another number of values than its flags say")
    values = iter(_sums(numbers[count:end]))
    offsets = _times(numbers[:count], interval_ms)
    return [Reading(offset, None if f & FAULT else next(values), f) for offset, f in zip(offsets, flags, strict=True)]


def pack_positions(positions: list[Position], interval_ms: int) -> bytes:
    """Pack 1 to 512 positions of one receiver, in order of time.

    Raises:
        TooLarge: no positions, or more than a block may hold.
    """
    _check_count(len(positions))
    out = bytearray()
    _put_all(out, _time_column((p.offset_ms for p in positions), interval_ms))
    for column in ("lat_e7", "lon_e7", "accuracy_m", "speed_cm_s", "heading_c"):
        _put_all(out, _deltas(getattr(p, column) for p in positions))
    return bytes(out)


def unpack_positions(columns: bytes, count: int, interval_ms: int) -> list[Position]:
    """The positions of a block; the inverse of `pack_positions`.

    Raises:
        Malformed: the columns do not hold exactly `count` positions.
    """
    _check_count(count)
    numbers = _numbers(columns, count * 6)
    if len(numbers) != count * 6:
        raise Malformed(f"block holds {len(numbers)} numbers; {count} positions need {count * 6}")
    times = _times(numbers[:count], interval_ms)
    rest = [_sums(numbers[i * count : (i + 1) * count]) for i in range(1, 6)]
    return [Position(*row) for row in zip(times, *rest, strict=True)]
