"""What pages and the interface read about excursions, profiles and the records of sensors.

Excursions are judged up to the newest reading of each sensor. That nothing comes any more is no row: it is judged at the
instant of asking (`contract.coldchain.engine.silence`).
"""

from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, or_, select

from contract.coldchain.presets import PRESETS
from contract.coldchain.profile import Profile, Side
from hub.coldchain import tables as t
from hub.coldchain.profiles import decoded, find_profile, in_force

MAX_PAGE: Final = 500
READINGS_AT_ONCE: Final = 10_000
MAX_DIGITS: Final = 18
"""Of a number that every database compares with."""


class ExcursionKind(StrEnum):
    """What was found."""

    EXCURSION = "excursion"
    NO_DATA = "no_data"


class Acknowledgement(Struct, frozen=True):
    """Who acknowledged an excursion last, why and when. Not `covers`: it grew beyond what that person saw."""

    who: str
    why: str
    at_ms: int
    covers: bool


class Found(Struct, frozen=True):
    """What an excursion is found to be. Times are corrected time, `*_known_ms` when that became known.

    Attributes:
        alarm_ms: when more than the allowed time was used; None: it was not.
        ended_ms: None: it lasts, as far as readings tell.
        extreme: in hundredths; None for time without data.
        beyond_ms: time beyond the limit, or without data, so far.
        withdrawn: what came later shows that it never was.
    """

    started_ms: int
    alarm_ms: int | None
    ended_ms: int | None
    extreme: int | None
    beyond_ms: int
    alarm_known_ms: int | None
    ended_known_ms: int | None
    withdrawn: bool


class ExcursionView(Struct, frozen=True):
    """An excursion or a stretch without data, as it is known now.

    Attributes:
        id: stays the same while late readings move it.
        limit: name of the limit; empty for time without data. `side` and `threshold` (hundredths) are the limit's.
        profile: name of the profile that it was judged by.
        known_ms: when the hub first knew of it. `changed_ms`: when that was last found to be otherwise.
        acknowledged: None: by nobody.
    """

    id: str
    sensor: str
    device: str
    kind: ExcursionKind
    limit: str
    side: Side | None
    threshold: int | None
    profile: str
    known_ms: int
    changed_ms: int
    found: Found
    acknowledged: Acknowledgement | None

    @property
    def lasts(self) -> bool:
        """Whether it has not ended, as far as readings tell."""
        return self.found.ended_ms is None and not self.found.withdrawn

    @property
    def alarmed(self) -> bool:
        """Whether more than the allowed time was used; time without data is an alarm of its own."""
        return self.found.alarm_ms is not None or self.kind is ExcursionKind.NO_DATA

    @property
    def covered(self) -> bool:
        """Whether somebody acknowledged it as it is now."""
        return self.acknowledged is not None and self.acknowledged.covers

    @property
    def needs_person(self) -> bool:
        """Whether somebody must look: an alarm that nobody acknowledged as it is now."""
        return self.alarmed and not self.found.withdrawn and not self.covered


class ChangeView(Struct, frozen=True):
    """What an excursion was found to be from `known_ms` on."""

    known_ms: int
    found: Found


class ExcursionFilters(Struct, frozen=True):
    """Which excursions; None and empty mean any.

    Attributes:
        open: whether it lasts.
        acknowledged: whether somebody acknowledged it as it is now.
        alarmed: whether it is an alarm (`ExcursionView.alarmed`).
        needs_person: whether somebody must look.
        since_ms: it lasted, or became known or changed, then or later.
        from_ms, to_ms: it lasted at some instant between.
        withdrawn: whether it is withdrawn.
    """

    open: bool | None = None
    sensor: str = ""
    device: str = ""
    kind: ExcursionKind | None = None
    since_ms: int | None = None
    acknowledged: bool | None = None
    alarmed: bool | None = None
    needs_person: bool | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    withdrawn: bool | None = None


class ExcursionPage(Struct, frozen=True):
    """Latest start first."""

    items: tuple[ExcursionView, ...]
    next_cursor: str | None


class SensorRecord(Struct, frozen=True):
    """What people say of a sensor; empty texts where they said nothing.

    Attributes:
        place: where it hangs; empty means its device's place.
        profile: by which it is judged from `profile_from_ms` on, as decided last; empty: by none.
        replaced_by: id of the sensor that took its place.
    """

    sensor: str
    device: str
    name: str = ""
    place: str = ""
    profile: str = ""
    profile_from_ms: int | None = None
    calibration_due_ms: int | None = None
    replaced_by: str = ""


class ProfileView(Struct, frozen=True):
    """A profile; `known_ms` and `who` of its definition, None and empty for a preset that nobody changed."""

    profile: Profile
    known_ms: int | None = None
    who: str = ""


_row: Final = t.excursion.c


def list_excursions(
    conn: Connection, filters: ExcursionFilters | None = None, cursor: str | None = None, limit: int = 100
) -> ExcursionPage:
    """One page of excursions, the latest start first; withdrawn ones included unless `withdrawn` says otherwise.

    Args:
        conn: a reader.
        filters: which.
        cursor: `next_cursor` of the page before; one that is none begins at the beginning.
        limit: at most so many, up to MAX_PAGE.
    """
    query = select(t.excursion).where(*_wanted(filters or ExcursionFilters()))
    if (behind := _position(cursor)) is not None:
        started_ms, identity = behind
        query = query.where(or_(_row.started_ms < started_ms, and_(_row.started_ms == started_ms, _row.id > identity)))
    size = max(1, min(limit, MAX_PAGE))
    rows = conn.execute(query.order_by(_row.started_ms.desc(), _row.id).limit(size + 1)).mappings()
    views = tuple(_view(row) for row in rows)
    last = views[size - 1] if len(views) > size else None
    return ExcursionPage(views[:size], f"{last.found.started_ms}-{last.id}" if last else None)


def _position(cursor: str | None) -> tuple[int, str] | None:
    started, dash, identity = (cursor or "").partition("-")
    told = dash and started.isascii() and started.isdigit() and len(started) <= MAX_DIGITS
    return (int(started), identity) if told else None


def _wanted(filters: ExcursionFilters) -> Iterator[ColumnElement[bool]]:
    for column, text in ((_row.sensor, filters.sensor), (_row.device, filters.device)):
        if text:
            yield column == text
    if filters.kind is not None:
        yield _row.kind == filters.kind.value
    if filters.since_ms is not None:
        yield or_(_row.changed_ms >= filters.since_ms, _row.ended_ms.is_(None), _row.ended_ms >= filters.since_ms)
    if filters.from_ms is not None:
        yield or_(_row.ended_ms.is_(None), _row.ended_ms >= filters.from_ms)
    if filters.to_ms is not None:
        yield _row.started_ms <= filters.to_ms
    lasts = and_(_row.ended_ms.is_(None), _row.withdrawn == 0)
    for wanted, condition in (
        (filters.open, lasts),
        (filters.acknowledged, _row.ack_covers == 1),
        (filters.alarmed, t.ALARMED),
        (filters.needs_person, t.NEEDS_PERSON),
        (filters.withdrawn, _row.withdrawn == 1),
    ):
        if wanted is not None:
            yield condition if wanted else ~condition


def find_excursion(conn: Connection, identity: str) -> ExcursionView | None:
    """One excursion by its id."""
    row = conn.execute(select(t.excursion).where(_row.id == identity)).mappings().first()
    return None if row is None else _view(row)


def excursion_changes(conn: Connection, identity: str) -> tuple[ChangeView, ...]:
    """What it was found to be, and from when on; oldest first."""
    change = t.excursion_change.c
    query = select(t.excursion_change).where(change.excursion == identity).order_by(change.known_ms)
    return tuple(ChangeView(row["known_ms"], _found(row)) for row in conn.execute(query).mappings())


def acknowledgements(conn: Connection, identity: str) -> tuple[Acknowledgement, ...]:
    """By whom it was acknowledged, oldest first; only the last can cover it as it is now."""
    ack = t.excursion_acknowledgement.c
    query = select(ack.who, ack.why, ack.known_ms, _row.ack_covers, ack.fact_id).join(
        t.excursion, _row.id == ack.excursion
    )
    rows = conn.execute(query.where(ack.excursion == identity).order_by(ack.known_ms, ack.fact_id)).all()
    return tuple(
        Acknowledgement(row.who, row.why, row.known_ms, bool(row.ack_covers) and row is rows[-1]) for row in rows
    )


def open_by_sensor(conn: Connection) -> dict[str, tuple[ExcursionView, ...]]:
    """The excursions that last, by the ids of their sensors; in order of their start."""
    lasting: defaultdict[str, list[ExcursionView]] = defaultdict(list)
    query = select(t.excursion).where(_row.ended_ms.is_(None), _row.withdrawn == 0).order_by(_row.started_ms, _row.id)
    for row in conn.execute(query).mappings():
        lasting[row["sensor"]].append(_view(row))
    return {sensor: tuple(views) for sensor, views in lasting.items()}


def _view(row: RowMapping) -> ExcursionView:
    acknowledged = None
    if row["ack_ms"] is not None:
        acknowledged = Acknowledgement(row["ack_who"], row["ack_why"], row["ack_ms"], bool(row["ack_covers"]))
    return ExcursionView(
        id=row["id"],
        sensor=row["sensor"],
        device=row["device"],
        kind=ExcursionKind(row["kind"]),
        limit=row["limit_name"],
        side=Side(row["side"]) if row["side"] else None,
        threshold=row["threshold"],
        profile=row["profile"],
        known_ms=row["known_ms"],
        changed_ms=row["changed_ms"],
        found=_found(row),
        acknowledged=acknowledged,
    )


def _found(row: RowMapping) -> Found:
    return Found(
        started_ms=row["started_ms"],
        alarm_ms=row["alarm_ms"],
        ended_ms=row["ended_ms"],
        extreme=row["extreme"],
        beyond_ms=row["beyond_ms"],
        alarm_known_ms=row["alarm_known_ms"],
        ended_known_ms=row["ended_known_ms"],
        withdrawn=bool(row["withdrawn"]),
    )


# -- records and profiles ----------------------------------------------------------------------------------------------


_records: Final = select(*(t.sensor_record.c[name] for name in SensorRecord.__struct_fields__))


def sensor_record(conn: Connection, sensor: str) -> SensorRecord | None:
    """What people say of a sensor; None where they said nothing."""
    row = conn.execute(_records.where(t.sensor_record.c.sensor == sensor)).first()
    return None if row is None else SensorRecord(*row)


def sensor_records(conn: Connection) -> dict[str, SensorRecord]:
    """The records of all sensors that have one, by sensor id; sensors that were never heard among them."""
    rows = conn.execute(_records.order_by(t.sensor_record.c.sensor)).all()
    return {row[0]: SensorRecord(*row) for row in rows}


def profile_of(conn: Connection, sensor: str, at_ms: int) -> Profile | None:
    """By which profile a sensor is judged at an instant; None: by none, or by one that nobody defined."""
    assigned = t.sensor_assignment.c
    query = select(assigned.profile, assigned.held).where(assigned.sensor == sensor, assigned.from_ms <= at_ms)
    row = conn.execute(query.order_by(assigned.from_ms.desc()).limit(1)).first()
    if row is None or not row.profile:
        return None
    return find_profile(conn, row.profile) if row.held is None else in_force(row.held, row.profile, {})


def profiles(conn: Connection) -> dict[str, ProfileView]:
    """All profiles by name: presets, and those that people defined."""
    found: dict[str, ProfileView] = {name: ProfileView(preset) for name, preset in PRESETS.items()}
    for row in conn.execute(select(t.temperature_profile)):
        found[row.name] = ProfileView(decoded(row.body), row.known_ms, row.who)
    return dict(sorted(found.items()))


# -- readings ----------------------------------------------------------------------------------------------------------


def sensor_readings_raw(conn: Connection, sensor: str, from_ms: int, to_ms: int) -> Iterator[tuple[int, int | None]]:
    """All readings of a sensor, both ends included, in order of time: corrected time and value (None for a fault)."""
    number = conn.scalar(select(t.sensor.c.number).where(t.sensor.c.sensor == sensor))
    if number is not None:
        yield from readings_of(conn, number, from_ms, to_ms)


def readings_of(conn: Connection, number: int, from_ms: int, to_ms: int) -> Iterator[tuple[int, int | None]]:
    """The same by the sensor's number."""
    row = t.reading.c
    query = (
        select(row.at_ms, row.value).where(row.sensor == number, row.at_ms.between(from_ms, to_ms)).order_by(row.at_ms)
    )
    with conn.execute(query) as result:
        # As the driver gives them: a month of a sensor is a quarter of a million.
        while some := result.cursor.fetchmany(READINGS_AT_ONCE):
            yield from some
