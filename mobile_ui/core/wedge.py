"""A scanner that types like a keyboard: a burst of keys that ends with Enter or Tab. Pure; time is given.

A code is read whole, or it is told that none was: never is a part of one taken for it. A window hears keys late and many at
once, therefore each comes with two times: when it was `heard`, and the `earliest` that it may have been pressed, because all
that was pressed before had been heard by then.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Final

PAUSE_S: Final = 1.0
"""No scanner rests that long in the middle of a code, unless something is wrong."""
REMAINDER_S: Final = 20.0
"""What a radio holds back comes within this time, or never (Bluetooth Core Specification, Link_Supervision_Timeout)."""
FAST_S: Final = 0.05
"""Scanners need less from key to key, people more."""
PERSON_S: Final = 0.1
"""So slowly types a person."""
REPEAT_S: Final = 0.2
"""A key that is held down longer may repeat itself; keyboards wait for 0.25 s at least."""
FINGERS: Final = 2
"""The first may be what gave a window its keys, in the middle of a code; whoever comes with another scans behind it."""
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


class Press(StrEnum):
    """What a key that goes down is."""

    FRESH = "fresh"
    REPEAT = "repeat"
    """It was held down and repeats itself."""
    UNSURE = "unsure"


class Held:
    """Which keys are down, so that one which is held is not heard again."""

    def __init__(self) -> None:
        self._since_s: dict[int, tuple[float, float]] = {}
        self._latest: int | None = None

    def down(self, number: int, heard_s: float, earliest_s: float) -> Press:
        """A key went down.

        Windows swallow the release of a key that is pressed again at once, as in "00" of a quick scanner. So a key that
        was not released is a repeat only when it was down for longer than that, and no other was pressed since: of several
        that are held only the latest repeats itself, Shift and its like aside.
        """
        before = self._since_s.get(number) if number == self._latest or number in FUNCTION_KEYS else None
        if number not in FUNCTION_KEYS:
            self._latest = number
        if before is not None:
            since_s, pressed_s = before
            if earliest_s - since_s >= REPEAT_S:
                return Press.REPEAT
            if heard_s - pressed_s >= REPEAT_S:
                return Press.UNSURE
        self._since_s[number] = heard_s, earliest_s
        return Press.FRESH

    def up(self, number: int) -> None:
        """A key was released."""
        self._since_s.pop(number, None)

    def forget(self) -> None:
        """All keys were."""
        self._since_s.clear()


class Kind(StrEnum):
    """What came of keys."""

    CODE = "code"
    PART = "part"
    """Something of a code is missing: it must be scanned again."""
    ENDLESS = "endless"
    """One code after the other without Enter: the scanner is set up wrongly."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a scanner typed.

    Attributes:
        kind: whether it is a code.
        text: the code, or what came of one; it stands in the field that had the focus, too.
    """

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class _Key:
    character: str
    heard_s: float
    earliest_s: float
    in_field: bool


@dataclass(frozen=True, slots=True)
class _Cut:
    """A code lost its end; a line that begins before `until_s` may be just that.

    Attributes:
        until_s: what is held back comes before, or never.
        fingers: behind so many on the screen it comes no more; 0: no finger tells.
        fast: only a scanner can have typed it.
    """

    until_s: float
    fingers: int = 0
    fast: bool = False


class Wedge:
    """Collects keys."""

    def __init__(self) -> None:
        self._line: list[_Key] = []
        self._touched = False
        self._cut: _Cut | None = None
        self._endless = 0

    def key(self, character: str, heard_s: float, earliest_s: float, *, in_field: bool = False) -> Read | None:
        """A key was pressed.

        Args:
            character: what it makes.
            heard_s: when the window heard it.
            earliest_s: it was not pressed before.
            in_field: it also goes into a field, where a person may be typing.

        Returns:
            What is to be told, if anything is.
        """
        told = self.rest(earliest_s)
        if len(self._line) >= MAX_CHARS:
            self.spoil(heard_s)
            self._line = []
        self._line.append(_Key(character, heard_s, earliest_s, in_field))
        if character not in ENDS:
            return told
        line, self._line, self._touched, self._endless = self._line, [], False, 0
        cut, self._cut = self._cut, None
        if cut is not None and line[0].earliest_s <= cut.until_s:
            return _remainder(line, cut) or told
        return _judge(line) or told

    def rest(self, earliest_s: float) -> Read | None:
        """Time passes: nothing was pressed before `earliest_s` that was not heard. What is to be told, if anything is."""
        if not self._line or earliest_s - self._line[-1].heard_s <= PAUSE_S:
            return None
        line, self._line = self._line, []
        touched, self._touched = self._touched, False
        in_field = all(key.in_field for key in line)
        if in_field and touched:
            return None
        fast = _fast(line) and len(line) >= LEAST_CHARS
        self._cut = _Cut(line[-1].heard_s + REMAINDER_S, fingers=int(in_field), fast=fast)
        # In a field it is seen, and may be what an app or a person put there.
        if in_field or not fast:
            return None
        self._endless += 1
        return Read(Kind.PART if self._endless == 1 else Kind.ENDLESS, _text(line))

    def touch(self) -> None:
        """Somebody touched the screen: what stands in a field is theirs by now, and no code is being typed."""
        self._touched = True
        # Behind the finger goes on what began before it.
        begun = any(not key.in_field for key in self._line)
        if self._cut is not None and self._cut.fingers and not begun:
            left = self._cut.fingers - 1
            self._cut = replace(self._cut, fingers=left) if left else None

    def spoil(self, heard_s: float) -> None:
        """A key may be missing in this line, or be one too many."""
        self._cut = _Cut(heard_s + REMAINDER_S, fast=True)

    def listen(self, now_s: float) -> None:
        """From now on keys come here; what was typed before went elsewhere.

        A code that comes at once may be the rest of one. Fingers tell that it is none, however little time a busy window
        knows to have passed: none is heard before a key that was pressed before it.
        """
        self._line = []
        self._cut = _Cut(now_s + PAUSE_S, FINGERS)


def _text(line: list[_Key]) -> str:
    return "".join(key.character for key in line if key.character not in ENDS)


def _remainder(line: list[_Key], cut: _Cut) -> Read | None:
    """Behind a cut no line is a code; where a person types it may be the person."""
    text = _text(line)
    silent = any(key.in_field for key in line) and not (_fast(line) if text else cut.fast)
    return None if silent else Read(Kind.PART, text)


def _judge(line: list[_Key]) -> Read | None:
    """A line that has its end."""
    text = _text(line)
    fast = _fast(line)
    if not any(key.in_field for key in line):
        if len(text) >= LEAST_CHARS:
            return Read(Kind.CODE, text)
        return Read(Kind.PART, text) if text and fast else None
    if len(text) < LEAST_CHARS or not fast:
        return None
    slow = [n for n, gap_s in enumerate(_gaps(line), 1) if gap_s > PERSON_S]
    if slow[:2] == [1, 2]:
        # A person began the line, and a scanner went on.
        return Read(Kind.PART, _text(line[slow[-1] :]))
    return Read(Kind.CODE, text)


def _fast(line: list[_Key]) -> bool:
    """Whether most keys came as fast as only a scanner types; a few that were held up do not matter."""
    gaps = sorted(_gaps(line))
    return bool(gaps) and gaps[len(gaps) // 2] <= FAST_S


def _gaps(line: list[_Key]) -> list[float]:
    """The time from key to key; keys that were heard together share the time in which they may have been pressed."""
    gaps: list[float] = []
    before_s: float | None = None
    for earliest_s, together in groupby(line, key=lambda key: key.earliest_s):
        keys = list(together)
        heard_s = keys[-1].heard_s
        each_s = (heard_s - (earliest_s if before_s is None else before_s)) / len(keys)
        gaps += [each_s] * (len(keys) - (before_s is None))
        before_s = heard_s
    return gaps
