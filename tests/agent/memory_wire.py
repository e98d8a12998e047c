"""An uplink over an in-memory wire, virtual time and the real hub core."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.clock import DeviceClock, Stamp
from agent.inbox import Inbox
from agent.mqtt import Arrived, Closed, Incoming, Opened
from agent.outbox import Kept, WriteAction
from agent.uplink import Uplink
from contract.delivery.device_actions import Reincarnate
from contract.errors import ContractError
from contract.event import Event, Lane
from contract.messages import Down, LatestReading, Live, Up, decode_up, encode_message
from contract.statement import Direction, seal, unseal
from tests.agent.store.kit import BOOT, DEVICE, VirtualTime
from tests.contract.delivery.memory import KEY, MemoryLedger, MemoryStore, SeededEntropy


class MemoryShelf:
    """Small things in a dictionary."""

    def __init__(self) -> None:
        self.things: dict[tuple[str, str], bytes] = {}

    def put(self, kind: str, name: str, body: bytes) -> None:
        self.things[kind, name] = body

    def get(self, kind: str, name: str) -> bytes | None:
        return self.things.get((kind, name))

    def drop(self, kind: str, name: str) -> None:
        self.things.pop((kind, name), None)

    def names(self, kind: str) -> list[str]:
        return [name for k, name in self.things if k == kind]


class WritableStore:
    """The in-memory outbox with the writes that the uplink makes; `fail_with` is raised by the next one."""

    def __init__(self, store: MemoryStore) -> None:
        self.memory = store
        self.fail_with: Exception | None = None
        self.applied: list[WriteAction] = []
        self.stated: list[Event] = []
        self.sent: dict[Lane, int] = {}
        self.repairs = 0
        self.turn = threading.RLock()

    def __getattr__(self, name: str) -> object:
        return getattr(self.memory, name)

    def apply(self, actions: Sequence[WriteAction]) -> None:
        if self.fail_with is not None:
            error, self.fail_with = self.fail_with, None
            raise error
        for action in actions:
            self.memory.carry_out(action)
            self.applied.append(action)

    def append(
        self, events: Sequence[Event], *, actor: str, stamp: Stamp, beside: Callable[[], None] = lambda: None
    ) -> Sequence[Kept]:
        beside()
        assert actor == ""
        self.stated += events
        return [Kept(self.memory.keep(event), Lane.CUSTODY, 0, 0, stamp.at_ms) for event in events]

    def reincarnate(self, reason: str) -> None:
        self.memory.carry_out(Reincarnate(reason))

    def repair(self) -> None:
        self.repairs += 1

    def note_sent(self, lane: Lane, n: int) -> None:
        self.sent[lane] = n


@dataclass
class MemoryWire:
    """A wire whose far end is `hub`: a function from a published payload to the payloads that come back."""

    time: VirtualTime
    hub: Callable[[bytes], Sequence[bytes]]
    answers: list[Incoming] = field(default_factory=list)
    """What the next connections meet; a broker that takes them by default."""
    incoming: list[Incoming] = field(default_factory=list)
    published: list[bytes] = field(default_factory=list)
    opens: list[int] = field(default_factory=list)
    connected: bool = False
    mute: bool = False

    def open(self) -> None:
        self.opens.append(self.time.elapsed_ms)
        answer = self.answers.pop(0) if self.answers else Opened()
        self.connected = isinstance(answer, Opened)
        self.incoming = [answer]

    def publish(self, payload: bytes) -> None:
        if not self.connected:
            return
        self.published.append(payload)
        if not self.mute:
            self.incoming += [Arrived(reply, retained=False) for reply in self.hub(payload)]

    def poll(self, timeout_s: float) -> list[Incoming]:
        if not self.incoming:
            self.time.elapsed_ms += round(timeout_s * 1000)
        incoming, self.incoming = self.incoming, []
        return incoming

    def wake(self) -> None:
        pass

    def close(self) -> None:
        self.connected = False

    def release(self) -> None:
        self.close()

    def cut(self, why: str = "cut") -> None:
        """The connection breaks."""
        self.connected = False
        self.incoming.append(Closed(why))

    def said(self) -> list[Up]:
        """What was published since the last call."""
        published, self.published = self.published, []
        return [decode_up(unseal(KEY, Direction.UP, DEVICE, payload)) for payload in published]


@dataclass
class Bench:
    """One device's uplink and its hub."""

    time: VirtualTime
    store: WritableStore
    wire: MemoryWire
    inbox: Inbox
    uplink: Uplink
    ledger: MemoryLedger
    links: list[tuple[str, int | None]]
    broken: list[str]

    def hear(
        self, message: Down, *, key: bytes = KEY, retained: bool = False, direction: Direction = Direction.DOWN
    ) -> None:
        """Something comes on the down topic."""
        payload = seal(key, direction, DEVICE, encode_message(message))
        self.wire.incoming.append(Arrived(payload, retained))

    def scan(self, code: bytes) -> bytes:
        """Keep a scan and tell the uplink."""
        identity = self.store.memory.append(code)
        self.uplink.appended()
        return identity

    def settle(self) -> None:
        """Turn until nothing moves any more."""
        for _ in range(200):
            self.uplink.turn()
            if not self.wire.incoming:
                break

    def run_for(self, ms: int) -> None:
        """Turn until this much virtual time has passed."""
        end_ms = self.time.elapsed_ms + ms
        while self.time.elapsed_ms < end_ms:
            self.uplink.turn()


def bench(latest: Sequence[LatestReading] = (), seed: int = 1) -> Bench:
    """A device that was never connected, and a hub that knows nothing."""
    time = VirtualTime()
    ledger = MemoryLedger()
    store = WritableStore(MemoryStore(DEVICE, seed))
    links: list[tuple[str, int | None]] = []
    broken: list[str] = []

    def hub(payload: bytes) -> Sequence[bytes]:
        try:
            if isinstance(decode_up(unseal(KEY, Direction.UP, DEVICE, payload)), Live):
                return []
        except ContractError as error:
            raise AssertionError(f"the device published nonsense: {error}") from error
        return ledger.take(DEVICE, payload, now_ms=time.wall_ms() + 5_000)

    wire = MemoryWire(time, hub)
    shelf = MemoryShelf()
    inbox = Inbox(lambda: shelf)
    uplink = Uplink(
        device=DEVICE,
        key=KEY,
        store=store,  # type: ignore[arg-type]  # reads by __getattr__
        inbox=inbox,
        clock=DeviceClock(BOOT, time),
        wire=wire,
        entropy=SeededEntropy(seed),
        latest=lambda: latest,
        live_ms=5_000,
        changed=lambda link, at_ms: links.append((link.value, at_ms)),
        broken=broken.append,
    )
    return Bench(time, store, wire, inbox, uplink, ledger, links, broken)
