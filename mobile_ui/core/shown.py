"""Times, ages, durations and amounts as a courier reads them. Pure; the zone is the handheld's."""

import time

from contract.route import Window
from mobile_ui.core.say import Sentence, say

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400
YEAR_S = 366 * DAY_S
MEGABYTE = 1_000_000
GIGABYTE = 1_000_000_000


def clock(at_ms: int) -> str:
    """Hours and minutes in the handheld's zone."""
    return time.strftime("%H:%M", time.localtime(at_ms / 1000))


def window_text(window: Window | None) -> str:
    """From and to."""
    return "" if window is None else f"{clock(window.from_ms)}-{clock(window.to_ms)}"


def duration(seconds: int) -> Sentence:
    """How long, in at most two units; beyond a year nobody plans by days."""
    if seconds < MINUTE_S:
        return say("{s} s", s=seconds)
    if seconds < HOUR_S:
        return say("{m} min", m=seconds // MINUTE_S)
    if seconds < 2 * DAY_S:
        return say("{h} h {m} min", h=seconds // HOUR_S, m=seconds % HOUR_S // MINUTE_S)
    if seconds < YEAR_S:
        return say("{d} days", d=seconds // DAY_S)
    return say("more than a year")


def ago(at_ms: int | None, now_ms: int) -> Sentence:
    """How long ago."""
    if at_ms is None:
        return say("never")
    return say("{time} ago", time=duration(max(now_ms - at_ms, 0) // 1000))


def celsius(value: float | None) -> str:
    """One decimal with the unit; a dash where there is none."""
    return "- °C" if value is None else f"{value:.1f} °C"


def megabytes(size: int) -> str:
    """Room for people."""
    return f"{size / GIGABYTE:.1f} GB" if size >= GIGABYTE else f"{size / MEGABYTE:.0f} MB"
