"""Slows down guessing of passwords: each failure doubles the wait, per name and per address. In memory."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final

FREE_TRIES: Final = 5
"""People mistype."""
FIRST_WAIT_MS: Final = 1_000
MAX_WAIT_MS: Final = 15 * 60_000
FORGET_MS: Final = 3_600_000
MAX_KEYS: Final = 10_000
"""Bounds the memory that a guesser can take; the oldest goes first."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_ms: int


class LoginThrottle:
    """Counts failures under any key. Thread-safe."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._lock = Lock()

    def wait_ms(self, keys: tuple[str, ...], now_ms: int) -> int:
        """How long to wait before the next try; 0 when it may be made now."""
        with self._lock:
            return max((self._wait_ms(key, now_ms) for key in keys), default=0)

    def failed(self, keys: tuple[str, ...], now_ms: int) -> None:
        """Count a wrong password."""
        with self._lock:
            for key in keys:
                known = self._failures.pop(key, None)
                fresh = known is None or now_ms - known.last_ms > FORGET_MS
                self._failures[key] = _Failures(1 if fresh or known is None else known.count + 1, now_ms)
            while len(self._failures) > MAX_KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of a name that proved itself. Those of the address stay."""
        with self._lock:
            self._failures.pop(key, None)

    def _wait_ms(self, key: str, now_ms: int) -> int:
        known = self._failures.get(key)
        if known is None or known.count < FREE_TRIES:
            return 0
        doublings = min(known.count - FREE_TRIES, 20)
        return max(0, known.last_ms + min(FIRST_WAIT_MS << doublings, MAX_WAIT_MS) - now_ms)
