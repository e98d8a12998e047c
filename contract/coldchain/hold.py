"""Sample and hold: what was measured between two readings. A value holds until the next, unless that comes too late."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

Reading = tuple[int, int | None]
"""Time in epoch ms and value in hundredths; None: the sensor answered, but without a value."""


class Held(Struct, frozen=True):
    """From one instant up to another this value held; None: no data."""

    from_ms: int
    to_ms: int
    value: int | None

    @property
    def span_ms(self) -> int:
        """How long."""
        return self.to_ms - self.from_ms


def within(readings: Iterable[Reading], from_ms: int, to_ms: int, no_data_ms: int) -> Iterator[Reading]:
    """The readings that count from one instant to another, both included.

    A value from before that still holds at the beginning counts as one at the beginning. Whether it does is known at the first
    value behind: not more than `no_data_ms` may lie between them.
    """
    before: tuple[int, int] | None = None
    faults: list[Reading] = []
    for at_ms, value in readings:
        if at_ms > to_ms:
            break
        if at_ms < from_ms:
            before = before if value is None else (at_ms, value)
            continue
        if before is not None and value is None and at_ms - before[0] <= no_data_ms:
            faults.append((at_ms, value))
            continue
        yield from _opening(before, faults, from_ms, at_ms, no_data_ms)
        before = None
        yield at_ms, value
    yield from _opening(before, faults, from_ms, to_ms, no_data_ms)


def _opening(
    before: tuple[int, int] | None, faults: list[Reading], from_ms: int, next_ms: int, no_data_ms: int
) -> Iterator[Reading]:
    if before is None:
        return
    holds = next_ms - before[0] <= no_data_ms and from_ms < next_ms
    if holds:
        yield from_ms, before[1]
    # A fault at the very beginning gives way to the value that holds there.
    yield from (fault for fault in faults if fault[0] > from_ms or not holds)


def stretches(readings: Iterable[Reading], from_ms: int, to_ms: int, no_data_ms: int) -> Iterator[Held]:
    """The whole time from one instant to another, without holes: what held, and where there was no data.

    Faults change nothing: they are no readings. Time before the first value is without data.
    """
    since_ms, held = from_ms, None
    for at_ms, value in within(readings, from_ms, to_ms, no_data_ms):
        if value is None:
            continue
        yield from _stretch(since_ms, at_ms, held, no_data_ms)
        since_ms, held = at_ms, value
    yield from _stretch(since_ms, to_ms, held, no_data_ms)


def _stretch(from_ms: int, to_ms: int, held: int | None, no_data_ms: int) -> Iterator[Held]:
    if to_ms > from_ms:
        yield Held(from_ms, to_ms, held if to_ms - from_ms <= no_data_ms else None)
