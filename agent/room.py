"""Room by value: what goes first when storage runs short. Pure policy; the outbox carries it out.

In this order: what the hub holds safely; the routine part of telemetry; new telemetry. Custody is never dropped: when even
that has no room, the person is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

from contract.columns import (
    THINNED,
    Position,
    Reading,
    pack_positions,
    pack_readings,
    unpack_positions,
    unpack_readings,
)
from contract.event import Positions, Readings


class Level(StrEnum):
    """How short storage is; each level does what those before it do, and more."""

    OK = "ok"
    RELEASING = "releasing"
    THINNING = "thinning"
    STOPPED = "stopped"
    REFUSING = "refusing"


_RISES_AT: Final = {Level.RELEASING: 0.70, Level.THINNING: 0.85, Level.STOPPED: 0.95, Level.REFUSING: 1.0}
"""Shares of the budget in use. Between 0.95 and 1.0 there is room for custody alone: thousands of scans."""
_EASE: Final = 0.03
"""A level is left only this much below where it began, so that it does not flutter and state facts about it."""

BUCKET_MS: Final = 30 * 60_000
"""Of each half hour a thinned block keeps first, last, lowest and highest."""
DEFAULT_LIMITS_C: Final = (200, 800)
"""Hundredths of a degree: the commonest range of cooled medicines, kept exactly when no profile says otherwise."""
OBSERVED_AT_LEAST_MS: Final = 3_600_000
"""A burst of scans at the dock is not the rate of the day."""


def level_of(used_bytes: int, budget_bytes: int, before: Level, *, disk_full: bool) -> Level:
    """The level that the room in use asks for."""
    if disk_full:
        return Level.REFUSING
    share = used_bytes / budget_bytes
    now = Level.OK
    for level, rises_at in _RISES_AT.items():
        held = _order(before) >= _order(level)
        if share >= rises_at - (_EASE if held else 0.0):
            now = level
    return now


def _order(level: Level) -> int:
    return list(Level).index(level)


def at_least(level: Level, floor: Level) -> bool:
    """Whether `level` is `floor` or worse."""
    return _order(level) >= _order(floor)


@dataclass(frozen=True, slots=True)
class Growth:
    """How much was kept over how long, most recently."""

    kept_bytes: int
    over_ms: int


def picture_room_bytes(used_bytes: int, budget_bytes: int) -> int:
    """What pictures may still take: the rest is for what must never wait for them, scans and proofs themselves."""
    return max(0, int(_RISES_AT[Level.STOPPED] * budget_bytes) - used_bytes)


def time_left_s(room_bytes: int, growth: Growth) -> int | None:
    """Seconds until storage is full at this rate; None when it is not filling."""
    if growth.kept_bytes <= 0:
        return None
    over_ms = max(growth.over_ms, OBSERVED_AT_LEAST_MS)
    return room_bytes * over_ms // growth.kept_bytes // 1000


def thin(
    block: Readings | Positions, identity: bytes, limits: Sequence[int] = DEFAULT_LIMITS_C
) -> Readings | Positions | None:
    """The block that stands for this one, or None where thinning would not help: it is thinned, or all of it matters.

    Args:
        block: The block as it was sealed.
        identity: Its fact's identity, which the thinned one names as `replaces`.
        limits: Values in hundredths; both sides of every crossing are kept.

    Raises:
        Malformed: its columns do not hold what its count says.
    """
    if block.replaces is not None:
        return None
    if isinstance(block, Readings):
        kept = _telling_readings(unpack_readings(block.columns, block.count, block.interval_ms), limits)
        columns, count = pack_readings(kept, block.interval_ms), len(kept)
    else:
        positions = _ends_of_buckets(unpack_positions(block.columns, block.count, block.interval_ms))
        columns, count = pack_positions(positions, block.interval_ms), len(positions)
    if len(columns) >= len(block.columns):
        return None
    return msgspec.structs.replace(block, columns=columns, count=count, replaces=identity)


def _buckets(offsets_ms: Sequence[int]) -> list[range]:
    """Index ranges of readings that fall into the same half hour of the block."""
    starts = [i for i, at in enumerate(offsets_ms) if i == 0 or at // BUCKET_MS != offsets_ms[i - 1] // BUCKET_MS]
    return [range(start, end) for start, end in pairwise([*starts, len(offsets_ms)])]


def _telling_readings(readings: Sequence[Reading], limits: Sequence[int]) -> list[Reading]:
    keep: set[int] = set()
    for bucket in _buckets([r.offset_ms for r in readings]):
        keep |= {bucket[0], bucket[-1]}
        measured = {i: value for i in bucket if (value := readings[i].value) is not None}
        if measured:
            keep |= {min(measured, key=measured.__getitem__), max(measured, key=measured.__getitem__)}
    for i, (one, other) in enumerate(pairwise(readings)):
        if _side(one.value, limits) != _side(other.value, limits):
            keep |= {i, i + 1}
    order = sorted(keep)
    neighbours = zip([-1, *order], order, [*order[1:], len(readings)], strict=False)
    return [_marked(readings[i], thinned=i - before > 1 or after - i > 1) for before, i, after in neighbours]


def _side(value: int | None, limits: Sequence[int]) -> int:
    """Between which limits a value lies; a fault is a side of its own. A value on a limit is still within it."""
    if value is None:
        return -1
    low_to_high = sorted(limits)
    half = len(low_to_high) // 2
    return sum(value >= x for x in low_to_high[:half]) + sum(value > x for x in low_to_high[half:])


def _marked(reading: Reading, *, thinned: bool) -> Reading:
    return Reading(reading.offset_ms, reading.value, reading.flags | THINNED if thinned else reading.flags)


def _ends_of_buckets(positions: Sequence[Position]) -> list[Position]:
    ends = {i for bucket in _buckets([p.offset_ms for p in positions]) for i in (bucket[0], bucket[-1])}
    return [positions[i] for i in sorted(ends)]
