"""The judge of a temperature profile: what was beyond which limit, for how long, and of which time nothing is known.

Pure and incremental: a reading costs the same however long the history is, and a `Course` is all that must be kept between two
readings. The edge advances it at sample rate, the hub block by block, and `judge` over a whole history; all are this code.
Times are UTC epoch ms and must rise: what comes late is judged again from an older course (see `checkpoints`).
The words used here are defined in `docs/cold-chain.md`.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import sub
from typing import Final, cast

from msgspec import Struct
from msgspec.structs import replace

from contract.coldchain.findings import Budget, DurationMs, Excursion, Judgement, NoData
from contract.coldchain.hold import Reading, within
from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.errors import IllegalTransition
from contract.event import CentiUnits, EpochMs

Finding = Excursion | NoData
SECOND_MS: Final = 1_000
HALVED_FROM: Final = 16
"""In a block of so many readings something may happen in one half, and nothing in the other."""
BLOCK_READINGS: Final = 256
"""Of a history taken at once: large enough to be fast where nothing happens, and short where something does."""


class Course(Struct, frozen=True, array_like=True):
    """All that is known of a judged sensor after its last reading; the same profile must go with it always.

    Attributes:
        from_ms: since when it is judged.
        at_ms: the last instant heard of, with a value or without.
        value_ms, value: the last value; None before the first.
        runs: for each limit the excursion that lasts.
        used_ms: for each limit the time beyond it in all runs.
        shared_ms: time beyond any limit of rule `dual`.
        frozen: it froze and did not thaw yet.
    """

    from_ms: EpochMs
    at_ms: EpochMs
    runs: tuple[Excursion | None, ...]
    used_ms: tuple[DurationMs, ...]
    value_ms: EpochMs | None = None
    value: CentiUnits | None = None
    shared_ms: DurationMs = 0
    above_ms: DurationMs = 0
    below_ms: DurationMs = 0
    inside_ms: DurationMs = 0
    no_data_ms: DurationMs = 0
    ignored_ms: DurationMs = 0
    readings: int = 0
    faults: int = 0
    low: CentiUnits | None = None
    high: CentiUnits | None = None
    frozen: bool = False
    freeze_thaws: int = 0

    @property
    def known_ms(self) -> int:
        """Since when nothing newer than the last value is known."""
        return self.from_ms if self.value_ms is None else self.value_ms


def begin(profile: Profile, from_ms: int) -> Course:
    """Nothing heard yet, budgets whole."""
    none = len(profile.limits)
    return Course(from_ms, from_ms, (None,) * none, (0,) * none)


def advance(profile: Profile, course: Course, at_ms: int, value: int | None) -> tuple[Course, tuple[Finding, ...]]:
    """Take one reading.

    Args:
        profile: the one that the course was begun with.
        course: what was before.
        at_ms: later than any reading taken before.
        value: in hundredths; None: the sensor answered, but without a value.

    Returns:
        What is now, and what changed: excursions that opened, alarmed or ended; stretches without data that ended, or that
        faults made long enough to be one.

    Raises:
        IllegalTransition: the reading is not later than the one before.
    """
    if at_ms <= course.at_ms and (at_ms < course.from_ms or course.readings or course.faults):
        raise IllegalTransition(
            f"reading at {at_ms} ms after one at {course.at_ms} ms: times must rise; judge late readings from an older course"
        )
    if value is None:
        return _take_fault(profile, course, at_ms)
    gap = _too_far(profile, course.known_ms, at_ms)
    held = _without_data(course, at_ms) if gap else _hold(profile, course, at_ms)
    changed: list[Finding] = [NoData(course.known_ms, at_ms)] if gap else []
    judged = at_ms >= _judged_from_ms(profile, course)
    runs = held.runs
    if judged and (any(runs) or any(limit.broken_by(value) for limit in profile.limits)):
        now = _Instant(at_ms, value, course.known_ms if gap else at_ms)
        stepped = [_step(profile, held, nr, now) for nr in range(len(runs))]
        changed += _changes(course.runs, stepped)
        runs = tuple(None if run is None or run.ended_ms is not None else run for run in stepped)
    freezing = profile.freezing
    frozen = judged and (value <= freezing.frozen or (held.frozen and value < freezing.thawed))
    after = Course(
        held.from_ms,
        at_ms,
        runs,
        held.used_ms,
        at_ms,
        value,
        held.shared_ms,
        held.above_ms,
        held.below_ms,
        held.inside_ms,
        held.no_data_ms,
        held.ignored_ms,
        held.readings + 1,
        held.faults,
        value if judged and (held.low is None or value < held.low) else held.low,
        value if judged and (held.high is None or value > held.high) else held.high,
        frozen,
        held.freeze_thaws + (held.frozen and not frozen),
    )
    return after, tuple(changed)


def advance_block(
    profile: Profile, course: Course, at_ms: Sequence[int], values: Sequence[int | None]
) -> tuple[Course, tuple[Finding, ...]]:
    """Take a block of readings; the same as `advance` one by one, and many times faster where nothing happens.

    Raises:
        IllegalTransition: the times do not rise.
        ValueError: there are not as many times as values.
    """
    if quiet := _quiet_block(profile, course, at_ms, values):
        return quiet, ()
    if len(at_ms) == len(values) >= HALVED_FROM:
        half = len(at_ms) // 2
        course, first = advance_block(profile, course, at_ms[:half], values[:half])
        course, rest = advance_block(profile, course, at_ms[half:], values[half:])
        return course, first + rest
    changed: list[Finding] = []
    for at, value in zip(at_ms, values, strict=True):
        course, found = advance(profile, course, at, value)
        changed += found
    return course, tuple(changed)


def open_findings(profile: Profile, course: Course) -> tuple[Finding, ...]:
    """Excursions that last, in the profile's order, and the stretch of faults that lasts."""
    silent = silence(profile, course, course.at_ms)
    return (*(run for run in course.runs if run is not None), *(() if silent is None else (silent,)))


def key(finding: Finding) -> tuple[str, int]:
    """What tells one finding of a sensor from all others, however it changes: the limit and the start; no limit for no data."""
    return (finding.limit, finding.started_ms) if isinstance(finding, Excursion) else ("", finding.from_ms)


def budgets(profile: Profile, course: Course) -> tuple[Budget, ...]:
    """How much of each limit's time is used, in the profile's order."""
    return tuple(
        Budget(limit.name, _used_ms(course, nr, limit), _allowed_ms(profile, limit))
        for nr, limit in enumerate(profile.limits)
    )


def silence(profile: Profile, course: Course, now_ms: int) -> NoData | None:
    """The stretch without data that lasts at this instant, if it is long enough to be one."""
    return NoData(course.known_ms) if _too_far(profile, course.known_ms, now_ms) else None


def standing(profile: Profile, course: Course, now_ms: int) -> Course:
    """How it stands at an instant behind the last reading: the last value holds, or there is no data.

    Only to be looked at: a course for the next reading is the one before, because that reading decides what held.
    """
    now_ms = max(now_ms, course.at_ms)
    silent = silence(profile, course, now_ms) is not None
    held = _without_data(course, now_ms) if silent else _hold(profile, course, now_ms)
    return replace(held, at_ms=now_ms)


def judge(profile: Profile, readings: Iterable[Reading], from_ms: int, to_ms: int) -> Judgement:
    """Judge a history from one instant to another, both included.

    Args:
        profile: what the load may be exposed to.
        readings: in order of time. Those behind `to_ms` are left out; of those before `from_ms`, the last value counts if it
            still holds then.
        from_ms: since when.
        to_ms: until when; the last value holds until then, or there is no data.

    Raises:
        IllegalTransition: the times do not rise.
    """
    found: dict[tuple[str, int], Finding] = {}
    course = begin(profile, from_ms)
    judged = within(readings, from_ms, to_ms, profile.no_data_s * SECOND_MS)
    while some := tuple(islice(judged, BLOCK_READINGS)):
        course, changed = advance_block(profile, course, *zip(*some, strict=True))
        found |= {key(finding): finding for finding in changed}
    return conclude(profile, course, found.values(), to_ms)


def conclude(profile: Profile, course: Course, found: Iterable[Finding], to_ms: int) -> Judgement:
    """Sum up how it stands at an instant behind the last reading, as `judge` does.

    Args:
        profile: what was judged by.
        course: what is after the last reading.
        found: all that `advance` told on the way, in any state; the later of two states of one finding holds.
        to_ms: until when; the last value holds until then, or there is no data.
    """
    course = standing(profile, course, to_ms)
    findings = {key(finding): finding for finding in (*found, *open_findings(profile, course))}.values()
    order = {limit.name: nr for nr, limit in enumerate(profile.limits)}
    excursions = [finding for finding in findings if isinstance(finding, Excursion)]
    no_data = [finding for finding in findings if isinstance(finding, NoData)]
    return Judgement(
        from_ms=course.from_ms,
        to_ms=course.at_ms,
        excursions=tuple(sorted(excursions, key=lambda e: (e.started_ms, order[e.limit]))),
        no_data=tuple(sorted(no_data, key=lambda n: n.from_ms)),
        budgets=budgets(profile, course),
        above_ms=course.above_ms,
        below_ms=course.below_ms,
        inside_ms=course.inside_ms,
        no_data_ms=course.no_data_ms,
        readings=course.readings,
        faults=course.faults,
        low=course.low,
        high=course.high,
        freeze_thaws=course.freeze_thaws,
        ignored_ms=course.ignored_ms,
    )


# -- time that passed without a reading --------------------------------------------------------------------------------


def _judged_from_ms(profile: Profile, course: Course) -> int:
    return course.from_ms + profile.ignore_first_s * SECOND_MS


def _take_fault(profile: Profile, course: Course, at_ms: int) -> tuple[Course, tuple[Finding, ...]]:
    now, before = (silence(profile, course, instant) for instant in (at_ms, course.at_ms))
    after = replace(course, at_ms=at_ms, faults=course.faults + 1)
    return after, () if now is None or before is not None else (now,)


def _without_data(course: Course, to_ms: int) -> Course:
    return replace(course, no_data_ms=course.no_data_ms + to_ms - course.known_ms)


def _hold(profile: Profile, course: Course, to_ms: int) -> Course:
    """The last value held until here, itself not included: what was beyond a limit has used time, and may have alarmed."""
    span_ms = to_ms - course.known_ms
    if course.value_ms is None:
        return _without_data(course, to_ms)
    if course.value_ms < _judged_from_ms(profile, course):
        return replace(course, ignored_ms=course.ignored_ms + span_ms)
    if not any(course.runs):
        return replace(course, inside_ms=course.inside_ms + span_ms)
    sides = set()
    shared = False
    runs = list(course.runs)
    used_ms = list(course.used_ms)
    for nr, (limit, run) in enumerate(zip(profile.limits, course.runs, strict=True)):
        if run is None:
            continue
        sides.add(limit.side)
        shared |= limit.rule is Rule.DUAL
        used_ms[nr] += span_ms
        alarm_ms = run.alarm_ms
        if alarm_ms is None:
            crossed_ms = course.known_ms + _allowed_ms(profile, limit) - _used_ms(course, nr, limit)
            alarm_ms = crossed_ms if crossed_ms < to_ms else None
        runs[nr] = Excursion(run.limit, run.started_ms, run.extreme, run.beyond_ms + span_ms, alarm_ms)
    above = Side.ABOVE in sides
    return replace(
        course,
        runs=tuple(runs),
        used_ms=tuple(used_ms),
        shared_ms=course.shared_ms + span_ms * shared,
        above_ms=course.above_ms + span_ms * above,
        below_ms=course.below_ms + span_ms * (not above),
    )


def _allowed_ms(profile: Profile, limit: Limit) -> int:
    if limit.rule is not Rule.DUAL:
        return limit.allowed_s * SECOND_MS
    return min(other.allowed_s for other in profile.limits if other.rule is Rule.DUAL) * SECOND_MS


def _used_ms(course: Course, nr: int, limit: Limit) -> int:
    if limit.rule is Rule.DUAL:
        return course.shared_ms
    if limit.rule is Rule.CUMULATIVE:
        return course.used_ms[nr]
    run = course.runs[nr]
    return 0 if run is None else run.beyond_ms


# -- the instant of a reading ------------------------------------------------------------------------------------------


class _Instant(Struct, frozen=True):
    """A judged reading, and when a run that it ends was last seen to last."""

    at_ms: int
    value: int
    last_ms: int


def _step(profile: Profile, held: Course, nr: int, now: _Instant) -> Excursion | None:
    """One limit's run after a reading: still none, opened, going on, or ended (to be told, then forgotten)."""
    limit, run = profile.limits[nr], held.runs[nr]
    if not limit.broken_by(now.value):
        return run and Excursion(run.limit, run.started_ms, run.extreme, run.beyond_ms, run.alarm_ms, now.last_ms)
    if run is None:
        run = Excursion(limit.name, now.at_ms, now.value)
    alarm_ms = run.alarm_ms
    if alarm_ms is None and _used_ms(held, nr, limit) >= _allowed_ms(profile, limit):
        alarm_ms = now.at_ms
    further = max if limit.side is Side.ABOVE else min
    return Excursion(run.limit, run.started_ms, further(run.extreme, now.value), run.beyond_ms, alarm_ms)


def _changes(before: Sequence[Excursion | None], after: Sequence[Excursion | None]) -> Iterator[Excursion]:
    for was, now in zip(before, after, strict=True):
        if now is not None and (was is None or now.ended_ms is not None or now.alarm_ms != was.alarm_ms):
            yield now


# -- blocks and histories ----------------------------------------------------------------------------------------------


def _quiet_block(profile: Profile, course: Course, at_ms: Sequence[int], values: Sequence[int | None]) -> Course | None:
    """What is after a block in which nothing happens; None where something may, and each reading must be looked at."""
    if not at_ms or len(at_ms) != len(values) or any(course.runs) or course.frozen or course.value_ms is None:
        return None
    if None in values or course.value_ms < _judged_from_ms(profile, course):
        return None
    known = cast("Sequence[int]", values)
    steps = list(map(sub, at_ms[1:], at_ms))
    steps += (at_ms[0] - course.value_ms, at_ms[0] - course.at_ms)
    low, high = min(known), max(known)
    if (
        min(steps) <= 0
        or max(steps) > profile.no_data_s * SECOND_MS
        or low <= profile.freezing.frozen
        or any(limit.broken_by(value) for limit in profile.limits for value in (low, high))
    ):
        return None
    return replace(
        course,
        at_ms=at_ms[-1],
        value_ms=at_ms[-1],
        value=known[-1],
        inside_ms=course.inside_ms + at_ms[-1] - course.value_ms,
        readings=course.readings + len(known),
        low=low if course.low is None else min(low, course.low),
        high=high if course.high is None else max(high, course.high),
    )


def _too_far(profile: Profile, from_ms: int, to_ms: int) -> bool:
    return to_ms - from_ms > profile.no_data_s * SECOND_MS
