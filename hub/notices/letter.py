"""What a message says: what, where, since when, value and limit, what to do, and where to look. One finding or many."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from hub.notices.finding import Finding, Kind
from hub.notices.outbox import ENDED_ROUND
from hub.notices.targets import Rules
from hub.web.i18n import Words

MOST_LISTED: Final = 20
SIGNS: Final = {Kind.EXCURSION: "▲", Kind.NO_DATA: "?", Kind.SILENCE: "?", Kind.INCIDENT: "◆", Kind.TEST: "·"}
_MANY: Final = {
    Kind.EXCURSION: "{n} sensors outside their limits",
    Kind.NO_DATA: "{n} sensors without data",
    Kind.SILENCE: "{n} devices without contact",
    Kind.INCIDENT: "{n} incidents",
}
MANY_PATHS: Final = {
    Kind.EXCURSION: "/excursions",
    Kind.NO_DATA: "/temperature?only=trouble",
    Kind.SILENCE: "/devices?only=silent",
}


class Text(Struct, frozen=True):
    """A message in words."""

    title: str
    body: str


def write_letter(found: Sequence[Finding], number: int, words: Words, rules: Rules) -> Text:
    """The message about findings of one kind.

    Args:
        found: at least one.
        number: 0 the first telling, then the reminder's number, or ENDED_ROUND.
        words: the receiver's language.
        rules: for the zone of times, and the address of the pages.
    """
    if len(found) == 1:
        return _one(found[0], number, words, rules)
    kind = found[0].kind
    many = words(_MANY.get(kind, "{n} incidents"), n=len(found))
    title = f"{_prefix(number, words)}{SIGNS[kind]} {many}"
    lines = [f"{_subject(one)}: {_what(one, words)}, {_when(one, words, rules)}" for one in found[:MOST_LISTED]]
    if len(found) > MOST_LISTED:
        lines.append(words("and {n} more", n=len(found) - MOST_LISTED))
    todo = _todo(found[0], number, words)
    link = f"{rules.link}{MANY_PATHS.get(kind, '/')}"
    return Text(title, "\n".join([*lines, "", *todo, link]))


def _one(one: Finding, number: int, words: Words, rules: Rules) -> Text:
    title = f"{_prefix(number, words)}{SIGNS[one.kind]} {_subject(one)}: {_what(one, words)}"
    lines = [f"{_subject(one)}: {_what(one, words)}", _when(one, words, rules)]
    return Text(title, "\n".join([*lines, "", *_todo(one, number, words), f"{rules.link}{one.path}"]))


def _prefix(number: int, words: Words) -> str:
    if number == ENDED_ROUND:
        return words("Ended: ")
    return words("Reminder {n}: ", n=number) if number else ""


def _subject(one: Finding) -> str:
    # On one line: names come from devices, and a break in one would begin a line, or a header of a mail, of its own.
    return " ".join((f"{one.subject} ({one.place})" if one.place else one.subject).split())


def _what(one: Finding, words: Words) -> str:
    return words(one.what, **one.values)


def _when(one: Finding, words: Words, rules: Rules) -> str:
    since = _clock(one.since_ms, rules)
    if one.ended_ms is None:
        return words("since {since}", since=since)
    if one.ended_ms <= one.since_ms:
        return words("it is over")
    return words("from {since} to {until}", since=since, until=_clock(one.ended_ms, rules))


def _todo(one: Finding, number: int, words: Words) -> list[str]:
    if number == ENDED_ROUND and not one.needs_person:
        return []
    return [words("What to do: {todo}", todo=words(one.todo))]


def _clock(at_ms: int, rules: Rules) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(rules.zone))
    return f"{at:%Y-%m-%d %H:%M} {at.tzname()}"
