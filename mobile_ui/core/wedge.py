"""A scanner that types like a keyboard: a burst of keys that ends with Enter or Tab. Pure; time is given."""

from typing import Final

GAP_S: Final = 0.15
"""No scanner pauses that long between two keys, and few people type that fast."""
LEAST_CHARS: Final = 4
"""Shorter bursts are a person pressing keys."""
MAX_CHARS: Final = 8_192
ENDS: Final = frozenset({"\r", "\n", "\t"})


class Wedge:
    """Collects keys."""

    def __init__(self) -> None:
        self._burst: list[str] = []
        self._last_s: float | None = None

    def key(self, character: str, now_s: float) -> str | None:
        """A key was pressed; the code that it ends, if it ends one."""
        if self._last_s is None or now_s - self._last_s > GAP_S or len(self._burst) >= MAX_CHARS:
            self._burst = []
        self._last_s = now_s
        if character not in ENDS:
            self._burst.append(character)
            return None
        code, self._burst = "".join(self._burst), []
        return code if len(code) >= LEAST_CHARS else None
