"""Projections: tables that follow from the ledger, folded in its order, each with its marker in the same transaction.

A fact that cannot be folded is isolated and goes to quarantine; the rest goes on. A fact that kills the process leaves no
exception behind, so whoever finds facts waiting at start-up goes carefully: it commits what it is about to fold before it
does. The third death by one fact is the last. In service the ledger's own commit is that record, and nothing extra is written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol, runtime_checkable

import structlog
from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Connection, Row, Select, Table, delete, func, select, update
from sqlalchemy.exc import OperationalError

from contract.delivery.hub_actions import IncidentKind, Report
from contract.errors import Malformed
from contract.fact import Fact, decode_core
from hub import tables as t
from hub.archive.redaction import Personal
from hub.db import Database, insert
from hub.errors import ProjectionError
from hub.faultpoint import faultpoint
from hub.incidents import report_incident
from hub.ledger import statements

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

CHUNK_FACTS: Final = 5_000
"""Facts of one transaction: a second or so, so that ingest never waits long for the writer."""
CAREFUL_CHUNK_FACTS: Final = 200
"""The same while it is not known whether one of them kills."""
LAST_DEATH: Final = 3
"""The first was in service and left no trace but a fact that waits."""
MAX_WHY_CHARS: Final = 1_000


class LedgerFact(Struct, frozen=True, gc=False):
    """A committed fact with its content. `seq` is its place in the ledger's own order."""

    seq: int
    fact_id: bytes
    fact: Fact
    received_ms: int
    """When the hub took it, UTC epoch ms; stored, so that folding reads no clock."""
    withheld: tuple[Personal, ...] = ()
    """What the fact said and does not say here any more."""


class Change(Struct, frozen=True, gc=False):
    """What a display may want to show anew: topic `parcel`, `sensor`, `device`, `excursion` or `incident`, and which one.

    `contact` names a device of which a message came; no row of it changed. `assignment` names a device of which sensors are
    judged otherwise.
    """

    topic: str
    key: str


class Projection(Protocol):
    """How facts change some tables. Pure of clocks and chance; the same rows in any order of arrival."""

    name: str
    """Key of its marker; never change it."""
    tables: Sequence[Table]
    """What `rebuild` empties."""

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Fold facts, all of them new since the last call, in ledger order.

        Raises:
            ProjectionError: one fact cannot be folded; it goes to quarantine and the rest is folded again without it.
        """


@runtime_checkable
class Acts(Protocol):
    """A projection from whose changes something follows that is no projection: it is not refolded, and may read the clock."""

    def act(self, tx: Connection, changes: Sequence[Change], now_ms: int) -> None:
        """Do what follows from what was folded, in the same transaction; after `rebuild` from all of it at once."""

    def act_at_start(self, tx: Connection, now_ms: int) -> None:
        """Make sure that it was done; doing it again changes nothing."""


class Projector:
    """Folds committed facts into all projections. Used by the one writer."""

    def __init__(self, db: Database, projections: Sequence[Projection], now_ms: Callable[[], int]) -> None:
        self._db = db
        self._projections = tuple(projections)
        self._now_ms = now_ms
        self._held = False
        self._rebuilding = False

    def hold(self) -> None:
        """Let `run` fold nothing until `catch_up` is through: what waits now may be what killed an earlier process."""
        self._held = True

    def run(self, at_hand: Iterable[LedgerFact] = ()) -> list[Change]:
        """Fold all facts that wait; what changed.

        Args:
            at_hand: facts as they were just put, which spares reading them again. Those that the ledger does not hold under
                the same number count for nothing: it had them before.
        """
        changes: list[Change] = []
        if self._held:
            return changes
        decoded = {known.seq: known for known in at_hand}
        while facts := self._waiting(CHUNK_FACTS, decoded):
            changes += self._fold_committed(facts)
        return changes

    def catch_up(
        self, stopping: Callable[[], bool] = lambda: False, tell: Callable[[Sequence[Change]], None] = lambda _: None
    ) -> None:
        """At start-up: fold what an earlier process left, prepared to die by one of its facts.

        Facts may be committed meanwhile; only those that were there at the beginning are met with care.

        Args:
            stopping: asked between transactions; the rest is left to the next start then.
            tell: is given what changed.
        """
        with self._db.read() as tx:
            last = tx.execute(select(func.max(t.fact.c.seq))).scalar() or 0
        while (facts := self._waiting(CAREFUL_CHUNK_FACTS)) and facts[0].seq <= last:
            deaths = self._deaths(facts)
            together = [facts] if not any(deaths) else [[fact] for fact in facts]
            for group, died in zip(together, deaths, strict=False):
                if stopping():
                    return
                if died >= LAST_DEATH - 1:
                    self._set_aside_killer(group[0])
                else:
                    tell(self._attempt(group))
        with self._db.write() as tx:
            tx.execute(delete(t.projection_attempt))
            for projection in self._projections:
                if isinstance(projection, Acts):
                    projection.act_at_start(tx, self._now_ms())
        self._held = False
        tell(self.run())

    def rebuild(self) -> None:
        """Empty all projections and fold the whole ledger again. A death on the way is caught up at the next start."""
        with self._db.write() as tx:
            for projection in self._projections:
                for table in reversed(projection.tables):
                    tx.execute(delete(table))
            tx.execute(delete(t.projection_marker))
            tx.execute(delete(t.quarantine).where(t.quarantine.c.kind == "projection"))
        self._rebuilding = True
        try:
            changes = self.run()
        finally:
            self._rebuilding = False
        with self._db.write() as tx:
            self._act(tx, changes)

    def refold(self, tx: Connection, name: str, identity: bytes) -> bool:
        """Fold one fact of the quarantine again into the projection that could not; whether it could now."""
        row = tx.execute(_foldable(t.fact.c.fact_id == identity)).first()
        projection = next((p for p in self._projections if p.name == name), None)
        if row is None or projection is None:
            return False
        try:
            with tx.begin_nested():
                projection.fold(tx, [self._ledger_fact(row)])
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - as in `_fold`
            log.warning("a fact still cannot be folded", fact=identity.hex(), why=str(error))
            return False
        return True

    # -- what waits ------------------------------------------------------------------------------------------------

    def _waiting(self, most: int, at_hand: Mapping[int, LedgerFact] = MappingProxyType({})) -> list[LedgerFact]:
        """The next facts in order; none when all is folded."""
        while self._projections:
            with self._db.read() as tx:
                markers = _markers(tx)
                low = min(markers.get(p.name, 0) for p in self._projections)
                last = tx.execute(select(func.max(t.fact.c.seq))).scalar() or 0
                names = tx.execute(_which(t.fact.c.seq > low).limit(most)).all()
                known = {seq: at_hand[seq] for seq, identity in names if _is(at_hand.get(seq), identity)}
                read = len(known) < len(names)
                rows = tx.execute(_foldable(t.fact.c.seq.between(low + 1, names[-1].seq))).all() if read else []
            known |= {
                row.seq: fact for row in rows if row.seq not in known and (fact := self._decoded(row)) is not None
            }
            if known:
                return [known[seq] for seq, _ in names if seq in known]
            if not names:
                # Tombstones and unreadable facts are nothing to fold; behind them all is done.
                if any(markers.get(p.name, 0) < last for p in self._projections):
                    with self._db.write() as tx:
                        # Another thread may have folded further since this one looked.
                        self._mark(tx, last, _markers(tx))
                break
        return []

    def _decoded(self, row: Row[Any]) -> LedgerFact | None:
        try:
            return self._ledger_fact(row)
        except Malformed as error:
            # It could be read when it came, so an older hub reads a newer one's ledger, or the row was changed.
            with self._db.write() as tx:
                tx.execute(update(t.fact).where(t.fact.c.seq == row.seq).values(problem=str(error)))
                self._set_aside(tx, "", row.device, row.fact_id, str(error))
            return None

    def _ledger_fact(self, row: Row[Any]) -> LedgerFact:
        content = self._db.archives.whole(row.core, row.fact_id)
        return LedgerFact(row.seq, row.fact_id, decode_core(content.core), row.received_ms, content.withheld)

    # -- folding ---------------------------------------------------------------------------------------------------

    def _attempt(self, facts: Sequence[LedgerFact]) -> list[Change]:
        """Fold facts that may kill: first commit which they are."""
        key = {"first_seq": facts[0].seq, "last_seq": facts[-1].seq}
        with self._db.write() as tx:
            statement = insert(tx, t.projection_attempt)
            again = {"attempts": t.projection_attempt.c.attempts + 1}
            tx.execute(statement.on_conflict_do_update(index_elements=list(key), set_=again), {**key, "attempts": 1})
        try:
            return self._fold_committed(facts)
        finally:
            # Whoever gets here lives, also where the disk had no room to fold.
            with self._db.write() as tx:
                c = t.projection_attempt.c
                mine = (c.first_seq == key["first_seq"]) & (c.last_seq == key["last_seq"])
                tx.execute(delete(t.projection_attempt).where(mine))

    def _deaths(self, facts: Sequence[LedgerFact]) -> list[int]:
        """How often a process died in care of each of these facts."""
        with self._db.read() as tx:
            tried = tx.execute(select(t.projection_attempt)).all()
        return [sum(row.attempts for row in tried if row.first_seq <= f.seq <= row.last_seq) for f in facts]

    def _fold_committed(self, facts: Sequence[LedgerFact]) -> list[Change]:
        changes: list[Change] = []
        with self._db.write() as tx:
            markers = _markers(tx)
            for projection in self._projections:
                done = markers.get(projection.name, 0)
                new = facts if facts[0].seq > done else [f for f in facts if f.seq > done]
                changes += self._fold(tx, projection, new)
            if not self._rebuilding:
                self._act(tx, changes)
            self._mark(tx, facts[-1].seq, markers)
            faultpoint("hub_project_commit")
        return changes

    def _act(self, tx: Connection, changes: Sequence[Change]) -> None:
        for projection in self._projections:
            if isinstance(projection, Acts):
                projection.act(tx, changes, self._now_ms())

    def _fold(self, tx: Connection, projection: Projection, facts: Sequence[LedgerFact]) -> Iterator[Change]:
        if not facts:
            return
        faultpoint("hub_project")
        try:
            with tx.begin_nested():
                changes = projection.fold(tx, facts)
        except OperationalError:
            # The disk is full or broken, which is no fact's fault.
            raise
        except ProjectionError as error:
            at = next((i for i, f in enumerate(facts) if f.fact_id == error.fact_id), None)
            if at is None:
                raise
            self._set_aside(tx, projection.name, facts[at].fact.device, error.fact_id, error.why)
            yield from self._fold(tx, projection, facts[:at])
            yield from self._fold(tx, projection, facts[at + 1 :])
        except Exception as error:  # noqa: BLE001 - whatever one fact does to a projection must not stop the others (P5)
            if len(facts) == 1:
                why = f"{type(error).__name__}: {error}"
                self._set_aside(tx, projection.name, facts[0].fact.device, facts[0].fact_id, why)
                return
            middle = len(facts) // 2
            yield from self._fold(tx, projection, facts[:middle])
            yield from self._fold(tx, projection, facts[middle:])
        else:
            yield from changes

    def _mark(self, tx: Connection, seq: int, markers: dict[str, int]) -> None:
        rows = [{"name": p.name, "seq": seq} for p in self._projections if markers.get(p.name, 0) < seq]
        if rows:
            tx.execute(statements.latest(tx.dialect.name, t.projection_marker), rows)

    # -- quarantine ------------------------------------------------------------------------------------------------

    def _set_aside(self, tx: Connection, projection: str, device: str, identity: bytes, why: str) -> None:
        row = {
            "kind": "projection" if projection else "fact",
            "device": device,
            "fact_id": identity,
            "projection": projection,
            "raw": None,
            "why": why[:MAX_WHY_CHARS],
            "at_ms": self._now_ms(),
            "state": "held",
        }
        tx.execute(insert(tx, t.quarantine).on_conflict_do_nothing(), row)
        detail = f"{identity.hex()} could not be folded: {why[:MAX_WHY_CHARS]}"
        report_incident(tx, Report(IncidentKind.QUARANTINE, device, f"quarantine:{device}", detail), self._now_ms())

    def _set_aside_killer(self, fact: LedgerFact) -> None:
        why = "the hub died each time it folded this fact"
        with self._db.write() as tx:
            tx.execute(update(t.fact).where(t.fact.c.seq == fact.seq).values(problem=why))
            self._set_aside(tx, "", fact.fact.device, fact.fact_id, why)


def _markers(tx: Connection) -> dict[str, int]:
    rows = tx.execute(select(t.projection_marker.c.name, t.projection_marker.c.seq))
    return {row.name: row.seq for row in rows}


def _which(those: ColumnElement[bool], *more: Column[Any]) -> Select[Any]:
    c = t.fact.c
    return select(c.seq, c.fact_id, *more).where(those, c.core.is_not(None), c.problem.is_(None)).order_by(c.seq)


def _foldable(those: ColumnElement[bool]) -> Select[Any]:
    return _which(those, t.fact.c.device, t.fact.c.core, t.fact.c.received_ms)


def _is(known: LedgerFact | None, identity: bytes) -> bool:
    return known is not None and known.fact_id == identity
