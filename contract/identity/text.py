"""The text of a code: decoded, folded for comparison, and made safe to look at."""

import hashlib
import re
import unicodedata

from contract.limits import MAX_KEY_CHARS

# Fits a table column on a handheld and a log line.
DISPLAY_CHARS = 80

# A text too long for a key keeps this much and ends in its hash.
_KEY_HEAD_CHARS = 100
_KEY_HASH_CHARS = 32

# White space that scanners add around a code. Not str.strip: it eats GS (0x1D), which is data.
_MARGIN = " \t\r\n"
_INVISIBLE = frozenset({"Cf", "Cs", "Co", "Cn"})
_LOOKALIKE_SCRIPTS = ("CYRILLIC ", "GREEK ")
_LATIN = re.compile("[A-Za-z]")


def decode(raw: bytes) -> tuple[str, str]:
    """Give the text of a code without white space around it, and a problem if it is not UTF-8."""
    try:
        return raw.decode().strip(_MARGIN), ""
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace").strip(_MARGIN), "The code holds bytes that are not UTF-8 text."


def fold(text: str) -> tuple[str, str]:
    """Fold compatibility forms (NFKC) and drop zero-width and bidi characters, and say where that mattered."""
    if text.isascii():
        return text, ""
    shown = _without_invisible(text)
    folded = _without_invisible(unicodedata.normalize("NFKC", shown)).strip(_MARGIN)
    if shown != text:
        return folded, "The code holds invisible characters; they were left out of the key."
    if folded.isascii():
        return folded, "The code is written in look-alikes of plain letters or digits; the key has the plain ones."
    if _LATIN.search(folded) and any(unicodedata.name(c, "").startswith(_LOOKALIKE_SCRIPTS) for c in folded):
        return folded, "The code mixes Latin letters with Cyrillic or Greek ones that look alike."
    return folded, ""


def text_key(text: str) -> str:
    """Make a bounded, printable, never empty key from any text."""
    key = visible(text) or "(empty)"
    if len(key) <= MAX_KEY_CHARS:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[:_KEY_HEAD_CHARS]}~{digest[:_KEY_HASH_CHARS]}"


def visible(text: str) -> str:
    r"""Write what does not print as `\x1b` or `\u202e`."""
    if text.isprintable():
        return text
    return "".join(map(_visible_char, text))


def display(raw: bytes) -> str:
    r"""Show a code to people: escaped such as `\x1b`, on one line, at most `DISPLAY_CHARS` characters."""
    # No character takes more than four bytes, so nothing cut off here could have been shown.
    text = raw[: DISPLAY_CHARS * 4 + 4].decode("utf-8", "backslashreplace")
    shown = visible(text)
    if len(shown) <= DISPLAY_CHARS:
        return shown
    parts: list[str] = []
    room = DISPLAY_CHARS - 1
    for part in map(_visible_char, text):
        if len(part) > room:
            break
        parts.append(part)
        room -= len(part)
    return "".join(parts) + "…"


def _without_invisible(text: str) -> str:
    return "".join(char for char in text if unicodedata.category(char) not in _INVISIBLE)


def _visible_char(char: str) -> str:
    if char.isprintable():
        return char
    return char.encode("unicode_escape").decode() if char > "\xff" else f"\\x{ord(char):02x}"
