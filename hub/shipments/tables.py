"""Tables of shipments: the hub's own records, so `rebuild` leaves them alone. Times are UTC epoch ms, places 1e-7 degrees."""

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from hub.db import table_of

WITHOUT_ROWID = {"sqlite_with_rowid": False}


class ShipmentRow(SQLModel, table=True):
    """One order of a shipper: what is delivered to, or picked up at, one address."""

    __tablename__ = "shipment"
    __table_args__ = (UniqueConstraint("shipper", "reference"), Index("ix_shipment_day", "day", "id"))

    id: int = Field(primary_key=True)
    shipper: str = Field(default="", max_length=256)
    reference: str = Field(max_length=256)
    """The shipper's own; the same one again is the same shipment."""
    kind: str = Field(max_length=16)
    """`delivery` or `pickup` (`hub.shipments.order.OrderKind`)."""
    consignee: str
    address: str
    area: str = Field(default="", max_length=64)
    lat_e7: int | None = None
    lon_e7: int | None = None
    day: str = Field(max_length=10)
    """ISO 8601 date when it is to be done; empty: any."""
    window_from_ms: int | None = None
    window_to_ms: int | None = None
    service: str = Field(max_length=16)
    checks: str = ""
    """Names of `contract.route.Check`, with spaces between."""
    notes: str = ""
    phone: str = ""
    weight_g: int = 0
    volume_ml: int = 0
    created_ms: int
    changed_ms: int
    cancelled_ms: int | None = None
    withheld: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": ""})
    """Names of the fields that said something once and are empty now (`hub.shipments.personal`)."""


class ShipmentParcelRow(SQLModel, table=True):
    """A parcel of a shipment; one parcel belongs to one shipment."""

    __tablename__ = "shipment_parcel"
    __table_args__ = (Index("ix_shipment_parcel_shipment", "shipment", "n"), WITHOUT_ROWID)

    parcel: str = Field(primary_key=True, max_length=256)
    shipment: int = Field(foreign_key="shipment.id")
    n: int
    code: str
    """As the shipper wrote it."""
    what: str = ""


class ShipmentTaskRow(SQLModel, table=True):
    """Something to be done at the address beside handing over or taking parcels."""

    __tablename__ = "shipment_task"
    __table_args__ = (WITHOUT_ROWID,)

    shipment: int = Field(primary_key=True, foreign_key="shipment.id")
    n: int = Field(primary_key=True)
    kind: str = Field(max_length=16)
    what: str = ""
    parcel: str = Field(default="", max_length=256)


shipment = table_of(ShipmentRow)
shipment_parcel = table_of(ShipmentParcelRow)
shipment_task = table_of(ShipmentTaskRow)
