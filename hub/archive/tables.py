"""Which archive files there are, and what was erased. Only `attachment` is a projection; `rebuild` leaves the others alone."""

from sqlmodel import Field, SQLModel

from hub.db import table_of


class ArchiveFile(SQLModel, table=True):
    """One sealed file; rows are only ever added, and no file is ever removed."""

    __tablename__ = "archive_file"

    id: int = Field(primary_key=True)
    name: str = Field(unique=True, max_length=64)
    sha256: bytes
    """Over the whole file."""
    bytes: int
    facts: int
    first_seq: int
    last_seq: int
    made_ms: int


class ErasedBlob(SQLModel, table=True):
    """An attachment that was erased because its time was over; it is never taken again, and its device may let it go."""

    __tablename__ = "erased_blob"
    __table_args__ = ({"sqlite_with_rowid": False},)

    sha256: bytes = Field(primary_key=True)
    size: int
    device: str = Field(max_length=64)
    kept_ms: int
    erased_ms: int
    removed_ms: int | None = Field(default=None, index=True)
    """When its file was gone too; None: it is to be removed yet."""


class HeldFact(SQLModel, table=True):
    """A fact that tells something personal beyond its time, because an open finding may need it (`hub.archive.holds`)."""

    __tablename__ = "held_fact"
    __table_args__ = ({"sqlite_with_rowid": False},)

    fact_id: bytes = Field(primary_key=True)


class AttachmentRow(SQLModel, table=True):
    """Which fact names which attachment. A projection."""

    __tablename__ = "attachment"
    __table_args__ = ({"sqlite_with_rowid": False},)

    sha256: bytes = Field(primary_key=True)
    fact_id: bytes = Field(primary_key=True)


archive_file = table_of(ArchiveFile)
erased_blob = table_of(ErasedBlob)
held_fact = table_of(HeldFact)
attachment = table_of(AttachmentRow)
