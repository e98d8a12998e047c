"""Erases photos whose time is over, but none that an open finding may need.

The row of an attachment becomes one in `erased_blob`, in one transaction with its line in the audit trail; the file goes after
that. So whatever ends the hub in between leaves at most a file that the next run removes.

A photo is held, however old, while no fact names it (nobody can say what it shows), or an open finding may need a fact that
does (`hub.archive.holds`).
"""

from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, or_, select, update

from hub import tables as t
from hub.accounts.audit import audit
from hub.archive.holds import needed
from hub.archive.tables import attachment, erased_blob
from hub.blobs import BlobStore
from hub.db import Database
from hub.folders import sync_folder
from hub.tracking.tables import custody_event

ERASED_AT_ONCE: Final = 200
"""Of one transaction."""
WHO: Final = "retention"
ACTION: Final = "photo.erase"


def erase_photos(db: Database, blobs: BlobStore, before_ms: int, now_ms: int) -> int:
    """Erase photos that the hub took before this instant and that nothing holds; how many.

    Raises:
        OSError: a file cannot be removed; the next run tries again.
    """
    erased = 0
    while digests := _erase_some(db, before_ms, now_ms):
        erased += len(digests)
    _remove_files(db, blobs, now_ms)
    return erased


def held(tx: Connection, before_ms: int) -> int:
    """How many photos are kept beyond their time because something holds them."""
    return tx.execute(select(func.count()).select_from(t.blob).where(_old_photo(before_ms), _held())).scalar_one()


def _erase_some(db: Database, before_ms: int, now_ms: int) -> list[bytes]:
    b = t.blob.c
    query = select(b.sha256, b.size, b.device, b.kept_ms).where(_old_photo(before_ms), ~_held())
    with db.write() as tx:
        rows = [dict(row) for row in tx.execute(query.order_by(b.seq).limit(ERASED_AT_ONCE)).mappings()]
        if rows:
            tx.execute(insert(erased_blob), [{**row, "erased_ms": now_ms} for row in rows])
            tx.execute(delete(t.blob).where(b.sha256.in_([row["sha256"] for row in rows])))
        for row in rows:
            audit(tx, at_ms=now_ms, who=WHO, action=ACTION, subject=row["sha256"].hex(), why="its time is over")
    return [row["sha256"] for row in rows]


def _remove_files(db: Database, blobs: BlobStore, now_ms: int) -> None:
    """The files of what was erased and not yet removed; what a hub that ended in between left is removed by the next."""
    e = erased_blob.c
    waiting = select(e.sha256).where(e.removed_ms.is_(None)).limit(ERASED_AT_ONCE)
    while True:
        with db.read() as tx:
            digests = tx.execute(waiting).scalars().all()
        if not digests:
            return
        for digest in digests:
            blobs.path(digest).unlink(missing_ok=True)
        for folder in {blobs.path(digest).parent for digest in digests}:
            if folder.exists():
                # Before it is noted: a power cut must not bring back a file that nobody removes any more.
                sync_folder(folder)
        with db.write() as tx:
            tx.execute(update(erased_blob).where(e.sha256.in_(digests)).values(removed_ms=now_ms))


def _old_photo(before_ms: int) -> ColumnElement[bool]:
    # Of whatever kind: one that no page shows, of a new phone's camera for instance, tells as much of people as any other.
    return t.blob.c.kept_ms < before_ms


def _held() -> ColumnElement[bool]:
    b, a = t.blob.c, attachment.c
    named = a.sha256 == b.sha256
    about = and_(named, custody_event.c.fact_id == a.fact_id)
    return or_(~exists().where(named), needed(about, b.device))
