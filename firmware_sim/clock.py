"""Time for simulated devices."""

import time
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
