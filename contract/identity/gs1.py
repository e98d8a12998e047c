"""GS1 element strings: `(00)340123450000000017(37)5` in barcodes, in print, and in Digital Link URIs.

The table of application identifiers (AI) is biip's. Only the table: biip's message parser accepts a wrong
GTIN check digit, and lets an overlong value run on into the next element.
"""

import calendar
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from contract.identity import checkdigit
from contract.identity.gs1_table import entry_of

Elements = tuple[tuple[str, str], ...]

GS = "\x1d"

# Symbologies whose data are element strings (AIM identifiers, GS1 General Specifications, section 5.1.6).
ELEMENT_STRING_AIMS = frozenset({"]C1", "]e0", "]e1", "]e2", "]d2", "]Q3", "]J1"})

# AI -> how many leading digits of its value end in a check digit.
_CHECKED_DIGITS = {
    "00": 18,
    "01": 14,
    "02": 14,
    "03": 14,
    "253": 13,
    "255": 13,
    "402": 17,
    **dict.fromkeys(("410", "411", "412", "413", "414", "415", "416", "417"), 13),
    "8003": 14,
    "8006": 14,
    "8017": 18,
    "8018": 18,
    "8026": 14,
}
# Keys that a Digital Link may start with, and how long its path is from there: the key and four qualifiers.
_LINK_KEY_AIS = frozenset(
    (
        "00",
        "01",
        "253",
        "255",
        "401",
        "402",
        "414",
        "415",
        "417",
        "8003",
        "8004",
        "8006",
        "8010",
        "8013",
        "8017",
        "8018",
    )
)
_MOST_LINK_SEGMENTS = 10
_DATE_AIS = frozenset({"11", "12", "13", "15", "16", "17"})
_GTIN_DIGITS = 14
_GTIN = re.compile(r"[0-9]{8}|[0-9]{12,14}")

_HRI_START = re.compile(r"\([0-9]{2,4}\)")
_HRI_AI = re.compile(r"\(([0-9]{2,4})\)")
_LINK = re.compile(r"https?://", re.IGNORECASE)
_LONGEST_AI = 4
_EXCERPT_CHARS = 20


class ElementString(NamedTuple):
    """The elements that were read, and what is wrong with them (empty when nothing is).

    `faulty` are the AIs whose values are wrong. `broken` tells that the structure ended early, so that
    what follows is unread and even the borders before it are in doubt.
    """

    elements: Elements
    problem: str = ""
    faulty: frozenset[str] = frozenset()
    broken: bool = False


class _Format(NamedTuple):
    ai: str
    title: str
    pattern: re.Pattern[str]
    ends_with_gs: bool
    # For values of variable length; None where the length is fixed.
    most_chars: int | None


def load_grammar() -> None:
    """Read the table of application identifiers now, so that no scan waits for it."""
    _format_of("00")


def element_title(ai: str) -> str:
    """Give the standard's data title of an AI, such as `SERIAL`; empty for unknown ones."""
    found = _format_of(ai)
    return found.title if found is not None and found.ai == ai else ""


def parse_element_string(text: str) -> ElementString:
    """Read a barcode's data: AIs and values one after the other, ended by GS where the length varies."""
    elements: list[tuple[str, str]] = []
    rest = text.lstrip(GS)
    while rest:
        found = _format_of(rest[:_LONGEST_AI])
        if found is None:
            return _judged(elements, f"No GS1 application identifier starts '{_excerpt(rest)}'.")
        field, _, after = rest.partition(GS)
        value = field[len(found.ai) :]
        match = found.pattern.fullmatch(value) if found.ends_with_gs else found.pattern.match(value)
        if match is None:
            return _judged(elements, _wrong_value(found, value))
        elements.append((found.ai, match[0]))
        # A separator is also allowed after a fixed length (GS1 General Specifications, section 7.8.6).
        rest = (value[match.end() :] + GS + after if match.end() < len(value) else after).strip(GS)
    return _judged(elements)


def parse_hri(text: str) -> ElementString | None:
    """Read the human-readable form `(00)...(37)...`; None where the text does not start like it."""
    if not _HRI_START.match(text):
        return None
    pairs = _split_hri("".join(text.split()))
    return _parse_pairs(pairs) if pairs else None


def parse_digital_link(text: str) -> ElementString | None:
    """Read a GS1 Digital Link URI of any domain; None where the text is another URI or none.

    Source: GS1 Digital Link Standard: URI Syntax, section 4.
    """
    if not _LINK.match(text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    query = [pair for pair in parse_qsl(parts.query) if element_title(pair[0])]
    segments = [unquote(segment) for segment in parts.path.rstrip("/").split("/")]
    faulty: ElementString | None = None
    for start in range(max(0, len(segments) - _MOST_LINK_SEGMENTS), len(segments) - 1):
        if segments[start] not in _LINK_KEY_AIS:
            continue
        path = list(zip(segments[start::2], segments[start + 1 :: 2], strict=False))
        whole = (len(segments) - start) % 2 == 0
        parsed = _parse_pairs(_padded(path) + query)
        if whole and not parsed.problem:
            return parsed
        if faulty is None and segments[start + 1].isdigit():
            faulty = parsed if parsed.problem else _judged(path, "The Digital Link ends in an AI without a value.")
    return faulty


def _parse_pairs(pairs: list[tuple[str, str]]) -> ElementString:
    elements: list[tuple[str, str]] = []
    for ai, value in pairs:
        found = _format_of(ai)
        if found is None or found.ai != ai:
            return _judged(elements, f"There is no GS1 application identifier ({_excerpt(ai)}).")
        if not found.pattern.fullmatch(value):
            return _judged(elements, _wrong_value(found, value))
        elements.append((ai, value))
    return _judged(elements)


def _split_hri(text: str) -> list[tuple[str, str]]:
    """Split at known AIs in parentheses; others belong to the value, which may hold parentheses itself."""
    pairs: list[tuple[str, str]] = []
    for piece in re.split(r"(?=\([0-9]{2,4}\))", text):
        match = _HRI_AI.match(piece)
        if match is not None and element_title(match[1]):
            pairs.append((match[1], piece[match.end() :]))
        elif pairs:
            pairs[-1] = (pairs[-1][0], pairs[-1][1] + piece)
    return pairs


def _padded(path: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pad the shorter GTINs, which a link may hold as printed."""
    return [
        (ai, value.zfill(_GTIN_DIGITS)) if ai == "01" and _GTIN.fullmatch(value) else (ai, value) for ai, value in path
    ]


def _judged(elements: list[tuple[str, str]], ending: str = "") -> ElementString:
    """Check what the patterns cannot: check digits, dates, repetition. `ending` is why the structure broke."""
    problems: dict[str, str] = {}
    values: dict[str, str] = {}
    for ai, value in elements:
        if values.setdefault(ai, value) != value:
            problems[ai] = f"AI ({ai}) occurs twice with different values."
        elif problem := _value_problem(ai, value):
            problems[ai] = problem
    sentences = [*problems.values(), ending] if ending else [*problems.values()]
    return ElementString(tuple(elements), " ".join(sentences), frozenset(problems), broken=bool(ending))


def _value_problem(ai: str, value: str) -> str:
    checked = _CHECKED_DIGITS.get(ai)
    if checked is not None:
        digits = value[:checked]
        expected = checkdigit.gs1(digits[:-1])
        if digits[-1] != expected:
            return f"The check digit of AI ({ai}) {digits} is {digits[-1]}, expected {expected}."
    if ai in _DATE_AIS and not _is_date(value):
        return f"AI ({ai}) {value} is not a date of the form YYMMDD."
    return ""


def _is_date(value: str) -> bool:
    """Whether YYMMDD exists; day 00 stands for the end of the month."""
    year, month, day = 2000 + int(value[:2]), int(value[2:4]), int(value[4:])
    return month in range(1, 13) and day <= calendar.monthrange(year, month)[1]


def _wrong_value(found: _Format, value: str) -> str:
    if found.most_chars is not None and len(value) > found.most_chars:
        return (
            f"AI ({found.ai}) takes at most {found.most_chars} characters, but {len(value)} follow: "
            "the scanner probably drops the group separator (GS, 0x1D)."
        )
    return f"AI ({found.ai}) does not take the value '{_excerpt(value)}'."


def _excerpt(text: str) -> str:
    shown = text[:_EXCERPT_CHARS].encode("unicode_escape").decode()
    return shown if len(text) <= _EXCERPT_CHARS else shown + "…"


@lru_cache(maxsize=1024)
def _format_of(start: str) -> _Format | None:
    """Find the AI that a text starts with; only its first four characters matter."""
    found = entry_of(start)
    if found is None:
        return None
    most = re.search(r"\.\.([0-9]+)\]?$", found.format)
    return _Format(
        ai=found.ai,
        title=found.data_title,
        # ASCII: the standard's digits are 0 to 9, not those of every script.
        pattern=re.compile(found.pattern.removeprefix("^" + found.ai).removesuffix("$"), re.ASCII),
        ends_with_gs=found.separator_required,
        most_chars=None if most is None else _total_chars(found.format),
    )


def _total_chars(form: str) -> int:
    """Add up the longest value of a format such as `N3+N3+X..9`."""
    return sum(int(part) for part in re.findall(r"([0-9]+)", form)[1:])
