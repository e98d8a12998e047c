"""How cold it is now where parcels are: for lists, so a few questions for a whole page."""

from collections.abc import Collection, Mapping

from msgspec import Struct
from sqlalchemy import Connection, select

from hub.coldchain.tables import excursion, sensor_latest
from hub.trips.sensors import Probe, probes, watching
from hub.trips.tables import stay


class ColdNow(Struct, frozen=True):
    """The latest reading where a parcel is; of several sensors one with an alarm that lasts, else the warmest.

    `value` in hundredths, None for a fault; `alarmed`: a limit of the sensor is exceeded for longer than it allows.
    """

    sensor: str
    at_ms: int
    value: int | None
    alarmed: bool


def cold_now(conn: Connection, parcels: Collection[str]) -> Mapping[str, ColdNow]:
    """By parcel; those that are nowhere, or where nothing was ever measured, are left out."""
    here = stay.c
    rows = conn.execute(
        select(here.parcel, here.device, here.place, here.aboard).where(here.parcel.in_(parcels), here.to_ms.is_(None))
    ).all()
    known = probes(conn, {row.device for row in rows}, {row.place for row in rows}) if rows else ()
    latest = _latest(conn, known)
    found = {}
    for row in rows:
        seen = [
            latest[probe.id]
            for probe in watching(known, row.device, row.place, aboard=row.aboard)
            if probe.id in latest
        ]
        if seen:
            found[row.parcel] = max(seen, key=lambda now: (now.alarmed, now.value is not None, now.value or 0))
    return found


def _latest(conn: Connection, known: Collection[Probe]) -> Mapping[str, ColdNow]:
    by_number = {probe.number: probe.id for probe in known}
    lasting = excursion.c
    alarmed = set(
        conn.scalars(
            select(lasting.sensor).where(
                lasting.sensor.in_(by_number.values()),
                lasting.ended_ms.is_(None),
                lasting.alarm_ms.is_not(None),
                lasting.withdrawn == 0,
            )
        )
    )
    rows = conn.execute(select(sensor_latest).where(sensor_latest.c.sensor.in_(by_number)))
    return {
        (name := by_number[row.sensor]): ColdNow(name, row.at_ms, row.value, alarmed=name in alarmed) for row in rows
    }
