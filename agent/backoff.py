"""How long to wait before the next try to connect."""

from collections.abc import Callable
from typing import Final

FIRST_MS: Final = 250
GROWTH: Final = 1.25
"""A wait is then a quarter of the outage so far: a hub that was gone for three seconds is found within one."""
CAP_MS: Final = 15_000
"""A fleet of 2,000 that lost its broker for long comes back as some 180 connections a second."""
REFUSED_MS: Final = 30_000
"""Where trying soon cannot help."""


class Backoff:
    """Growing waits up to CAP_MS, each cut by up to half at random so that a fleet does not march in step."""

    def __init__(self, uniform: Callable[[], float]) -> None:
        self._uniform = uniform
        self._ceiling_ms = float(FIRST_MS)

    def next_ms(self, *, refused: bool = False) -> int:
        """The wait after one more failure; the longest where credentials were refused."""
        ceiling_ms = REFUSED_MS if refused else self._ceiling_ms
        self._ceiling_ms = min(GROWTH * self._ceiling_ms, CAP_MS)
        return int(ceiling_ms * (1 - self._uniform() / 2))

    def reset(self) -> None:
        """It works again: the next failure begins with a short wait."""
        self._ceiling_ms = float(FIRST_MS)
