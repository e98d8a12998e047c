"""What pages, reports and the interface read about the ways of parcels and the trips of vehicles."""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from contract.coldchain.findings import Judgement
from contract.coldchain.profile import Profile
from hub.trips.history import ColdVerdict, Missing, ParcelHistory, Reading

MAX_PAGE: Final = 500


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
    """A parcel on this trip; `verdict` is of its time on board of this trip alone."""

    parcel: str
    from_ms: int
    to_ms: int | None
    closed_step: str
    verdict: ColdVerdict


class Trip(Struct, frozen=True):
    """A trip with its parcels and sensors."""

    view: TripView
    parcels: tuple[TripParcel, ...]
    sensors: tuple[TripSensor, ...]
    missing: tuple[Missing, ...]


def parcel_history(conn: Connection, parcel: str, now_ms: int) -> ParcelHistory | None:
    """The way of a parcel, with all that is known of its temperature; None for one that is not known."""
    raise NotImplementedError


def list_trips(conn: Connection, filters: TripFilters, cursor: str | None = None, limit: int = 100) -> TripPage:
    """One page of trips, the latest begun first.

    Raises:
        BadCursor: the cursor is not one that this function gave.
    """
    raise NotImplementedError


def find_trip(conn: Connection, trip_id: str, now_ms: int) -> Trip | None:
    """One trip; the identity of any load of a trip names it, so that an earlier load that comes late breaks no link."""
    raise NotImplementedError
