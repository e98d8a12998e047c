"""What the judgement of a reading costs: pure computing, without a database."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from contract.coldchain.engine import advance, advance_block, begin
from contract.coldchain.presets import PHARMA_2_8
from tests.bench.figure import Figure
from tests.bench.hub_load import START_MS

IDS = ("engine.quiet_us", "engine.quiet_full_us", "engine.busy_us")
READINGS = 100_000
INTERVAL_MS = 10_000
IN_CONTACT, FULL = 6, 512
"""Readings to a block: of a minute in contact, and as large as one gets."""
BUSY_EVERY = 4
"""So many readings within the limits, then as many beyond, and so on."""
ROUNDS = 3

Block = tuple[list[int], list[int]]


def figures(folder: Path) -> Iterator[Figure]:
    """Measure."""
    del folder
    yield _figure("engine.quiet_us", _quiet, IN_CONTACT)
    yield _figure("engine.quiet_full_us", _quiet, FULL)
    yield _figure("engine.busy_us", _busy, IN_CONTACT)


def _quiet(n: int) -> int:
    return 500 + n * 7919 % 60 - 30


def _busy(n: int) -> int:
    return 850 if n // BUSY_EVERY % 2 else 750


def _figure(figure_id: str, value: Callable[[int], int], size: int) -> Figure:
    blocks = [
        ([START_MS + n * INTERVAL_MS for n in some], [value(n) for n in some])
        for some in (range(at, min(at + size, READINGS)) for at in range(0, READINGS, size))
    ]
    took_us = _microseconds(_in_blocks, blocks)
    way = "all within the limits" if value is _quiet else f"a limit crossed every {BUSY_EVERY} readings"
    return Figure(
        figure_id,
        took_us,
        "us a reading",
        "the same one by one",
        _microseconds(_one_by_one, blocks),
        note=f"CPU time; {way}, {size} to a block, {len(PHARMA_2_8.limits)} limits",
    )


def _microseconds(judge: Callable[[Sequence[Block]], None], blocks: Sequence[Block]) -> float:
    """CPU time for one reading, of the best round."""
    best_s = float("inf")
    for _ in range(ROUNDS):
        began_s = time.process_time()
        judge(blocks)
        best_s = min(best_s, time.process_time() - began_s)
    return 1e6 * best_s / READINGS


def _in_blocks(blocks: Sequence[Block]) -> None:
    course = begin(PHARMA_2_8, START_MS)
    for at_ms, values in blocks:
        course, _ = advance_block(PHARMA_2_8, course, at_ms, values)


def _one_by_one(blocks: Sequence[Block]) -> None:
    course = begin(PHARMA_2_8, START_MS)
    for at_ms, values in blocks:
        for at, value in zip(at_ms, values, strict=True):
            course, _ = advance(PHARMA_2_8, course, at, value)
