"""Tables of tracking. All are projections: they follow from the ledger and are refolded by `rebuild`.

Times are UTC epoch ms; `happened_ms` is corrected time (`hub.timeline`), `known_ms` is when the hub took the fact, `at_ms` and
`mono_ms` are what the device's clocks said.
"""

from sqlalchemy import Column, Computed, Index
from sqlmodel import Field, SQLModel

from hub.db import BigInt, table_of
from hub.timeline import DatedRow

WITHOUT_ROWID = {"sqlite_with_rowid": False}


class CustodyEventRow(DatedRow, table=True):
    """What one scan or proof says of one parcel; never changed but for its date, when a clock fix tells better."""

    __tablename__ = "custody_event"
    __table_args__ = (
        Index("ix_custody_event_parcel", "parcel", "happened_ms"),
        Index("ix_custody_event_boot", "boot", "device"),
    )

    fact_id: bytes = Field(primary_key=True)
    parcel: str = Field(primary_key=True, max_length=256)
    kind: str = Field(max_length=16)
    """`scan` or `proof`."""
    step: str = Field(max_length=32)
    incarnation: bytes
    ord: int
    actor: str = ""
    place: str = ""
    """Place of a scan, stop of a proof."""
    lat_e7: int | None = None
    lon_e7: int | None = None
    accuracy_m: int | None = None
    verdict: str = ""
    cold_verdict: str = ""
    cold_budget_s: int | None = None
    code: bytes | None = None
    """What the scanner sent, byte for byte."""
    aim: str = ""
    code_kind: str = ""
    port: str = ""
    reason: str = ""
    recipient: str = ""
    withheld: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": ""})
    """Names of the fields that the fact told and that are withheld now (`hub.archive.redaction`)."""


class CustodyCorrectionRow(DatedRow, table=True):
    """What a person corrected: the target no longer counts, and `step` holds instead where one is given.

    A target that is a correction itself is undone: what that took back counts again.
    """

    __tablename__ = "custody_correction"
    __table_args__ = (
        Index("ix_custody_correction_target", "target"),
        Index("ix_custody_correction_boot", "boot", "device"),
        WITHOUT_ROWID,
    )

    fact_id: bytes = Field(primary_key=True)
    target: bytes = Field(primary_key=True)
    parcel: str = Field(default="", max_length=256)
    """The one parcel of the target that is meant; empty for all of them."""
    step: str = ""
    incarnation: bytes
    ord: int
    who: str
    why: str


class ParcelRow(SQLModel, table=True):
    """State of a parcel, folded from its events."""

    __tablename__ = "parcel"
    __table_args__ = (
        Index("ix_parcel_seen", "seen_ms", "parcel"),
        Index("ix_parcel_status_seen", "status", "seen_ms", "parcel"),
    )

    parcel: str = Field(primary_key=True, max_length=256)
    kind: str = ""
    """What names it (`contract.identity.Kind`); empty when only proofs have named it."""
    step: str = Field(default="", max_length=32)
    status: str = Field(max_length=32)
    step_ms: int | None = None
    step_known_ms: int | None = None
    step_source: str = ""
    step_uncertainty_ms: int | None = None
    step_fact_id: bytes | None = None
    step_device: str = ""
    step_actor: str = ""
    step_place: str = ""
    known_ms: int = Field(index=True)
    """When the hub last learnt anything about it."""
    seen_ms: int
    seen_known_ms: int
    seen_source: str
    seen_uncertainty_ms: int | None = None
    seen_device: str
    seen_place: str = Field(default="", index=True)
    lat_e7: int | None = None
    lon_e7: int | None = None
    verdict: str = ""
    cold_verdict: str = ""
    cold_budget_s: int | None = None
    recipient: str = ""
    withheld: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": ""})
    """`recipient`, `fix`: told once, and withheld now."""
    events: int
    corrections: int = 0
    after_delivery: int = 0
    """Events later than the delivery that could not undo it: somebody should look."""


class ParcelTermRow(SQLModel, table=True):
    """What a parcel can be found by: its key, the numbers in it, and each form in which its code was scanned; case-folded."""

    __tablename__ = "parcel_term"
    __table_args__ = (WITHOUT_ROWID,)

    term: str = Field(primary_key=True, max_length=256)
    parcel: str = Field(primary_key=True, max_length=256)


class PositionBlockRow(DatedRow, table=True):
    """One sealed block of positions, in corrected time; the track is unpacked from it when it is asked for."""

    __tablename__ = "position_block"
    __table_args__ = (
        Index("ix_position_block_time", "device", "last_ms", "happened_ms"),
        Index("ix_position_block_boot", "boot", "device"),
    )

    fact_id: bytes = Field(primary_key=True)
    receiver: str = Field(max_length=256)
    last_ms: int = Field(
        sa_column=Column("last_ms", BigInt, Computed("happened_ms + span_ms", persisted=True), nullable=False)
    )
    interval_ms: int
    count: int
    columns: bytes


class DevicePositionRow(SQLModel, table=True):
    """Where a device was last."""

    __tablename__ = "device_position"

    device: str = Field(primary_key=True, max_length=64)
    receiver: str
    at_ms: int
    time_source: str
    known_ms: int
    lat_e7: int
    lon_e7: int
    accuracy_m: int
    speed_cm_s: int
    heading_c: int


custody_event = table_of(CustodyEventRow)
custody_correction = table_of(CustodyCorrectionRow)
parcel = table_of(ParcelRow)
parcel_term = table_of(ParcelTermRow)
position_block = table_of(PositionBlockRow)
device_position = table_of(DevicePositionRow)
