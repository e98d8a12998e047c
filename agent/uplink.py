"""The uplink: carries out what the delivery protocol decides, over a wire that promises nothing.

One thread calls `turn` again and again. Everything it must decide is decided by `contract.delivery.device`; here are the
connection and its back-off, the seals on statements, the order "writes, commit, sends", and the live values.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from agent.backoff import Backoff
from agent.clock import DeviceClock, Stamp
from agent.faultpoint import faultpoint
from agent.inbox import Inbox
from agent.log import Log
from agent.mqtt import CONNECT_TIMEOUT_S, Arrived, Closed, Incoming, Opened, Wire
from agent.outbox import Kept, WriteAction
from agent.store.errors import Cause, NotKept, StoreDamaged
from contract.delivery.device import DeviceProtocol
from contract.delivery.device_actions import (
    Action,
    BlobStored,
    FixClock,
    Reconnect,
    Reincarnate,
    Send,
    SetAcked,
    StoreDocument,
)
from contract.delivery.device_session import Entropy
from contract.delivery.device_states import Appended, Connected, Disconnected, Event, Link, Received, Replaced, Tick
from contract.delivery.device_view import DeviceView
from contract.errors import ContractError, NotAuthentic
from contract.event import Configured, Lane, Status
from contract.event import Event as FactEvent
from contract.limits import MAX_SNAPSHOT_SENSORS
from contract.messages import (
    Batch,
    Document,
    DocumentVersion,
    LatestReading,
    Live,
    Up,
    Welcome,
    decode_down,
    encode_message,
)
from contract.statement import Direction, seal, unseal

LONGEST_WAIT_MS: Final = 60_000
ANSWER_TIMEOUT_MS: Final = int(3 * CONNECT_TIMEOUT_S * 1000)
"""From the start of a connection until the broker has taken the subscription."""
EARLY_RETRY_MS: Final = 1_000
"""Whoever scans stands where the network may be back: a try is then made at once, but never sooner than this after the last."""
ACKNOWLEDGED: Final = (SetAcked, BlobStored)
"""The hub has more than it said before: a statement that the broker repeats makes neither."""
NO_ROOM: Final = (Cause.FULL, Cause.READ_ONLY)
"""The disk takes nothing new, but what is on it can be sent."""


class Store(DeviceView, Protocol):
    """What the uplink writes to beside what the protocol reads."""

    @property
    def turn(self) -> AbstractContextManager[object, bool | None]:
        """Held while the protocol reads and its actions are carried out; a new incarnation waits for it."""

    def apply(self, actions: Sequence[WriteAction]) -> None:
        """Carry out these writes in one transaction. Raises NotKept."""

    def append(
        self, events: Sequence[FactEvent], *, actor: str, stamp: Stamp, beside: Callable[[], None]
    ) -> Sequence[Kept]:
        """Keep facts, and what `beside` writes, or neither. Raises NotKept."""

    def reincarnate(self, reason: str) -> None:
        """Begin a new incarnation. Raises NotKept."""

    def repair(self) -> None:
        """Set a damaged database aside and rescue what is whole. Raises NotKept or OSError: the process must end."""

    def note_sent(self, lane: Lane, n: int) -> None:
        """Remember for people how far was sent."""


@dataclass(slots=True)
class Counters:
    """What came and was not used, for status and the log."""

    not_authentic: int = 0
    malformed: int = 0
    retained: int = 0
    outages: int = 0


class SystemEntropy:
    """Nonces and jitter from the machine."""

    def nonce(self) -> bytes:
        """16 random bytes."""
        return os.urandom(16)

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return int.from_bytes(os.urandom(6), "big") / 2**48


class Uplink:
    """Speaks to the hub for one device. All methods but `appended`, `wake` and the properties belong to one thread.

    Args:
        device: its id.
        key: its credential, with which statements are sealed.
        store: the outbox.
        inbox: takes documents.
        clock: both clocks.
        wire: the connection.
        entropy: nonces and jitter.
        latest: latest values per sensor, for live messages.
        live_ms: how often to send them while in contact.
        changed: called with the link and the time of the last contact whenever one of them changed.
        broken: called with a sentence when the disk can no longer be trusted and the process must end.
    """

    def __init__(
        self,
        *,
        device: str,
        key: bytes,
        store: Store,
        inbox: Inbox,
        clock: DeviceClock,
        wire: Wire,
        entropy: Entropy,
        latest: Callable[[], Sequence[LatestReading]],
        live_ms: int,
        changed: Callable[[Link, int | None], None] = lambda _link, _at_ms: None,
        broken: Callable[[str], None] = lambda _why: None,
    ) -> None:
        self._device = device
        self._key = key
        self._store = store
        self._inbox = inbox
        self._clock = clock
        self._wire = wire
        self._latest = latest
        self._live_ms = live_ms
        self._changed = changed
        self._broken = broken
        self._log = Log("uplink")
        self._protocol = DeviceProtocol(store, entropy)
        self._incarnation: bytes | None = None
        self._backoff = Backoff(entropy.uniform)
        self._retry_at_ms: int | None = 0
        self._early_at_ms: int | None = None
        self._answer_by_ms: int | None = None
        self._live_at_ms: int | None = None
        self._told: dict[str, LatestReading] = {}
        self._warned = False
        self._news = threading.Event()
        self.counters = Counters()
        self.last_contact_at_ms: int | None = None
        self._welcomed_at_ms: int | None = None

    # -- from any thread -------------------------------------------------------------------------------------------

    def appended(self) -> None:
        """Something was kept: send it now."""
        self._news.set()
        self._wire.wake()

    def wake(self) -> None:
        """End the present wait, such as for a stop."""
        self._wire.wake()

    @property
    def link(self) -> Link:
        """Where the conversation with the hub stands."""
        return self._protocol.link

    @property
    def in_contact(self) -> bool:
        """Whether the hub answered and the connection stands."""
        return self._protocol.link is Link.SYNCED

    # -- the uplink's own thread -----------------------------------------------------------------------------------

    def run(self, stopping: threading.Event) -> None:
        """Turn until `stopping` is set; call `wake` after setting it."""
        while not stopping.is_set():
            self.turn()
        self.hang_up()

    def turn(self) -> None:
        """Wait for the next thing that happens or is due, and do it."""
        before = (self.link, self._welcomed_at_ms)
        due_ms = min((t for t in self._due_times() if t is not None), default=LONGEST_WAIT_MS + self._now_ms())
        wait_ms = 0 if self._news.is_set() else min(due_ms - self._now_ms(), LONGEST_WAIT_MS)
        for incoming in self._wire.poll(max(wait_ms, 0) / 1000):
            self._take(incoming)
        if self._news.is_set():
            self._news.clear()
            self._feed(Appended())
            if self._retry_at_ms is not None and self._early_at_ms is not None:
                self._retry_at_ms = min(self._retry_at_ms, self._early_at_ms)
        self._do_what_is_due()
        # Not told of each acknowledgement: there are a hundred a second, and each listener asks how it is now.
        if (self.link, self._welcomed_at_ms) != before:
            self._changed(self.link, self.last_contact_at_ms)

    def recover(self) -> None:
        """After a fault of this program: drop the connection and begin anew with back-off."""
        self._lose("a fault of the agent itself")

    def hang_up(self) -> None:
        """Close the connection in order."""
        self._wire.close()
        self._forget()
        self._changed(self.link, self.last_contact_at_ms)

    def release(self) -> None:
        """Let go of the wire for good, when the uplink's thread has ended."""
        self._wire.release()

    def _now_ms(self) -> int:
        return self._clock.now().mono_ms

    def _due_times(self) -> tuple[int | None, ...]:
        return self._retry_at_ms, self._answer_by_ms, self._live_at_ms, self._protocol.next_wakeup_ms()

    def _do_what_is_due(self) -> None:
        now_ms = self._now_ms()
        if (wake_ms := self._protocol.next_wakeup_ms()) is not None and wake_ms <= now_ms:
            self._feed(Tick())
        if self._answer_by_ms is not None and self._answer_by_ms <= now_ms:
            self._lose("no answer from the broker")
        if self._live_at_ms is not None and self._live_at_ms <= now_ms:
            self._live_at_ms = now_ms + self._live_ms
            self._send_live()
        if self._retry_at_ms is not None and self._retry_at_ms <= now_ms:
            self._retry_at_ms = None
            self._answer_by_ms = now_ms + ANSWER_TIMEOUT_MS
            self._wire.open()

    # -- the connection --------------------------------------------------------------------------------------------

    def _take(self, incoming: Incoming) -> None:
        match incoming:
            case Opened():
                self._answer_by_ms = None
                self._feed(Connected())
            case Closed(why, credentials):
                self._lose(why, refused=credentials)
            case Arrived(payload, retained):
                self._receive(payload, retained=retained)

    def _lose(self, why: str, *, refused: bool = False) -> None:
        """The connection is gone, or must go: forget the conversation and come back later."""
        self._wire.close()
        self._answer_by_ms = self._live_at_ms = None
        wait_ms = self._backoff.next_ms(refused=refused)
        now_ms = self._now_ms()
        self._retry_at_ms = now_ms + wait_ms
        self._early_at_ms = None if refused else now_ms + EARLY_RETRY_MS
        # One warning per outage; what follows until the hub answers again is the same story.
        say = self._log.debug if self._warned else self._log.warning
        say("no_contact", why=why, retry_ms=wait_ms)
        if not self._warned:
            self.counters.outages += 1
        self._warned = True
        self._forget()

    def _forget(self) -> None:
        # Not by `_feed`, which reads the store: this is what follows when the store cannot be read.
        self._protocol.handle(Disconnected(), self._clock.now())

    def _contact(self) -> None:
        """The hub answered this very hello: only that is proof that the conversation stands."""
        now = self._clock.now()
        self.last_contact_at_ms = self._welcomed_at_ms = now.at_ms
        self._backoff.reset()
        if self._live_at_ms is None:
            self._live_at_ms = now.mono_ms + self._live_ms
            self._log.info("in_contact")
        self._warned = False

    def _receive(self, payload: bytes, *, retained: bool) -> None:
        if self.link is Link.OFFLINE:
            # It came in one reading with the end of the connection.
            return
        if retained:
            # Somebody left it at the broker: the hub retains nothing.
            self.counters.retained += 1
            return
        try:
            message = decode_down(unseal(self._key, Direction.DOWN, self._device, payload))
        except NotAuthentic as error:
            self.counters.not_authentic += 1
            self._report_dropped(self.counters.not_authentic, str(error))
            return
        except ContractError as error:
            self.counters.malformed += 1
            self._report_dropped(self.counters.malformed, str(error))
            return
        if isinstance(message, Welcome):
            faultpoint("welcome")
        self._feed(Received(message))

    def _report_dropped(self, count: int, why: str) -> None:
        say = self._log.warning if count == 1 else self._log.debug
        say("statement_dropped", why=why, count=count)

    # -- the protocol ----------------------------------------------------------------------------------------------

    def _feed(self, event: Event) -> None:
        """Hand an event to the protocol and carry out its actions; a store that fails ends the connection, no more."""
        try:
            with self._store.turn:
                self._notice_incarnation()
                self._carry_out(self._protocol.handle(event, self._clock.now()))
        except StoreDamaged as error:
            self._log.error("store_damaged", why=error)
            self._repair()
        except NotKept as error:
            self._give_up(error)

    def _notice_incarnation(self) -> None:
        """Whoever began a new incarnation (a repair, or this protocol), the conversation starts over."""
        before, self._incarnation = self._incarnation, self._store.incarnation
        if before not in (None, self._incarnation):
            self._carry_out(self._protocol.handle(Replaced(), self._clock.now()))

    def _give_up(self, error: NotKept) -> None:
        if error.cause is Cause.BROKEN:
            self._broken(str(error))
        self._lose_once(str(error))

    def _repair(self) -> None:
        try:
            self._store.repair()
        except (NotKept, OSError) as error:
            self._broken(f"the device database is damaged and could not be repaired: {error}")
        # Begin anew in either case: what the conversation was about may be gone.
        self._lose_once("the device database was damaged")

    def _lose_once(self, why: str) -> None:
        # Not asked of the link: a connection that just opened is there before the link says so.
        if self._retry_at_ms is None:
            self._lose(why)

    def _carry_out(self, actions: Sequence[Action]) -> None:
        writes = [action for action in actions if isinstance(action, WriteAction)]
        if writes:
            self._store.apply(writes)
        welcomed = any(isinstance(action, FixClock) for action in writes)
        if welcomed:
            faultpoint("welcome")
        for action in actions:
            match action:
                case Send(message):
                    self._send(message)
                case StoreDocument(document):
                    self._take_document(document)
                case Reincarnate(reason):
                    self._store.reincarnate(reason)
                    self._notice_incarnation()
                case Reconnect(why):
                    self._lose(why)
        if welcomed:
            # Last: a welcome that cannot be followed must not begin the back-off anew.
            self._contact()
        elif any(isinstance(action, ACKNOWLEDGED) for action in writes):
            self.last_contact_at_ms = self._clock.now().at_ms

    def _take_document(self, part: Document) -> None:
        try:
            done = self._inbox.take(part, self._store_and_state)
            if done is not None:
                self._log.info("document", kind=done.kind, version=done.version)
                self._news.set()
        except NotKept as error:
            if error.cause not in NO_ROOM:
                raise
            # Facts must go on all the same: they are what makes room. The hub sends the document again.
            self._log.info("document_not_kept", kind=part.kind, why=error)

    def _store_and_state(self, document: DocumentVersion, put: Callable[[], None]) -> None:
        # Together, or the hub would never hear of a document that was stored with the last of the room.
        detail = Configured(document.kind, document.version)
        self._store.append((Status(detail),), actor="", stamp=self._clock.stamp(), beside=put)

    def _send(self, message: Up) -> None:
        self._wire.publish(seal(self._key, Direction.UP, self._device, encode_message(message)))
        if isinstance(message, Batch):
            faultpoint("sent")
            self._store.note_sent(message.lane, message.n + len(message.items) - 1)

    def _send_live(self) -> None:
        readings = [reading for reading in self._latest() if self._told.get(reading.sensor) != reading][
            :MAX_SNAPSHOT_SENSORS
        ]
        if readings:
            self._told |= {reading.sensor: reading for reading in readings}
            self._send(Live(tuple(readings)))
