"""The judgement of sensors, kept up with their readings.

Readings that follow all others are judged from where the judgement stands. Where a sensor's past has changed (late readings,
another date, another profile) it is judged again from the last checkpoint before. All is in corrected time, and what is found
became known when the fact was received that told it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, select

from contract.coldchain.profile import Profile
from hub.coldchain.checkpoints import Checkpoints, decode_course, encode_course
from hub.coldchain.profiles import Segment, held_profiles, in_force, known_profiles, segments_of
from hub.coldchain.tables import judged_sensor, reading, sensor_assignment
from hub.coldchain.verdicts import Since, compare, take_back
from hub.coldchain.walk import Walk
from hub.ledger import statements
from hub.rows import write
from hub.timeline import chunks

READINGS_AT_ONCE: Final = 10_000

_judged = judged_sensor.c

Row = dict[str, Any]


class Sensor(Struct, frozen=True):
    """A sensor by its number in tables of readings, and by its id."""

    number: int
    id: str


class Following(Struct, frozen=True):
    """Readings of one sensor that follow all others, as one fact told them when it was received."""

    known_ms: int
    at_ms: Sequence[int]
    values: Sequence[int | None]


class Touched(Struct, frozen=True):
    """A stretch of a sensor's time of which something else is known now, both ends included. `to_ms` None: no end."""

    from_ms: int
    to_ms: int | None = None


class Judging:
    """The judgement of some sensors in one transaction: read at the beginning, moved on, and kept at the end.

    Attributes:
        news: ids of excursions that are not what they were.
    """

    def __init__(self, tx: Connection, sensors: Collection[Sensor]) -> None:
        """Read where the judgement of these sensors stands; most are judged by nothing, and forgotten here."""
        self._tx = tx
        self._stands: dict[int, Row] = {
            row["sensor"]: dict(row)
            for numbers in chunks(sorted(sensor.number for sensor in sensors))
            for row in tx.execute(select(judged_sensor).where(_judged.sensor.in_(numbers))).mappings()
        }
        self._checkpoints = Checkpoints(tx)
        self._moved: set[int] = set()
        self.news: list[str] = []

    def follow(self, sensor: Sensor, told: Sequence[Following]) -> None:
        """Judge readings that follow all others of a sensor, in order of time and of their receipts."""
        for known_ms, some in groupby(told, lambda readings: readings.known_ms):
            blocks = list(some)
            last_ms = blocks[-1].at_ms[-1]
            walk = self._going_on(sensor, blocks[0].at_ms[0], known_ms)
            if walk is None:
                self.again(sensor, Touched(blocks[0].at_ms[0], last_ms), known_ms, until_ms=last_ms)
                continue
            for readings in blocks:
                walk.take(readings.at_ms, readings.values)
            walk.finish(known_ms)
            if walk.found:
                self.news += compare(self._tx, sensor.id, walk.found.values(), known_ms, lasting=walk.lasting)
            self._keep(sensor, walk, known_ms)

    def judges(self, sensor: Sensor) -> bool:
        """Whether it was judged before."""
        return sensor.number in self._stands

    def again(self, sensor: Sensor, touched: Touched, known_ms: int, *, until_ms: int | None = None) -> None:
        """Judge a sensor again whose past has changed.

        Args:
            sensor: whose readings and assignments are stored as they are now.
            touched: the time of which something else is known now.
            known_ms: when that became known.
            until_ms: readings up to here are judged; those behind became known later. None: all.
        """
        tx, stand, touched_ms = self._tx, self._stands.get(sensor.number), touched.from_ms
        segments = segments_of(tx, sensor.id, self._profiles)
        if not segments:
            return
        if stand is not None and touched.to_ms is not None and touched.to_ms < segments[0].from_ms:
            self._stands[sensor.number] = {**stand, "known_ms": max(known_ms, stand["known_ms"])}
            self._moved.add(sensor.number)
            return
        if stand is not None and known_ms <= stand["known_ms"]:
            # The hub's clock may have been set back; what is known keeps the order in which it came to be known.
            known_ms = stand["known_ms"]
            undone_ms = take_back(tx, sensor.id, known_ms)
            touched_ms = touched_ms if undone_ms is None else min(touched_ms, undone_ms)
        self._checkpoints.write()
        hourly_from_ms = self._checkpoints.hourly_from_ms(sensor.number)
        walk, since = _before(self._checkpoints, sensor.number, segments, touched_ms)
        self._checkpoints.forget(sensor.number, since.start_ms)
        for at_ms, values in _readings(tx, sensor.number, since.start_ms, until_ms):
            walk.take(at_ms, values)
        walk.finish(known_ms)
        found = walk.found.values()
        self.news += compare(tx, sensor.id, found, known_ms, lasting=walk.lasting, since=since)
        self._keep(sensor, walk, known_ms)
        self._checkpoints.write()
        now_from_ms = self._checkpoints.hourly_from_ms(sensor.number)
        if hourly_from_ms is not None and now_from_ms is not None and now_from_ms < hourly_from_ms:
            # Readings that were the newest moved into the past: hours that are of the last days now were thinned.
            self.again(sensor, Touched(now_from_ms), known_ms, until_ms=until_ms)

    @cached_property
    def _profiles(self) -> Mapping[str, Profile]:
        return known_profiles(self._tx)

    @cached_property
    def _held(self) -> Mapping[tuple[str, int], str]:
        return held_profiles(self._tx)

    def known_ms(self, sensor: Sensor, received_ms: int) -> int:
        """When a fact about a sensor became known, in the order in which all about it did."""
        stand = self._stands.get(sensor.number)
        return received_ms if stand is None else max(received_ms, stand["known_ms"])

    def close(self) -> None:
        """Write where judgements stand now."""
        self._checkpoints.write()
        rows = [self._stands[number] for number in sorted(self._moved)]
        write(self._tx, statements.latest(self._tx.dialect.name, judged_sensor), rows)

    def _going_on(self, sensor: Sensor, first_ms: int, known_ms: int) -> Walk | None:
        """From where the judgement stands; None where these readings or this receipt do not follow."""
        stand = self._stands.get(sensor.number)
        if stand is None or known_ms <= stand["known_ms"] or first_ms < stand["from_ms"]:
            return None
        name, until_ms, body = stand["profile"], stand["until_ms"], stand["course"]
        profile = in_force(self._held.get((sensor.id, stand["from_ms"])), name, self._profiles)
        if until_ms is not None or (profile is None) is not (body is None):
            return None
        return Walk([Segment(name, profile, stand["from_ms"], None)], 0, None if body is None else decode_course(body))

    def _keep(self, sensor: Sensor, walk: Walk, known_ms: int) -> None:
        self._checkpoints.note(sensor.number, walk.checkpoints)
        segment, course = walk.segment, walk.course
        self._moved.add(sensor.number)
        self._stands[sensor.number] = {
            "sensor": sensor.number,
            "known_ms": known_ms,
            "profile": segment.name,
            "from_ms": segment.from_ms,
            "until_ms": segment.until_ms,
            "course": None if course is None else encode_course(course),
        }


def assigned_among(tx: Connection, sensors: Collection[str]) -> set[str]:
    """Those of these sensors about which something was decided."""
    there = sensor_assignment.c.sensor
    return {
        name for some in chunks(sorted(sensors)) for name in tx.scalars(select(there).where(there.in_(some)).distinct())
    }


def _before(checkpoints: Checkpoints, number: int, segments: Sequence[Segment], touched_ms: int) -> tuple[Walk, Since]:
    """The last that is sure: the checkpoint before, or the beginning of a profile's time."""
    # One that ends where another begins must be closed there, so the one before is judged too.
    nr = max((nr for nr, segment in enumerate(segments) if segment.from_ms < touched_ms), default=0)
    from_ms = segments[nr].from_ms
    last = checkpoints.last(number, from_ms, touched_ms)
    if last is not None:
        hour_ms, course = last
        return Walk(segments, nr, course), Since(hour_ms, hour_ms)
    # What ended where this profile's time begins ended with the one before.
    return Walk(segments, nr), Since(from_ms, from_ms + 1)


def _readings(
    tx: Connection, number: int, from_ms: int, until_ms: int | None
) -> Iterator[tuple[list[int], list[int | None]]]:
    query = select(reading.c.at_ms, reading.c.value).where(reading.c.sensor == number, reading.c.at_ms >= from_ms)
    if until_ms is not None:
        query = query.where(reading.c.at_ms <= until_ms)
    for rows in tx.execute(query.order_by(reading.c.at_ms)).partitions(READINGS_AT_ONCE):
        yield [row.at_ms for row in rows], [row.value for row in rows]
