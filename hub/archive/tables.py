"""Which archive files there are. Like the ledger's own tables these are no projection, and `rebuild` leaves them alone."""

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


archive_file = table_of(ArchiveFile)
