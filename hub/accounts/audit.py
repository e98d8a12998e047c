"""The audit trail: who changed what, when and why. Rows are only ever added, and each carries the hash of all before it.

The hash of row n is SHA-256 over "hf1.audit", the hash of row n - 1 and the MessagePack of (id, at_ms, who, action, subject,
old, new, why); before the first stand 32 zero bytes. So a row that is altered, inserted or taken away by whatever means breaks
the chain there, and `holdfast-hub verify` names it. What the trail must end with is noted beside it, so that its end cannot be
cut off either. Whoever may write the database can do all that anew; `hub.accounts.anchors` is against that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from msgspec import msgpack
from sqlalchemy import ColumnElement, Connection, insert, select

from hub import tables as t
from hub.accounts.tables import audit_trail
from hub.ledger import statements

START: Final = bytes(32)
ANCHOR: Final = "audit.anchor"
"""The action of facts that state where the trail ended (`hub.accounts.anchors`)."""
HEAD_SETTING: Final = "audit_head"
_CONTEXT: Final = b"hf1.audit"
_TRIGGERS: Final = frozenset({"audit_trail_no_update", "audit_trail_no_delete"})
_c = audit_trail.c
_stated = (_c.id, _c.at_ms, _c.who, _c.action, _c.subject, _c.old, _c.new, _c.why)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change."""

    id: int
    at_ms: int
    who: str
    action: str
    subject: str
    old: str
    new: str
    why: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Which rows; empty means any. `who`, `action` and `subject` are parts of what stands there."""

    who: str = ""
    action: str = ""
    subject: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ChainState:
    """What a check of the whole trail found: `unbroken_to` is the last row up to which all is as it was written."""

    rows: int
    unbroken_to: int
    wrong: tuple[str, ...]


def audit(
    tx: Connection, *, at_ms: int, who: str, action: str, subject: str, old: str = "", new: str = "", why: str = ""
) -> None:
    """Add a row, in the transaction of the change itself: what cannot be noted does not happen."""
    last = tx.execute(select(_c.id, _c.hash).order_by(_c.id.desc()).limit(1)).first()
    number, before = (last.id + 1, last.hash) if last is not None else (1, START)
    stated = (number, at_ms, who, action, subject, old, new, why)
    digest = _chained(before, stated)
    names = [column.name for column in _stated]
    tx.execute(insert(audit_trail).values(**dict(zip(names, stated, strict=True)), hash=digest))
    head = {"name": HEAD_SETTING, "value": f"{number} {digest.hex()}"}
    tx.execute(statements.latest(tx.dialect.name, t.setting), head)


def check_chain(tx: Connection) -> ChainState:
    """Check every row against the one before it."""
    rows, wrong, unbroken_to = 0, list[str](), 0
    number, before = 0, START
    for row in tx.execution_options(stream_results=True).execute(select(*_stated, _c.hash).order_by(_c.id)):
        stated, digest = tuple(row)[:-1], row.hash
        if row.id != number + 1:
            wrong.append(f"audit rows {number + 1} to {row.id - 1} are gone")
        elif _chained(before, stated) != digest:
            wrong.append(f"audit row {row.id}: it was changed after it was written, or another was put in its place")
        elif not wrong:
            unbroken_to = row.id
        rows, number, before = rows + 1, row.id, digest
    head = tx.execute(select(t.setting.c.value).where(t.setting.c.name == HEAD_SETTING)).scalar()
    if head != (f"{number} {before.hex()}" if rows else None):
        wrong.append(f"audit rows after {number} are gone, or were added by other means: the trail ended with {head}")
    wrong += (f"audit trail: {name} is gone, which keeps its rows as they are" for name in _missing_triggers(tx))
    return ChainState(rows, unbroken_to, tuple(wrong))


def list_audit(
    tx: Connection, filters: AuditFilters = AuditFilters(), *, before: int | None = None, limit: int
) -> list[AuditRow]:
    """Rows, the latest first; `before` is the id of the last one already seen."""
    where = [*_wanted(filters)] + ([] if before is None else [_c.id < before])
    rows = tx.execute(select(*_stated, _c.hash).where(*where).order_by(_c.id.desc()).limit(limit))
    return [AuditRow(*values) for values in map(tuple, rows)]


def _wanted(filters: AuditFilters) -> Iterator[ColumnElement[bool]]:
    for column, text in ((_c.who, filters.who), (_c.action, filters.action), (_c.subject, filters.subject)):
        if text:
            yield column.contains(text, autoescape=True)
    if filters.since_ms is not None:
        yield _c.at_ms >= filters.since_ms
    if filters.until_ms is not None:
        yield _c.at_ms < filters.until_ms


def _chained(before: bytes, stated: tuple[object, ...]) -> bytes:
    return sha256(_CONTEXT + before + msgpack.encode(stated)).digest()


def _missing_triggers(tx: Connection) -> list[str]:
    if tx.dialect.name != "sqlite":
        return []
    found = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_trail'")
    return sorted(_TRIGGERS - set(found.scalars()))
