"""Which parcels a sensor watched over a time: those on board of its device, and those that lay where it hangs."""

from sqlalchemy import Connection, and_, func, or_, select

from hub.trips.tables import stay

_stay = stay.c


def parcels_affected(reader: Connection, device: str, place: str, from_ms: int, to_ms: int) -> int:
    """How many, at any instant from one to the other."""
    there = [name for name in (device, place) if name]
    aboard = and_(_stay.device == device, _stay.aboard)
    beside = and_(_stay.place.in_(there), ~_stay.aboard)
    during = and_(_stay.from_ms <= to_ms, _stay.until_ms >= from_ms)
    return reader.scalar(select(func.count(_stay.parcel.distinct())).where(or_(aboard, beside), during)) or 0
