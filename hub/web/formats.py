"""Figures as people read them. `hub/static/fresh.js` says the same in the browser, where ages go on counting."""

from datetime import UTC, datetime
from typing import Final

from hub.web.i18n import Words

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
YEAR_S: Final = 366 * DAY_S
LATE_KNOWN_MS: Final = 120_000
"""A fact that the hub learnt more than this later is told with both times; less is the way over the air."""
MINUS: Final = "\u2212"


def age(words: Words, then_ms: int, now_ms: int) -> str:
    """How long ago, in the largest unit that says enough; what a wrong clock dates into the future is `0 s`."""
    return span(words, max(0, now_ms - then_ms))


def span(words: Words, length_ms: int) -> str:
    """A length of time."""
    seconds = length_ms // 1000
    if seconds < MINUTE_S:
        return words("{n} s", n=seconds)
    if seconds < HOUR_S:
        return words("{n} min", n=seconds // MINUTE_S)
    if seconds < 2 * DAY_S:
        return words("{n} h", n=seconds // HOUR_S)
    return words("{n} d", n=seconds // DAY_S)


def duration(words: Words, length_ms: int) -> str:
    """A length of time to the minute, for what is counted against an allowance: `2 h 10 min`."""
    minutes = max(0, length_ms) // 60_000
    hours, minutes_over = divmod(minutes, 60)
    if not hours or hours >= 2 * 24:
        days, hours_over = divmod(hours, 24)
        return words("{n} d {h} h", n=days, h=hours_over) if days and hours_over else span(words, max(0, length_ms))
    if not minutes_over:
        return words("{n} h", n=hours)
    return words("{n} h {m} min", n=hours, m=minutes_over)


def room(words: Words, length_s: int | None) -> str:
    """How long the storage of a device still lasts; None where it fills so slowly that the device does not say."""
    if length_s is None:
        return words("plenty")
    return words("over 1 year") if length_s >= YEAR_S else span(words, length_s * 1000)


def in_words(name: str) -> str:
    """A technical name as a title: `van-1` is `Van 1`."""
    spaced = name.replace("-", " ").replace("_", " ")
    return spaced[:1].upper() + spaced[1:]


def hundredths(value: int) -> str:
    """A reading with one decimal and a true minus sign, half away from zero as people round."""
    tenths = (abs(value) + 5) // 10
    sign = MINUS if value < 0 and tenths else ""
    return f"{sign}{tenths // 10}.{tenths % 10}"


def clock(at_ms: int) -> str:
    """An instant in UTC, until the browser shows it in its own zone."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def count(number: int) -> str:
    """A whole number with thin gaps between thousands (ISO 80000-1, 7.3.2)."""
    return f"{number:,}".replace(",", "\u2009")
