"""How a parcel's way is judged from the readings of the sensors that watched it. Pure.

Each sensor is judged by the profile that was in force for it when the stay began. What one profile judges is one history:
budgets run on from stay to stay, across vans and docks. Of several sensors of one profile at one stay the worst counts
(`hub.trips.worst`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from contract.coldchain.coverage import Covering, Uncovered, Watch, covering, uncovered
from contract.coldchain.engine import Course, Finding, advance_block, begin, conclude
from contract.coldchain.findings import Judgement
from contract.coldchain.hold import within
from contract.coldchain.profile import Profile
from hub.trips.history import Cause, ColdVerdict, Judged, Missing, Reading
from hub.trips.sensors import Probe

MAX_STAY_MS: Final = 31 * 86_400_000
"""A parcel that nobody scanned off is judged for so long; more would be work without bound for a label that was lost."""
BLOCK_READINGS: Final = 256


class Watched(Struct, frozen=True):
    """One sensor over one stay. `readings`: from the stay's begin (a value that still held then stands there) to its end."""

    probe: Probe
    profile: Profile | None
    readings: Sequence[Reading]


class Leg(Struct, frozen=True):
    """One stay, with what its sensors measured. `to_ms`: its end, or now; `where`: in words."""

    where: str
    from_ms: int
    to_ms: int
    watched: tuple[Watched, ...]
    nowhere: bool = False

    @property
    def judged_until_ms(self) -> int:
        """Its end, unless it is too long."""
        return min(self.to_ms, self.from_ms + MAX_STAY_MS)


def part_of(told: Sequence[Reading], from_ms: int, to_ms: int, allowed_ms: int) -> Sequence[Reading]:
    """The readings from one instant to another, both included; where there is none, a value from before that still held.

    Only then, so that what is judged is what was measured: between two stays the last value holds until the next reading.
    """
    inside = told[bisect_left(told, from_ms, key=_at_ms) : bisect_right(told, to_ms, key=_at_ms)]
    if any(value is not None for _, value in inside):
        return inside
    return list(within(told, from_ms, to_ms, allowed_ms))


def _at_ms(reading: Reading) -> int:
    return reading[0]


def _known_ms(watched: Watched) -> list[int]:
    """When it measured a value."""
    return [at_ms for at_ms, value in watched.readings if value is not None]


def judged(legs: Sequence[Leg], counts: Sequence[Mapping[str, Watched]]) -> tuple[Judged, ...]:
    """The whole way, once for each profile on it, by name."""
    names = sorted({name for by_name in counts for name in by_name if name})
    return tuple(_judged(name, legs, counts) for name in names)


def _judged(name: str, legs: Sequence[Leg], counts: Sequence[Mapping[str, Watched]]) -> Judged:
    mine = [(leg, by_name[name]) for leg, by_name in zip(legs, counts, strict=True) if name in by_name]
    profile = mine[0][1].profile
    assert profile is not None  # noqa: S101 - only sensors without one have no name
    readings = tuple(reading for _, watched in mine for reading in watched.readings)
    return Judged(profile, judge_list(profile, readings, mine[0][0].from_ms, mine[-1][0].judged_until_ms), readings)


def judge_list(profile: Profile, readings: Sequence[Reading], from_ms: int, to_ms: int) -> Judgement:
    """`contract.coldchain.engine.judge` for a list with nothing before `from_ms`; many times faster where nothing happens."""
    course, found = advanced(profile, begin(profile, from_ms), readings)
    return conclude(profile, course, found, to_ms)


def advanced(profile: Profile, course: Course, readings: Sequence[Reading]) -> tuple[Course, list[Finding]]:
    """Take all of these readings; what changed on the way."""
    found: list[Finding] = []
    at_ms, values = zip(*readings, strict=True) if readings else ((), ())
    for start in range(0, len(readings), BLOCK_READINGS):
        end = start + BLOCK_READINGS
        course, changed = advance_block(profile, course, at_ms[start:end], values[start:end])
        found += changed
    return course, found


def missing(legs: Sequence[Leg]) -> tuple[Missing, ...]:
    """What is not known of the way, in order of time: what `contract.coldchain.coverage` finds uncovered, and why."""
    stays = [_watch(leg) for leg in legs]
    found: set[Missing] = set()
    for hole in uncovered(stays):
        found.update(_told(hole, legs, stays))
    some_judged = any(watched.profile for leg in legs for watched in leg.watched)
    for leg in legs:
        if some_judged and leg.watched and not any(watched.profile for watched in leg.watched):
            found.add(Missing(Cause.NO_PROFILE, leg.where, leg.from_ms, leg.to_ms, leg.watched[0].probe.id))
        if leg.judged_until_ms < leg.to_ms:
            found.add(Missing(Cause.TOO_LONG, leg.where, leg.judged_until_ms, leg.to_ms))
    return tuple(sorted(found, key=lambda gap: (gap.from_ms, gap.to_ms, gap.where, gap.sensor, gap.cause)))


def _watch(leg: Leg) -> Watch:
    probes = [Covering(watched.profile, _known_ms(watched)) for watched in leg.watched]
    return Watch(leg.from_ms, leg.judged_until_ms, probes)


def _told(hole: Uncovered, legs: Sequence[Leg], stays: Sequence[Watch]) -> Iterator[Missing]:
    """The stays of a hole, each with the probes that should have covered it."""
    parts = []
    for nr in range(hole.first, hole.last + 1):
        leg = legs[nr]
        own = [leg.watched[one].probe for one in covering(hole.profile, stays[nr].probes)]
        if (part := _part(leg, own, hole)) is not None:
            parts.append(part)
    longest_ms = max(part.to_ms - part.from_ms for part in parts)
    # A leg that lacks only the seconds until its next reading is not why.
    yield from (part for part in parts if part.to_ms - part.from_ms >= min(hole.allowed_ms, longest_ms))


def _part(leg: Leg, own: Sequence[Probe], hole: Uncovered) -> Missing | None:
    begin_ms, end_ms = max(hole.from_ms, leg.from_ms), min(hole.to_ms, leg.judged_until_ms)
    if begin_ms >= end_ms:
        return None
    if not own:
        return Missing(Cause.NOWHERE if leg.nowhere else Cause.NO_SENSOR, leg.where, begin_ms, end_ms)
    late = [probe for probe in own if probe.may_send(end_ms)]
    return Missing(Cause.NOT_SENT if late else Cause.NO_DATA, leg.where, begin_ms, end_ms, (late or own)[0].id)


def verdict_of(judged_ways: Iterable[Judged], gaps: Sequence[Missing]) -> ColdVerdict:
    """One word for it."""
    ways = list(judged_ways)
    if any(way.judgement.alarmed for way in ways):
        return ColdVerdict.EXCURSION
    if not ways:
        return ColdVerdict.NOT_JUDGED
    return ColdVerdict.INCOMPLETE if gaps else ColdVerdict.KEPT
