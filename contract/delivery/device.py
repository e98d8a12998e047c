"""The device's side of the delivery protocol.

`DeviceProtocol.handle(event, now)` takes one event and returns the actions that the shell must carry out, in order: first the
writes, in one transaction, then the sends. It reads the store through `DeviceView` and never writes, waits or looks at a
clock. If a write fails, the shell drops the connection; nothing is lost, because nothing here outlives a connection but what
the store holds.

The rule ids (D3, D4 ...) are those of `docs/protocol.md`.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from contract.delivery.audit import joined, named_safe, parcel
from contract.delivery.device_actions import (
    Action,
    BlobRefused,
    BlobStored,
    FixClock,
    MarkCorrupt,
    Reconnect,
    Reincarnate,
    Release,
    ReleaseBlobs,
    Send,
    SetAcked,
    StoreDocument,
)
from contract.delivery.device_session import BlobTransfer, Entropy, LaneSession, PendingHello, Portion, ResendTimer
from contract.delivery.device_states import (
    PLAIN_HAPPENINGS,
    TRANSITIONS,
    Event,
    Happening,
    Link,
    Now,
    Received,
    message_of,
)
from contract.delivery.device_view import DeviceView, LaneEnds
from contract.errors import IllegalTransition
from contract.event import Lane
from contract.fact import fact_id
from contract.items import Item, Tombstone
from contract.limits import (
    AUDIT_BLOBS,
    AUDIT_FACTS,
    AUDIT_PREFIX_BYTES,
    BLOB_CHUNK_BYTES,
    HELLO_INTERVAL_MS,
    HELLO_JITTER,
    KIB,
    MAX_AUDIT,
    MAX_CHECKPOINTS,
    MAX_WIRE_BYTES,
    UNANSWERED_BEFORE_RECONNECT,
)
from contract.messages import (
    AUDIT_MISSING,
    MARK_HASH_BYTES,
    Ack,
    Batch,
    Blob,
    BlobState,
    Document,
    Fill,
    Gap,
    Hello,
    LaneAnswer,
    LaneClaim,
    Mark,
    Nack,
    Welcome,
    mark,
)

BATCH_BYTES: Final = MAX_WIRE_BYTES - 16 * KIB
"""Contents in one batch before deflating: it fits the wire even if nothing shrinks."""
CUSTODY_TURNS: Final = 9
"""Custody batches before telemetry may go once although custody waits: a 90/10 share."""


class DeviceProtocol:
    """Sends what is kept, believes only the hub's committed word, and lets go only of what the hub holds safely.

    Not thread-safe; the shell calls it from one thread.
    """

    def __init__(self, view: DeviceView, entropy: Entropy) -> None:
        self._view = view
        self._entropy = entropy
        self.link = Link.OFFLINE
        self._reset()
        self._audit_cursor = b""
        self._blob_cursor = b""
        self._last_hello_ms = -1
        # These outlive a connection: on a line too slow for it, every connection would otherwise die of the same batch.
        self._batch_bytes = Portion(BATCH_BYTES)
        self._chunk_bytes = Portion(BLOB_CHUNK_BYTES)

    def _reset(self) -> None:
        self._hello: PendingHello | None = None
        self._hello_timer = ResendTimer()
        self._next_hello_ms = 0
        self._lanes = {lane: LaneSession() for lane in Lane}
        self._blob: BlobTransfer | None = None
        self._blob_timer = ResendTimer()
        # A disk that takes nothing cannot note the answer, and what is not noted is still pending: ask once a welcome.
        self._answered_blob = b""
        self._batch_limit = 0
        self._not_before_ms = 0
        self._custody_turns = 0
        self._lane_turns = 0
        self._unanswered = 0
        self._replacing = False
        self._checkpoints_due = True

    # -- the one entrance ------------------------------------------------------------------------------------------

    def handle(self, event: Event, now: Now) -> list[Action]:
        """Take one event.

        Raises:
            IllegalTransition: the event has no rule in this state; nothing changed.
        """
        happening = self._classify(event)
        if happening is None:
            return []
        to = TRANSITIONS[self.link].get(happening)
        if to is None:
            raise IllegalTransition(f"{happening} while {self.link}: no rule for it, nothing was changed")
        self.link = to
        actions = list(self._rules[happening](self, event, now))
        if self.link is Link.SYNCED and not self._replacing:
            actions += self._pump(now)
        return actions

    def next_wakeup_ms(self) -> int | None:
        """The monotonic time at which a `Tick` is due; None while offline."""
        if self.link is Link.OFFLINE:
            return None
        due = [self._next_hello_ms] if self.link is Link.SYNCED and self._hello is None else []
        due += [t.due_ms for t in self._timers() if t.due_ms is not None]
        due += [self._not_before_ms] if self._not_before_ms else []
        return min(due, default=None)

    def _timers(self) -> list[ResendTimer]:
        return [self._hello_timer, self._blob_timer, *(lane.timer for lane in self._lanes.values())]

    def _classify(self, event: Event) -> Happening | None:
        """The happening that an event is; None for a statement that is not for us or not for now, which is ignored."""
        match event:
            case Received(message=Welcome() as welcome):
                fresh = self._hello is not None and welcome.nonce == self._hello.nonce  # D6
                return Happening.WELCOMED if fresh else None
            case Received(message=Ack() | Nack()) if self.link is Link.GREETING:
                # It answers an earlier connection, and the welcome on its way says it better.
                return None
            case Received(message=Ack() as ack):
                return Happening.ACKED if self._names_our_prefix(ack) else None  # D4
            case Received(message=Nack() as nack):
                return Happening.NACKED if nack.incarnation == self._view.incarnation else None
            case Received(message=BlobState()):
                return Happening.BLOB_ANSWERED
            case Received(message=Document()):
                return Happening.DOCUMENT
            case _:
                return PLAIN_HAPPENINGS[type(event)]

    def _names_our_prefix(self, ack: Ack) -> bool:
        return ack.incarnation == self._view.incarnation and self._is_ours(ack.lane, ack.mark)

    def _is_ours(self, lane: Lane, claimed: Mark) -> bool:
        whole = self._view.hash_at(lane, claimed.n)
        return whole is not None and whole[:MARK_HASH_BYTES] == claimed.hash

    # -- connection and time ---------------------------------------------------------------------------------------

    def _connected(self, _event: Event, now: Now) -> list[Action]:
        self._reset()
        return self._say_hello(now)

    def _disconnected(self, _event: Event, _now: Now) -> list[Action]:
        self._reset()
        return []

    def _appended(self, _event: Event, _now: Now) -> list[Action]:
        return []

    def _replaced(self, _event: Event, now: Now) -> list[Action]:
        if self.link is Link.OFFLINE:
            return []
        self._reset()
        return self._say_hello(now)

    def _tick(self, _event: Event, now: Now) -> list[Action]:
        if self.link is Link.OFFLINE:
            return []
        fired = [t for t in self._timers() if t.due_ms is not None and t.due_ms <= now.mono_ms]
        if fired:
            self._unanswered += 1
            if self._unanswered >= UNANSWERED_BEFORE_RECONNECT:
                return [Reconnect(f"no answer from the hub to {self._unanswered} messages in a row")]
            self._time_out(fired)
        if self._not_before_ms <= now.mono_ms:
            self._not_before_ms = 0
        hello_due = self._hello is None and self.link is Link.SYNCED and self._next_hello_ms <= now.mono_ms  # D5
        if self._hello_timer in fired or hello_due:
            return self._say_hello(now)
        return []

    def _time_out(self, fired: list[ResendTimer]) -> None:
        """No answer came to what these timers waited for: it is not in flight any more."""
        for lane in (lane for lane in self._lanes.values() if lane.timer in fired):
            lane.awaiting_n = None
            lane.timer.due_ms = None
            self._batch_bytes.shrink()
        if self._blob_timer in fired:
            self._blob_timer.due_ms = None
            if self._blob is not None:
                self._chunk_bytes.shrink()
                self._blob.missing = None

    # -- hello and welcome -----------------------------------------------------------------------------------------

    def _say_hello(self, now: Now) -> list[Action]:
        """D5, D7: a report with a fresh nonce, and the questions that must be answered before anything is let go."""
        view = self._view
        report = view.report(now.at_ms)
        candidates = tuple(view.release_candidates(MAX_AUDIT - AUDIT_FACTS))
        rotation = view.identities_after(self._audit_cursor, AUDIT_FACTS)
        self._audit_cursor = rotation[-1] if len(rotation) == AUDIT_FACTS else b""
        blob_candidates = tuple(view.blob_release_candidates(AUDIT_BLOBS))
        blobs = view.blobs_after(self._blob_cursor, AUDIT_BLOBS - len(blob_candidates))
        self._blob_cursor = blobs[-1] if blobs else b""
        pending = PendingHello(
            nonce=self._entropy.nonce(),
            sent_mono_ms=now.mono_ms,
            candidates=candidates,
            audited=joined(candidates, rotation),
            blob_candidates=blob_candidates,
            audited_blobs=joined(blob_candidates, blobs),
        )
        self._hello = pending
        self._hello_timer.start(now.mono_ms, self._entropy.uniform())
        # The hub takes a hello that is not newer than the last for a played back one.
        self._last_hello_ms = max(now.mono_ms, self._last_hello_ms + 1)
        jitter = 1 + HELLO_JITTER * (2 * self._entropy.uniform() - 1)
        self._next_hello_ms = now.mono_ms + int(HELLO_INTERVAL_MS * jitter)
        hello = Hello(
            nonce=pending.nonce,
            incarnation=view.incarnation,
            boot=view.boot,
            mono_ms=self._last_hello_ms,
            at_ms=now.at_ms,
            version=report.version,
            lanes=tuple(self._claim(lane) for lane in Lane),
            audit=tuple(i[:AUDIT_PREFIX_BYTES] for i in pending.audited),
            audit_blobs=tuple(b[:AUDIT_PREFIX_BYTES] for b in pending.audited_blobs),
            documents=report.documents,
            backlog=report.backlog,
            snapshot=report.snapshot if self.link is Link.GREETING else (),
        )
        return [Send(hello)]

    def _claim(self, lane: Lane) -> LaneClaim:
        ends = self._view.lane(lane)
        # In GREETING the session has not heard the hub yet, so what an earlier session stored is claimed.
        acked_n = ends.acked_n if self.link is Link.GREETING else self._lanes[lane].acked_n
        acked_n = max(acked_n, ends.base_n)
        checkpoints = self._checkpoints(lane, ends) if self._checkpoints_due else ()
        acked = None if acked_n == ends.head_n else self._mark_at(lane, acked_n)
        return LaneClaim(
            lane=lane,
            base=mark(ends.base_n, ends.base_hash),
            head=mark(ends.head_n, ends.head_hash),
            acked=acked,
            checkpoints=checkpoints,
        )

    def _mark_at(self, lane: Lane, n: int) -> Mark:
        whole = self._view.hash_at(lane, n)
        if whole is None:
            raise AssertionError(f"position {n} of {lane} lies between base and head and must be in the store")
        return mark(n, whole)

    def _checkpoints(self, lane: Lane, ends: LaneEnds) -> tuple[Mark, ...]:
        distances = (1 << k for k in range(MAX_CHECKPOINTS))
        return tuple(self._mark_at(lane, ends.head_n - d) for d in distances if ends.head_n - d > ends.base_n)

    def _welcomed(self, event: Event, now: Now) -> list[Action]:
        welcome = message_of(event, Welcome)
        pending = self._hello
        if pending is None:
            raise AssertionError("a welcome counts only while a hello waits for it")
        self._hello = None
        self._hello_timer.stop()
        self._answered_blob = b""
        self._unanswered = 0
        self._checkpoints_due = False
        self._take_credit(welcome.credit.facts, welcome.credit.retry_after_ms, now)
        round_trip_ms = now.mono_ms - pending.sent_mono_ms
        middle_ms = pending.sent_mono_ms + round_trip_ms // 2
        actions: list[Action] = [FixClock(middle_ms, welcome.hub_ms, (round_trip_ms + 1) // 2)]
        if (reason := self._must_start_over(welcome)) is not None:  # P6
            self._replacing = True
            return [*actions, Reincarnate(reason)]
        for answer in welcome.lanes:
            actions += self._align(answer, now)
        actions += self._answer_audit(welcome, pending)
        return actions

    def _must_start_over(self, welcome: Welcome) -> str | None:
        """Why this incarnation cannot go on: somebody else speaks under it, or this storage was set back."""
        if welcome.forked:
            return "forked"
        for answer in welcome.lanes:
            ends = self._view.lane(answer.lane)
            for head in answer.heads:
                if head.n > ends.head_n:
                    return "restored"
                if head.n >= ends.base_n and not self._is_ours(answer.lane, head):
                    return "forked"
        return None

    def _align(self, answer: LaneAnswer, now: Now) -> list[Action]:
        """D6: believe the best prefix that the hub really has, even when that is less than it once acknowledged."""
        ends = self._view.lane(answer.lane)
        session = self._lanes[answer.lane]
        marks = [*answer.heads, *([answer.best] if answer.best is not None else [])]
        known = [m.n for m in marks if ends.base_n <= m.n <= ends.head_n and self._is_ours(answer.lane, m)]
        if not known and ends.base_n > 0:
            first = max((m.n for m in marks if m.n < ends.base_n), default=0) + 1
            session.awaiting_n = ends.base_n
            session.timer.start(now.mono_ms, self._entropy.uniform())
            # Nothing that is still here is at this hub: all of it must follow the gap.
            session.acked_n = 0
            gap = Gap(self._view.incarnation, answer.lane, first, ends.base_n, ends.base_hash, "released")
            return [SetAcked(answer.lane, 0), Send(gap)]
        # A batch that crossed this welcome on the wire may have been acknowledged already.
        best = max(known, default=0)
        if session.awaiting_n is None or best >= session.awaiting_n:
            session.settle()
        session.acked_n = best
        return [SetAcked(answer.lane, best)]

    def _answer_audit(self, welcome: Welcome, pending: PendingHello) -> list[Action]:
        """D7: send what is missing; let go only of what was asked about, is still wished to go, and is named safe in full."""
        actions: list[Action] = []
        missing = [i for i, answer in zip(pending.audited, welcome.audit, strict=False) if answer == AUDIT_MISSING]
        acked_below = self._view.committed_only(missing, {lane: s.acked_n for lane, s in self._lanes.items()})
        # One parcel a hello, which sets the pace; whatever is still missing is asked about again.
        fill = parcel(self._view.contents(acked_below), BATCH_BYTES) if not self._not_before_ms else ()
        if fill:
            actions.append(Send(Fill(fill)))
        safe = named_safe(pending.candidates, pending.audited, welcome.audit, welcome.safe)
        if safe:
            actions.append(Release(safe))
        safe_blobs = named_safe(pending.blob_candidates, pending.audited_blobs, welcome.audit_blobs, welcome.safe_blobs)
        if safe_blobs:
            actions.append(ReleaseBlobs(safe_blobs))
        lost = [b for b, a in zip(pending.audited_blobs, welcome.audit_blobs, strict=False) if a == AUDIT_MISSING]
        actions += [BlobStored(b, stored=False) for b in lost]
        return actions

    # -- what the hub says in between ------------------------------------------------------------------------------

    def _acked(self, event: Event, now: Now) -> list[Action]:
        ack = message_of(event, Ack)
        session = self._lanes[ack.lane]
        self._unanswered = 0
        self._take_credit(ack.credit.facts, ack.credit.retry_after_ms, now)
        if session.awaiting_n is not None and ack.mark.n >= session.awaiting_n:
            self._batch_bytes.grow(session.timer, now.mono_ms)
            session.settle()
        if ack.mark.n <= session.acked_n:
            return []
        session.acked_n = ack.mark.n
        return [SetAcked(ack.lane, ack.mark.n)]

    def _nacked(self, event: Event, now: Now) -> list[Action]:
        nack = message_of(event, Nack)
        self._unanswered = 0
        self._take_credit(nack.credit.facts, nack.credit.retry_after_ms, now)
        self._lanes[nack.lane].settle()
        self._checkpoints_due = True
        return self._say_hello(now)

    def _document(self, event: Event, _now: Now) -> list[Action]:
        return [StoreDocument(message_of(event, Document))]

    def _blob_answered(self, event: Event, now: Now) -> list[Action]:
        state = message_of(event, BlobState)
        if self._blob is None or state.sha256 != self._blob.sha256:
            return []
        if not state.refused and not self._blob.is_answered_by(state.missing):
            return []
        self._unanswered = 0
        self._chunk_bytes.grow(self._blob_timer, now.mono_ms)
        self._blob_timer.stop()
        if state.missing and not state.refused:
            self._blob.missing = state.missing
            return []
        self._blob = None
        self._answered_blob = state.sha256
        if state.refused:
            return [BlobRefused(state.sha256, state.refused)]
        return [BlobStored(state.sha256, stored=True)]

    def _take_credit(self, facts: int, retry_after_ms: int, now: Now) -> None:
        self._batch_limit = facts
        if facts == 0:
            self._not_before_ms = now.mono_ms + max(retry_after_ms, 1)

    # -- sending ---------------------------------------------------------------------------------------------------

    def _pump(self, now: Now) -> list[Action]:
        """D3: one batch in flight per lane, custody first, nothing starves."""
        if self._not_before_ms:
            return []
        actions = self._pump_lane(Lane.CUSTODY, now)
        custody = self._lanes[Lane.CUSTODY]
        custody_busy = custody.awaiting_n is not None and custody.timer.attempts <= 1
        if not custody_busy or self._custody_turns >= CUSTODY_TURNS:
            actions += self._pump_lane(Lane.TELEMETRY, now)
        if self._lane_turns > CUSTODY_TURNS or all(s.awaiting_n is None for s in self._lanes.values()):
            actions += self._pump_blob(now)
        return actions

    def _pump_lane(self, lane: Lane, now: Now) -> list[Action]:
        session = self._lanes[lane]
        if session.awaiting_n is not None:
            return []
        ends = self._view.lane(lane)
        after_n = max(session.acked_n, ends.base_n)
        if after_n >= ends.head_n:
            return []
        limit = self._batch_limit or 1  # After a wait that the hub asked for, one fact finds out how it is.
        stored = self._view.read(lane, after_n, limit, self._batch_bytes.size)
        actions: list[Action] = []
        items: list[Item] = []
        for position in stored:
            if position.core is not None and fact_id(position.core) == position.fact_id:
                items.append(position.core)
                continue
            cause = position.cause
            if position.core is not None or cause is None:  # D2
                cause = "corrupt"
                actions.append(MarkCorrupt(lane, position.n, position.fact_id))
            items.append(Tombstone(position.fact_id, cause))
        previous = self._mark_at(lane, after_n)
        batch = Batch(self._view.incarnation, lane, after_n + 1, previous.hash, tuple(items))
        session.awaiting_n = after_n + len(items)
        session.timer.start(now.mono_ms, self._entropy.uniform())
        self._lane_turns += 1
        self._custody_turns = self._custody_turns + 1 if lane is Lane.CUSTODY else 0
        return [*actions, Send(batch)]

    def _pump_blob(self, now: Now) -> list[Action]:
        if self._blob_timer.due_ms is not None:
            return []
        if self._blob is None:
            pending = self._view.pending_blob()
            if pending is None or pending.sha256 == self._answered_blob:
                return []
            self._blob = BlobTransfer(pending.sha256, pending.size)
        blob = self._blob
        self._lane_turns = 0
        self._blob_timer.start(now.mono_ms, self._entropy.uniform())
        if not blob.missing:
            blob.chunk_start = None
            return [Send(Blob(blob.sha256, blob.size, 0, b"", sha256(b"").digest()))]
        start, end = blob.missing[0]
        blob.chunk_start = start
        data = self._view.blob_chunk(blob.sha256, start, min(end - start, self._chunk_bytes.size))
        if data is None:
            self._blob = None
            self._answered_blob = blob.sha256
            self._blob_timer.stop()
            return [BlobRefused(blob.sha256, "corrupt")]
        return [Send(Blob(blob.sha256, blob.size, start, data, sha256(data).digest()))]

    _rules: Final[dict[Happening, Callable[["DeviceProtocol", Event, Now], list[Action]]]] = {
        Happening.CONNECTED: _connected,
        Happening.DISCONNECTED: _disconnected,
        Happening.APPENDED: _appended,
        Happening.TICK: _tick,
        Happening.REPLACED: _replaced,
        Happening.WELCOMED: _welcomed,
        Happening.ACKED: _acked,
        Happening.NACKED: _nacked,
        Happening.BLOB_ANSWERED: _blob_answered,
        Happening.DOCUMENT: _document,
    }
