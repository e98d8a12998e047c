"""When a device may delete what it holds: the hub has it in more than one place, or has had it for long."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from contract.limits import SAFE_AGE_MS, SAFE_BACKUPS
from hub import tables as t


@dataclass(frozen=True, slots=True)
class Safety:
    """What `safe` means in one transaction.

    With backups: the number in the ledger's order is within each of the SAFE_BACKUPS newest verified backups. A backup holds
    exactly the facts up to its highest number, because the one writer gives numbers in order and content that replaces a
    tombstone gets a new one. Such a high-water mark is honest although a restored hub gives the same numbers again: the row
    that records a backup is written into the database after the copy, so it travels with the history it speaks of. A database
    set back to an earlier time knows only backups that were made before that time, and up to those all histories agree.

    Without backups: committed longer ago than SAFE_AGE_MS.
    """

    fact_seq: int
    blob_seq: int
    committed_before_ms: int

    def fact(self, seq: int, received_ms: int) -> bool:
        """Whether a fact of the ledger is safe."""
        return seq <= self.fact_seq or received_ms < self.committed_before_ms

    def blob(self, seq: int, kept_ms: int) -> bool:
        """Whether an attachment is safe."""
        return seq <= self.blob_seq or kept_ms < self.committed_before_ms


def read_safety(tx: Connection, now_ms: int, *, with_backups: bool) -> Safety:
    """What is safe now.

    Args:
        tx: any connection.
        now_ms: the hub's clock.
        with_backups: whether this hub is configured to make backups; then age alone never makes safe.
    """
    if not with_backups:
        return Safety(0, 0, now_ms - SAFE_AGE_MS)
    c = t.backup.c
    newest = tx.execute(
        select(c.fact_seq, c.blob_seq)
        .where(c.verified_ms.is_not(None), c.removed_ms.is_(None))
        .order_by(c.id.desc())
        .limit(SAFE_BACKUPS)
    ).all()
    if len(newest) < SAFE_BACKUPS:
        return Safety(0, 0, 0)
    return Safety(min(row.fact_seq for row in newest), min(row.blob_seq for row in newest), 0)
