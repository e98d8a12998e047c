"""Tables of trips. Both follow from custody events alone and are told anew with the parcel (`hub.tracking.projection`).

Times are UTC epoch ms in corrected time; `known_ms` is when the hub took the fact.
"""

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from hub.db import table_of

WITHOUT_ROWID = {"sqlite_with_rowid": False}


class StayRow(SQLModel, table=True):
    """One stretch of a parcel's way: on board of a device, or at a place."""

    __tablename__ = "stay"
    __table_args__ = (
        Index("ix_stay_device", "device", "aboard", "until_ms"),
        Index("ix_stay_place", "place", "until_ms"),
        WITHOUT_ROWID,
    )

    parcel: str = Field(primary_key=True, max_length=256)
    opened_by: bytes = Field(primary_key=True)
    """The fact that says so."""
    opened_step: str = Field(max_length=32)
    device: str = Field(max_length=64)
    """Of whoever said so; carries the parcel where `aboard`. Empty where nobody said who took it."""
    place: str = ""
    aboard: bool
    """Whether it moves with the device; otherwise it lies at the place."""
    from_ms: int
    known_ms: int
    to_ms: int | None = None
    closed_by: bytes | None = None
    closed_step: str = Field(default="", max_length=32)
    closed_known_ms: int | None = None
    until_ms: int
    """Its end, or how long a vehicle counts as loaded because of it while no end is known (`hub.trips.runs`)."""


class TripRow(SQLModel, table=True):
    """One run of a vehicle: from its first load after being empty until it is empty again."""

    __tablename__ = "trip"
    __table_args__ = (
        Index("ix_trip_from", "from_ms", "id"),
        Index("ix_trip_device", "device", "until_ms"),
    )

    id: str = Field(primary_key=True, max_length=32)
    """The beginning of the identity of the fact that loaded first, hex."""
    device: str = Field(max_length=64)
    from_ms: int
    to_ms: int | None = None
    """When it was empty; None while something is on board."""
    until_ms: int
    parcels: int
    aboard: int
    """Parcels of which no unloading is known."""
    known_ms: int
    """When the hub last learnt anything about it."""


stay = table_of(StayRow)
trip = table_of(TripRow)
