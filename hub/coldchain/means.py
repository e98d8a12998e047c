"""Mean kinetic temperatures as pages and reports tell them: over each window that USP 1079.2 names."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Final

from msgspec import Struct

from contract.coldchain.findings import NoData
from contract.coldchain.hold import Reading
from contract.coldchain.mkt import Mkt, Window, mkt

NAMED_FROM_MS: Final = 1_000
"""Shorter ones lie between a scan and the reading after it."""


class Mean(Struct, frozen=True):
    """A mean over the last so much of a stretch; over all of it, where it is shorter."""

    window: Window
    result: Mkt

    @property
    def gaps(self) -> tuple[NoData, ...]:
        """The stretches without data that are worth a person's look."""
        return tuple(g for g in self.result.no_data if (g.to_ms or self.result.to_ms) - g.from_ms >= NAMED_FROM_MS)


def means(
    readings: Sequence[Reading], from_ms: int, to_ms: int, no_data_s: int, windows: Iterable[Window] = Window
) -> Iterator[Mean]:
    """The means of a stretch, none reaching back to before it. `readings` and `no_data_s`: as `mkt` takes them."""
    for window in windows:
        since_ms = max(from_ms, to_ms - window.span_ms)
        # What was measured longer before holds no more.
        first = bisect_left(readings, since_ms - no_data_s * 1_000, key=itemgetter(0))
        yield Mean(window, mkt(islice(readings, first, None), since_ms, to_ms, no_data_s=no_data_s))


def telling(from_ms: int, to_ms: int) -> Sequence[Window]:
    """The windows whose means can differ: the longer ones say nothing new of a stretch that the first one covers."""
    return tuple(Window) if to_ms - from_ms > Window.DAY.span_ms else (Window.DAY,)
