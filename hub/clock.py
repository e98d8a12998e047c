"""The hub's clocks: the wall clock, its steps as told by a clock that only runs on, and the time by which facts grow old."""

import time
from collections.abc import Callable
from typing import Final

STEP_MS: Final = 10_000
"""Network time slews what is less, and a device's fix on a slow line is no better."""


def wall_ms() -> int:
    """The hub's clock, UTC epoch ms."""
    return time.time_ns() // 1_000_000


def boot_ms() -> int:
    """Milliseconds since boot, running on in sleep."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class ClockWatch:
    """Compares the two clocks whenever it is asked."""

    def __init__(self, wall_ms: Callable[[], int], running_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._running_ms = running_ms
        self._offset_ms = wall_ms() - running_ms()

    def step_ms(self) -> int:
        """How far the wall clock was set since the last time that this was not 0; 0 below STEP_MS."""
        offset_ms = self._wall_ms() - self._running_ms()
        step_ms = offset_ms - self._offset_ms
        if abs(step_ms) < STEP_MS:
            return 0
        self._offset_ms = offset_ms
        return step_ms


class AgeClock:
    """The wall clock, until it is set: then 0, and nothing is old any more while this process lives.

    Receipts were dated by that clock, so after a step nobody can tell their age from it.
    """

    def __init__(self, wall_ms: Callable[[], int], running_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._watch = ClockWatch(wall_ms, running_ms)
        self._was_set = False

    def __call__(self) -> int:
        """UTC epoch ms, or 0."""
        self._was_set = self._was_set or self._watch.step_ms() != 0
        return 0 if self._was_set else self._wall_ms()
