"""What pages, reports and the interface read about the ways of parcels and the trips of vehicles."""

import base64
from collections.abc import Sequence
from typing import Any, Final

from msgspec import DecodeError, Struct, msgpack
from sqlalchemy import Connection, Row, Select, and_, or_, select

from contract.coldchain.coverage import no_data_ms
from contract.coldchain.findings import Judgement
from contract.coldchain.profile import Profile
from hub.coldchain.excursions import profile_of, sensor_readings_raw
from hub.tables import device as device_table
from hub.tracking.queries import BadCursor, KeptInt
from hub.tracking.tables import custody_event
from hub.trips.history import ColdVerdict, Missing, ParcelHistory, Reading, StayHistory, WatchedBy, is_complete
from hub.trips.judging import (
    MAX_STAY_MS,
    Leg,
    Watched,
    judge_list,
    judged,
    missing,
    part_of,
    verdict_of,
)
from hub.trips.runs import ID_CHARS
from hub.trips.sensors import Probe, probes, watching
from hub.trips.tables import stay, trip
from hub.trips.worst import worst

MAX_PAGE: Final = 500
MAX_TRIP_PARCELS: Final = 1_000
"""Told with a trip, the first loaded first; no van holds more."""
ID_BYTES: Final = ID_CHARS // 2
LAST_BYTES: Final = b"\xff" * (32 - ID_BYTES)
"""Behind the beginning of an identity: no identity with that beginning sorts later."""

_stay, _trip = stay.c, trip.c


class TripFilters(Struct, frozen=True):
    """Which trips; empty means any. `device`: the vehicle; from `since_ms` until `until_ms`: it touches that time."""

    device: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


class TripView(Struct, frozen=True):
    """One run of a vehicle. `to_ms` None: something is still on board; `aboard`: so many parcels."""

    id: str
    device: str
    place: str
    from_ms: int
    to_ms: int | None
    parcels: int
    aboard: int
    known_ms: int


class TripPage(Struct, frozen=True):
    """Latest begun first."""

    items: tuple[TripView, ...]
    next_cursor: str | None


class TripSensor(Struct, frozen=True):
    """One sensor of the vehicle over the trip. `judgement` None: nobody has said which profile holds."""

    sensor: str
    name: str
    profile: Profile | None
    judgement: Judgement | None
    readings: tuple[Reading, ...]


class TripParcel(Struct, frozen=True):
    """A parcel on this trip; `verdict`, and whether its record is `complete`, are of its time on board of this trip alone."""

    parcel: str
    from_ms: int
    to_ms: int | None
    opened_by: bytes
    closed_by: bytes | None
    closed_step: str
    verdict: ColdVerdict
    complete: bool


class Trip(Struct, frozen=True):
    """A trip with its parcels and sensors; `to_ms` is its end, or how far it is judged."""

    view: TripView
    to_ms: int
    parcels: tuple[TripParcel, ...]
    sensors: tuple[TripSensor, ...]
    missing: tuple[Missing, ...]

    @property
    def complete(self) -> bool:
        """Whether its record is."""
        return is_complete(self.missing, judged=any(one.profile for one in self.sensors))


# -- parcels -----------------------------------------------------------------------------------------------------------


def parcel_history(conn: Connection, parcel: str, now_ms: int) -> ParcelHistory | None:
    """The way of a parcel, with all that is known of its temperature; None for one that never stayed anywhere."""
    # What began and ended at one instant was before what began then and lasted.
    in_turn = (_stay.from_ms, _stay.until_ms, _stay.opened_by)
    rows = conn.execute(select(stay).where(_stay.parcel == parcel).order_by(*in_turn)).all()
    if not rows:
        return None
    known = probes(conn, {row.device for row in rows}, {row.place for row in rows})
    legs = [_leg(conn, row, known, now_ms) for row in rows]
    counts = worst(legs)
    ways, gaps = judged(legs, counts), missing(legs)
    return ParcelHistory(
        parcel=parcel,
        from_ms=legs[0].from_ms,
        to_ms=legs[-1].to_ms,
        running=rows[-1].to_ms is None,
        stays=tuple(
            _stay_history(row, leg, {watched.probe.id for watched in worse.values()}, _trip_of(conn, row))
            for row, leg, worse in zip(rows, legs, counts, strict=True)
        ),
        judged=ways,
        readings=tuple(
            reading for by_name in counts for _, first in sorted(by_name.items())[-1:] for reading in first.readings
        ),
        missing=gaps,
        verdict=verdict_of(ways, gaps),
    )


def _leg(conn: Connection, row: Row[Any], known: Sequence[Probe], now_ms: int) -> Leg:
    to_ms = max(row.from_ms, now_ms if row.to_ms is None else row.to_ms)
    watched = _all_watched(conn, watching(known, row.device, row.place, aboard=row.aboard), row.from_ms, to_ms)
    return Leg(
        where_in_words(row.device, row.place, aboard=row.aboard),
        row.from_ms,
        to_ms,
        watched,
        nowhere=not (row.device or row.place),
    )


def where_in_words(device: str, place: str, *, aboard: bool) -> str:
    """The vehicle of a stay, or its place."""
    return device if aboard else place or device


def _all_watched(conn: Connection, seen: Sequence[Probe], from_ms: int, to_ms: int) -> tuple[Watched, ...]:
    """All sensors of a stay, but for those that were replaced and measured nothing there."""
    told = [_watched(conn, probe, from_ms, to_ms) for probe in seen]
    return tuple(one for one in told if one.readings or not one.probe.replaced)


def _watched(conn: Connection, probe: Probe, from_ms: int, to_ms: int) -> Watched:
    profile = profile_of(conn, probe.id, from_ms)
    allowed_ms = no_data_ms(profile)
    until_ms = min(to_ms, from_ms + MAX_STAY_MS)
    told = list(sensor_readings_raw(conn, probe.id, from_ms - allowed_ms, until_ms))
    # What is measured at its end belongs to the next stay.
    return Watched(probe, profile, part_of(told, from_ms, max(from_ms, until_ms - 1), allowed_ms))


def _stay_history(row: Row[Any], leg: Leg, worst_ids: set[str], trip_id: str) -> StayHistory:
    return StayHistory(
        where=leg.where,
        **{
            name: getattr(row, name)
            for name in (
                *("device", "place", "aboard", "from_ms", "to_ms", "known_ms"),
                *("opened_by", "opened_step", "closed_by", "closed_step", "closed_known_ms"),
            )
        },
        sensors=tuple(_watched_by(watched, worst_ids) for watched in leg.watched),
        trip=trip_id,
    )


def _watched_by(watched: Watched, worst_ids: set[str]) -> WatchedBy:
    values = [value for _, value in watched.readings if value is not None]
    probe = watched.probe
    return WatchedBy(
        sensor=probe.id,
        device=probe.device,
        name=probe.name,
        place=probe.place,
        profile=watched.profile.name if watched.profile else None,
        readings=len(watched.readings),
        low=min(values, default=None),
        high=max(values, default=None),
        worst=probe.id in worst_ids,
    )


def _trip_of(conn: Connection, row: Row[Any]) -> str:
    if not row.aboard:
        return ""
    return conn.scalar(_trip_at(row.device, row.from_ms).with_only_columns(_trip.id)) or ""


def _trip_at(device: str, at_ms: int) -> Select[Any]:
    return (
        select(trip, device_table.c.place)
        .outerjoin(device_table, device_table.c.id == _trip.device)
        .where(_trip.device == device, _trip.from_ms <= at_ms, _trip.until_ms >= at_ms)
        .order_by(_trip.from_ms.desc())
        .limit(1)
    )


# -- trips -------------------------------------------------------------------------------------------------------------


class _Cursor(Struct, frozen=True, array_like=True):
    from_ms: KeptInt
    id: str


def list_trips(conn: Connection, filters: TripFilters, cursor: str | None = None, limit: int = 100) -> TripPage:
    """One page of trips, the latest begun first.

    Raises:
        BadCursor: the cursor is not one that this function gave.
    """
    query = select(trip, device_table.c.place).outerjoin(device_table, device_table.c.id == _trip.device)
    if filters.device:
        query = query.where(_trip.device == filters.device)
    if filters.since_ms is not None:
        query = query.where(or_(_trip.to_ms >= filters.since_ms, _trip.to_ms.is_(None)))
    if filters.until_ms is not None:
        query = query.where(_trip.from_ms <= filters.until_ms)
    if cursor:
        after = _read_cursor(cursor)
        query = query.where(
            or_(_trip.from_ms < after.from_ms, and_(_trip.from_ms == after.from_ms, _trip.id > after.id))
        )
    size = max(1, min(limit, MAX_PAGE))
    rows = conn.execute(query.order_by(_trip.from_ms.desc(), _trip.id).limit(size + 1)).all()
    views = tuple(_view(row) for row in rows[:size])
    last = views[-1] if len(rows) > size else None
    return TripPage(views, _write_cursor(last) if last else None)


def _view(row: Row[Any]) -> TripView:
    return TripView(row.id, row.device, row.place or "", row.from_ms, row.to_ms, row.parcels, row.aboard, row.known_ms)


def _write_cursor(view: TripView) -> str:
    return base64.urlsafe_b64encode(msgpack.encode(_Cursor(view.from_ms, view.id))).decode().rstrip("=")


def _read_cursor(text: str) -> _Cursor:
    try:
        return msgpack.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Cursor)
    except (ValueError, DecodeError) as error:
        raise BadCursor(f"expected the next_cursor of a page before, got {text!r}") from error


def find_trip(conn: Connection, trip_id: str, now_ms: int) -> Trip | None:
    """One trip; the identity of any load of a trip names it, so that an earlier load that comes late breaks no link."""
    row = _trip_row(conn, trip_id)
    if row is None:
        return None
    view = _view(row)
    aboard = conn.execute(
        select(stay)
        .where(
            _stay.device == view.device,
            _stay.aboard.is_(True),
            _stay.from_ms.between(view.from_ms, row.until_ms),
            _stay.until_ms >= view.from_ms,
        )
        .order_by(_stay.from_ms, _stay.parcel)
        .limit(MAX_TRIP_PARCELS)
    ).all()
    end_ms = max(view.from_ms, now_ms if view.to_ms is None else view.to_ms)
    places = {load.place for load in aboard}
    seen = watching(probes(conn, {view.device}, places), view.device, next(iter(sorted(places)), ""), aboard=True)
    watched = _all_watched(conn, seen, view.from_ms, end_ms)
    leg = Leg(view.device, view.from_ms, end_ms, watched)
    gaps = missing([leg])
    sensors = tuple(_trip_sensor(one, leg) for one in watched)
    verdicts: dict[tuple[int, int], tuple[ColdVerdict, bool]] = {}
    parcels = []
    for load in aboard:
        window = load.from_ms, max(load.from_ms, end_ms if load.to_ms is None else min(end_ms, load.to_ms))
        if window not in verdicts:
            verdicts[window] = _verdict_on_board(watched, sensors, gaps, *window)
        parcels.append(
            TripParcel(
                load.parcel,
                load.from_ms,
                load.to_ms,
                load.opened_by,
                load.closed_by,
                load.closed_step,
                *verdicts[window],
            )
        )
    return Trip(view, leg.judged_until_ms, tuple(parcels), sensors, gaps)


def _trip_row(conn: Connection, trip_id: str) -> Row[Any] | None:
    by_id = select(trip, device_table.c.place).outerjoin(device_table, device_table.c.id == _trip.device)
    row = conn.execute(by_id.where(_trip.id == trip_id)).first()
    if row is not None:
        return row
    try:
        first = bytes.fromhex(trip_id)
    except ValueError:
        return None
    # The first load when the link was made; an earlier one may have come to be known since.
    if len(first) != ID_BYTES:
        return None
    told = custody_event.c
    stated = select(told.parcel, told.fact_id).where(told.fact_id >= first, told.fact_id <= first + LAST_BYTES).limit(1)
    if (fact := conn.execute(stated).first()) is None:
        return None
    loaded = select(_stay.device, _stay.from_ms).where(
        _stay.parcel == fact.parcel, _stay.opened_by == fact.fact_id, _stay.aboard.is_(True)
    )
    load = conn.execute(loaded).first()
    return None if load is None else conn.execute(_trip_at(load.device, load.from_ms)).first()


def _trip_sensor(watched: Watched, leg: Leg) -> TripSensor:
    profile = watched.profile
    verdict = judge_list(profile, watched.readings, leg.from_ms, leg.judged_until_ms) if profile else None
    return TripSensor(watched.probe.id, watched.probe.name, profile, verdict, tuple(watched.readings))


def _verdict_on_board(
    watched: Sequence[Watched], sensors: Sequence[TripSensor], gaps: Sequence[Missing], from_ms: int, to_ms: int
) -> tuple[ColdVerdict, bool]:
    """One word for a part of a trip, and whether its record is complete."""
    own = [gap for gap in gaps if gap.from_ms < to_ms and gap.to_ms > from_ms]
    if all(one.profile is None for one in watched):
        verdict = ColdVerdict.NOT_JUDGED
    elif any(_alarmed_on_board(one, sensor, from_ms, to_ms) for one, sensor in zip(watched, sensors, strict=True)):
        verdict = ColdVerdict.EXCURSION
    else:
        verdict = ColdVerdict.INCOMPLETE if own else ColdVerdict.KEPT
    return verdict, is_complete(own, judged=verdict is not ColdVerdict.NOT_JUDGED)


def _alarmed_on_board(one: Watched, sensor: TripSensor, from_ms: int, to_ms: int) -> bool:
    profile, whole = one.profile, sensor.judgement
    # What the whole trip did not break, no part of it did; budgets of a part are used less.
    if profile is None or whole is None or not whole.alarmed:
        return False
    part = part_of(one.readings, from_ms, to_ms, no_data_ms(profile))
    return bool(judge_list(profile, part, from_ms, to_ms).alarmed)
