"""Which sensors watch a parcel where it is."""

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct
from sqlalchemy import Connection, func, or_, select

from contract.event import Quantity
from hub.coldchain.tables import sensor, sensor_record
from hub.fleet.freshness import is_silent
from hub.tables import device, device_contact


class Probe(Struct, frozen=True):
    """A temperature sensor: what it is called, where it hangs, and when its device was heard.

    Attributes:
        place: as its record says, else its device's.
        contact_ms: last hello; None: never.
        waiting_since_ms: of the oldest fact that its device announced as not sent; None: nothing waits.
        replaced: another sensor hangs in its place, so that it need not measure any more.
    """

    id: str
    number: int
    device: str
    name: str
    place: str
    contact_ms: int | None
    waiting_since_ms: int | None
    replaced: bool = False

    def may_send(self, until_ms: int) -> bool:
        """Whether readings from before an instant may still come: its device was silent then, or announced what waits."""
        waits = self.waiting_since_ms is not None and self.waiting_since_ms <= until_ms
        return waits or is_silent(self.contact_ms, until_ms)


def probes(conn: Connection, devices: Collection[str], places: Collection[str]) -> tuple[Probe, ...]:
    """The temperature sensors of these devices, and those that hang at these places or on a device of such a name; by id."""
    record = sensor_record.c
    place = func.coalesce(func.nullif(record.place, ""), device.c.place, "")
    named = {name for name in (*devices, *places) if name}
    query = (
        select(
            sensor.c.sensor,
            sensor.c.number,
            sensor.c.device,
            func.coalesce(record.name, ""),
            place,
            device_contact.c.contact_ms,
            device_contact.c.backlog_facts,
            device_contact.c.oldest_at_ms,
            func.coalesce(record.replaced_by, ""),
        )
        .outerjoin(sensor_record, record.sensor == sensor.c.sensor)
        .outerjoin(device, device.c.id == sensor.c.device)
        .outerjoin(device_contact, device_contact.c.device == sensor.c.device)
        .where(sensor.c.quantity == Quantity.TEMPERATURE_C.value)
        .where(or_(sensor.c.device.in_(named), place.in_([name for name in places if name])))
        .order_by(sensor.c.sensor)
    )
    return tuple(
        Probe(id_, number, of, name, where, contact_ms, oldest_ms if backlog else None, bool(replaced_by))
        for id_, number, of, name, where, contact_ms, backlog, oldest_ms, replaced_by in conn.execute(query)
    )


def watching(known: Iterable[Probe], device_id: str, place: str, *, aboard: bool) -> Sequence[Probe]:
    """The sensors of a stay.

    On board: those of the device, or where it has none (a handheld), those of the place that it names. At a place: those that
    hang there or on a device of that name, or where there is none, those of the device that said so if it has no other place.
    """
    found = list(known)
    own = [probe for probe in found if device_id and probe.device == device_id]
    there = [probe for probe in found if place and place in {probe.place, probe.device}]
    if aboard:
        return own or there
    return there or [probe for probe in own if probe.place in {"", place}]
