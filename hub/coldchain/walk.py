"""Judging readings of one sensor in order of time, from profile to profile. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from contract.coldchain.engine import Course, Finding, advance_block, begin, open_findings, standing
from contract.coldchain.findings import Excursion
from contract.coldchain.profile import Profile
from hub.coldchain.profiles import Segment

HOUR_MS: Final = 3_600_000


class Mark(Struct, frozen=True):
    """What tells findings of one sensor apart that can never become each other; a limit that was changed is another one.

    Attributes:
        limit: empty for a stretch without data; then `side` is too, and `threshold` None.
    """

    kind: str
    profile: str
    limit: str
    side: str
    threshold: int | None


class Verdict(Struct, frozen=True):
    """What was found, as the readings up to now tell; fields as in `hub.coldchain.tables.VerdictRow`."""

    mark: Mark
    started_ms: int
    alarm_ms: int | None
    ended_ms: int | None
    extreme: int | None
    beyond_ms: int


class Walk:
    """Takes readings, and keeps what they come to.

    Attributes:
        course: after the last reading; None where the time is judged by no profile.
        found: what is open at the beginning and all that changed since, as it stands now.
        checkpoints: of each hour that began, the course before its first reading.
    """

    def __init__(self, segments: Sequence[Segment], nr: int = 0, course: Course | None = None) -> None:
        """Go on from a course in the segment of this number; from its beginning where there is none."""
        self._segments = segments
        self._nr = nr
        self.found: dict[tuple[Mark, int], Verdict] = {}
        self.checkpoints: dict[int, Course] = {}
        self.course = course
        if course is None:
            self._begin()
        self._note_open()
        self.lasting = frozenset(self.found)

    @property
    def segment(self) -> Segment:
        """Where it stands."""
        return self._segments[self._nr]

    def take(self, at_ms: Sequence[int], values: Sequence[int | None]) -> None:
        """Take readings behind the last, in order of time."""
        start = 0
        while start < len(at_ms):
            first_ms = at_ms[start]
            self._move_to(first_ms)
            segment, course = self.segment, self.course
            end = len(at_ms) if segment.until_ms is None else bisect_left(at_ms, segment.until_ms, start)
            if first_ms < segment.from_ms:
                start = bisect_left(at_ms, segment.from_ms, start)
                continue
            if course is None or segment.profile is None:
                start = end
                continue
            hour_ms = first_ms - first_ms % HOUR_MS
            if hour_ms > course.at_ms:
                self.checkpoints[hour_ms] = course
            if at_ms[end - 1] >= hour_ms + HOUR_MS:
                end = bisect_left(at_ms, hour_ms + HOUR_MS, start, end)
            whole = start == 0 and end == len(at_ms)
            times, those = (at_ms, values) if whole else (at_ms[start:end], values[start:end])
            self.course, changed = advance_block(segment.profile, course, times, those)
            for finding in changed:
                self._note(segment.profile, finding)
            start = end

    def finish(self, known_ms: int) -> None:
        """Close what a profile that has had its time by then left open, and note what lasts."""
        self._move_to(known_ms)
        self._note_open()

    def _move_to(self, at_ms: int) -> None:
        while (until_ms := self.segment.until_ms) is not None and until_ms <= at_ms:
            if self.course is not None and self.segment.profile is not None:
                last = standing(self.segment.profile, self.course, until_ms)
                for finding in open_findings(self.segment.profile, last):
                    self._note(self.segment.profile, finding, until_ms)
            self._nr += 1
            self._begin()

    def _begin(self) -> None:
        segment = self.segment
        self.course = None if segment.profile is None else begin(segment.profile, segment.from_ms)

    def _note_open(self) -> None:
        if self.course is not None and self.segment.profile is not None:
            for finding in open_findings(self.segment.profile, self.course):
                self._note(self.segment.profile, finding)

    def _note(self, profile: Profile, finding: Finding, closed_ms: int | None = None) -> None:
        verdict = self._verdict(profile, finding, closed_ms)
        self.found[verdict.mark, verdict.started_ms] = verdict

    def _verdict(self, profile: Profile, finding: Finding, closed_ms: int | None) -> Verdict:
        if isinstance(finding, Excursion):
            limit = next(limit for limit in profile.limits if limit.name == finding.limit)
            mark = Mark("excursion", self.segment.name, limit.name, limit.side.value, limit.threshold)
            ended_ms = finding.ended_ms if closed_ms is None else closed_ms
            return Verdict(mark, finding.started_ms, finding.alarm_ms, ended_ms, finding.extreme, finding.beyond_ms)
        to_ms = finding.to_ms if closed_ms is None else closed_ms
        last_ms = to_ms if to_ms is not None or self.course is None else self.course.at_ms
        lasted_ms = (finding.from_ms if last_ms is None else last_ms) - finding.from_ms
        return Verdict(Mark("no_data", self.segment.name, "", "", None), finding.from_ms, None, to_ms, None, lasted_ms)
