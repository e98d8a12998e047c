"""Tables of the ledger and of what keeps it: the truth that projections follow from. `rebuild` leaves them alone.

Times are UTC epoch ms, hashes are raw bytes. Rows of the first six tables are only ever added, with two exceptions: content
takes the place of a tombstone, and a device's own statement that of another device's.
"""

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from hub.db import table_of

WITHOUT_ROWID = {"sqlite_with_rowid": False}


class Device(SQLModel, table=True):
    """A device that may speak; its key is needed whole, because a MAC is checked with the key itself."""

    __tablename__ = "device"

    id: str = Field(primary_key=True, max_length=64)
    key: bytes
    place: str = ""
    enrolled_ms: int
    revoked_ms: int | None = None


class Incarnation(SQLModel, table=True):
    """An incarnation that said hello."""

    __tablename__ = "incarnation"

    device: str = Field(primary_key=True, max_length=64)
    incarnation: bytes = Field(primary_key=True)
    first_ms: int


class Stream(SQLModel, table=True):
    """One lane of one incarnation, with a short number for the rows that belong to it."""

    __tablename__ = "stream"
    __table_args__ = (UniqueConstraint("device", "incarnation", "lane"),)

    id: int = Field(primary_key=True)
    device: str = Field(max_length=64)
    incarnation: bytes
    lane: str = Field(max_length=16)


class Branch(SQLModel, table=True):
    """Where a branch of a stream ends; number 0 unless the stream has a fork."""

    __tablename__ = "branch"
    __table_args__ = (WITHOUT_ROWID,)

    stream_id: int = Field(primary_key=True, foreign_key="stream.id")
    branch: int = Field(primary_key=True)
    n: int
    hash: bytes
    forks_after_n: int | None = None


class Position(SQLModel, table=True):
    """A position of a branch: the hash that names its prefix, and the identity there (none where a stated gap ends)."""

    __tablename__ = "position"
    __table_args__ = (WITHOUT_ROWID,)

    stream_id: int = Field(primary_key=True, foreign_key="stream.id")
    n: int = Field(primary_key=True)
    branch: int = Field(primary_key=True)
    hash: bytes
    fact_id: bytes | None = None


class Fact(SQLModel, table=True):
    """A fact, once for ever. Content is the core's exact bytes, or a cause why there is none."""

    __tablename__ = "fact"
    __table_args__ = (Index("ix_fact_device_seq", "device", "seq"),)

    seq: int = Field(primary_key=True)
    """The hub's own order, given by the one writer; content that replaces a tombstone gets a new one, so that it is folded."""
    fact_id: bytes = Field(unique=True)
    device: str = Field(max_length=64)
    stream_id: int | None = Field(default=None, foreign_key="stream.id")
    n: int | None = None
    branch: int | None = None
    """Where it was first placed; the same fact may stand again in a later incarnation."""
    core: bytes | None = None
    cause: str | None = None
    received_ms: int
    problem: str | None = None
    """Why it cannot be read; such a fact is kept, answered and never folded."""


class Gap(SQLModel, table=True):
    """Positions that a device said can never come from it."""

    __tablename__ = "gap"

    stream_id: int = Field(primary_key=True, foreign_key="stream.id")
    first_n: int = Field(primary_key=True)
    last_n: int = Field(primary_key=True)
    cause: str
    stated_ms: int


class Claim(SQLModel, table=True):
    """A head of a stream that a device announced, until it has come; the furthest stays."""

    __tablename__ = "claim"
    __table_args__ = (WITHOUT_ROWID,)

    stream_id: int = Field(primary_key=True, foreign_key="stream.id")
    head_n: int = Field(primary_key=True)
    head_hash: bytes = Field(primary_key=True)
    """Its first 16 bytes, as on the wire."""
    at_ms: int


class DeviceBoot(SQLModel, table=True):
    """The latest hello of each boot, by which a played-back one is known."""

    __tablename__ = "device_boot"

    device: str = Field(primary_key=True, max_length=64)
    boot: bytes = Field(primary_key=True)
    last_mono_ms: int


class DeviceContact(SQLModel, table=True):
    """What a device told in its latest hello."""

    __tablename__ = "device_contact"

    device: str = Field(primary_key=True, max_length=64)
    contact_ms: int
    incarnation: bytes
    boot: bytes
    version: str
    clock_offset_ms: int
    """The device's clock minus the hub's, as the hello arrived (its way included)."""
    backlog_facts: int
    backlog_blobs: int
    oldest_at_ms: int | None = None
    room_bytes: int
    room_s: int | None = None


class Incident(SQLModel, table=True):
    """What an operator must be told; the same key is the same incident, counted again."""

    __tablename__ = "incident"

    key: str = Field(primary_key=True, max_length=512)
    kind: str = Field(max_length=32)
    device: str = Field(max_length=64)
    detail: str
    first_ms: int
    last_ms: int = Field(index=True)
    count: int = 1
    closed_ms: int | None = None
    closed_by: str = ""


class Quarantine(SQLModel, table=True):
    """What cannot be read or used, until a person replays or drops it. Nothing here is lost: facts stay in the ledger."""

    __tablename__ = "quarantine"
    __table_args__ = (
        UniqueConstraint("fact_id", "projection"),
        # Counted for each statement that cannot be taken; rows hold its bytes, so reading them would cost 25 MB a time.
        Index("ix_quarantine_held", "device", "kind", "state"),
    )

    id: int = Field(primary_key=True)
    kind: str = Field(max_length=16)
    """`fact` (cannot be read), `projection` (cannot be folded), `statement` (no known message; its bytes are in `raw`)."""
    device: str = Field(max_length=64)
    fact_id: bytes | None = None
    projection: str = ""
    raw: bytes | None = None
    why: str
    at_ms: int
    state: str = Field(default="held", max_length=16)
    """`held`, `replayed` or `dropped`."""


class Blob(SQLModel, table=True):
    """An attachment that is whole on disk."""

    __tablename__ = "blob"

    seq: int = Field(primary_key=True)
    sha256: bytes = Field(unique=True)
    size: int
    media_type: str = Field(max_length=64)
    """Told from its content (`hub.pictures`); empty for a kind that is kept as evidence and never opened."""
    device: str = Field(max_length=64, index=True)
    kept_ms: int


class DeviceDocument(SQLModel, table=True):
    """The newest version of a document (configuration, route, manifest) that a device should have."""

    __tablename__ = "device_document"

    device: str = Field(primary_key=True, max_length=64)
    kind: str = Field(primary_key=True, max_length=256)
    version: int
    data: bytes
    made_ms: int


class Backup(SQLModel, table=True):
    """A backup made by this very history of the ledger: it holds all facts up to `fact_seq` and blobs up to `blob_seq`."""

    __tablename__ = "backup"

    id: int = Field(primary_key=True)
    path: str
    made_ms: int
    verified_ms: int | None = None
    removed_ms: int | None = None
    fact_seq: int
    blob_seq: int
    facts: int
    bytes: int


class ProjectionMarker(SQLModel, table=True):
    """How far a projection has come."""

    __tablename__ = "projection_marker"

    name: str = Field(primary_key=True, max_length=64)
    seq: int


class ProjectionAttempt(SQLModel, table=True):
    """Facts that are being folded with care, committed before they are touched: they may kill the process."""

    __tablename__ = "projection_attempt"

    first_seq: int = Field(primary_key=True)
    last_seq: int = Field(primary_key=True)
    attempts: int


class Setting(SQLModel, table=True):
    """What the hub remembers of itself, such as where devices reach it."""

    __tablename__ = "setting"

    name: str = Field(primary_key=True, max_length=64)
    value: str


device = table_of(Device)
incarnation = table_of(Incarnation)
stream = table_of(Stream)
branch = table_of(Branch)
position = table_of(Position)
fact = table_of(Fact)
gap = table_of(Gap)
claim = table_of(Claim)
device_boot = table_of(DeviceBoot)
device_contact = table_of(DeviceContact)
incident = table_of(Incident)
quarantine = table_of(Quarantine)
blob = table_of(Blob)
device_document = table_of(DeviceDocument)
backup = table_of(Backup)
projection_marker = table_of(ProjectionMarker)
projection_attempt = table_of(ProjectionAttempt)
setting = table_of(Setting)
