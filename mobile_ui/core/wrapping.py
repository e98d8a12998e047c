"""Lines of a text: Chinese may end a line anywhere but before a stop or comma, and a code longer than a line anywhere. Pure.

Kivy breaks at spaces only, so it would put a whole Chinese sentence on the line behind its sign, and a full stop on one alone.
"""

from collections.abc import Callable, Iterator
from typing import Final

NEVER_FIRST: Final = frozenset("，。、；：？！）》」』”’％℃·…—,.;:?!)]}%")  # noqa: RUF001 these marks are meant
NEVER_LAST: Final = frozenset("（《「『“‘([{")  # noqa: RUF001 these, too
"""Requirements for Chinese Text Layout (W3C), "Prohibition rules for line start and line end"."""
IDEOGRAPHS: Final = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0xFF00, 0xFFEF), (0x20000, 0x3FFFF))
"""With kana and full-width forms."""


def wrapped(text: str, width: float, advance: Callable[[str], float]) -> str:
    """The text with line ends where it is wider than `width`; as it is where breaking at spaces is enough.

    Args:
        text: may have line ends of its own.
        width: of a line.
        advance: how wide a character is.
    """
    return "\n".join(end for line in text.split("\n") for end in _lines(line, width, advance))


def _lines(text: str, width: float, advance: Callable[[str], float]) -> Iterator[str]:
    atoms = _with_sign(list(_atoms(text)))
    widths = [sum(map(advance, atom)) for atom in atoms]
    if not any(map(_is_chinese, text)) and max(widths, default=0) <= width:
        yield text
        return
    line, used = "", 0.0
    for atom, wide in zip(atoms, widths, strict=True):
        parts = atom if wide > width else (atom,)
        for part in parts:
            more = sum(map(advance, part))
            if line.strip() and part.strip() and used + more > width:
                yield line.rstrip()
                line, used = "", 0.0
            line, used = line + part, used + more
    yield line.rstrip() if line.strip() else line


def _with_sign(atoms: list[str]) -> list[str]:
    """A sign at the beginning stays with what it is about."""
    if atoms[1:2] != [" "] or len(atoms[0]) > 1:
        return atoms
    word = next((n for n, atom in enumerate(atoms[1:], 1) if atom != " "), len(atoms))
    return ["".join(atoms[: word + 1]), *atoms[word + 1 :]]


def _atoms(text: str) -> Iterator[str]:
    """What stays together: a space, a word, a Chinese character with the marks that belong to it."""
    atom = ""
    for character in text:
        if atom and _may_break(atom[-1], character):
            yield atom
            atom = ""
        atom += character
    if atom:
        yield atom


def _may_break(before: str, after: str) -> bool:
    if before == " " or after == " ":
        return True
    if after in NEVER_FIRST or before in NEVER_LAST:
        return False
    return _is_chinese(before) or _is_chinese(after)


def _is_chinese(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in IDEOGRAPHS)
