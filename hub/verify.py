"""Checks the ledger against itself: every fact against its identity, every position against its chain, every count.

SQLite's own check finds broken pages, not changed content; hashes find any changed byte of what devices stated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from typing import Any

from sqlalchemy import Connection, func, select

from contract.delivery.hub_view import StreamName
from contract.fact import fact_id, next_hash, root_hash
from hub import tables as t
from hub.accounts.anchors import check_trail
from hub.archive.file import ArchiveDamaged
from hub.archive.moving import wrong_archives
from hub.archive.store import whole
from hub.archive.withholding import withheld_by_audit
from hub.blobs import BlobStore
from hub.ledger.heads import stream_name


@dataclass(frozen=True, slots=True)
class Verified:
    """How much was checked, and each thing that is wrong, in a sentence that names its row."""

    facts: int
    withheld: int
    """Facts of which personal data was withheld: what is left of them cannot be held against their identity."""
    positions: int
    streams: int
    blobs: int
    changes: int
    """Rows of the audit trail."""
    wrong: tuple[str, ...]


def verify_ledger(tx: Connection, blobs: BlobStore | None = None) -> Verified:
    """Check everything, in the snapshot of `tx`. Attachments are read too where `blobs` is given."""
    wrong = [f"database: {line}" for line in _integrity(tx)]
    wrong += wrong_archives(tx)
    wrong_facts, withheld = _check_facts(tx)
    wrong += wrong_facts
    wrong += _wrong_positions(tx)
    wrong += _wrong_heads(tx)
    trail = check_trail(tx)
    wrong += trail.wrong
    if blobs is not None:
        wrong += _wrong_blobs(tx, blobs)
    return Verified(
        facts=_count(tx, t.fact),
        withheld=withheld,
        positions=_count(tx, t.position),
        streams=_count(tx, t.stream),
        blobs=_count(tx, t.blob),
        changes=trail.rows,
        wrong=tuple(wrong),
    )


def _count(tx: Connection, table: Any) -> int:
    return tx.execute(select(func.count()).select_from(table)).scalar_one()


def _integrity(tx: Connection) -> Iterator[str]:
    if tx.dialect.name == "sqlite":
        for pragma in ("integrity_check", "foreign_key_check"):
            yield from (str(tuple(row)) for row in tx.exec_driver_sql(f"PRAGMA {pragma}") if tuple(row) != ("ok",))


def _check_facts(tx: Connection) -> tuple[list[str], int]:
    """What is wrong with the facts, and how many of them are withheld."""
    wrong, withheld = list[str](), 0
    c = t.fact.c
    for seq, identity, core, cause in tx.execute(select(c.seq, c.fact_id, c.core, c.cause).order_by(c.seq)):
        which = f"fact {seq} ({identity.hex()})"
        if core is None:
            if not cause:
                wrong.append(f"{which}: neither content nor a cause why there is none")
            continue
        try:
            content = whole(tx, core, identity)
        except ArchiveDamaged as error:
            wrong.append(f"{which}: {error}")
            continue
        if content.withheld:
            withheld += 1
        elif fact_id(content.core) != identity:
            wrong.append(f"{which}: its content hashes to another identity; it was changed")
    noted = withheld_by_audit(tx)
    if withheld > noted:
        wrong.append(
            f"personal data of {withheld} facts is withheld, and the audit trail tells of {noted}: "
            "somebody else than the hub changed facts"
        )
    return wrong, withheld


def _wrong_positions(tx: Connection) -> Iterator[str]:
    """One pass over all positions; forks have several at one n."""
    gaps = {(row.stream_id, row.last_n): row.first_n for row in tx.execute(select(t.gap))}
    c = t.position.c
    known = select(t.fact.c.fact_id).where(t.fact.c.fact_id == c.fact_id).exists()
    rows = tx.execute(select(c.stream_id, c.n, c.branch, c.hash, c.fact_id, known).order_by(c.stream_id, c.n, c.branch))
    names = _streams(tx)
    stream_id, below, here, at = 0, dict[int, bytes](), dict[int, bytes](), 0
    for row in rows:
        if row.stream_id != stream_id:
            name = names[row.stream_id]
            stream_id, at = row.stream_id, 0
            below, here = {}, {-1: root_hash(name.device, name.incarnation, name.lane)}
        if row.n != at:
            below, here, at = (here, {}, row.n) if row.n == at + 1 else ({}, {}, row.n)
        here[row.branch] = row.hash
        where = f"position {row.n} of stream {row.stream_id} ({_words(names[row.stream_id])}), branch {row.branch}"
        if row.fact_id is None:
            if (row.stream_id, row.n) not in gaps:
                yield f"{where}: no identity, and no gap that ends here"
            continue
        if not row[5]:
            yield f"{where}: fact {row.fact_id.hex()} is not in the ledger"
        parents = [below[row.branch]] if row.branch in below else list(below.values())
        if all(next_hash(parent, row.n, row.fact_id) != row.hash for parent in parents):
            yield f"{where}: its hash does not follow from the position before it"


def _wrong_heads(tx: Connection) -> Iterator[str]:
    b, p = t.branch.c, t.position.c
    last = select(p.stream_id, p.branch, func.max(p.n).label("n")).group_by(p.stream_id, p.branch).subquery()
    ends = (
        select(last.c.stream_id, last.c.branch, last.c.n, p.hash, b.n.label("head_n"), b.hash.label("head_hash"))
        .join(t.position, (p.stream_id == last.c.stream_id) & (p.branch == last.c.branch) & (p.n == last.c.n))
        .join(t.branch, (b.stream_id == last.c.stream_id) & (b.branch == last.c.branch), isouter=True)
    )
    for row in tx.execute(ends):
        if (row.n, row.hash) != (row.head_n, row.head_hash):
            yield f"branch {row.branch} of stream {row.stream_id}: its head is {row.head_n}, its last position {row.n}"
    empty = select(b.stream_id, b.branch).where(
        ~select(p.n).where(p.stream_id == b.stream_id, p.branch == b.branch, p.n == b.n).exists()
    )
    for headless in tx.execute(empty):
        yield f"branch {headless.branch} of stream {headless.stream_id}: there is no position at its head"


def _wrong_blobs(tx: Connection, blobs: BlobStore) -> Iterator[str]:
    for row in tx.execute(select(t.blob.c.sha256).order_by(t.blob.c.seq)):
        try:
            with blobs.path(row.sha256).open("rb") as file:
                if file_digest(file, "sha256").digest() != row.sha256:
                    yield f"attachment {row.sha256.hex()}: its file was changed"
        except FileNotFoundError:
            yield f"attachment {row.sha256.hex()}: its file is gone"


def _streams(tx: Connection) -> dict[int, StreamName]:
    return {row.id: stream_name(row.device, row.incarnation, row.lane) for row in tx.execute(select(t.stream))}


def _words(name: StreamName) -> str:
    return f"{name.lane} of {name.device}, incarnation {name.incarnation.hex()}"
