"""Which parcels a sensor watched over a time: those on board of its device, and those that lay where it hangs."""

from typing import Final

from sqlalchemy import Connection, and_, bindparam, false, func, or_, select, true

from hub.rows import read
from hub.trips.tables import stay

_stay = stay.c
_aboard: Final = and_(_stay.device == bindparam("vehicle"), _stay.aboard == true())
_beside: Final = and_(or_(_stay.place == bindparam("here"), _stay.place == bindparam("there")), _stay.aboard == false())
_during: Final = and_(_stay.from_ms <= bindparam("last"), _stay.until_ms >= bindparam("first"))
# Asked for each finding of a page, so it is built once.
_PARCELS: Final = select(func.count(_stay.parcel.distinct())).where(or_(_aboard, _beside), _during)


def parcels_affected(reader: Connection, device: str, place: str, from_ms: int, to_ms: int) -> int:
    """How many, at any instant from one to the other. `place` empty: nobody said where it hangs."""
    where = {"vehicle": device, "here": device, "there": place or device}
    (parcels,) = read(reader, _PARCELS, **where, first=from_ms, last=to_ms).one()
    return int(parcels)
