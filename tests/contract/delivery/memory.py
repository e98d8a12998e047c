"""A device's store and a hub's ledger in memory, and wires between the two protocol cores.

The stores hold plain lists and carry out the cores' actions to the letter; all decisions are the cores' own.
"""

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from contract.delivery.device import DeviceProtocol
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
from contract.delivery.device_states import Appended, Connected, Disconnected, Event, Now, Received, Replaced, Tick
from contract.delivery.device_view import LaneEnds, PendingBlob, Report, StoredPosition
from contract.delivery.hub import decide
from contract.delivery.hub_actions import Contact, ForgetClaims, HubAction, Place, PutFacts, PutGap, Reply
from contract.delivery.hub_actions import Report as Incident
from contract.delivery.hub_view import Audited, BranchHead, StreamName, Unfinished
from contract.event import Damage, Lane, Scan, Status, Step
from contract.event import Event as AnyEvent
from contract.fact import Clock, Fact, decode_core, encode_core, fact_id, next_hash, root_hash
from contract.messages import (
    MARK_HASH_BYTES,
    Backlog,
    Batch,
    Blob,
    BlobState,
    Credit,
    DocumentVersion,
    Fill,
    Gap,
    Hello,
    Mark,
    Up,
    decode_down,
    decode_up,
    encode_message,
)
from contract.statement import Direction, seal, unseal

KEY = b"k" * 32


class SeededEntropy:
    """Nonces and jitter from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def nonce(self) -> bytes:
        return self._random.randbytes(16)

    def uniform(self) -> float:
        return self._random.random()


@dataclass(slots=True)
class Position:
    n: int
    hash: bytes
    fact_id: bytes
    cause: str | None = None


@dataclass
class StoredLane:
    base_n: int
    base_hash: bytes
    positions: list[Position] = field(default_factory=list)
    acked_n: int = 0

    @property
    def head_n(self) -> int:
        return self.base_n + len(self.positions)

    @property
    def head_hash(self) -> bytes:
        return self.positions[-1].hash if self.positions else self.base_hash


class MemoryStore:
    """The device's outbox: everything it was told to keep, and nothing else."""

    def __init__(self, device: str, seed: int) -> None:
        self.device = device
        self.random = random.Random(seed)
        self.boot = self.random.randbytes(16)
        self.cores: dict[bytes, bytes] = {}
        self.blobs: dict[bytes, bytes] = {}
        self.blobs_stored: dict[bytes, bool] = {}
        self.blobs_refused: set[bytes] = set()
        self.releasable = False
        self.reincarnations: list[str] = []
        self.fixes: list[FixClock] = []
        self.ord = 0
        self.began_ms = 1_000_000
        self._begin()

    def _begin(self) -> None:
        self.incarnation = self.random.randbytes(16)
        self.lanes = {lane: StoredLane(0, root_hash(self.device, self.incarnation, lane)) for lane in Lane}

    def append(self, code: bytes) -> bytes:
        """Capture one scan."""
        return self.keep(Scan(code, "", "plain", code.decode(), Step.LOADED, "dock", "line"))

    def keep(self, event: AnyEvent) -> bytes:
        """Capture one fact in its lane."""
        self.ord += 1
        fact = Fact(
            version=1,
            device=self.device,
            incarnation=self.incarnation,
            boot=self.boot,
            ord=self.ord,
            salt=self.random.randbytes(8),
            at_ms=self.began_ms + self.ord,
            mono_ms=self.ord,
            clock=Clock.SYNCED,
            actor="",
            event=event,
        )
        core = encode_core(fact)
        self._chain(fact.lane, fact_id(core))
        self.cores[fact_id(core)] = core
        return fact_id(core)

    def _chain(self, lane: Lane, identity: bytes) -> None:
        stored = self.lanes[lane]
        n = stored.head_n + 1
        stored.positions.append(Position(n, next_hash(stored.head_hash, n, identity), identity))

    def trim(self) -> None:
        """Drop the rows of the released prefix, as a device with little room does."""
        for stored in self.lanes.values():
            while stored.positions and stored.positions[0].cause == "released":
                gone = stored.positions.pop(0)
                stored.base_n, stored.base_hash = gone.n, gone.hash

    # DeviceView

    def lane(self, lane: Lane) -> LaneEnds:
        s = self.lanes[lane]
        return LaneEnds(s.base_n, s.base_hash, s.head_n, s.head_hash, s.acked_n)

    def hash_at(self, lane: Lane, n: int) -> bytes | None:
        s = self.lanes[lane]
        if n == s.base_n:
            return s.base_hash
        return s.positions[n - s.base_n - 1].hash if s.base_n < n <= s.head_n else None

    def read(self, lane: Lane, after_n: int, most: int, most_bytes: int) -> Sequence[StoredPosition]:
        s = self.lanes[lane]
        found: list[StoredPosition] = []
        room = most_bytes
        for p in s.positions[after_n - s.base_n :][:most]:
            core = self.cores.get(p.fact_id)
            room -= len(core or b"")
            if found and room < 0:
                break
            found.append(StoredPosition(p.n, p.fact_id, core, p.cause))
        return found

    def release_candidates(self, most: int) -> Sequence[bytes]:
        return list(self.cores)[:most] if self.releasable else []

    def identities_after(self, cursor: bytes, most: int) -> Sequence[bytes]:
        return [i for i in sorted(self.cores) if i > cursor][:most]

    def committed_only(self, identities: Sequence[bytes], acked: Mapping[Lane, int]) -> Sequence[bytes]:
        below = {p.fact_id for lane, s in self.lanes.items() for p in s.positions if p.n <= acked[lane]}
        return [i for i in identities if i in below]

    def contents(self, identities: Sequence[bytes]) -> Sequence[bytes]:
        return [self.cores[i] for i in identities if i in self.cores]

    def pending_blob(self) -> PendingBlob | None:
        for name, data in self.blobs.items():
            if not self.blobs_stored.get(name) and name not in self.blobs_refused:
                return PendingBlob(name, len(data))
        return None

    def blob_chunk(self, sha256: bytes, start: int, size: int) -> bytes | None:
        return self.blobs[sha256][start : start + size]

    def blob_release_candidates(self, most: int) -> Sequence[bytes]:
        return [s for s in self.blobs if self.blobs_stored.get(s)][:most] if self.releasable else []

    def blobs_after(self, cursor: bytes, most: int) -> Sequence[bytes]:
        return sorted(s for s in self.blobs if s > cursor and self.blobs_stored.get(s))[:most]

    def report(self, at_ms: int) -> Report:
        return Report("1.0", (), Backlog(len(self.cores), 0, None, 10**9, None), ())

    def carry_out(self, action: Action) -> None:
        match action:
            case SetAcked(lane, n):
                self.lanes[lane].acked_n = n
            case Release(identities):
                for s in self.lanes.values():
                    for p in s.positions:
                        if p.fact_id in identities:
                            p.cause = "released"
                for i in identities:
                    self.cores.pop(i, None)
            case MarkCorrupt(lane, n, identity):
                self.lanes[lane].positions[n - self.lanes[lane].base_n - 1].cause = "corrupt"
                self.cores.pop(identity, None)
            case FixClock():
                self.fixes.append(action)
            case Reincarnate(reason):
                self.reincarnations.append(reason)
                kept = list(self.cores)
                self._begin()
                for identity in kept:
                    self._chain(decode_core(self.cores[identity]).lane, identity)
                self.keep(Status(Damage(reason)))
            case BlobStored(name, stored):
                self.blobs_stored[name] = stored
            case BlobRefused(name):
                self.blobs_refused.add(name)
            case ReleaseBlobs(names):
                for name in names:
                    del self.blobs[name]
            case StoreDocument():
                raise AssertionError(f"unexpected {action}")
            case Send() | Reconnect():
                raise AssertionError(f"not a write: {action}")


@dataclass
class Row:
    core: bytes | None
    cause: str | None
    problem: str | None


class MemoryLedger:
    """The hub's ledger; copying it is a backup."""

    def __init__(self) -> None:
        self.branch_heads: dict[StreamName, list[BranchHead]] = {}
        self.placed: dict[tuple[StreamName, int], tuple[bytes, ...]] = {}
        self.facts: dict[bytes, Row] = {}
        self.arrived: list[bytes] = []
        self.gaps: list[PutGap] = []
        self.incidents: dict[str, Incident] = {}
        self.boots: dict[tuple[str, bytes], int] = {}
        self.announced_heads: dict[StreamName, frozenset[Mark]] = {}
        self.safe: set[bytes] = set()
        self.blobs: dict[bytes, bytearray] = {}

    def branches(self, stream: StreamName) -> Sequence[BranchHead]:
        return self.branch_heads.get(stream, [])

    def hashes_at(self, stream: StreamName, first_n: int, last_n: int) -> Mapping[int, Sequence[bytes]]:
        return {n: self.placed.get((stream, n), ()) for n in range(first_n, last_n + 1)}

    def audit(self, device: str, prefixes: Sequence[bytes]) -> Sequence[Audited]:
        found = {i[:8]: i for i in self.facts}
        answers = []
        for p in prefixes:
            identity = found.get(p)
            has = identity is not None and self.facts[identity].core is not None
            answers.append(Audited(identity, has, identity in self.safe))
        return answers

    def audit_blobs(self, prefixes: Sequence[bytes]) -> Sequence[Audited]:
        whole = {s[:8]: s for s, data in self.blobs.items() if sha256(bytes(data)).digest() == s}
        return [Audited(whole.get(p), p in whole, whole.get(p) in self.safe) for p in prefixes]

    def take_blob(self, blob: Blob) -> BlobState:
        """Put a chunk where it belongs; what was never written counts as missing."""
        data = self.blobs.setdefault(blob.sha256, bytearray())
        if blob.offset <= len(data) and sha256(blob.data).digest() == blob.chunk_hash:
            data[blob.offset : blob.offset + len(blob.data)] = blob.data
        return BlobState(blob.sha256, ((len(data), blob.size),) if len(data) < blob.size else ())

    def documents(self, device: str) -> Sequence[DocumentVersion]:
        return []

    def claims(self, stream: StreamName) -> Sequence[Mark]:
        return sorted(self.announced_heads.get(stream, ()), key=lambda m: m.n)

    def is_first_hello(self, device: str, incarnation: bytes) -> bool:
        return not any(s.device == device and s.incarnation == incarnation for s in self.announced_heads)

    def unfinished(self, device: str, incarnation: bytes) -> Sequence[Unfinished]:
        return [
            Unfinished(s, max(m.n for m in missing), max((b.n for b in self.branches(s)), default=0))
            for s, marks in self.announced_heads.items()
            if s.device == device and s.incarnation != incarnation
            if (missing := [m for m in marks if not self._has_come(s, m)])
        ]

    def _has_come(self, stream: StreamName, head: Mark) -> bool:
        if head.n == 0 or any(h[:MARK_HASH_BYTES] == head.hash for h in self.placed.get((stream, head.n), ())):
            return True
        return any(g.stream == stream and g.first_n <= head.n <= g.last_n for g in self.gaps)

    def last_mono_ms(self, device: str, boot: bytes) -> int | None:
        return self.boots.get((device, boot))

    def carry_out(self, action: HubAction) -> None:
        match action:
            case Place(stream, branch, placements):
                for p in placements:
                    self.placed[stream, p.n] = (*self.placed.get((stream, p.n), ()), p.hash)
                heads = [b for b in self.branch_heads.get(stream, []) if b.branch != branch]
                heads.append(BranchHead(branch, placements[-1].n, placements[-1].hash))
                self.branch_heads[stream] = sorted(heads, key=lambda b: b.branch)
            case PutFacts(_, rows):
                for row in rows:
                    there = self.facts.get(row.fact_id)
                    if there is None or (there.core is None and row.core is not None):
                        self.facts[row.fact_id] = Row(row.core, row.cause, row.problem)
                        if row.core is not None:
                            self.arrived.append(row.fact_id)
            case PutGap():
                self.gaps.append(action)
            case Incident():
                self.incidents[action.key] = action
            case Contact(device, hello):
                self.boots[device, hello.boot] = hello.mono_ms
                for claim in hello.lanes:
                    name = StreamName(device, hello.incarnation, claim.lane)
                    self.announced_heads[name] = self.announced_heads.get(name, frozenset()) | {claim.head}
            case ForgetClaims(stream, marks):
                self.announced_heads[stream] -= set(marks)
            case Reply():
                raise AssertionError("replies are sent, not stored")

    def take(self, device: str, payload: bytes, now_ms: int, credit: Credit | None = None) -> list[bytes]:
        """One statement in, the statements to publish out."""
        message = decode_up(unseal(KEY, Direction.UP, device, payload))
        if isinstance(message, Blob):
            return [seal(KEY, Direction.DOWN, device, encode_message(self.take_blob(message)))]
        assert isinstance(message, Hello | Batch | Fill | Gap)
        replies = []
        for action in decide(device, message, self, credit=credit or Credit(), now_ms=now_ms):
            if isinstance(action, Reply):
                replies.append(seal(KEY, Direction.DOWN, device, encode_message(action.message)))
            else:
                self.carry_out(action)
        return replies

    def kinds(self) -> set[str]:
        return {i.kind.value for i in self.incidents.values()}


class Device:
    """A store with the shipped core on top; `say` collects what it publishes."""

    def __init__(self, name: str, seed: int, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore(name, seed)
        self.name = name
        self.core = DeviceProtocol(self.store, SeededEntropy(seed))
        self.outgoing: list[bytes] = []
        self.reconnects = 0
        self.mono_ms = 0

    def feed(self, event: Event) -> None:
        now = Now(self.mono_ms, 1_700_000_000_000 + self.mono_ms)
        for action in self.core.handle(event, now):
            match action:
                case Send(message):
                    self.outgoing.append(seal(KEY, Direction.UP, self.name, encode_message(message)))
                case Reconnect():
                    self.reconnects += 1
                    self.feed(Disconnected())
                    self.feed(Connected())
                case Reincarnate():
                    self.store.carry_out(action)
                    self.feed(Replaced())
                case BlobStored(stored=False):
                    self.store.carry_out(action)
                    self.feed(Appended())
                case _:
                    self.store.carry_out(action)

    def hear(self, payload: bytes) -> None:
        self.feed(Received(decode_down(unseal(KEY, Direction.DOWN, self.name, payload))))

    def scan(self, code: bytes) -> bytes:
        identity = self.store.append(code)
        self.feed(Appended())
        return identity

    def tick(self, by_ms: int) -> None:
        self.mono_ms += by_ms
        self.feed(Tick())


def settle(device: Device, ledger: MemoryLedger, most_rounds: int = 2000) -> None:
    """Carry messages both ways over a perfect wire until nothing moves."""
    for _ in range(most_rounds):
        if not device.outgoing:
            return
        payload = device.outgoing.pop(0)
        for reply in ledger.take(device.name, payload, 1_700_000_000_000 + device.mono_ms):
            device.hear(reply)
    raise AssertionError("device and hub did not come to rest")


def connected(seed: int = 1) -> tuple[Device, MemoryLedger]:
    """A device that has said hello to an empty hub."""
    device, ledger = Device("van-1", seed), MemoryLedger()
    device.feed(Connected())
    settle(device, ledger)
    return device, ledger


def clone_of(device: Device) -> Device:
    """Another machine with a copy of its storage, in a boot of its own."""
    clone = Device(device.name, 99, copy.deepcopy(device.store))
    clone.store.boot = b"c" * 16
    return clone


def said(payload: bytes) -> Up:
    """What a statement of `van-1` says."""
    return decode_up(unseal(KEY, Direction.UP, "van-1", payload))
