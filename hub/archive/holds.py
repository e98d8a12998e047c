"""Which facts an open finding may need, however old they are.

A fact is needed while

- a parcel that it names waits for a person's decision (`exception`);
- on such a parcel's way an alarm is not acknowledged, or has grown since: of a sensor of the device that carried it, or of one
  at the place where it was;
- an incident of the device is open.
"""

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from hub import tables as t
from hub.coldchain.tables import excursion, sensor_record
from hub.tracking.custody import ParcelStatus
from hub.tracking.tables import custody_event, parcel
from hub.trips.tables import stay


def needed(about: ColumnElement[bool], device: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether an open finding may need something.

    Args:
        about: which rows of `custody_event` are about it.
        device: whose it is.
    """
    c, e, s, of = custody_event.c, excursion.c, stay.c, t.device.c
    undecided = and_(about, parcel.c.parcel == c.parcel, parcel.c.status == ParcelStatus.EXCEPTION.value)
    open_alarm = and_(e.alarm_ms.is_not(None), e.withdrawn == 0, e.ack_covers == 0)
    meanwhile = and_(e.started_ms <= s.until_ms, or_(e.ended_ms.is_(None), e.ended_ms >= s.from_ms))
    # As `hub.trips.sensors` ties sensors to parcels: a sensor's own record says where it hangs, else its device does.
    record = select(sensor_record.c.place).where(sensor_record.c.sensor == e.sensor).scalar_subquery()
    hangs = func.coalesce(func.nullif(record, ""), of.place)
    there = or_(e.device == s.device, and_(s.place != "", or_(s.place == e.device, s.place == hangs)))
    return or_(
        exists().where(undecided),
        exists().where(about, s.parcel == c.parcel, open_alarm, meanwhile, of.id == e.device, there),
        exists().where(t.incident.c.device == device, t.incident.c.closed_ms.is_(None)),
    )
