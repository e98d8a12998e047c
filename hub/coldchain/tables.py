"""Tables of the cold chain. All are projections: they follow from the ledger and are refolded by `rebuild`.

Times are UTC epoch ms in corrected time (`hub.timeline`), values are hundredths of a degree Celsius or of a percent.
"""

from typing import Final

from sqlalchemy import Column, ColumnElement, Computed, Index, literal_column, text
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


class TemperatureProfileRow(SQLModel, table=True):
    """A profile that people defined (`contract.coldchain.profile`); one of a preset's name takes its place."""

    __tablename__ = "temperature_profile"

    name: str = Field(primary_key=True, max_length=256)
    body: str
    """JSON."""
    known_ms: int
    """When it was defined as it is now."""
    who: str


class SensorRecordRow(SQLModel, table=True):
    """What people say of a sensor; there may be one for a sensor that was never heard."""

    __tablename__ = "sensor_record"

    sensor: str = Field(primary_key=True, max_length=256)
    device: str = Field(index=True, max_length=64)
    name: str = ""
    place: str = ""
    """Where it hangs; empty means its device's place."""
    profile: str = ""
    """By which it is judged from `profile_from_ms` on, as decided last; empty: by none."""
    profile_from_ms: int | None = None
    calibration_due_ms: int | None = None
    replaced_by: str = ""
    """The id of the sensor that took its place."""


_HELD: Final = text("held IS NOT NULL")


class SensorAssignmentRow(SQLModel, table=True):
    """From when on a sensor is judged by which profile: its whole time line, as it holds now."""

    __tablename__ = "sensor_assignment"
    __table_args__ = (
        Index("ix_sensor_assignment_held", "sensor", sqlite_where=_HELD, postgresql_where=_HELD),
        WITHOUT_ROWID,
    )

    sensor: str = Field(primary_key=True, max_length=256)
    from_ms: int = Field(primary_key=True)
    """Corrected time; until the next one's."""
    profile: str
    """Empty: by none."""
    held: str | None = None
    """The profile's JSON before it was changed, by which this time is judged until it is judged anew; empty: there was none.
    None: as the profile is defined now."""


class JudgedSensorRow(SQLModel, table=True):
    """Where the judgement of a sensor stands, so that readings which follow are judged from here."""

    __tablename__ = "judged_sensor"

    sensor: int = Field(primary_key=True)
    known_ms: int
    """Receipt of the newest fact that this judgement knows of."""
    profile: str
    """By which it is judged now; empty: by none."""
    from_ms: int
    """Since when by this one."""
    until_ms: int | None = None
    """From when on by another one, which is known already."""
    course: bytes | None = None
    """`contract.coldchain.engine.Course` after the last reading; None where nothing is judged."""


class CourseRow(SQLModel, table=True):
    """A checkpoint of a sensor's judgement: its course before the first reading of an hour."""

    __tablename__ = "course"
    __table_args__ = (WITHOUT_ROWID,)

    sensor: int = Field(primary_key=True)
    hour_ms: int = Field(primary_key=True)
    body: bytes


class VerdictRow(SQLModel):
    """What is found; also what it was found to be at an earlier time."""

    started_ms: int
    alarm_ms: int | None = None
    ended_ms: int | None = None
    """None: it lasts, as far as readings tell."""
    extreme: int | None = None
    """The value furthest beyond; None for time without data."""
    beyond_ms: int
    """Time beyond, or without data, so far."""
    alarm_known_ms: int | None = None
    ended_known_ms: int | None = None
    withdrawn: int = 0
    """1: what came to be known later shows that it never was."""


_LASTS: Final = text("ended_ms IS NULL")
_ALARMED: Final = "(alarm_ms IS NOT NULL OR kind = 'no_data')"
_UNSEEN: Final = text(f"{_ALARMED} AND withdrawn = 0 AND ack_covers = 0")


class ExcursionRow(VerdictRow, table=True):
    """One excursion, or one stretch without data. None is ever deleted.

    `known_ms`, `alarm_known_ms`, `ended_known_ms` and `changed_ms` are receipts of the facts that told it.
    """

    __tablename__ = "excursion"
    __table_args__ = (
        Index("ix_excursion_sensor", "sensor", "started_ms"),
        Index("ix_excursion_started", "started_ms"),
        # A handful among all there ever were, asked for with every page.
        Index("ix_excursion_lasting", "started_ms", "id", sqlite_where=_LASTS, postgresql_where=_LASTS),
        Index("ix_excursion_unseen", "started_ms", "id", sqlite_where=_UNSEEN, postgresql_where=_UNSEEN),
    )

    id: str = Field(primary_key=True, max_length=32)
    sensor: str = Field(max_length=256)
    device: str = Field(max_length=64)
    kind: str = Field(max_length=16)
    """`excursion` or `no_data`."""
    limit_name: str
    """Empty for time without data."""
    side: str = Field(max_length=8)
    threshold: int | None = None
    profile: str
    """By which it was judged."""
    known_ms: int
    changed_ms: int
    ack_who: str = ""
    ack_why: str = ""
    ack_ms: int | None = None
    """When it was acknowledged, last; None: never with effect."""
    ack_covers: int = 0
    """1: it is still what was acknowledged; 0: it grew since, or nobody acknowledged."""


class ExcursionChangeRow(VerdictRow, table=True):
    """What an excursion was found to be from `known_ms` on, until the next change."""

    __tablename__ = "excursion_change"
    __table_args__ = (WITHOUT_ROWID,)

    excursion: str = Field(primary_key=True, max_length=32)
    known_ms: int = Field(primary_key=True)


class AcknowledgementRow(SQLModel, table=True):
    """A person acknowledged an excursion as they saw it."""

    __tablename__ = "excursion_acknowledgement"
    __table_args__ = (Index("ix_excursion_acknowledgement_excursion", "excursion"),)

    fact_id: bytes = Field(primary_key=True)
    excursion: str
    known_ms: int
    who: str
    why: str
    from_ms: int
    to_ms: int | None = None
    """None: it lasted when it was seen."""
    extreme: int | None = None


sensor = table_of(SensorRow)
reading_block = table_of(ReadingBlockRow)
reading = table_of(ReadingRow)
reading_conflict = table_of(ReadingConflictRow)
sensor_latest = table_of(SensorLatestRow)
reading_hour = table_of(ReadingHourRow)
temperature_profile = table_of(TemperatureProfileRow)
sensor_record = table_of(SensorRecordRow)
sensor_assignment = table_of(SensorAssignmentRow)
judged_sensor = table_of(JudgedSensorRow)
course = table_of(CourseRow)
excursion = table_of(ExcursionRow)
excursion_change = table_of(ExcursionChangeRow)
excursion_acknowledgement = table_of(AcknowledgementRow)

# An index of some rows serves a query only where that asks in the same words, so values are no parameters here.
ALARMED: Final[ColumnElement[bool]] = literal_column(_ALARMED)
"""An excursion that used more than the allowed time, or time without data."""
NEEDS_PERSON: Final[ColumnElement[bool]] = literal_column(f"({_UNSEEN})")
"""An alarm that nobody acknowledged as it is now."""
