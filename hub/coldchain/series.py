"""One sensor's readings as its blocks tell them. Pure.

Blocks may overlap: a thinned block stands for a full one that came after all, a clone measures beside its original. What holds
at an instant depends only on the blocks, not on which came first.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from contract.columns import unpack_readings


class Block(Struct, frozen=True):
    """A stored block; times in corrected time."""

    fact_id: bytes
    happened_ms: int
    last_ms: int
    interval_ms: int
    count: int
    columns: bytes
    thinned: bool
    known_ms: int
    time_source: str
    uncertainty_ms: int | None

    @property
    def rank(self) -> tuple[bool, bytes]:
        """Whose reading holds where two blocks speak of one instant: the lowest. A full block comes before a thinned one."""
        return self.thinned, self.fact_id

    def readings(self) -> Iterator["Told"]:
        """What the block says, in order of time."""
        for reading in unpack_readings(self.columns, self.count, self.interval_ms):
            yield Told(self.happened_ms + reading.offset_ms, reading.value, reading.flags, self)


class Told(Struct, frozen=True):
    """What one block says of one instant."""

    at_ms: int
    value: int | None
    flags: int
    block: Block


def merge(blocks: Sequence[Block], from_ms: int, to_ms: int) -> tuple[list[Told], list[Told]]:
    """What holds from one instant to another, both included, in order of time; and what contradicts it."""
    holds: dict[int, Told] = {}
    contradicts: list[Told] = []
    for block in sorted(blocks, key=lambda block: block.rank):
        for told in block.readings():
            if not from_ms <= told.at_ms <= to_ms:
                continue
            held = holds.setdefault(told.at_ms, told)
            if held.value != told.value:
                contradicts.append(told)
    return [holds[at_ms] for at_ms in sorted(holds)], contradicts


class Span(Struct, frozen=True, order=True):
    """A stretch of one sensor's time, both ends included."""

    sensor: int
    from_ms: int
    to_ms: int


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time in stretches that do not touch."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.sensor == joined[-1].sensor and span.from_ms <= joined[-1].to_ms + 1:
            joined[-1] = Span(span.sensor, joined[-1].from_ms, max(joined[-1].to_ms, span.to_ms))
        else:
            joined.append(span)
    return joined
