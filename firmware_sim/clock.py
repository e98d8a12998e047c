"""Time for simulated devices: a real clock, and a virtual one that tests move by hand."""

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Epoch milliseconds (UTC) that never go back."""

    def now_ms(self) -> int:
        """Return the time in epoch milliseconds."""
        ...


class SystemClock:
    """The wall clock as it stood at start, carried on monotonically.

    A step of the computer's clock must not make a schedule stand still or rush.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ms(self) -> int:
        """Return the time in epoch milliseconds."""
        return (self._offset_ns + time.monotonic_ns()) // 1_000_000


@dataclass(slots=True)
class VirtualClock:
    """A clock that stands still until it is advanced."""

    ms: int = 1_767_225_600_000
    """Epoch milliseconds; 2026-01-01T00:00:00Z unless told."""

    def now_ms(self) -> int:
        """Return the time in epoch milliseconds."""
        return self.ms

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.ms += ms
