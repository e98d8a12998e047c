"""How long to wait before the next try to connect."""

from collections.abc import Callable
from typing import Final

FIRST_MS: Final = 500
CAP_MS: Final = 30_000
"""A fleet of 2,000 that lost its broker comes back as some 70 connections a second."""


class Backoff:
    """Doubling waits up to CAP_MS, each cut by up to half at random so that a fleet does not march in step."""

    def __init__(self, uniform: Callable[[], float]) -> None:
        self._uniform = uniform
        self._ceiling_ms = FIRST_MS

    def next_ms(self, *, longest: bool = False) -> int:
        """The wait after one more failure; `longest` where trying soon cannot help, as with refused credentials."""
        if longest:
            self._ceiling_ms = CAP_MS
        ceiling_ms = self._ceiling_ms
        self._ceiling_ms = min(2 * ceiling_ms, CAP_MS)
        return int(ceiling_ms * (1 - self._uniform() / 2))

    def reset(self) -> None:
        """It works again: the next failure begins with a short wait."""
        self._ceiling_ms = FIRST_MS
