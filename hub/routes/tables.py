"""Tables of routes: the hub's own records, so `rebuild` leaves them alone. Times are UTC epoch ms, places 1e-7 degrees.

What came of a stop is nowhere here: it is folded from proofs (`hub.deliveries`), never set by hand.
"""

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from hub.db import table_of

WITHOUT_ROWID = {"sqlite_with_rowid": False}


class VehicleRow(SQLModel, table=True):
    """A van that can be planned with."""

    __tablename__ = "vehicle"

    id: str = Field(primary_key=True, max_length=64)
    name: str
    """As people call it: "van 12"."""
    device: str = Field(default="", max_length=64)
    """The device that rides in it."""
    depot: str = ""
    """Where it is loaded. Devices whose place begins with this are devices of that dock."""
    depot_lat_e7: int
    depot_lon_e7: int
    weight_g: int | None = None
    """What it carries at most; None: not said."""
    volume_ml: int | None = None
    parcels: int | None = None
    shift_from_min: int
    """Minutes after midnight of `zone`."""
    shift_to_min: int
    zone: str
    retired_ms: int | None = None


class RouteRow(SQLModel, table=True):
    """What one van is to do on one day."""

    __tablename__ = "route"
    __table_args__ = (Index("ix_route_day", "day", "id"), Index("ix_route_device", "device", "day"))

    id: str = Field(primary_key=True, max_length=64)
    name: str
    day: str = Field(max_length=10)
    vehicle: str = Field(foreign_key="vehicle.id", max_length=64)
    device: str = Field(default="", max_length=64)
    """To which it was given; empty: to none yet."""
    start_ms: int | None = None
    end_ms: int | None = None
    metres: int = 0
    roads: str = ""
    """Where road times come from: `estimate`, or the service that was asked."""
    made_ms: int
    changed_ms: int
    assigned_ms: int | None = None
    """When it was last given to its device; what changed later is not there yet."""
    version: int = 0
    """Of the document that it is on the device."""


class RouteStopRow(SQLModel, table=True):
    """One address on a route, or one that waits for a route."""

    __tablename__ = "route_stop"
    __table_args__ = (Index("ix_route_stop_route", "route", "seq"), WITHOUT_ROWID)

    stop: str = Field(primary_key=True, max_length=64)
    """Its key everywhere, in proofs too."""
    route: str = Field(default="", max_length=64)
    """Empty: no van could take it, `why` says why."""
    seq: int = 0
    day: str = Field(max_length=10)
    name: str
    address: str
    area: str = ""
    lat_e7: int | None = None
    lon_e7: int | None = None
    window_from_ms: int | None = None
    window_to_ms: int | None = None
    service_s: int
    eta_ms: int | None = None
    cancelled_ms: int | None = None
    why: str = Field(default="", max_length=32)
    """Why it waits (`hub.routes.plan.Why`), with the figure that says it."""
    why_value: int = 0
    withheld: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": ""})
    """Names of the fields that said something once and are empty now (`hub.shipments.personal`)."""


class RouteShipmentRow(SQLModel, table=True):
    """A shipment that a stop was made for. Each attempt has a stop of its own; those before stay what they were."""

    __tablename__ = "route_shipment"
    __table_args__ = (Index("ix_route_shipment_stop", "stop"), WITHOUT_ROWID)

    shipment: int = Field(primary_key=True)
    attempt: int = Field(default=1, primary_key=True)
    """From 1."""
    stop: str = Field(foreign_key="route_stop.stop", max_length=64)
    latest: bool = Field(default=True)
    """No stop was made for a further attempt."""
    given: str = "[]"
    """Keys of its parcels that were handed over at stops before, as JSON: they are not brought again."""


vehicle = table_of(VehicleRow)
route = table_of(RouteRow)
route_stop = table_of(RouteStopRow)
route_shipment = table_of(RouteShipmentRow)
