"""A day of a sensor as a picture in a line: for each hour a stroke from its lowest to its highest value. Pure."""

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup

HOURS: Final = 24
STEP: Final = 4
"""Width of an hour."""
HEIGHT: Final = 24
LEAST_RANGE: Final = 200
"""In hundredths: a sensor that is steady to 2 °C is drawn as steady."""


def sparkline(hours: Iterable[tuple[int, int, int]], low: int | None = None, high: int | None = None) -> Markup:
    """The picture; empty without a value. Hours without values stay blank.

    Args:
        hours: (which hour from 0 to 23, lowest, highest), in hundredths.
        low: the limit below, drawn as a thin line where it does not flatten the values.
        high: the limit above.
    """
    told = list(hours)
    if not told:
        return Markup()
    bottom, top = min(one[1] for one in told), max(one[2] for one in told)
    room = max(top - bottom, LEAST_RANGE)
    limits = [x for x in (low, high) if x is not None and bottom - room <= x <= top + room]
    bottom, top = min([bottom, *limits]), max([top, *limits])
    spread = max(top - bottom, LEAST_RANGE)
    foot = (bottom + top - spread) // 2

    def y(value: int) -> int:
        return 1 + round((HEIGHT - 3) * (1 - (value - foot) / spread))

    strokes = "".join(f"M{hour * STEP + STEP // 2} {y(most)}V{y(least) + 1}" for hour, least, most in told)
    lines = "".join(f"M0 {y(limit)}H{HOURS * STEP}" for limit in limits)
    drawn = f'<path class="l" d="{lines}"/>' if lines else ""
    size = f"0 0 {HOURS * STEP} {HEIGHT}"
    return Markup(  # noqa: S704 # numbers only
        f'<svg class="spark" viewBox="{size}" aria-hidden="true">{drawn}<path d="{strokes}"/></svg>'
    )
