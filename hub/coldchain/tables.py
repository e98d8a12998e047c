"""Tables of the cold chain. All are projections: they follow from the ledger and are refolded by `rebuild`.

Times are UTC epoch ms in corrected time (`hub.timeline`), values are hundredths of a degree Celsius or of a percent.
"""

from sqlalchemy import Column, Computed, Index
from sqlmodel import Field, SQLModel

from hub.db import BigInt, table_of
from hub.timeline import DatedRow

WITHOUT_ROWID = {"sqlite_with_rowid": False}


class SensorRow(SQLModel, table=True):
    """A sensor, with a short number for its readings."""

    __tablename__ = "sensor"

    number: int = Field(primary_key=True)
    """Given in ledger order, so a rebuild gives the same."""
    sensor: str = Field(unique=True, max_length=256)
    """`{device}.{driver}.{name}`."""
    device: str = Field(index=True, max_length=64)
    quantity: str = Field(max_length=16)


class ReadingBlockRow(DatedRow, table=True):
    """One sealed block: whose each reading is, and what it said, so that late blocks and clock fixes can be folded in."""

    __tablename__ = "reading_block"
    __table_args__ = (
        Index("ix_reading_block_time", "sensor", "last_ms", "happened_ms"),
        Index("ix_reading_block_boot", "boot", "device"),
    )

    fact_id: bytes = Field(primary_key=True)
    sensor: int
    last_ms: int = Field(
        sa_column=Column("last_ms", BigInt, Computed("happened_ms + span_ms", persisted=True), nullable=False)
    )
    interval_ms: int
    count: int
    columns: bytes
    replaces: bytes | None = None


class ReadingRow(SQLModel, table=True):
    """One reading; a null value is a fault of the sensor."""

    __tablename__ = "reading"
    __table_args__ = (WITHOUT_ROWID,)

    sensor: int = Field(primary_key=True)
    at_ms: int = Field(primary_key=True)
    value: int | None = None
    flags: int = 0


class ReadingConflictRow(SQLModel, table=True):
    """What another block says of an instant that is already taken by the block of lower identity."""

    __tablename__ = "reading_conflict"
    __table_args__ = (WITHOUT_ROWID,)

    sensor: int = Field(primary_key=True)
    at_ms: int = Field(primary_key=True)
    fact_id: bytes = Field(primary_key=True)
    value: int | None = None
    flags: int = 0


class SensorLatestRow(SQLModel, table=True):
    """The latest reading of a sensor and how fresh it is."""

    __tablename__ = "sensor_latest"

    sensor: int = Field(primary_key=True)
    at_ms: int = Field(index=True)
    value: int | None = None
    flags: int = 0
    known_ms: int
    interval_ms: int
    """How often this sensor is read, so that silence can be told."""
    time_source: str = Field(max_length=16)
    uncertainty_ms: int | None = None


class ReadingHourRow(SQLModel, table=True):
    """One hour of a sensor, for charts over weeks."""

    __tablename__ = "reading_hour"
    __table_args__ = (WITHOUT_ROWID,)

    sensor: int = Field(primary_key=True)
    hour_ms: int = Field(primary_key=True)
    """Start of the hour."""
    count: int
    """Readings with a value."""
    faults: int
    min: int | None = None
    max: int | None = None
    sum: int = 0


sensor = table_of(SensorRow)
reading_block = table_of(ReadingBlockRow)
reading = table_of(ReadingRow)
reading_conflict = table_of(ReadingConflictRow)
sensor_latest = table_of(SensorLatestRow)
reading_hour = table_of(ReadingHourRow)
