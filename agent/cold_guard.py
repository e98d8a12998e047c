"""The cold guard: judges sensors at sample rate by the profiles of the hub, and states alarms with or without network.

What is judged so far is kept on the shelf, in the transaction of a reading that changes something that matters and else once
a minute; what was kept behind that is judged again at the next start.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from agent.clock import DeviceClock, Stamp
from agent.guard import DOCUMENT, SHELF, Beside, Keep
from agent.inbox import StoredDocument
from agent.judged import (
    Instant,
    Judged,
    Turn,
    acknowledged,
    begun,
    carried,
    heard,
    least_left_s,
    look,
    pack_judged,
    take,
    taken,
    told,
    turned_all,
    unpack_judged,
)
from agent.log import Log
from agent.outbox import Outbox, SensorReading
from agent.recent import Mark, measured_after
from agent.room import DEFAULT_LIMITS_C
from agent.store.errors import NotKept, StoreError
from contract.coldchain.assignments import Assignment, decode_assignments
from contract.errors import Malformed
from contract.event import Alarm, Damage, Phase, Status
from contract.limits import MAX_TEXT_CHARS
from contract.local import SensorCold

log = Log("guard")
T = TypeVar("T")

WRITE_MS: Final = 60_000
"""A quiet course is written down this often; what came since is judged again after a crash."""
PROFILE_CHANGED: Final = "profile changed"
NOT_JUDGED: Final = "no longer judged"


class _Watched:
    """One judged sensor. Whoever changes it holds `turn` from looking to commit."""

    __slots__ = ("judged", "turn", "written_mono_ms")

    def __init__(self, judged: Judged) -> None:
        self.turn = threading.Lock()
        self.judged: Judged | None = judged
        """None once it is no longer judged."""
        self.written_mono_ms: int | None = None


class ColdGuard:
    """Judges what is measured; may be used from any thread. Its state moves only with what is committed."""

    def __init__(
        self, outbox: Outbox, clock: DeviceClock, *, stated: Callable[[Sequence[Alarm]], None] = lambda _alarms: None
    ) -> None:
        """Go on with what was judged before this start.

        Args:
            outbox: Keeps alarms and, on its shelf, what was judged so far.
            clock: Dates them.
            stated: Called with alarms once they are on disk.

        Raises:
            StoreDamaged: the database cannot be read.
        """
        self._outbox = outbox
        self._clock = clock
        self._stated = stated
        self._adopting = threading.Lock()
        self._pending: StoredDocument | None = None
        """A document for which there was no room yet; changed only while adopting."""
        self._watched: dict[str, _Watched] = {}
        """Replaced, never changed, because every thread reads it."""
        now = self._now()
        self._since_mono_ms = now.mono_ms
        for judged in self._recalled():
            self._watched[judged.sensor] = _Watched(carried(judged, now))
        outbox.limits = self.thresholds

    def _recalled(self) -> list[Judged]:
        """What was written down, with what was kept behind that judged again.

        No alarms come of it: what raises or ends one is written down with it.
        """
        shelf, recalled = self._outbox.shelf, []
        for sensor in shelf.names(SHELF):
            judged = unpack_judged(shelf.get(SHELF, sensor) or b"")
            if judged is None:
                log.warning("judgement_unreadable", sensor=sensor, say="It begins anew.")
            else:
                recalled.append(judged)
        return self._retaken(recalled)

    def _retaken(self, those: Sequence[Judged]) -> list[Judged]:
        """The same with what was kept behind the last instant that each has heard of."""
        marks = {one.sensor: Mark(one.profile.quantity, one.boot, _last_mono_ms(one)) for one in those}
        measured = measured_after(self._outbox, marks) if marks else {}
        return [taken(judged, measured[judged.sensor]) for judged in those]

    def _now(self) -> Instant:
        return self._instant(self._clock.stamp())

    def _instant(self, stamp: Stamp) -> Instant:
        true_ms = self._clock.true_ms(stamp.at_ms, stamp.mono_ms)
        return Instant(self._clock.boot, stamp.mono_ms, true_ms, self._clock.trusted)

    # -- profiles --------------------------------------------------------------------------------------------------

    def arrived(self, document: StoredDocument) -> None:
        """A document of profiles came into force; one that cannot be read is refused, and those before stay."""
        with self._adopting:
            self._pending = document
            self._adopt(document)

    def _adopt(self, document: StoredDocument) -> None:
        try:
            self._assign_all(decode_assignments(document.data).sensors)
        except Malformed as error:
            self._refuse(document, error)
        except StoreError as error:
            log.warning("profiles_wait", why=error)
            return
        self._pending = None

    def resume(self, document: StoredDocument) -> None:
        """The document that was in force before this start; what it said wrong was stated when it came."""
        try:
            decode_assignments(document.data)
        except Malformed as error:
            _say_refused(document, error)
        else:
            self.arrived(document)

    def _refuse(self, document: StoredDocument, error: Malformed) -> None:
        _say_refused(document, error)
        damage = Damage("document_refused", f"{DOCUMENT} {document.version}: {error}"[:MAX_TEXT_CHARS])
        try:
            self._outbox.append((Status(damage),), actor="", stamp=self._clock.stamp())
        except NotKept as not_kept:
            log.warning("refusal_not_stated", why=not_kept)

    def _assign_all(self, assigned: dict[str, Assignment]) -> None:
        for sensor, watched in tuple(self._watched.items()):
            if sensor not in assigned:
                self._change(watched, None)
                self._watched = {name: one for name, one in self._watched.items() if one is not watched}
        for sensor, assignment in assigned.items():
            known = self._watched.get(sensor)
            if known is None:
                self._watch(sensor, assignment)
            elif known.judged is None or known.judged.assignment != assignment:
                self._change(known, assignment)

    def _begun(self, sensor: str, assignment: Assignment, stamp: Stamp) -> Judged:
        """Judged from the assignment's beginning, by all of this boot that is kept: at the hub it counts too."""
        (judged,) = self._retaken([begun(sensor, assignment, self._instant(stamp))])
        return judged

    def _watch(self, sensor: str, assignment: Assignment) -> None:
        stamp = self._clock.stamp()
        judged = self._begun(sensor, assignment, stamp)
        alarms = _facts(judged, turned_all(judged, Phase.RAISED), stamp)
        self._outbox.append(alarms, actor="", stamp=stamp, beside=self._writing(judged, stamp))
        self._watched = {**self._watched, sensor: _Watched(judged)}
        self._tell(alarms)

    def _change(self, watched: _Watched, assignment: Assignment | None) -> None:
        """Judge otherwise, or no more: the alarms of before end, and those that now last begin."""
        with watched.turn:
            if (before := watched.judged) is None:
                return
            stamp = self._clock.stamp()
            shelf, sensor = self._outbox.shelf, before.sensor
            after = None if assignment is None else self._begun(sensor, assignment, stamp)
            why = NOT_JUDGED if after is None else PROFILE_CHANGED
            alarms = _facts(before, turned_all(before, Phase.ENDED, why), stamp)
            if after is not None:
                alarms += _facts(after, turned_all(after, Phase.RAISED), stamp)
            beside = (lambda: shelf.drop(SHELF, sensor)) if after is None else self._writing(after, stamp)
            self._outbox.append(alarms, actor="", stamp=stamp, beside=beside)
            watched.judged = after
        self._tell(alarms)

    def thresholds(self, sensor: str) -> Sequence[int]:
        """In hundredths: crossings of these are kept when readings are thinned."""
        watched = self._watched.get(sensor)
        judged = None if watched is None else watched.judged
        return DEFAULT_LIMITS_C if judged is None else [limit.threshold for limit in judged.profile.limits]

    # -- judging ---------------------------------------------------------------------------------------------------

    def judge(self, reading: SensorReading, keep: Keep) -> None:
        """Judge a reading and have it kept, with the alarms that it starts or ends.

        Raises:
            NotKept: it is not on disk, and counts as not judged.
        """
        watched = self._watched.get(reading.sensor)
        if watched is None:
            keep((), None)
            return
        with watched.turn:
            alarms = self._judge(watched, reading, keep)
        self._tell(alarms)

    def _judge(self, watched: _Watched, reading: SensorReading, keep: Keep) -> Sequence[Alarm]:
        before, stamp = watched.judged, reading.stamp
        if before is None or before.assignment.profile.quantity is not reading.quantity:
            keep((), None)
            return ()
        try:
            after, matters, turns = take(before, stamp.mono_ms, reading.value)
        except Exception as error:  # noqa: BLE001 a fault of the judge must not cost the reading
            log.crash("not_judged", error)
            keep((), None)
            return ()
        alarms: Sequence[Alarm] = ()
        written = watched.written_mono_ms
        if matters or written is None or stamp.mono_ms - written >= WRITE_MS:
            alarms = _facts(after, turns, stamp)
            keep(alarms, self._writing(after, stamp))
            watched.written_mono_ms = stamp.mono_ms
        else:
            keep((), None)
        watched.judged = after
        return alarms

    def _writing(self, judged: Judged, stamp: Stamp) -> Beside:
        body = pack_judged(judged, self._instant(stamp))
        return lambda: self._outbox.shelf.put(SHELF, judged.sensor, body)

    def _tell(self, alarms: Sequence[Alarm]) -> None:
        if alarms:
            self._stated(alarms)

    def look(self) -> None:
        """What is done about once a second: whether a sensor is silent, and what found no room before.

        Raises:
            NotKept: an alarm could not be stated; it is tried again the next time.
        """
        with self._adopting:
            if self._pending is not None:
                self._adopt(self._pending)
        for watched in self._watched.values():
            with watched.turn:
                alarms = self._look(watched)
            self._tell(alarms)

    def _look(self, watched: _Watched) -> Sequence[Alarm]:
        if watched.judged is None:
            return ()
        stamp = self._clock.stamp()
        after, turns = look(watched.judged, stamp.mono_ms, self._since_mono_ms)
        alarms = _facts(after, turns, stamp)
        if alarms:
            self._outbox.append(alarms, actor="", stamp=stamp, beside=self._writing(after, stamp))
            watched.judged = after
        return alarms

    # -- people ----------------------------------------------------------------------------------------------------

    def acknowledge(self, alarm: str, keep: Callable[[Beside], T]) -> T:
        """A person acknowledges an alarm: `keep` states it, and runs what it is given in the same transaction."""
        for watched in self._watched.values():
            with watched.turn:
                judged = watched.judged
                if judged is None or all(raised.alarm != alarm for raised in judged.raised):
                    continue
                after = acknowledged(judged, alarm)
                kept = keep(self._writing(after, self._clock.stamp()))
                watched.judged = after
                return kept
        return keep(lambda: None)

    def _all(self) -> list[Judged]:
        return [watched.judged for watched in self._watched.values() if watched.judged is not None]

    def sounding(self) -> bool:
        """Whether an alarm lasts that nobody acknowledged."""
        return any(not raised.acknowledged for judged in self._all() for raised in judged.raised)

    def told(self) -> tuple[SensorCold, ...]:
        """How each judged sensor stands now, by name."""
        stamp = self._clock.stamp()
        stands = [told(judged, stamp.mono_ms, stamp.at_ms) for judged in self._all()]
        return tuple(sorted(stands, key=lambda one: one.sensor))

    def budget_s(self) -> int | None:
        """The smallest budget left among the judged temperature sensors; None where there is none."""
        mono_ms = self._clock.now().mono_ms
        left = [s for judged in self._all() if (s := least_left_s(judged, mono_ms)) is not None]
        return min(left, default=None)


def _say_refused(document: StoredDocument, error: Malformed) -> None:
    log.warning(
        "document_refused",
        kind=DOCUMENT,
        version=document.version,
        why=error,
        say="The profiles before stay in force.",
    )


def _last_mono_ms(judged: Judged) -> int:
    last_ms = judged.course.at_ms - judged.offset_ms
    # Nothing was taken yet: what was measured at the first instant itself counts.
    return last_ms if heard(judged) else last_ms - 1


def _facts(judged: Judged, turns: Sequence[Turn], stamp: Stamp) -> tuple[Alarm, ...]:
    now_ms = judged.at(stamp.mono_ms)
    return tuple(turn.fact(judged.sensor, stamp.at_ms, now_ms) for turn in turns)
