"""Moves old facts into archive files.

The order makes it safe to be killed anywhere: the file is written, flushed and read back before any row is emptied; a file that
no row points to is only room. Rows are emptied in small transactions, each with the number up to which all is done, so the next
run goes on there. What is archived twice by a death in between is in two files, and both are right.
"""

import threading
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, insert, or_, select, update

from contract.fact import fact_id
from hub import tables as t
from hub.accounts.audit import audit
from hub.archive.file import BLOCK_FACTS, ArchiveDamaged, Entry, pack
from hub.archive.redaction import START, opened
from hub.archive.store import INFO_KEY, MARK, NAME_BYTES, Archives, Pointer, name_of
from hub.archive.tables import archive_file, held_fact
from hub.archive.withholding import done_seq, personal_term
from hub.db import Database
from hub.ledger import statements

FACTS_PER_FILE: Final = 100_000
"""Some 5 MB, and 40 MB of memory while it is made."""
EMPTIED_AT_ONCE: Final = 2_000
"""Rows of one transaction: ingest never waits long for the writer."""
DONE_SETTING: Final = "archived_seq"
WHO: Final = "retention"
_ONE_AT_A_TIME: Final = threading.Lock()
"""Two would write the same facts into two files."""


class Archived(Struct, frozen=True):
    """One file that was made."""

    name: str
    facts: int
    bytes: int


def archive_facts(db: Database, before_ms: int, now_ms: int) -> Iterator[Archived]:
    """Move all facts that the hub took before this instant, oldest first, one file after the other.

    Raises:
        ArchiveDamaged: a file does not read back as it was written; nothing was taken out of the ledger for it.
        OSError: the disk does not take it; likewise.
    """
    with _ONE_AT_A_TIME:
        while (made := _archive_some(db, before_ms, now_ms)) is not None:
            yield made


def _archive_some(db: Database, before_ms: int, now_ms: int) -> Archived | None:
    with db.read() as tx:
        entries = _next(tx, before_ms)
    if not entries:
        return None
    data = pack(entries)
    name = name_of(data)
    path = db.archives.add(data, name)
    _read_back(db.archives, name, entries)
    row = {
        "name": path.name,
        "sha256": sha256(data).digest(),
        "bytes": len(data),
        "facts": len(entries),
        "first_seq": entries[0].seq,
        "last_seq": entries[-1].seq,
        "made_ms": now_ms,
    }
    _note(db, row, now_ms)
    for start in range(0, len(entries), EMPTIED_AT_ONCE):
        _empty(db, name, entries, start)
    return Archived(path.name, len(entries), len(data))


def _next(tx: Connection, before_ms: int) -> list[Entry]:
    """The oldest facts with content in the ledger, up to the first that is not old enough."""
    f, p, s = t.fact.c, t.position.c, t.stream.c
    placed = and_(p.stream_id == f.stream_id, p.n == f.n, p.branch == f.branch)
    content = or_(func.substr(f.core, 1, len(MARK)) != MARK, func.substr(f.core, 1, len(START)) == START)
    rows = tx.execute(
        select(f.seq, f.fact_id, f.core, f.received_ms, f.device, s.incarnation, s.lane, f.n, f.branch, p.hash)
        .outerjoin(t.stream, s.id == f.stream_id)
        .outerjoin(t.position, placed)
        .where(f.seq > _done_seq(tx), content, *_not_personal(tx))
        .order_by(f.seq)
        .limit(FACTS_PER_FILE)
    )
    entries: list[Entry] = []
    for row in rows:
        if row.received_ms >= before_ms:
            break
        # What does not hash to its identity stays where `verify` sees it.
        if fact_id(row.core) == row.fact_id or opened(row.core, row.fact_id).withheld:
            place = (row.incarnation, row.lane, row.n, row.branch, row.hash)
            entries.append(Entry(row.seq, row.core, row.received_ms, row.device, *place))
    return entries


def _not_personal(tx: Connection) -> Iterator[ColumnElement[bool]]:
    """Archives are never written again, so what is still to be withheld stays out of them."""
    if personal_term(tx) is not None:
        yield t.fact.c.seq <= done_seq(tx)
        yield t.fact.c.fact_id.not_in(select(held_fact.c.fact_id))


def _done_seq(tx: Connection) -> int:
    return int(tx.execute(select(t.setting.c.value).where(t.setting.c.name == DONE_SETTING)).scalar() or 0)


def _read_back(archives: Archives, name: bytes, entries: list[Entry]) -> None:
    if archives.open(name).identities() != [fact_id(entry.core) for entry in entries]:
        raise ArchiveDamaged(f"archive {archives.path(name)} does not read back as it was written; check the disk")


def _note(db: Database, row: dict[str, object], now_ms: int) -> None:
    with db.write() as tx:
        known = tx.execute(select(archive_file.c.id).where(archive_file.c.name == row["name"])).first()
        if known is None:
            tx.execute(insert(archive_file), row)
            subject, new = str(row["name"]), f"{row['facts']} facts, {row['first_seq']} to {row['last_seq']}"
            audit(tx, at_ms=now_ms, who=WHO, action="archive.make", subject=subject, new=new)


def _empty(db: Database, name: bytes, entries: list[Entry], start: int) -> None:
    f = t.fact.c
    part = entries[start : start + EMPTIED_AT_ONCE]
    change = (
        update(t.fact)
        .where(f.seq == bindparam("the_seq"), f.core == bindparam("the_core"))
        .values(core=bindparam("pointer"))
    )
    rows = [
        {
            "the_seq": entry.seq,
            "the_core": entry.core,
            "pointer": Pointer(name, number // BLOCK_FACTS, number % BLOCK_FACTS).encode(),
        }
        for number, entry in enumerate(part, start)
    ]
    with db.write() as tx:
        tx.execute(change, rows)
        done = {"name": DONE_SETTING, "value": str(part[-1].seq)}
        tx.execute(statements.latest(tx.dialect.name, t.setting), done)


def list_archives(tx: Connection) -> list[dict[str, object]]:
    """The archive files, the oldest first."""
    c = archive_file.c
    query = select(c.name, c.facts, c.bytes, c.first_seq, c.last_seq, c.made_ms).order_by(c.id)
    return [dict(row) for row in tx.execute(query).mappings()]


def wrong_archives(tx: Connection) -> Iterator[str]:
    """What is wrong with the archive files, in a sentence for each."""
    c = archive_file.c
    for row in tx.execute(select(c.name, c.sha256, c.bytes).order_by(c.id)):
        archives: Archives = tx.info[INFO_KEY]
        try:
            reader = archives.open(row.sha256[:NAME_BYTES])
        except ArchiveDamaged as error:
            yield str(error)
            continue
        if (reader.sha256, reader.bytes) != (row.sha256, row.bytes):
            yield f"archive {row.name} is another file than the one that was made"
