"""A scanner that types like a keyboard: a burst of keys that ends with Enter or Tab. Pure; time is given."""

from typing import Final

GAP_S: Final = 0.15
"""No scanner pauses that long between two keys, and few people type that fast."""
LEAST_CHARS: Final = 4
"""Shorter bursts are a person pressing keys."""
MAX_CHARS: Final = 8_192
GROUP_SEPARATOR: Final = "\x1d"
"""Between the elements of a GS1 code; scanners type it as Ctrl+]."""
SHIFTED: Final = dict(zip("`1234567890-=[]\\;',./", '~!@#$%^&*()_+{}|:"<>?', strict=True))
"""Scanners type on an American keyboard unless they are told otherwise, and a window hears the key, not the sign."""
KEYPAD: Final = dict(zip(range(256, 271), "0123456789./*-+", strict=True))
FUNCTION_KEYS: Final = range(271, 336)
"""Shift, arrows and their like: numbers of keys, of which the window makes letters such as "İ"."""
ENDS: Final = frozenset({"\r", "\n", "\t"})


def sign_of(number: int, heard: str | None) -> str:
    """The sign on a key by its number, which a window hears as `heard`; empty for keys that have none."""
    if number in KEYPAD:
        return KEYPAD[number]
    return "" if number in FUNCTION_KEYS else heard or ""


def typed(key: str, *, shift: bool = False, control: bool = False) -> str:
    """The character that a key makes; empty for one that makes none."""
    if control:
        return GROUP_SEPARATOR if key == "]" else ""
    if shift:
        return SHIFTED.get(key, key.upper())
    return key if key.isprintable() else ""


class Wedge:
    """Collects keys."""

    def __init__(self) -> None:
        self._burst: list[str] = []
        self._last_s: float | None = None

    def key(self, character: str, now_s: float, frame_s: float = 0.0) -> str | None:
        """A key was pressed; the code that it ends, if it ends one.

        Args:
            character: what it makes.
            now_s: when the window heard it.
            frame_s: how long the window was busy before that; the key may have waited so long.
        """
        if self._last_s is None or now_s - self._last_s - frame_s > GAP_S or len(self._burst) >= MAX_CHARS:
            self._burst = []
        self._last_s = now_s
        if character not in ENDS:
            self._burst.append(character)
            return None
        code, self._burst = "".join(self._burst), []
        return code if len(code) >= LEAST_CHARS else None
