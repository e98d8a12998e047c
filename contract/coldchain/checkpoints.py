"""Judging again when readings come late: from the last course before the oldest of them, never from the beginning.

A course per sensor and hour is kept. What was found and had ended by then stands; the rest is found anew. Pure: who keeps
courses, findings and readings is the caller's business.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from contract.coldchain.engine import Course, Finding, advance, begin, key, open_findings
from contract.coldchain.findings import Excursion
from contract.coldchain.hold import Reading
from contract.coldchain.profile import Profile

HOUR_MS: Final = 3_600_000


class Run(Struct, frozen=True):
    """What came of readings taken one after another.

    Attributes:
        course: what is now.
        checkpoints: what was after the last reading of each hour that is over.
        found: all that changed, as it stands now, and what is open; by first appearance.
    """

    course: Course
    checkpoints: tuple[Course, ...]
    found: tuple[Finding, ...]


class History(Struct, frozen=True, array_like=True):
    """All that was found in one sensor's readings, with what is needed to judge late ones."""

    course: Course
    checkpoints: tuple[Course, ...] = ()
    found: tuple[Finding, ...] = ()


def run_on(profile: Profile, course: Course, readings: Iterable[Reading]) -> Run:
    """Take readings behind a course.

    Raises:
        IllegalTransition: the times do not rise.
    """
    found = {key(finding): finding for finding in open_findings(profile, course)}
    checkpoints = []
    for at_ms, value in readings:
        if at_ms // HOUR_MS > course.at_ms // HOUR_MS and (course.readings or course.faults):
            checkpoints.append(course)
        course, changed = advance(profile, course, at_ms, value)
        found |= {key(finding): finding for finding in changed}
    found |= {key(finding): finding for finding in open_findings(profile, course)}
    return Run(course, tuple(checkpoints), tuple(found.values()))


def last_before(courses: Iterable[Course], oldest_ms: int) -> Course | None:
    """The latest course that a reading of this time, taken or taken back, cannot change; None: judge from the beginning."""
    return max((course for course in courses if course.at_ms < oldest_ms), key=lambda c: c.at_ms, default=None)


def settled(profile: Profile, found: Iterable[Finding], course: Course) -> Iterator[Finding]:
    """Those findings that had ended when this course stood, so that nothing behind it changes them."""
    lasting = {key(finding) for finding in open_findings(profile, course)}
    for finding in found:
        if isinstance(finding, Excursion):
            if finding.started_ms <= course.at_ms and key(finding) not in lasting:
                yield finding
        elif finding.to_ms is not None and finding.to_ms <= course.at_ms:
            yield finding


def judge_again(
    profile: Profile, history: History, oldest_ms: int, readings: Callable[[int], Iterable[Reading]]
) -> History:
    """Take late readings, new ones, or the loss of some.

    Args:
        profile: the one that the history was judged by.
        history: what was found so far; `History(begin(profile, from_ms))` at first.
        oldest_ms: the oldest time for which readings came, changed or went.
        readings: all readings at or behind an instant, in order of time.

    Returns:
        The same history as if all readings had come in order.
    """
    from_ms = history.course.from_ms
    course = last_before((*history.checkpoints, history.course), max(oldest_ms, from_ms))
    if course is None or not (course.readings or course.faults):
        run = run_on(profile, begin(profile, from_ms), readings(from_ms))
        return History(run.course, run.checkpoints, run.found)
    run = run_on(profile, course, readings(course.at_ms + 1))
    checkpoints = (c for c in history.checkpoints if c.at_ms < course.at_ms)
    return History(
        run.course,
        (*checkpoints, *run.checkpoints),
        (*settled(profile, history.found, course), *run.found),
    )
