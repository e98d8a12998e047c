"""Runs of a vehicle: from its first load after being empty until it is empty again. Pure."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from msgspec import Struct

FORGOTTEN_MS: Final = 24 * 3_600_000
"""A parcel that nobody ever unloads by a scan makes its vehicle count as loaded for a day, not for ever; as soon as its
unloading is known, that counts, however long it took."""
ID_CHARS: Final = 32
"""128 bits of the identity of a fact."""


class Load(Struct, frozen=True, gc=False):
    """One parcel on board."""

    from_ms: int
    opened_by: bytes
    to_ms: int | None
    known_ms: int
    """When the hub last learnt anything about it."""
    parcel: str = ""

    @property
    def until_ms(self) -> int:
        """How long the vehicle counts as loaded because of it."""
        return until_ms(self.from_ms, self.to_ms)


class Run(Struct, frozen=True):
    """A trip: its loads, in order. There is one at least."""

    loads: tuple[Load, ...]

    @property
    def id(self) -> str:
        """Follows from the fact that loaded first."""
        return self.loads[0].opened_by.hex()[:ID_CHARS]

    @property
    def from_ms(self) -> int:
        """The first load."""
        return self.loads[0].from_ms

    @property
    def to_ms(self) -> int | None:
        """The last unloading; None while anything is on board."""
        ends = [load.to_ms for load in self.loads if load.to_ms is not None]
        return max(ends) if len(ends) == len(self.loads) else None

    @property
    def until_ms(self) -> int:
        """How long the vehicle counted as loaded."""
        return max(load.until_ms for load in self.loads)


def until_ms(from_ms: int, to_ms: int | None) -> int:
    """The end of a stay, or how long it counts while no end is known."""
    return from_ms + FORGOTTEN_MS if to_ms is None else to_ms


_BY_TIME: Final = attrgetter("from_ms", "opened_by", "parcel")


def runs_of(loads: Iterable[Load]) -> list[Run]:
    """The runs that these loads of one vehicle make, in order of time; loads that touch belong together."""
    runs: list[list[Load]] = []
    end_ms = 0
    for load in sorted(loads, key=_BY_TIME):
        if runs and load.from_ms <= end_ms:
            runs[-1].append(load)
            end_ms = max(end_ms, load.until_ms)
        else:
            runs.append([load])
            end_ms = load.until_ms
    return [Run(tuple(run)) for run in runs]
