"""One sensor under its temperature profile on the device: pure, and whole in what is kept on the shelf.

It is judged by a time of its own that neither jumps with the wall clock nor stands still in sleep: within a boot it runs with
the monotonic clock, and over a reboot it goes on by what passed since the last reading, as far as the device can know.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from contract.coldchain.assignments import Assignment
from contract.coldchain.engine import Course, advance, begin, budgets, silence, standing
from contract.coldchain.findings import Excursion, NoData
from contract.coldchain.profile import Limit, Profile, Side
from contract.event import Alarm, Key, Phase, Quantity
from contract.local import ColdState, OpenAlarm, SensorCold

NO_DATA: Final = "no data"
"""Stands for the limit in an alarm of a silent sensor."""
ALARM_ID_BYTES: Final = 8
"""A person types it to acknowledge; the alarms of one device never come near 2^32."""
MAX_START_MS: Final = 7_258_118_400_000
"""The year 2200. A clock beyond it is wrong, and its years would carry the contract's times over their end."""


class Instant(NamedTuple):
    """Now: boot, time since it, and the best guess at the true time; `trusted` where that is more than a guess."""

    boot: bytes
    mono_ms: int
    true_ms: int
    trusted: bool


class Raised(Struct, frozen=True, array_like=True):
    """An alarm that was stated and lasts. `limit` is None for a silent sensor; `started_ms` is in the sensor's own time."""

    alarm: Key
    limit: str | None
    started_ms: int
    acknowledged: bool = False


class Turn(NamedTuple):
    """A phase of an alarm that is to be stated."""

    phase: Phase
    raised: Raised
    extreme: int | None = None
    why: str = ""

    def fact(self, sensor: str, wall_ms: int, now_ms: int) -> Alarm:
        """The event; its start is dated as long before the fact's own wall time as it was ago."""
        started_at_ms = max(wall_ms - (now_ms - self.raised.started_ms), 0)
        limit = NO_DATA if self.raised.limit is None else self.raised.limit
        return Alarm(self.raised.alarm, self.phase, sensor, limit, started_at_ms, self.extreme, why=self.why)


class Judged(Struct, frozen=True, array_like=True):
    """A sensor's judgement so far.

    Attributes:
        sensor: whose.
        assignment: its profile, and since when.
        boot, offset_ms: the sensor's own time is monotonic time of this boot plus the offset.
        ahead_ms: how far the sensor's own time was ahead of the best guess at the true time when this was written down.
        course: the engine's.
        raised: alarms that last.
    """

    sensor: Key
    assignment: Assignment
    boot: bytes
    offset_ms: int
    ahead_ms: int
    course: Course
    raised: tuple[Raised, ...] = ()

    @property
    def profile(self) -> Profile:
        """By what it is judged."""
        return self.assignment.profile

    def at(self, mono_ms: int) -> int:
        """The sensor's own time."""
        return self.offset_ms + mono_ms


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Judged)


def pack_judged(judged: Judged, now: Instant) -> bytes:
    """The bytes for the shelf."""
    return _encoder.encode(replace(judged, ahead_ms=judged.at(now.mono_ms) - now.true_ms))


def unpack_judged(data: bytes) -> Judged | None:
    """What was packed; None where an earlier or later version packed it, or the bytes are damaged."""
    try:
        judged = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    whole = len(judged.course.runs) == len(judged.course.used_ms) == len(judged.profile.limits)
    return judged if whole else None


# -- beginning and going on --------------------------------------------------------------------------------------------


def begun(sensor: str, assignment: Assignment, now: Instant) -> Judged:
    """Budgets whole. Where the device cannot know the time it judges at once, rather than wait for a start it may never see."""
    true_ms = min(now.true_ms, MAX_START_MS)
    from_ms = assignment.from_ms if now.trusted else min(assignment.from_ms, true_ms)
    course = begin(assignment.profile, from_ms)
    return Judged(sensor, assignment, now.boot, true_ms - now.mono_ms, true_ms - now.true_ms, course)


def carried(judged: Judged, now: Instant) -> Judged:
    """The same in the boot that is now: as much later as the clocks say, and no less than this boot has run."""
    if judged.boot == now.boot:
        return judged
    if not heard(judged):
        return replace(begun(judged.sensor, judged.assignment, now), raised=judged.raised)
    last_ms = judged.course.at_ms
    passed_ms = now.true_ms - (last_ms - judged.ahead_ms)
    own_ms = max(min(last_ms + passed_ms, MAX_START_MS), last_ms + now.mono_ms)
    return replace(judged, boot=now.boot, offset_ms=own_ms - now.mono_ms)


def heard(judged: Judged) -> bool:
    """Whether a reading was judged."""
    return judged.course.readings > 0 or judged.course.faults > 0


# -- judging -----------------------------------------------------------------------------------------------------------


def take(judged: Judged, mono_ms: int, value: int | None) -> tuple[Judged, bool, tuple[Turn, ...]]:
    """Take a reading of this boot: what is now, whether it matters enough to be written down at once, and the alarms."""
    course, at_ms = judged.course, judged.offset_ms + mono_ms
    if at_ms < course.from_ms:
        return judged, False, ()
    if at_ms <= course.at_ms and heard(judged):
        # Two readings within a millisecond: the engine's times must rise.
        at_ms = course.at_ms + 1
    course, changed = advance(judged.assignment.profile, course, at_ms, value)
    if not changed and not judged.raised:
        # Not `replace`, which takes three times as long.
        after = Judged(judged.sensor, judged.assignment, judged.boot, judged.offset_ms, judged.ahead_ms, course)
        return after, False, ()
    raised, turns = _turned(judged, changed, spoke=value is not None)
    return replace(judged, course=course, raised=raised), bool(changed or turns), turns


def taken(judged: Judged, measured: Iterable[tuple[int, int | None]]) -> Judged:
    """Take readings that were kept before."""
    for mono_ms, value in measured:
        judged, _, _ = take(judged, mono_ms, value)
    return judged


def look(judged: Judged, mono_ms: int, since_mono_ms: int) -> tuple[Judged, tuple[Turn, ...]]:
    """Between readings: whether the sensor is silent. It must have had the time to be heard since `since_mono_ms`."""
    now_ms = judged.at(mono_ms)
    silent = silence(judged.profile, judged.course, now_ms)
    patience_ms = judged.profile.no_data_s * 1000
    if silent is None or mono_ms - since_mono_ms <= patience_ms or _of(judged.raised, None) is not None:
        return judged, ()
    raised = _raise(judged.sensor, None, silent.from_ms)
    return replace(judged, raised=(*judged.raised, raised)), (Turn(Phase.RAISED, raised),)


def turned_all(judged: Judged, phase: Phase, why: str = "") -> tuple[Turn, ...]:
    """What begins, or ends, with a profile: every alarm that lasts."""
    runs = {(run.limit, run.started_ms): run.extreme for run in judged.course.runs if run is not None}
    return tuple(
        Turn(phase, raised, runs.get((raised.limit or "", raised.started_ms)), why) for raised in judged.raised
    )


def acknowledged(judged: Judged, alarm: str) -> Judged:
    """A person saw an alarm that lasts."""
    raised = tuple(replace(one, acknowledged=True) if one.alarm == alarm else one for one in judged.raised)
    return replace(judged, raised=raised)


def _turned(
    judged: Judged, changed: tuple[Excursion | NoData, ...], *, spoke: bool
) -> tuple[tuple[Raised, ...], tuple[Turn, ...]]:
    raised = judged.raised
    turns: list[Turn] = []
    if spoke and (silent := _of(raised, None)) is not None:
        turns.append(Turn(Phase.ENDED, silent))
        raised = tuple(one for one in raised if one is not silent)
    for found in changed:
        if isinstance(found, NoData) or found.alarm_ms is None:
            continue
        one = _of(raised, found.limit)
        if one is None:
            one = _raise(judged.sensor, found.limit, found.started_ms)
            raised = (*raised, one)
            turns.append(Turn(Phase.RAISED, one, found.extreme))
        if found.ended_ms is not None:
            raised = tuple(other for other in raised if other is not one)
            turns.append(Turn(Phase.ENDED, one, found.extreme))
    return raised, tuple(turns)


def _of(raised: tuple[Raised, ...], limit: str | None) -> Raised | None:
    return next((one for one in raised if one.limit == limit), None)


def _raise(sensor: str, limit: str | None, started_ms: int) -> Raised:
    # The same alarm has the same id on a device that judges again what it had judged before a crash.
    named = _encoder.encode((sensor, limit, started_ms))
    return Raised(blake2b(named, digest_size=ALARM_ID_BYTES).hexdigest(), limit, started_ms)


# -- telling -----------------------------------------------------------------------------------------------------------


def told(judged: Judged, mono_ms: int, wall_ms: int) -> SensorCold:
    """How the sensor stands to its profile, for people."""
    now_ms = judged.at(mono_ms)
    stands = standing(judged.profile, judged.course, now_ms) if heard(judged) else judged.course
    runs = {run.limit: run for run in judged.course.runs if run is not None}
    return SensorCold(
        sensor=judged.sensor,
        profile=judged.profile.name,
        state=_state(judged, now_ms),
        budgets=budgets(judged.profile, stands),
        alarms=tuple(
            OpenAlarm(
                one.alarm,
                NO_DATA if one.limit is None else one.limit,
                max(wall_ms - (now_ms - one.started_ms), 0),
                runs[one.limit].extreme if one.limit is not None and one.limit in runs else None,
                one.acknowledged,
            )
            for one in judged.raised
        ),
    )


def _state(judged: Judged, now_ms: int) -> ColdState:
    course = judged.course
    if course.value is None or silence(judged.profile, course, now_ms) is not None:
        return ColdState.NO_DATA
    limits: dict[str, Limit] = {limit.name: limit for limit in judged.profile.limits}
    for run in course.runs:
        if run is not None:
            return ColdState.ABOVE if limits[run.limit].side is Side.ABOVE else ColdState.BELOW
    return ColdState.INSIDE


def least_left_s(judged: Judged, mono_ms: int) -> int | None:
    """The smallest budget left, in whole seconds; None where the profile gives none, or none to a temperature.

    A limit that allows no time at all has no budget to tell, until it is broken.
    """
    if judged.profile.quantity is not Quantity.TEMPERATURE_C:
        return None
    stands = standing(judged.profile, judged.course, judged.at(mono_ms)) if heard(judged) else judged.course
    left = [b.left_ms for b in budgets(judged.profile, stands) if b.allowed_ms or b.used_ms]
    return min(left) // 1000 if left else None
