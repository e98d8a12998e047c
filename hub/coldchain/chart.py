"""Lines with fewer points that still show every extreme. Pure."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct

KEPT_PER_STRETCH: Final = 4
"""First, last, lowest, highest."""


class ChartPoint(Struct, frozen=True):
    """One reading of a chart; `value` in hundredths, None for a fault."""

    at_ms: int
    value: int | None
    flags: int


def thin(told: Sequence[ChartPoint], from_ms: int, to_ms: int, points: int) -> tuple[ChartPoint, ...]:
    """About `points` of these readings, which are in order of time.

    The range is cut into equal stretches; of each the first, last, lowest and highest reading are kept, and the first of each
    run of faults.
    """
    if len(told) <= points:
        return tuple(told)
    stretch_ms = (to_ms - from_ms) // max(1, points // KEPT_PER_STRETCH) + 1
    stretches = groupby(told, lambda point: (point.at_ms - from_ms) // stretch_ms)
    return tuple(point for _, stretch in stretches for point in _kept(list(stretch)))


def _kept(stretch: list[ChartPoint]) -> Iterator[ChartPoint]:
    valued = [(point.value, i) for i, point in enumerate(stretch) if point.value is not None]
    kept = {0, len(stretch) - 1}
    if valued:
        kept |= {min(valued)[1], max(valued)[1]}
    kept |= {i for i, point in enumerate(stretch) if point.value is None and stretch[i - 1].value is not None and i}
    yield from (stretch[i] for i in sorted(kept))
