"""The key events of a scanner that types its codes, as Linux evdev reports them (US layout).

References:
    Linux, include/uapi/linux/input-event-codes.h and Documentation/input/event-codes.rst.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

EV_SYN, EV_KEY = 0x00, 0x01
SYN_REPORT = 0
UP, DOWN = 0, 1

KEY_ENTER, KEY_TAB, KEY_LEFTCTRL, KEY_LEFTSHIFT, KEY_RIGHTBRACE = 28, 15, 29, 42, 27
SUFFIX_KEYS = {"enter": (KEY_ENTER,), "tab": (KEY_TAB,), "none": ()}

# Key codes run along the rows of the keyboard.
_ROWS = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (57, " ", ""),
)


@dataclass(frozen=True, slots=True)
class Stroke:
    """One key, with the modifier held meanwhile."""

    key: int
    modifier: int | None = None


class KeyEvent(NamedTuple):
    """One input event without its time."""

    kind: int
    code: int
    value: int


def _strokes() -> dict[int, Stroke]:
    table: dict[int, Stroke] = {}
    for first, plain, shifted in _ROWS:
        table |= {ord(char): Stroke(first + i) for i, char in enumerate(plain)}
        table |= {ord(char): Stroke(first + i, KEY_LEFTSHIFT) for i, char in enumerate(shifted)}
    # Control characters come as Ctrl with the letter 0x40 above them; GS is Ctrl and the right bracket.
    for letter in "abcdefghijklmnopqrstuvwxyz":
        table[ord(letter) - 0x60] = Stroke(table[ord(letter)].key, KEY_LEFTCTRL)
    table[0x1D] = Stroke(KEY_RIGHTBRACE, KEY_LEFTCTRL)
    return table


STROKES = _strokes()


def type_out(data: bytes, suffix: str = "enter") -> Sequence[KeyEvent]:
    """Return the events of a scanner typing ``data`` and its suffix key.

    Args:
        data: What the code holds, with the AIM identifier if the scanner sends one.
        suffix: One of ``SUFFIX_KEYS``.

    Raises:
        ValueError: A byte has no key on a US keyboard.
    """
    events: list[KeyEvent] = []
    for byte in data:
        stroke = STROKES.get(byte)
        if stroke is None:
            raise ValueError(f"byte 0x{byte:02x} has no key on a US keyboard")
        held = [] if stroke.modifier is None else [stroke.modifier]
        for modifier in held:
            events += _report(modifier, DOWN)
        events += _report(stroke.key, DOWN) + _report(stroke.key, UP)
        for modifier in held:
            events += _report(modifier, UP)
    for key in SUFFIX_KEYS[suffix]:
        events += _report(key, DOWN) + _report(key, UP)
    return events


def _report(key: int, value: int) -> list[KeyEvent]:
    return [KeyEvent(EV_KEY, key, value), KeyEvent(EV_SYN, SYN_REPORT, 0)]
