"""Tables of the fleet that follow from facts."""

from sqlmodel import Field, SQLModel

from hub.db import table_of


class DeviceReport(SQLModel, table=True):
    """The latest that a device reported of itself: one row for each of its drivers, documents and so on."""

    __tablename__ = "device_report"

    device: str = Field(primary_key=True, max_length=64)
    kind: str = Field(primary_key=True, max_length=16)
    name: str = Field(primary_key=True, max_length=256)
    """Which driver or document; empty where there is one of its kind only."""
    value: str
    detail: str
    at_ms: int
    """As the device's clock said, which may be wrong; it orders nothing."""
    stream_id: int
    """By which the ledger knows the incarnation that reported; 0 where only a later one told it."""
    ord: int
    fact_id: bytes
    known_ms: int


device_report = table_of(DeviceReport)
