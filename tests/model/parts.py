"""Device and hub as pure functions of small states, so that a search may try every event in every state.

Both run the shipped cores over the stores of `tests.contract.delivery.memory`. A state is a number: its objects are kept
pickled beside it, and two states with the same content have the same number. A step is worked out once and then remembered.
"""

import dataclasses
import pickle
from collections.abc import Callable, Hashable, Sequence
from enum import Enum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from contract.columns import Reading, pack_readings
from contract.delivery.device import DeviceProtocol
from contract.delivery.device_actions import Action, Reconnect, Reincarnate, Release, Send
from contract.delivery.device_states import (
    Appended,
    Connected,
    Disconnected,
    Event,
    Link,
    Now,
    Received,
    Replaced,
    Tick,
)
from contract.delivery.hub import decide
from contract.delivery.hub_actions import HubAction, IncidentKind, Place, Reply
from contract.event import Lane, Quantity, Readings
from contract.fact import fact_id, root_hash
from contract.limits import SAFE_BACKUPS
from contract.messages import Credit, Down, Up
from tests.contract.delivery.memory import MemoryLedger, MemoryStore, StoredLane

DEVICE = "van-1"
AT_MS = 1_700_000_000_000

T = TypeVar("T")


class States(Generic[T]):
    """Numbers for states, and the objects behind the numbers."""

    def __init__(self, key: Callable[[T], Hashable]) -> None:
        self._key = key
        self._numbers: dict[Hashable, int] = {}
        self._pickles: list[bytes] = []

    def number(self, thing: T) -> int:
        key = self._key(thing)
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self._pickles)
            self._pickles.append(pickle.dumps(thing))
        return known

    def thing(self, number: int) -> T:
        """A copy that may be changed."""
        return pickle.loads(self._pickles[number])  # type: ignore[no-any-return]  # noqa: S301 our own bytes

    def __len__(self) -> int:
        return len(self._pickles)


def frozen(value: Any) -> Hashable:
    """The content of nested objects as something that can be compared and hashed."""
    if value is None or isinstance(value, (bytes, int, str, float, Enum, Struct)):
        return value  # type: ignore[no-any-return]  # all of these are hashable
    if isinstance(value, dict):
        return tuple((k, frozen(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(frozen, value))
    if isinstance(value, (set, frozenset)):
        return frozenset(value)
    if dataclasses.is_dataclass(value):
        return tuple(frozen(getattr(value, f.name)) for f in dataclasses.fields(value))
    return tuple((k, frozen(v)) for k, v in vars(value).items())


# -- the device ----------------------------------------------------------------------------------------------------


class Chance:
    """Nonces that were never used before, and no jitter: the search tries every order of timers and messages anyway."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nonces = 0

    def nonce(self) -> bytes:
        self.nonces += 1
        return f"{self.name} {self.nonces}".encode().ljust(16)

    def uniform(self) -> float:
        return 0.0

    def randbytes(self, size: int) -> bytes:
        return self.name.encode().ljust(size)


class Store(MemoryStore):
    """A store under pressure: what is committed should go at once, and leaves not even its row."""

    def __init__(self, name: str) -> None:
        self.chance = Chance(name)
        super().__init__(DEVICE, 0)
        self.random = self.chance  # type: ignore[assignment]  # what a store asks of it
        self.wake_as(name)
        self._begin()

    def wake_as(self, name: str) -> None:
        """Another machine, or another life of this one: other random bytes, another boot."""
        self.chance.name = name
        self.boot = f"boot {name}".encode().ljust(16)

    def _begin(self) -> None:
        self.incarnation = f"{self.chance.name} {len(self.reincarnations)}".encode().ljust(16)
        self.lanes = {lane: StoredLane(0, root_hash(self.device, self.incarnation, lane)) for lane in Lane}

    def release_candidates(self, most: int) -> list[bytes]:
        committed = (p for s in self.lanes.values() for p in s.positions if p.n <= s.acked_n and p.cause is None)
        return [p.fact_id for p in committed if p.fact_id in self.cores][:most]

    def contents(self, identities: Sequence[bytes]) -> list[bytes]:
        return [core for core in super().contents(identities) if fact_id(core) in identities]

    def carry_out(self, action: Action) -> None:
        super().carry_out(action)
        if isinstance(action, Release):
            self.trim()
        self.fixes.clear()


class Device:
    """A store with the shipped core on top. The clock stands still but for `tick`, which jumps to the next timer."""

    def __init__(self, name: str) -> None:
        self.store = Store(name)
        self.core = self._new_core()
        self.sent: list[Up] = []

    def _new_core(self) -> DeviceProtocol:
        return DeviceProtocol(self.store, self.store.chance)

    def _feed(self, event: Event) -> None:
        for action in self.core.handle(event, Now(0, AT_MS)):
            match action:
                case Send(message):
                    self.sent.append(message)
                case Reconnect():
                    self._feed(Disconnected())
                    self._feed(Connected())
                case Reincarnate():
                    self.store.carry_out(action)
                    self._feed(Replaced())
                case _:
                    self.store.carry_out(action)

    def capture(self) -> None:
        self.store.append(f"{self.store.chance.name} {self.store.ord}".encode())
        self._feed(Appended())

    def seal(self) -> None:
        """A block of one reading, in the other lane."""
        packed = pack_readings([Reading(0, 500)], 60_000)
        block = Readings("van-1.probe.temperature_c", Quantity.TEMPERATURE_C, AT_MS, 0, 60_000, 1, packed)
        self.store.keep(block)
        self._feed(Appended())

    def connect(self) -> None:
        self._feed(Connected())

    def hear(self, message: Down) -> None:
        self._feed(Received(message))

    def tick(self) -> None:
        self._shift(self.core.next_wakeup_ms() or 0)
        self._feed(Tick())

    def crash(self) -> None:
        """What the process knew is gone; the store is not, and the clock goes on."""
        before = self.core
        self.core = self._new_core()
        self.core._last_hello_ms = before._last_hello_ms

    def wake_as(self, name: str) -> None:
        self.store.wake_as(name)
        self.core = self._new_core()

    def flip(self) -> None:
        """A bit of the newest content flips."""
        identity = list(self.store.cores)[-1]
        core = self.store.cores[identity]
        self.store.cores[identity] = core[:-1] + bytes([core[-1] ^ 1])

    def _shift(self, by_ms: int) -> None:
        """Let time pass by moving everything that is due."""
        core = self.core
        core._next_hello_ms -= by_ms
        for timer in core._timers():
            if timer.due_ms is not None:
                timer.due_ms -= by_ms
        if core._not_before_ms:
            # 0 would mean that there is nothing to wait for, and only the core may say so.
            core._not_before_ms = core._not_before_ms - by_ms or -1

    @property
    def online(self) -> bool:
        return self.core.link is not Link.OFFLINE

    @property
    def at_rest(self) -> bool:
        """Everything is acknowledged and nothing is waited for."""
        ends = [self.store.lane(lane) for lane in Lane]
        waits = any(t.due_ms is not None for t in self.core._timers())
        return self.core.link is Link.SYNCED and not waits and all(e.acked_n >= e.head_n for e in ends)


def device_key(device: Device) -> Hashable:
    # Facts and chunks here are far below any size that the core adapts.
    core = {
        k: v for k, v in vars(device.core).items() if k not in ("_view", "_entropy", "_batch_bytes", "_chunk_bytes")
    }
    return frozen(core), frozen({k: v for k, v in vars(device.store).items() if k != "random"})


# -- the hub -------------------------------------------------------------------------------------------------------


class Hub(MemoryLedger):
    """The shipped decisions over a ledger. What is safe follows from the backups that this ledger knows of."""

    def __init__(self) -> None:
        super().__init__()
        self.backups: tuple[frozenset[bytes], ...] = ()
        """Contents of the newest backups, newest first."""
        self.chained: set[bytes] = set()
        """Identities that have a place in some stream."""
        self.replies: list[Down] = []

    def carry_out(self, action: HubAction) -> None:
        super().carry_out(action)
        if isinstance(action, Place):
            self.chained |= {p.fact_id for p in action.placements if p.fact_id is not None}

    def with_content(self) -> frozenset[bytes]:
        return frozenset(i for i, row in self.facts.items() if row.core is not None and row.problem is None)

    def note_backup(self) -> None:
        """Written into the ledger after the copy was made, so the copy does not know of itself."""
        self.backups = (self.with_content(), *self.backups)[:SAFE_BACKUPS]

    def hear(self, message: Up, credit: Credit) -> None:
        full = len(self.backups) == SAFE_BACKUPS
        self.safe = set(frozenset.intersection(*self.backups)) if full else set()
        for action in decide(DEVICE, message, self, credit=credit, now_ms=AT_MS):  # type: ignore[arg-type]  # no blobs
            if isinstance(action, Reply):
                self.replies.append(action.message)
            else:
                self.carry_out(action)


def hub_key(hub: Hub) -> Hashable:
    return (
        frozenset((stream, frozen(heads)) for stream, heads in hub.branch_heads.items()),
        frozenset((where, tuple(hashes)) for where, hashes in hub.placed.items()),
        frozenset((i, row.core, row.cause, row.problem) for i, row in hub.facts.items()),
        tuple(sorted(hub.arrived)),
        frozenset(frozen(gap) for gap in hub.gaps),
        frozenset((key, incident.kind) for key, incident in hub.incidents.items()),
        frozenset(hub.boots.items()),
        frozenset((s, frozenset((m.n, m.hash) for m in marks)) for s, marks in hub.announced_heads.items()),
        hub.backups,
    )


def contradiction(hub: Hub) -> str:
    """What contradicts itself in a ledger."""
    if len(set(hub.arrived)) != len(hub.arrived):
        return "P3: a fact has two rows"
    if hub.chained - hub.facts.keys():
        return "P4: a position has no row"
    for identity, row in hub.facts.items():
        if row.core is not None and fact_id(row.core) != identity:
            return "P3: a row holds another fact's content"
        if row.core is None and not row.cause:
            return "P4: a row has neither content nor a cause"
        if row.problem is not None:
            return f"P5: a good fact is in quarantine: {row.problem}"
    for stream, heads in hub.branch_heads.items():
        gaps = [(g.first_n, g.last_n) for g in hub.gaps if g.stream == stream]
        for n in range(1, max(b.n for b in heads) + 1):
            hashes = hub.placed.get((stream, n), [])
            if not hashes and not any(first <= n <= last for first, last in gaps):
                return f"P4: position {n} is missing without a word"
            if len(set(hashes)) != len(hashes):
                return f"P3: position {n} is there twice"
        if any(hub.placed.get((stream, n)) for first, last in gaps for n in range(first, last)):
            return "P4: a gap is stated over positions that are there"
        if gaps and not any(i.kind is IncidentKind.GAP for i in hub.incidents.values()):
            return "P4: a gap shows nowhere"
        forked = any(len(hub.placed.get((stream, n), [])) > 1 for n in range(1, max(b.n for b in heads) + 1))
        if (forked or len(heads) > 1) and not any(i.kind is IncidentKind.FORK for i in hub.incidents.values()):
            return "P6: a fork shows nowhere"
    return ""
