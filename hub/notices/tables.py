"""The outbox of notices. No projection: what was told cannot be folded again, so `rebuild` leaves it alone."""

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from hub.db import table_of


class NoticeRow(SQLModel, table=True):
    """One telling of one finding to one target: the first, a reminder, or that it ended."""

    __tablename__ = "notice"
    __table_args__ = (Index("ix_notice_target", "target", "state", "due_ms"), Index("ix_notice_finding", "finding"))

    id: str = Field(primary_key=True, max_length=36)
    """UUIDv5 of finding, occurrence, target and round: the same telling has the same id, in a restored hub too."""
    finding: str = Field(max_length=512)
    occurrence: int
    """Counts how often the same finding began anew after it had ended."""
    target: str = Field(max_length=64)
    round: int
    """0 the first, 1 and on reminders; `hub.notices.outbox.ENDED_ROUND` that it ended."""
    kind: str = Field(max_length=16)
    created_ms: int
    due_ms: int
    state: str = Field(max_length=8)
    """`waiting`, `sent` or `dropped` (it ended or was acknowledged before it was told)."""
    tells_end: int = 0
    """1: it says that the finding ended, so nothing is left to tell."""
    message: str = Field(default="", max_length=36)
    """The message that carries it, fixed before the first try; a repeat has the same, so that receivers can drop it."""
    tries: int = 0
    sent_ms: int | None = None
    error: str = ""
    """Why the last try failed; no secrets."""


notice = table_of(NoticeRow)
