"""Ingest: what devices say goes into the ledger in groups, and only what is committed is acknowledged.

A group is all that waits. It is decided message by message and written in bulk in one transaction. Should that fail, the
group is taken again with each message in a SAVEPOINT of its own, so that an error touches only the message it belongs to.
A commit whose result is unknown is never tried again: the process ends, and devices send again (their facts are the same
facts, however often they come).
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition
from time import monotonic
from typing import Final

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from contract.delivery.hub import decide
from contract.delivery.hub_actions import Reply
from contract.errors import Malformed
from contract.messages import Batch, Blob, Credit, Fill, Gap, Hello, LatestReading, Live, Nack, encode_message
from contract.statement import Direction, seal
from hub.centre import Centre
from hub.credit import Load, credit_for
from hub.documents import DocumentPacer
from hub.errors import CommitFailed
from hub.faultpoint import faultpoint
from hub.intake import Heard, Incoming, Rejected, Unreadable, take_in
from hub.ledger.view import LedgerTransaction
from hub.life import SignsOfLife
from hub.projector import Change, LedgerFact

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

GROUP_FACTS: Final = 20_000
GROUP_S: Final = 0.05
"""Gathering a group ends here, so an acknowledgement is never late because others are busy."""
GROUP_HELLOS: Final = 200
"""Hellos answered in one group; when a whole fleet comes back the rest wait, and of each device only the newest."""
QUEUE_BYTES: Final = 64 * 1024 * 1024
"""What waits in memory; beyond it messages are dropped as a broker would, and devices send them again."""
MESSAGE_BYTES: Final = 512
"""What a message takes beside its payload, about; without it empty ones could wait without end."""

Judged = Heard | Unreadable | Rejected


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where results go. All are called from the ingest thread, after the commit."""

    publish: Callable[[str, bytes], None]
    """A sealed statement to a device."""
    on_live: Callable[[str, Sequence[LatestReading]], None] = lambda _device, _readings: None
    on_committed: Callable[[Sequence[Change]], None] = lambda _changes: None


@dataclass(slots=True)
class IngestCounts:
    """What ingest did since the start, for metrics."""

    messages: int = 0
    dropped: int = 0
    rejected: int = 0
    facts: int = 0
    groups: int = 0
    commit_s: float = 0.0
    """Of the latest group."""
    storage_ok: bool = True


class Ingest:
    """Takes messages from any thread; one thread runs them into the ledger."""

    def __init__(self, centre: Centre, outlets: Outlets, clock_s: Callable[[], float] = monotonic) -> None:
        self._centre = centre
        self._outlets = outlets
        self._clock_s = clock_s
        self._queue: deque[Incoming] = deque()
        self._queued_bytes = 0
        self._arrived = Condition()
        self._stopping = False
        self._hellos: dict[str, Heard] = {}
        self._documents = DocumentPacer()
        self._life = SignsOfLife()
        self._held = False
        self.counts = IngestCounts()

    # -- the queue -------------------------------------------------------------------------------------------------

    def offer(self, incoming: Incoming) -> None:
        """Hand in a message; from any thread, never waits."""
        with self._arrived:
            if self._stopping or self._queued_bytes + _size(incoming) > QUEUE_BYTES:
                self.counts.dropped += 1
                return
            self._queue.append(incoming)
            self._queued_bytes += _size(incoming)
            self._arrived.notify()

    @property
    def queued(self) -> int:
        """Messages that wait."""
        return len(self._queue) + len(self._hellos)

    def stop(self) -> None:
        """Let `run` end after what has arrived."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify()

    def run(self) -> None:
        """Work until `stop`.

        Raises:
            CommitFailed: end the process.
        """
        while True:
            with self._arrived:
                while not self._queue and not self._hellos and not self._stopping:
                    self._arrived.wait()
                if self._stopping and not self._queue:
                    return
            self._take_group(self._gather())

    def process(self, messages: Sequence[Incoming]) -> None:
        """Work through these messages at once, as one group."""
        judged = (take_in(m, self._centre.registry) for m in messages)
        self._take_group([j for j in judged if j is not None])

    def _gather(self) -> list[Judged]:
        group: list[Judged] = []
        facts = 0
        until_s = self._clock_s() + GROUP_S
        while facts < GROUP_FACTS:
            with self._arrived:
                if not self._queue:
                    break
                incoming = self._queue.popleft()
                self._queued_bytes -= _size(incoming)
            judged = take_in(incoming, self._centre.registry)
            if judged is not None:
                group.append(judged)
                facts += _facts_in(judged)
            if self._clock_s() >= until_s:
                break
        return group

    # -- a group ---------------------------------------------------------------------------------------------------

    def _take_group(self, arrived: Sequence[Judged]) -> None:
        self.counts.messages += len(arrived)
        group = self._pace(arrived)
        if not group:
            return
        credit = credit_for(Load(self.queued, self.counts.commit_s, self.counts.storage_ok, self._held))
        if all(isinstance(judged, Heard) and isinstance(judged.message, Live) for judged in group):
            # Most messages of a fleet in contact: nothing of them is kept, so nothing is begun, committed or folded.
            self._show(group, _Done())
            return
        began_s = self._clock_s()
        try:
            done = self._commit(group, credit)
            self.counts.storage_ok = True
        except OperationalError as error:
            self._storage_failed(group, error.orig)
            return
        except OSError as error:
            # An attachment's file, on the same disk.
            self._storage_failed(group, error)
            return
        self.counts.commit_s = self._clock_s() - began_s
        self.counts.groups += 1
        self.counts.facts += done.facts
        faultpoint("hub_post_commit")
        self._answer(done.replies)
        self._show(group, done)

    def _pace(self, arrived: Sequence[Judged]) -> list[Judged]:
        """Hold hellos back while there are too many; a newer one of a device takes the older one's place."""
        group: list[Judged] = []
        for judged in arrived:
            if isinstance(judged, Heard) and isinstance(judged.message, Hello):
                self._hellos.pop(judged.device, None)
                self._hellos[judged.device] = judged
            else:
                group.append(judged)
        return group + [self._hellos.pop(device) for device in list(self._hellos)[:GROUP_HELLOS]]

    def _commit(self, group: Sequence[Judged], credit: Credit) -> "_Done":
        try:
            return self._commit_in_bulk(group, credit)
        except (CommitFailed, OperationalError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever one message does must not cost the others (P5)
            log.warning("a group is taken message by message", why=str(error), messages=len(group))
            return self._commit_one_by_one(group, credit)

    def _commit_in_bulk(self, group: Sequence[Judged], credit: Credit) -> "_Done":
        done = _Done()
        with self._centre.write_ledger() as tx:
            ledger = self._ledger(tx)
            for judged in group:
                done.replies += self._apply(tx, ledger, judged, credit)
            ledger.flush()
            done.note(ledger)
            faultpoint("hub_pre_commit")
        return done

    def _commit_one_by_one(self, group: Sequence[Judged], credit: Credit) -> "_Done":
        done = _Done()
        with self._centre.write_ledger() as tx:
            for judged in group:
                ledger = self._ledger(tx)
                try:
                    with tx.begin_nested():
                        replies = self._apply(tx, ledger, judged, credit)
                        ledger.flush()
                except (OperationalError, OSError):
                    raise
                except Exception as error:  # noqa: BLE001 - as above
                    self._centre.heads.forget()
                    ledger, replies = self._ledger(tx), []
                    self._set_aside(ledger, judged, f"{type(error).__name__}: {error}")
                    ledger.flush()
                done.replies += replies
                done.note(ledger)
            faultpoint("hub_pre_commit")
        return done

    def _ledger(self, tx: Connection) -> LedgerTransaction:
        now_ms = self._centre.now_ms()
        return LedgerTransaction(tx, self._centre.heads, self._centre.safety(tx), now_ms)

    def _apply(self, tx: Connection, ledger: LedgerTransaction, judged: Judged, credit: Credit) -> list[Reply]:
        now_ms = self._centre.now_ms()
        match judged:
            case Rejected(report):
                self.counts.rejected += 1
                ledger.report(report)
                return []
            case Unreadable(device, payload, why):
                ledger.keep_statement(device, payload, why)
                return []
            case Heard(device, Blob() as blob):
                state, reports = self._centre.blobs.take(tx, device, blob, now_ms)
                for report in reports:
                    ledger.report(report)
                return [Reply(device, state)]
            case Heard(device, (Hello() | Batch() | Fill() | Gap()) as message):
                replies = ledger.carry_out(decide(device, message, ledger, credit=credit, now_ms=now_ms))
                if isinstance(message, Hello) and replies:
                    documents = self._documents.due(tx, device, message.documents, now_ms)
                    replies += [Reply(device, part) for part in documents]
                return replies
            case Heard():
                return []

    def _set_aside(self, ledger: LedgerTransaction, judged: Judged, why: str) -> None:
        log.warning("a message could not be taken", why=why)
        if isinstance(judged, Heard):
            ledger.keep_statement(judged.device, judged.payload, why)

    def _storage_failed(self, group: Sequence[Judged], why: BaseException | None) -> None:
        """Nothing of the group was kept, so nothing is acknowledged; devices are told to wait."""
        self._note_trouble(why)
        log.error("storage refuses to keep", why=str(why))
        credit = credit_for(Load(self.queued, storage_ok=False, held=self._held))
        for judged in group:
            if isinstance(judged, Heard) and isinstance(judged.message, Batch | Gap):
                nack = Nack(judged.message.incarnation, judged.message.lane, "busy", credit)
                self._answer([Reply(judged.device, nack)])

    def _note_trouble(self, why: BaseException | None) -> None:
        self.counts.storage_ok = False
        self._held = isinstance(why, sqlite3.Error) and why.sqlite_errorcode == sqlite3.SQLITE_BUSY

    # -- after the commit ------------------------------------------------------------------------------------------

    def _answer(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            device = self._centre.registry.find(reply.device)
            if device is None or device.revoked_ms is not None:
                continue
            faultpoint("hub_before_reply")
            try:
                payload = seal(device.key, Direction.DOWN, device.id, encode_message(reply.message))
            except Malformed as error:
                log.warning("an answer is too large to send", device=device.id, why=str(error))
                continue
            self._outlets.publish(device.id, payload)

    def _show(self, group: Sequence[Judged], done: "_Done") -> None:
        heard = [(j.device, j.message) for j in group if isinstance(j, Heard)]
        spoke, shown = self._life.read(heard, greeted=done.greeted, grown=done.grown)
        for device, readings in shown:
            self._outlets.on_live(device, readings)
        self._project([*done.changes, *(Change("contact", device) for device in spoke)], done)

    def _project(self, changes: Sequence[Change], done: "_Done") -> None:
        try:
            folded = self._centre.projector.run(done.readable) if done.committed else []
        except OperationalError as error:
            # The facts are kept and acknowledged; they are folded when there is room again.
            self._note_trouble(error.orig)
            log.warning("storage refuses to fold", why=str(error.orig))
            folded = []
        if changes or folded:
            self._outlets.on_committed([*changes, *folded])


class _Done:
    """What a committed group comes to."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.changes: list[Change] = []
        self.greeted: set[str] = set()
        self.grown: set[str] = set()
        self.facts = 0
        self.readable: list[LedgerFact] = []
        self.committed = False

    def note(self, ledger: LedgerTransaction) -> None:
        self.committed = True
        self.facts += ledger.facts
        self.readable += ledger.readable
        self.greeted |= ledger.contacts.keys()
        self.grown |= ledger.grown
        self.changes += [Change("incident", key) for key in ledger.incidents]
        self.changes += [Change("device", device) for device in ledger.contacts]


def _size(incoming: Incoming) -> int:
    return MESSAGE_BYTES + len(incoming.payload)


def _facts_in(judged: Judged) -> int:
    match judged:
        case Heard(message=Batch(items=items)):
            return len(items)
        case Heard(message=Fill(cores=cores)):
            return len(cores)
        case _:
            return 1
