"""When a record of temperatures is complete: one rule for trips, parcels and reports. Pure.

A record is complete when, for each profile that judges in it, every moment is covered by at least one probe that is judged by
that profile (`docs/cold-chain.md`, Complete records). A probe covers the time between two of its values, and between its
values and those of the others; where they lie further apart than the profile allows (`no_data_s`), nothing does. At a stay
where no probe has that profile the others cover: it judges nothing there.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from contract.coldchain.profile import Profile

DEFAULT_NO_DATA_MS: Final = 900_000
"""Where no profile says how long a load may go unwatched: as profiles say that say nothing else."""


class Covering(Struct, frozen=True):
    """One probe over one stay: what judges it (None: nobody has said), and when it measured a value, in order of time."""

    profile: Profile | None
    known_ms: Sequence[int]


class Watch(Struct, frozen=True):
    """One stay, or a whole trip, with its probes."""

    from_ms: int
    to_ms: int
    probes: Sequence[Covering]


class Uncovered(Struct, frozen=True):
    """A stretch that no probe of a profile covers.

    Attributes:
        profile: its name; empty where nothing on the way has one.
        first, last: numbers of the stays that it touches, both included, counted from 0.
        allowed_ms: how far values may lie apart there.
    """

    profile: str
    first: int
    last: int
    from_ms: int
    to_ms: int
    allowed_ms: int


def no_data_ms(profile: Profile | None) -> int:
    """How far readings may lie apart."""
    return DEFAULT_NO_DATA_MS if profile is None else profile.no_data_s * 1000


def covering(profile: str, probes: Sequence[Covering]) -> tuple[int, ...]:
    """Numbers of the probes that cover for a profile at one stay: its own, else those of any, else all."""
    own = tuple(nr for nr, one in enumerate(probes) if one.profile and one.profile.name == profile)
    return own or tuple(nr for nr, one in enumerate(probes) if one.profile) or tuple(range(len(probes)))


def uncovered(stays: Sequence[Watch]) -> Iterator[Uncovered]:
    """What is not covered, run by run and profile by profile.

    Args:
        stays: in order of time. Between two that do not touch nobody had the load in care, so nothing is missed there.
    """
    for first, last in _runs(stays):
        run = range(first, last + 1)
        names = {one.profile.name for nr in run for one in stays[nr].probes if one.profile}
        for name in sorted(names) or [""]:
            yield from _uncovered(name, stays, run)


def _runs(stays: Sequence[Watch]) -> Iterator[tuple[int, int]]:
    first = 0
    for nr in range(1, len(stays) + 1):
        if nr == len(stays) or stays[nr].from_ms != stays[nr - 1].to_ms:
            yield first, nr - 1
            first = nr


def _uncovered(name: str, stays: Sequence[Watch], run: range) -> Iterator[Uncovered]:
    probes = [stays[nr].probes[one] for nr in run for one in covering(name, stays[nr].probes)]
    allowed_ms = min((no_data_ms(one.profile) for one in probes if one.profile), default=DEFAULT_NO_DATA_MS)
    times = [stays[run[0]].from_ms, stays[run[-1]].to_ms]
    for one in probes:
        times += one.known_ms
    # Of a few probes each in order: merged far sooner than a set of as many is put in order.
    times.sort()
    for from_ms, to_ms in pairwise(times):
        if to_ms - from_ms > allowed_ms:
            touched = [nr for nr in run if stays[nr].from_ms < to_ms and stays[nr].to_ms > from_ms]
            yield Uncovered(name, touched[0], touched[-1], from_ms, to_ms, allowed_ms)
