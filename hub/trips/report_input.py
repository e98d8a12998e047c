"""What a report of a trip or of a parcel contains (`hub.reports.content`), gathered from the hub."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import Connection, Row, Select, select

from contract.coldchain.coverage import no_data_ms
from contract.coldchain.engine import judge
from contract.coldchain.profile import Profile
from contract.event import Quantity
from hub.accounts.anchors import anchors
from hub.coldchain import tables as cold
from hub.coldchain.excursions import (
    ExcursionFilters,
    ExcursionView,
    list_excursions,
    profile_of,
    sensor_readings_raw,
    sensor_record,
)
from hub.coldchain.means import means
from hub.reports.content import (
    Acknowledgement,
    Finding,
    FindingKind,
    Late,
    MeanKinetic,
    MissingPart,
    ParcelPart,
    ReportInput,
    SensorPart,
    StayPart,
    SubjectKind,
    TrailEnd,
    WayPart,
)
from hub.tables import device_contact
from hub.tracking.tables import custody_correction, custody_event
from hub.trips.chains import chain_runs
from hub.trips.history import ColdVerdict, Missing, ParcelHistory, Reading, StayHistory
from hub.trips.judging import MAX_STAY_MS
from hub.trips.queries import Trip, find_trip, parcel_history
from hub.web.formats import LATE_KNOWN_MS, clock

HUB: Final = "Holdfast"
MAX_FINDINGS: Final = 500
"""Of one sensor in one stretch."""


class Stretch(Struct, frozen=True):
    """One sensor over some time of the report."""

    sensor: str
    from_ms: int
    to_ms: int


def parcel_report(conn: Connection, parcel: str, now_ms: int, who: str) -> ReportInput | None:
    """The report of a parcel's whole way; None where nothing is known of it."""
    told = parcel_history(conn, parcel, now_ms)
    if told is None:
        return None
    stretches = [
        Stretch(one.sensor, stay.from_ms, _judged_until_ms(stay, now_ms)) for stay in told.stays for one in stay.sensors
    ]
    stays = tuple(
        StayPart(stay.where, stay.from_ms, stay.to_ms, tuple(one.sensor for one in stay.sensors)) for stay in told.stays
    )
    part = ParcelPart(parcel, stays, told.verdict is ColdVerdict.EXCURSION, told.complete)
    scans = {fact for stay in told.stays for fact in (stay.opened_by, stay.closed_by) if fact}
    return _report(
        conn,
        ReportInput(
            hub=HUB,
            kind=SubjectKind.PARCEL,
            subject=parcel,
            title=parcel,
            from_ms=told.from_ms,
            to_ms=told.to_ms,
            made_ms=now_ms,
            made_by=who,
            parcels=(part,),
            sensors=(),
            ways=tuple(_ways(told)),
            incomplete=_incomplete(told.missing),
        ),
        stretches,
        scans,
    )


def _judged_until_ms(stay: StayHistory, now_ms: int) -> int:
    """A stay's end or now, unless it is too long; one that a wrong clock lets begin after now has no length."""
    to_ms = now_ms if stay.to_ms is None else stay.to_ms
    return max(stay.from_ms, min(to_ms, stay.from_ms + MAX_STAY_MS))


def trip_report(conn: Connection, trip_id: str, now_ms: int, who: str) -> ReportInput | None:
    """The report of a trip; None for one that is not known."""
    told = find_trip(conn, trip_id, now_ms)
    if told is None:
        return None
    view = told.view
    ids = tuple(one.sensor for one in told.sensors)
    return _report(
        conn,
        ReportInput(
            hub=HUB,
            kind=SubjectKind.TRIP,
            subject=view.id,
            title=f"{view.place or view.device}, {clock(view.from_ms)[:16]} UTC",
            from_ms=view.from_ms,
            to_ms=told.to_ms,
            made_ms=now_ms,
            made_by=who,
            parcels=tuple(_on_board(told, ids)),
            sensors=(),
            incomplete=_incomplete(told.missing),
        ),
        [Stretch(one, view.from_ms, told.to_ms) for one in ids],
        {fact for one in told.parcels for fact in (one.opened_by, one.closed_by) if fact},
    )


def _on_board(told: Trip, sensors: tuple[str, ...]) -> Iterator[ParcelPart]:
    for one in told.parcels:
        yield ParcelPart(
            one.parcel,
            (StayPart(told.view.device, one.from_ms, one.to_ms, sensors),),
            one.verdict is ColdVerdict.EXCURSION,
            one.complete,
        )


def _report(conn: Connection, begun: ReportInput, stretches: Sequence[Stretch], scans: set[bytes]) -> ReportInput:
    """The same with its sensors, and with the facts that it rests on."""
    parts = [part for stretch in stretches if (part := _sensor_part(conn, stretch)) is not None]
    acknowledged = {finding.id for part in parts for finding in part.findings if finding.acknowledgement}
    anchor = next(anchors(conn), None)
    shifts = {
        **({anchor.fact_id: 0} if anchor else {}),
        **_shifts_of_blocks(conn, stretches),
        **_shifts_of_scans(conn, scans),
        **dict.fromkeys(_acknowledgements(conn, acknowledged), 0),
    }
    runs, gaps = chain_runs(conn, shifts)
    fields = {name: getattr(begun, name) for name in ReportInput.__struct_fields__}
    trail = TrailEnd(anchor.number, anchor.hash) if anchor else None
    return ReportInput(**{**fields, "sensors": tuple(parts), "runs": runs, "gaps": gaps, "trail": trail})


# -- what was measured -------------------------------------------------------------------------------------------------


def _sensor_part(conn: Connection, stretch: Stretch) -> SensorPart | None:
    """None for a sensor of which nobody has said what is allowed: there is nothing to judge it by."""
    profile = profile_of(conn, stretch.sensor, stretch.from_ms)
    if profile is None:
        return None
    record = sensor_record(conn, stretch.sensor)
    device_id = stretch.sensor.partition(".")[0]
    readings = _from_what_held(conn, stretch, no_data_ms(profile))
    offset_ms = conn.scalar(select(device_contact.c.clock_offset_ms).where(device_contact.c.device == device_id))
    return SensorPart(
        id=stretch.sensor,
        device=device_id,
        name=record.name if record else "",
        place=record.place if record else "",
        quantity=Quantity.TEMPERATURE_C,
        profile=profile,
        from_ms=stretch.from_ms,
        to_ms=stretch.to_ms,
        readings=readings,
        judgement=judge(profile, readings, stretch.from_ms, stretch.to_ms),
        late=tuple(_late(conn, stretch)),
        mkt=_means(profile, readings, stretch.from_ms, stretch.to_ms),
        findings=tuple(_findings(conn, stretch)),
        calibration_due_ms=record.calibration_due_ms if record else None,
        clock_offset_ms=offset_ms,
    )


def _from_what_held(conn: Connection, stretch: Stretch, allowed_ms: int) -> tuple[Reading, ...]:
    """The readings of a stretch, behind the last value before it that may still hold at its begin."""
    told = tuple(sensor_readings_raw(conn, stretch.sensor, stretch.from_ms - allowed_ms, stretch.to_ms))
    before = bisect_left(told, stretch.from_ms, key=itemgetter(0))
    return told[next((nr for nr in reversed(range(before)) if told[nr][1] is not None), before) :]


def _ways(told: ParcelHistory) -> Iterator[WayPart]:
    for way in told.judged:
        means = _means(way.profile, way.readings, way.judgement.from_ms, way.judgement.to_ms)
        yield WayPart(way.profile, way.judgement.from_ms, way.judgement.to_ms, way.readings, way.judgement, means)


def _means(profile: Profile, readings: Sequence[Reading], from_ms: int, to_ms: int) -> tuple[MeanKinetic, ...]:
    told = means(readings, from_ms, to_ms, profile.no_data_s)
    return tuple(MeanKinetic(mean.window.value, mean.result) for mean in told)


def _blocks(conn: Connection, stretch: Stretch) -> Sequence[Row[Any]]:
    """The blocks that speak of this time."""
    block = cold.reading_block.c
    own = select(cold.sensor.c.number).where(cold.sensor.c.sensor == stretch.sensor).scalar_subquery()
    query: Select[Any] = select(block.fact_id, block.happened_ms, block.last_ms, block.at_ms, block.known_ms).where(
        block.sensor == own, block.last_ms >= stretch.from_ms, block.happened_ms <= stretch.to_ms
    )
    return conn.execute(query.order_by(block.happened_ms)).all()


def _shifts_of_blocks(conn: Connection, stretches: Iterable[Stretch]) -> dict[bytes, int]:
    """Of the blocks of these stretches, and of those that tell what still held when one began."""
    held = (_with_what_held(conn, stretch) for stretch in stretches)
    return {row.fact_id: row.happened_ms - row.at_ms for stretch in held for row in _blocks(conn, stretch)}


def _with_what_held(conn: Connection, stretch: Stretch) -> Stretch:
    allowed_ms = no_data_ms(profile_of(conn, stretch.sensor, stretch.from_ms))
    return structs.replace(stretch, from_ms=stretch.from_ms - allowed_ms)


def _late(conn: Connection, stretch: Stretch) -> Iterator[Late]:
    for row in _blocks(conn, stretch):
        if row.known_ms - row.last_ms > LATE_KNOWN_MS:
            yield Late(max(row.happened_ms, stretch.from_ms), min(row.last_ms, stretch.to_ms), row.known_ms)


# -- what was found ----------------------------------------------------------------------------------------------------


def _findings(conn: Connection, stretch: Stretch) -> Iterator[Finding]:
    filters = ExcursionFilters(sensor=stretch.sensor, from_ms=stretch.from_ms, to_ms=stretch.to_ms)
    for view in reversed(list_excursions(conn, filters, None, MAX_FINDINGS).items):
        yield _finding(view)


def _finding(view: ExcursionView) -> Finding:
    found, ack = view.found, view.acknowledged
    return Finding(
        id=view.id,
        kind=FindingKind(view.kind.value),
        started_ms=found.started_ms,
        known_ms=view.known_ms,
        limit=view.limit,
        extreme=found.extreme,
        beyond_ms=found.beyond_ms,
        alarm_ms=found.alarm_ms,
        alarm_known_ms=found.alarm_known_ms,
        ended_ms=found.ended_ms,
        ended_known_ms=found.ended_known_ms,
        withdrawn=found.withdrawn,
        acknowledgement=Acknowledgement(ack.who, ack.at_ms, ack.why, ack.covers) if ack else None,
    )


def _acknowledgements(conn: Connection, excursions: set[str]) -> Sequence[bytes]:
    told = cold.excursion_acknowledgement.c
    return conn.scalars(select(told.fact_id).where(told.excursion.in_(excursions))).all()


def _shifts_of_scans(conn: Connection, scans: set[bytes]) -> dict[bytes, int]:
    """Of these facts, and of corrections of them."""
    told, put_right = custody_event.c, custody_correction.c
    rows = conn.execute(
        select(told.fact_id, (told.happened_ms - told.at_ms).label("shift_ms")).where(told.fact_id.in_(scans))
    )
    corrections = conn.execute(
        select(put_right.fact_id, (put_right.happened_ms - put_right.at_ms).label("shift_ms")).where(
            put_right.target.in_(scans)
        )
    )
    return {row.fact_id: row.shift_ms for row in (*rows, *corrections)}


def _incomplete(missing: Iterable[Missing]) -> tuple[MissingPart, ...]:
    return tuple(MissingPart(gap.cause, gap.where, gap.from_ms, gap.to_ms, gap.sensor) for gap in missing)
