"""The parts that every hub command works with: `serve` runs them, administration commands open them and use the same code."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from contract.event import Decision
from hub.accounts.audit import ANCHOR, audit
from hub.blobs import BlobStore
from hub.clock import AgeClock, boot_ms, wall_ms
from hub.db import Database
from hub.folders import make_folder
from hub.incidents import report_incident
from hub.ledger.heads import StreamHeads
from hub.ledger.safety import Safety, read_safety
from hub.projections import all_projections
from hub.projector import Change, Projection, Projector
from hub.registry import Registry
from hub.schema import open_database
from hub.voice import HubVoice


@dataclass(frozen=True, slots=True)
class Centre:
    """One open data folder."""

    db: Database
    registry: Registry
    heads: StreamHeads
    blobs: BlobStore
    projector: Projector
    voice: HubVoice
    now_ms: Callable[[], int]
    age_ms: Callable[[], int]
    """The time by which facts grow old (`hub.clock.AgeClock`): a clock that is set makes nothing older."""
    with_backups: bool
    backups_seen: threading.Event = field(default_factory=threading.Event)
    """Set when this process has looked which backups are there: those of its rows may be gone since an earlier one."""

    @contextmanager
    def write_ledger(self) -> Iterator[Connection]:
        """A write transaction that may move the heads of streams; they are read anew after a rollback."""
        with self.db.write() as tx:
            try:
                yield tx
            except BaseException:
                # Still alone with the writer: whoever comes next must not decide by what was rolled back.
                self.heads.forget()
                raise

    def safety(self, tx: Connection) -> Safety:
        """What devices may be told is safe now: nothing before the look which backups are there."""
        if self.with_backups and not self.backups_seen.is_set():
            return Safety(0, 0, 0)
        return read_safety(tx, self.age_ms(), with_backups=self.with_backups)

    def decide(self, decision: Decision) -> tuple[bytes, list[Change]]:
        """Make a person's decision a fact and fold it; its identity and what changed."""
        with self.write_ledger() as tx:
            identity = self.voice.state(tx, decision, actor=decision.who)
            # An anchor is about the trail; a line in the trail would want an anchor of its own.
            if decision.action != ANCHOR:
                audit(
                    tx,
                    at_ms=self.now_ms(),
                    who=decision.who,
                    action=decision.action,
                    subject=decision.subject,
                    new=decision.detail,
                    why=decision.why,
                )
        return identity, self.projector.run()


@contextmanager
def open_centre(
    folder: Path,
    *,
    now_ms: Callable[[], int] = wall_ms,
    projections: Sequence[Projection] | None = None,
    with_backups: bool = False,
) -> Iterator[Centre]:
    """Take a data folder as its one writer.

    Args:
        folder: made when it is not there.
        now_ms: the clock.
        projections: all of the hub's, unless a test has its own.
        with_backups: whether `safe` follows from backups instead of age.

    Raises:
        Refused: another process has it.
        UnsafeStorage: it could lose what is committed.
    """
    make_folder(folder)
    db = open_database(folder)
    try:
        registry, heads, blobs = Registry(), StreamHeads(), BlobStore(folder)
        with db.write() as tx:
            registry.reload(tx)
            for report in blobs.reconcile(tx):
                report_incident(tx, report, now_ms())
        chosen = all_projections() if projections is None else projections
        yield Centre(
            db=db,
            registry=registry,
            heads=heads,
            blobs=blobs,
            projector=Projector(db, chosen, now_ms),
            voice=HubVoice(heads, os.urandom, now_ms, boot_ms),
            now_ms=now_ms,
            age_ms=AgeClock(now_ms, boot_ms),
            with_backups=with_backups,
        )
    finally:
        db.close()
