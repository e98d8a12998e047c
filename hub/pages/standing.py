"""How each sensor stands: its figure's freshness and its judgement as one sign and word, worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from contract.coldchain.engine import Course, budgets
from contract.coldchain.findings import Budget
from contract.coldchain.profile import Profile, Side
from hub.ahead import Ahead
from hub.coldchain.excursions import (
    ExcursionKind,
    ExcursionView,
    SensorRecord,
    open_by_sensor,
    profiles,
    sensor_records,
)
from hub.coldchain.freshness import Freshness, Seen, freshness_of
from hub.coldchain.queries import SensorView
from hub.coldchain.tables import NEEDS_PERSON, excursion, judged_sensor, sensor
from hub.pages.naming import sensor_name, unit_of
from hub.pages.verdicts import Level, verdict_of

NEVER_HEARD: Final = "never heard"
KEPT_COURSES: Final = 10_000
"""More than all sensors of a large fleet; pages are asked for more often than sensors are judged on."""


@dataclass(frozen=True, slots=True)
class Word:
    """One line of the table of standings; `rank` says how much it needs somebody, 0 the most."""

    rank: int
    level: Level
    sign: str
    text: str
    """A key of the catalogue."""


# What a load needs first comes first: what warms up now, then what nobody can see, then what was wrong.
_FRESHNESS: Final = {
    Freshness.FAULT: Word(3, "attention", "◆", "reading fault"),
    Freshness.LOST: Word(4, "attention", "◆", "reading lost"),
    Freshness.SILENT: Word(5, "silence", "?", "reading silent"),
}
_NEVER: Final = Word(4, "attention", "◆", NEVER_HEARD)
_NO_DATA: Final = Word(5, "silence", "?", "no data")
_HALF: Final = Word(6, "attention", "◆", "half of what is allowed is used")
_PAST: Final = Word(7, "past", "!", "was out of its limits")
_LATE: Final = Word(8, "ok", "·", "reading late")
_UNJUDGED: Final = Word(9, "ok", "·", "not judged")
_OK: Final = Word(9, "ok", "·", "ok")


@dataclass(frozen=True, slots=True)
class Standing:
    """One sensor as pages list it.

    Attributes:
        seen, freshness: its newest figure and whether that may be believed.
        word: how it stands.
        judged: the same without its freshness; the browser goes on from it as figures grow old.
        profile: by which it is judged; None: by none.
        budget: the limit of which most is used.
        excursion: the worst that lasts.
    """

    id: str
    device: str
    name: str
    place: str
    unit: str
    seen: Seen
    freshness: Freshness | None
    word: Word
    judged: Word
    profile: Profile | None
    budget: Budget | None
    excursion: ExcursionView | None

    @property
    def bounds(self) -> tuple[int | None, int | None]:
        """The innermost limits below and above, in hundredths."""
        return _bounds(self.profile) if self.profile else (None, None)


@lru_cache(256)
def _bounds(profile: Profile) -> tuple[int | None, int | None]:
    low = max((x.threshold for x in profile.limits if x.side is Side.BELOW), default=None)
    high = min((x.threshold for x in profile.limits if x.side is Side.ABOVE), default=None)
    return low, high


def all_standings(reader: Connection, ahead: Ahead, views: Sequence[SensorView], now_ms: int) -> list[Standing]:
    """These sensors, and those that people described and nobody ever heard, worst first."""
    records = sensor_records(reader)
    lasting = open_by_sensor(reader)
    waiting = _waiting(reader)
    courses = _courses(reader, {name: view.profile for name, view in profiles(reader).items()})
    found = []
    for view in views:
        seen = view.seen(ahead)
        profile, budget = courses.get(view.id, (None, None))
        worst = min(lasting.get(view.id, ()), key=_gravity, default=None)
        judged = _judged(worst, budget, waiting=view.id in waiting, by=profile)
        freshness = freshness_of(seen, now_ms)
        record = records.get(view.id)
        word = min(judged, _FRESHNESS.get(freshness, judged), key=lambda word: word.rank)
        if freshness is Freshness.LATE and word.rank > _LATE.rank:
            word = _LATE
        place = record.place if record and record.place else view.place
        name = sensor_name(view.id, view.device, record)
        unit = unit_of(view.id)
        found.append(
            Standing(view.id, view.device, name, place, unit, seen, freshness, word, judged, profile, budget, worst)
        )
    heard = {view.id for view in views}
    found += [_never(record) for record in records.values() if record.sensor not in heard and not record.replaced_by]
    return sorted(found, key=lambda one: (one.word.rank, one.name))


def _never(record: SensorRecord) -> Standing:
    seen = Seen(None, None, None, None)
    name = sensor_name(record.sensor, record.device, record)
    unit = unit_of(record.sensor)
    return Standing(
        record.sensor, record.device, name, record.place, unit, seen, None, _NEVER, _NEVER, None, None, None
    )


def _gravity(view: ExcursionView) -> tuple[bool, bool, bool, int]:
    no_data = view.kind is ExcursionKind.NO_DATA
    return no_data, not view.alarmed, view.covered, view.found.started_ms


def _judged(worst: ExcursionView | None, budget: Budget | None, *, waiting: bool, by: Profile | None) -> Word:
    if worst is not None:
        verdict = verdict_of(worst)
        if worst.kind is ExcursionKind.NO_DATA:
            return _NO_DATA
        rank = (1 if worst.covered else 0) if worst.alarmed else 2
        return Word(rank, verdict.level, verdict.sign, verdict.word)
    if budget is not None and budget.used_ms * 2 >= budget.allowed_ms > 0:
        return _HALF
    if waiting:
        return _PAST
    return _OK if by is not None else _UNJUDGED


def _waiting(reader: Connection) -> set[str]:
    """Sensors with an alarm that ended and that nobody acknowledged."""
    row = excursion.c
    # Not DISTINCT: SQLite would then read all there ever were in order of their sensors.
    return set(reader.scalars(select(row.sensor).where(NEEDS_PERSON, row.ended_ms.is_not(None))))


_course: Final = msgspec.msgpack.Decoder(Course)


def _courses(reader: Connection, known: Mapping[str, Profile]) -> dict[str, tuple[Profile | None, Budget | None]]:
    """By which profile each sensor is judged, and the budget of which most is used."""
    judged = {}
    for name, by, course in reader.execute(_judged_sensors):
        profile = known.get(by)
        judged[name] = (profile, max(_budgets(profile, course), key=_share, default=None))
    return judged


def budgets_of(
    reader: Connection, sensor_id: str, known: Mapping[str, Profile]
) -> tuple[Profile | None, dict[str, Budget]]:
    """By which profile a sensor is judged, and what is used of each of its limits, by their names."""
    row = reader.execute(_judged_sensors.where(sensor.c.sensor == sensor_id)).first()
    if row is None:
        return None, {}
    profile = known.get(row.profile)
    return profile, {budget.limit: budget for budget in _budgets(profile, row.course)}


_judged_sensors: Final = select(sensor.c.sensor, judged_sensor.c.profile, judged_sensor.c.course).join_from(
    judged_sensor, sensor, sensor.c.number == judged_sensor.c.sensor
)


@lru_cache(KEPT_COURSES)
def _budgets(profile: Profile | None, course: bytes | None) -> tuple[Budget, ...]:
    return () if profile is None or course is None else budgets(profile, _course.decode(course))


def _share(budget: Budget) -> float:
    return budget.used_ms / max(budget.allowed_ms, 1)
