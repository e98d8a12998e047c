"""The stretch of time that a chart shows. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.problems import BadRequest
from hub.timeline import epoch_ms

HOUR_MS: Final = 3_600_000
DAY_H: Final = 24
STRETCHES_H: Final = (0.25, 1.0, 6.0, 24.0, 7.0 * DAY_H, 30.0 * DAY_H, 90.0 * DAY_H)
"""Hours before now that are offered; the shortest from an hour to a day that holds all readings is shown first."""
MAX_RANGE_MS: Final = 732 * DAY_H * HOUR_MS
"""Two years; longer ranges are asked for in parts."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From one instant to another; `hours` before now, or None where the visitor named both ends."""

    from_ms: int
    to_ms: int
    hours: float | None


def stretch_of(hours: float | None, start: datetime | None, end: datetime | None, now_ms: int) -> Stretch:
    """What a visitor asks for: both ends, else hours before now, else a day.

    Raises:
        BadRequest: it ends before it begins, or is longer than MAX_RANGE_MS.
    """
    if start is None and end is None:
        return Stretch(now_ms - int((hours or DAY_H) * HOUR_MS), now_ms, hours or DAY_H)
    to_ms = epoch_ms(end) if end else now_ms
    from_ms = epoch_ms(start) if start else to_ms - DAY_H * HOUR_MS
    if not 0 < to_ms - from_ms <= MAX_RANGE_MS:
        days = (to_ms - from_ms) // (DAY_H * HOUR_MS)
        raise BadRequest("Expected `from` before `to`, at most 732 days apart; these are {days} days apart.", days=days)
    return Stretch(from_ms, to_ms, None)


def first_look_h(since_ms: int | None, now_ms: int) -> float:
    """The hours to show a sensor with when nobody asked for a stretch; readings are there since `since_ms`."""
    length_ms = 0 if since_ms is None else now_ms - since_ms
    fitting = (hours for hours in STRETCHES_H if 1 <= hours <= DAY_H and length_ms <= hours * HOUR_MS)
    return next(fitting, float(DAY_H))
