"""Withholds personal data whose time is over, but none that an open finding may need (`hub.archive.holds`).

The ledger is walked once, in its own order, in small transactions. Each replaces the cores of some facts by their redacted form
and tells the rows that follow from them anew, with its count in the audit trail and the number up to which all is done. So
whatever ends the hub in between, the next run goes on there. Facts that something holds are noted, and looked at again by each
run.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, func, insert, or_, select, update

from contract.event import Lane
from contract.fact import decode_core
from hub import tables as t
from hub.accounts.audit import audit
from hub.accounts.tables import audit_trail
from hub.archive.holds import needed
from hub.archive.redaction import opened, redacted
from hub.archive.tables import held_fact
from hub.db import Database
from hub.deliveries.projection import tell_deliveries_anew
from hub.ledger import statements
from hub.projector import LedgerFact
from hub.tracking.projection import tell_anew
from hub.tracking.tables import custody_event

LOOKED_AT: Final = 5_000
"""Facts that are read together, outside any transaction of the writer."""
WITHHELD_AT_ONCE: Final = 500
"""Of one transaction, with their parcels: ingest never waits long for the writer."""
DONE_SETTING: Final = "withheld_seq"
TERM_SETTING: Final = "keep_personal_days"
WHO: Final = "retention"
ACTION: Final = "personal.withhold"


def note_term(db: Database, days: int | None) -> None:
    """Remember the term, so that no archive is made of what is to be withheld; None: there is none."""
    with db.read() as tx:
        known = personal_term(tx)
    if known == days:
        return
    with db.write() as tx:
        tx.execute(delete(t.setting).where(t.setting.c.name == TERM_SETTING))
        if days is not None:
            tx.execute(insert(t.setting), {"name": TERM_SETTING, "value": str(days)})


def personal_term(tx: Connection) -> int | None:
    """The days after which this hub withholds personal data."""
    days = tx.execute(select(t.setting.c.value).where(t.setting.c.name == TERM_SETTING)).scalar()
    return None if days is None else int(days)


def done_seq(tx: Connection) -> int:
    """The number of the fact up to which all are withheld or held."""
    return int(tx.execute(select(t.setting.c.value).where(t.setting.c.name == DONE_SETTING)).scalar() or 0)


def withheld_by_audit(tx: Connection) -> int:
    """Of how many facts the audit trail says that something was withheld."""
    c = audit_trail.c
    return sum(int(new.partition(" ")[0]) for new in tx.scalars(select(c.new).where(c.who == WHO, c.action == ACTION)))


def withhold_personal(db: Database, before_ms: int, now_ms: int) -> Iterator[int]:
    """Withhold the personal data of facts that the hub took before this instant; step by step, how many facts."""
    while (count := _released(db, now_ms)) is not None:
        yield count
    while (looked := _look(db, before_ms)) is not None:
        facts, last_seq = looked
        for start in range(0, max(len(facts), 1), WITHHELD_AT_ONCE):
            part = facts[start : start + WITHHELD_AT_ONCE]
            at_end = start + WITHHELD_AT_ONCE >= len(facts)
            with db.write() as tx:
                count = _withhold(tx, [identity for _, identity in part], now_ms)
                done = {"name": DONE_SETTING, "value": str(last_seq if at_end else part[-1][0])}
                tx.execute(statements.latest(tx.dialect.name, t.setting), done)
            yield count


def _look(db: Database, before_ms: int) -> tuple[list[tuple[int, bytes]], int] | None:
    """The next facts that tell something personal, and the number up to which there is no other; None: none is old enough."""
    f, s = t.fact.c, t.stream.c
    # Readings and positions tell nothing of the kind, and are most of the ledger.
    core = case((s.lane == Lane.TELEMETRY.value, None), else_=f.core)
    query = select(f.seq, f.fact_id, f.received_ms, core.label("core")).outerjoin(t.stream, s.id == f.stream_id)
    told, last_seq = list[tuple[int, bytes]](), None
    with db.read() as tx:
        wanted = f.seq.between(done_seq(tx) + 1, _folded_seq(tx))
        for row in tx.execute(query.where(wanted).order_by(f.seq).limit(LOOKED_AT)):
            if row.received_ms >= before_ms:
                break
            last_seq = row.seq
            if row.core is not None and redacted(row.core) != row.core:
                told.append((row.seq, row.fact_id))
    return None if last_seq is None else (told, last_seq)


def _folded_seq(tx: Connection) -> int:
    """Up to where findings are known: behind it nobody can tell whether one needs the fact."""
    return tx.execute(select(func.min(t.projection_marker.c.seq))).scalar() or 0


def _released(db: Database, now_ms: int) -> int | None:
    """Withhold some of what nothing holds any more; None: all is held."""
    f, h = t.fact.c, held_fact.c
    with db.read() as tx:
        free = select(h.fact_id).join(t.fact, f.fact_id == h.fact_id).where(f.seq <= _folded_seq(tx), ~_held())
        identities = tx.scalars(free.limit(WITHHELD_AT_ONCE)).all()
    if not identities:
        return None
    with db.write() as tx:
        tx.execute(delete(held_fact).where(h.fact_id.in_(identities)))
        return _withhold(tx, identities, now_ms)


def _held() -> ColumnElement[bool]:
    f = t.fact.c
    # What is in quarantine was never folded, so nothing tells of which parcel it is.
    return or_(f.problem.is_not(None), needed(custody_event.c.fact_id == f.fact_id, f.device))


def _withhold(tx: Connection, identities: Sequence[bytes], now_ms: int) -> int:
    """Withhold what these facts tell, or note that they are held; of how many something was withheld."""
    f = t.fact.c
    query = select(f.seq, f.fact_id, f.core, f.received_ms, _held().label("held")).where(f.fact_id.in_(identities))
    cores: list[dict[str, object]] = []
    left: list[LedgerFact] = []
    held: list[dict[str, object]] = []
    for row in tx.execute(query.order_by(f.seq)):
        if (form := redacted(row.core)) == row.core:
            # Archived since it was looked at.
            continue
        if row.held:
            held.append({"fact_id": row.fact_id})
            continue
        cores.append({"the_seq": row.seq, "form": form})
        content = opened(form, row.fact_id)
        left.append(LedgerFact(row.seq, row.fact_id, decode_core(content.core), row.received_ms, content.withheld))
    if held:
        tx.execute(statements.new(tx.dialect.name, held_fact), held)
    if cores:
        tx.execute(update(t.fact).where(f.seq == bindparam("the_seq")).values(core=bindparam("form")), cores)
        tell_anew(tx, left)
        tell_deliveries_anew(tx, left)
        audit(
            tx, at_ms=now_ms, who=WHO, action=ACTION, subject="facts", new=f"{len(cores)} facts", why="its time is over"
        )
    return len(cores)
