"""Of several sensors at each stay of a way, those by which the whole way is worst. Pure.

A parcel was beside one of them at each stay, and nobody knows beside which. So a run beyond a limit that one sensor measured
before a scan and again behind it is one run, though another sensor was worse before it: sensors are chosen along the way, not
stay by stay.
"""

from collections.abc import Mapping, Sequence
from operator import sub
from typing import Final

from msgspec import Struct

from contract.coldchain.coverage import no_data_ms
from contract.coldchain.engine import Course, Finding, begin, budgets, conclude, open_findings, standing
from contract.coldchain.findings import Budget, Excursion
from contract.coldchain.profile import Profile, Side
from hub.trips.judging import Leg, Watched, advanced

UNJUDGED: Final = Profile("", ())
"""Of sensors without a profile."""


class _Alone(Struct, frozen=True):
    """How bad a sensor is at one stay by itself: its share of what is allowed, time without data.

    Attributes:
        broke: its course from the stay's begin and what was found on it, where it broke a limit.
    """

    broke: tuple[Course, Sequence[Finding]] | None = None
    used: float = 0.0
    unseen_ms: int = 0
    near: int = 0


class _Way(Struct, frozen=True):
    """One choice of sensors up to a stay, and what it comes to.

    Attributes:
        course: after the last reading that could matter; behind it nothing was beyond a limit.
        alarmed, used: whether there was an alarm, and the largest share of what a limit allows.
        used_sum, unseen_ms, near: of its stays, added up: who is worse where the whole says nothing.
    """

    course: Course
    chosen: tuple[Watched, ...] = ()
    alarmed: bool = False
    used: float = 0.0
    used_sum: float = 0.0
    unseen_ms: int = 0
    near: int = 0

    @property
    def badness(self) -> tuple[bool, float, float, int, int]:
        """An alarm first, then most of any allowed time used, then fewest time without data, then nearest to a limit.

        Time beyond one limit says nothing about another: a minute of frost is worse than twenty of an open door.
        """
        return self.alarmed, self.used, self.used_sum, -self.unseen_ms, self.near

    @property
    def carried(self) -> tuple[object, ...]:
        """What counts for the stays to come."""
        return self.course.runs, self.course.used_ms, self.course.shared_ms


def worst(legs: Sequence[Leg]) -> tuple[Mapping[str, Watched], ...]:
    """For each stay, by the names of profiles, the sensor that counts; under the empty name one without a profile."""
    counts: tuple[dict[str, Watched], ...] = tuple({} for _ in legs)
    for name in sorted({_name(watched) for leg in legs for watched in leg.watched}):
        stays = [(leg, own) for leg in legs if (own := [one for one in leg.watched if _name(one) == name])]
        places = [nr for nr, leg in enumerate(legs) if any(_name(one) == name for one in leg.watched)]
        for nr, watched in zip(places, _worst_way(stays), strict=True):
            counts[nr][name] = watched
    return counts


def _name(watched: Watched) -> str:
    return watched.profile.name if watched.profile else ""


def _worst_way(stays: Sequence[tuple[Leg, Sequence[Watched]]]) -> tuple[Watched, ...]:
    first, own = stays[0]
    profile = own[0].profile or UNJUDGED
    ways = [_Way(begin(profile, first.from_ms))]
    for leg, own in stays:
        worse: dict[tuple[object, ...], _Way] = {}
        for watched in own:
            alone = _alone(leg, watched)
            for way in [_on(way, leg, watched, alone, profile) for way in ways]:
                other = worse.setdefault(way.carried, way)
                if way.badness > other.badness:
                    worse[way.carried] = way
        ways = list(worse.values())
    return max(ways, key=lambda way: way.badness).chosen


def _on(way: _Way, leg: Leg, watched: Watched, alone: _Alone, profile: Profile) -> _Way:
    """The way, and this stay beside this sensor."""
    course, alarmed, used = way.course, way.alarmed, way.used
    if alone.broke or any(course.runs):
        # At the first stay the way is this stay, unless the sensor is judged by an older form of the profile.
        same = alone.broke if not way.chosen and watched.profile == profile else None
        course, found = same or advanced(profile, course, watched.readings)
        last = standing(profile, course, leg.judged_until_ms)
        excursions = [one for one in (*found, *open_findings(profile, last)) if isinstance(one, Excursion)]
        alarmed |= any(one.alarm_ms is not None for one in excursions)
        used = max(used, _share(budgets(profile, last), excursions))
    return _Way(
        course,
        (*way.chosen, watched),
        alarmed,
        used,
        way.used_sum + alone.used,
        way.unseen_ms + alone.unseen_ms,
        way.near + alone.near,
    )


def _alone(leg: Leg, watched: Watched) -> _Alone:
    known = [reading for reading in watched.readings if reading[1] is not None]
    if not known:
        return _Alone(unseen_ms=leg.to_ms - leg.from_ms)
    limits = watched.profile.limits if watched.profile else ()
    times, values = zip(*known, strict=True)
    low, high = min(values), max(values)
    allowed_ms = no_data_ms(watched.profile)
    steps = list(map(sub, (*times, leg.judged_until_ms), (leg.from_ms, *times)))
    unseen_ms = sum(step for step in steps if step > allowed_ms) if max(steps) > allowed_ms else 0
    near = [high - limit.threshold if limit.side is Side.ABOVE else limit.threshold - low for limit in limits]
    if watched.profile and any(limit.broken_by(value) for limit in limits for value in (low, high)):
        course, found = advanced(watched.profile, begin(watched.profile, leg.from_ms), watched.readings)
        told = conclude(watched.profile, course, found, leg.judged_until_ms)
        return _Alone((course, found), _share(told.budgets, told.excursions), unseen_ms, max(near))
    return _Alone(None, 0.0, unseen_ms, max(near, default=high))


def _share(told: Sequence[Budget], excursions: Sequence[Excursion]) -> float:
    """The largest share of what a limit allows."""
    allowed_ms = {budget.limit: max(budget.allowed_ms, 1) for budget in told}
    shares = [budget.used_ms / allowed_ms[budget.limit] for budget in told]
    return max([*shares, *(found.beyond_ms / allowed_ms[found.limit] for found in excursions)], default=0.0)
