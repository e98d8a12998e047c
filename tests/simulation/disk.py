"""One device's disk: what is committed survives everything but the loss of the disk; what is not synced may go with the power.

The rules are those of `agent/store` and `agent/outbox.py`, on plain dictionaries. Every method that writes is one transaction:
the shell decides before it calls whether a crash comes first.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random

from agent.clock import MAX_AT_MS, DeviceClock, Stamp
from agent.room import Level, at_least, level_of, thin
from contract.delivery.device_actions import (
    Action,
    BlobRefused,
    BlobStored,
    FixClock,
    MarkCorrupt,
    Release,
    ReleaseBlobs,
    SetAcked,
)
from contract.delivery.device_view import PendingBlob, Report, StoredPosition
from contract.errors import Malformed
from contract.event import ClockFix, Damage, Lane, Readings, Status, StatusDetail
from contract.event import Event as AnyEvent
from contract.fact import Clock, Fact, decode_core, encode_core, fact_id
from contract.limits import HOLD_DEFAULT_MS
from contract.messages import Backlog
from tests.contract.delivery.memory import MemoryStore, Position, StoredLane
from tests.simulation.truth import Truth
from tests.simulation.world import Violation, short

ROW_BYTES = 200
"""What a fact takes beside its core, about."""
AMPLE_BYTES = 100_000_000

Heads = dict[Lane, int]


class Disk(MemoryStore):
    """The device's outbox, its attachments, and the witness beside them."""

    def __init__(self, device: str, rng: Random, truth: Truth) -> None:
        self.truth = truth
        self.past: list[bytes] = []
        """Incarnations so far, the present one last."""
        self.reason = ""
        """Why the present incarnation was begun."""
        self.places: dict[bytes, tuple[Lane, int]] = {}
        """Where each content is chained."""
        self.at_ms: dict[bytes, int] = {}
        """What the wall clock said when each content was made."""
        self.blob_at_ms: dict[bytes, int] = {}
        self.files: dict[bytes, bytes] = {}
        """Attachments as files, with or without a row in `blobs`."""
        self.flipped: set[bytes] = set()
        """Contents and attachments that are not what they were."""
        self.witness: tuple[bytes, Heads] | None = None
        self.witness_synced: tuple[bytes, Heads] | None = None
        """What the power cannot take."""
        self.budget_bytes = AMPLE_BYTES
        self.hold_ms = HOLD_DEFAULT_MS
        self.level = Level.OK
        self.stated_level = Level.OK
        self.thinned_to_n = 0
        self.mishaps = 0
        """How often something happened to this disk that may take facts or names from it."""
        self.clock: DeviceClock | None = None
        super().__init__(device, 0)
        self.random = rng

    # -- identity and chain ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        super()._begin()
        self.past.append(self.incarnation)
        self.places = {}
        self.ord = 0
        self.thinned_to_n = 0

    def name_anew(self, rng: Random, reason: str) -> None:
        """The first incarnation of an empty disk."""
        self.random, self.reason = rng, reason
        self._begin()

    def chained(self) -> set[bytes]:
        """Facts that have a position here, with their content or without."""
        return {p.fact_id for stored in self.lanes.values() for p in stored.positions}

    def _chain(self, lane: Lane, identity: bytes, cause: str | None = None) -> None:
        if lane is Lane.CUSTODY and cause in ("storage_full", "thinned"):
            raise Violation(f"custody fact {short(identity)} was dropped for room")
        super()._chain(lane, identity)
        stored = self.lanes[lane]
        if cause is None:
            self.places[identity] = lane, stored.head_n
        else:
            stored.positions[-1].cause = cause
        self.truth.chained(self.device, lane, self.incarnation, stored.head_n, identity)

    def state(
        self,
        event: AnyEvent,
        stamp: Stamp,
        blobs: tuple[bytes, ...] = (),
        dropped: str | None = None,
        boot: bytes | None = None,
    ) -> bytes:
        """Make a fact and chain it, as a tombstone where there is no room for its content."""
        self.ord += 1
        fact = Fact(
            version=1,
            device=self.device,
            incarnation=self.incarnation,
            boot=boot or self.boot,
            ord=self.ord,
            salt=self.random.randbytes(8),
            at_ms=stamp.at_ms,
            mono_ms=stamp.mono_ms,
            clock=stamp.clock,
            actor="",
            event=event,
            blobs=blobs,
        )
        core = encode_core(fact)
        return self.put(fact.lane, core, stamp.at_ms, dropped)

    def put(self, lane: Lane, core: bytes, at_ms: int, dropped: str | None = None) -> bytes:
        """Chain these very bytes."""
        identity = fact_id(core)
        if dropped is None:
            self.cores[identity] = core
            self.at_ms[identity] = at_ms
        self._chain(lane, identity, dropped)
        return identity

    def status(self, detail: StatusDetail) -> None:
        """State something about the device itself, now."""
        stamp = self.clock.stamp() if self.clock is not None else Stamp(0, 0, Clock.FREE)
        self.state(Status(detail), stamp)

    def adopt(self, blobs: Mapping[bytes, bytes], at_ms: int) -> None:
        """Note attachments whose files are there."""
        for name, data in blobs.items():
            if name not in self.blobs:
                self.blobs[name] = data
                self.blobs_stored[name] = False
                self.blob_at_ms[name] = at_ms

    def reincarnate(self, reason: str, detail: str = "") -> None:
        """Begin anew and chain under the new name all that is kept, and tombstones that the hub may not know."""
        chained: list[tuple[Lane, int, bytes, str | None]] = []
        for lane, stored in self.lanes.items():
            for p in stored.positions:
                if self.places.get(p.fact_id) == (lane, p.n) and p.fact_id in self.cores:
                    chained.append((lane, p.n, p.fact_id, None))
                elif p.n > stored.acked_n:
                    chained.append((lane, p.n, p.fact_id, p.cause or "corrupt"))
        self._begin()
        self.reason = reason
        for lane, _n, identity, cause in chained:
            self._chain(lane, identity, cause)
        self.state_damage(detail)

    def state_damage(self, detail: str = "") -> None:
        """The first fact of an incarnation that was begun for a reason says so."""
        if self.reason and self.ord == 0:
            self.status(Damage(self.reason, detail))

    def lose_rows(self, lost: set[bytes], torn: set[bytes], reason: str) -> None:
        """Salvage: contents in `lost` could not be read, nor the positions in `torn`."""
        for identity in lost:
            self.cores.pop(identity, None)
            self.places.pop(identity, None)
        for stored in self.lanes.values():
            stored.positions = [p for p in stored.positions if p.fact_id not in torn or p.fact_id in self.cores]
        self.adopt(self.whole_files(), 0)
        self.reincarnate(reason)

    def whole_files(self) -> dict[bytes, bytes]:
        """Files whose content is what their name says."""
        return {name: data for name, data in self.files.items() if name not in self.flipped}

    def is_behind_witness(self) -> bool:
        """D9."""
        if self.witness is None:
            return False
        incarnation, heads = self.witness
        if incarnation != self.incarnation:
            return incarnation not in self.past
        return any(n > self.lanes[lane].head_n for lane, n in heads.items())

    def write_witness(self) -> None:
        """Without a flush: the power may take it."""
        self.witness = self.incarnation, {lane: stored.head_n for lane, stored in self.lanes.items()}

    # -- copies ----------------------------------------------------------------------------------------------------

    def copy(self, rng: Random) -> "Disk":
        """An image of this disk."""
        other = Disk.__new__(Disk)
        other.__dict__.update(self.__dict__)
        other.random = rng
        other.clock = None
        other.cores = dict(self.cores)
        other.blobs, other.blobs_stored = dict(self.blobs), dict(self.blobs_stored)
        other.blobs_refused = set(self.blobs_refused)
        other.at_ms, other.blob_at_ms, other.files = dict(self.at_ms), dict(self.blob_at_ms), dict(self.files)
        other.flipped, other.past, other.places = set(self.flipped), list(self.past), dict(self.places)
        other.fixes, other.reincarnations = [], []
        other.lanes = {
            lane: StoredLane(
                s.base_n, s.base_hash, [Position(p.n, p.hash, p.fact_id, p.cause) for p in s.positions], s.acked_n
            )
            for lane, s in self.lanes.items()
        }
        return other

    def holds(self) -> set[bytes]:
        """Contents and attachments that could be read from here."""
        return (self.cores.keys() | self.files.keys()) - self.flipped

    # -- what the protocol reads -----------------------------------------------------------------------------------

    def read(self, lane: Lane, after_n: int, most: int, most_bytes: int) -> Sequence[StoredPosition]:
        found = super().read(lane, after_n, most, most_bytes)
        return [
            p if p.core is None or p.cause is None else StoredPosition(p.n, p.fact_id, None, p.cause) for p in found
        ]

    def _until_ms(self) -> int:
        at_ms = self.clock.now().at_ms if self.clock is not None else 0
        return MAX_AT_MS if at_least(self.level, Level.RELEASING) else at_ms - self.hold_ms

    def release_candidates(self, most: int) -> Sequence[bytes]:
        until_ms = self._until_ms()
        found: list[bytes] = []
        if until_ms < 0:
            return found
        for lane in (Lane.TELEMETRY, Lane.CUSTODY):
            stored = self.lanes[lane]
            held = [
                p.fact_id
                for p in stored.positions
                if p.n <= stored.acked_n and p.cause is None and p.fact_id in self.cores
            ]
            for identity in held[: most - len(found)]:
                if self.at_ms[identity] <= until_ms:
                    found.append(identity)
        return found

    def committed_only(self, identities: Sequence[bytes], acked: Mapping[Lane, int]) -> Sequence[bytes]:
        places = self.places
        return [i for i in identities if i in self.cores and i in places and places[i][1] <= acked[places[i][0]]]

    def contents(self, identities: Sequence[bytes]) -> Sequence[bytes]:
        return [core for i in identities if (core := self.cores.get(i)) is not None and fact_id(core) == i]

    def pending_blob(self) -> PendingBlob | None:
        for name, stored in self.blobs_stored.items():
            if not stored and name not in self.blobs_refused:
                return PendingBlob(name, len(self.blobs[name]))
        return None

    def blob_chunk(self, sha256: bytes, start: int, size: int) -> bytes | None:
        if sha256 in self.flipped or sha256 not in self.files:
            return None
        return self.files[sha256][start : start + size]

    def blob_release_candidates(self, most: int) -> Sequence[bytes]:
        until_ms = self._until_ms()
        return [s for s, stored in self.blobs_stored.items() if stored and self.blob_at_ms[s] <= until_ms][:most]

    def report(self, at_ms: int) -> Report:
        waiting = sum(s.head_n - max(s.acked_n, s.base_n) for s in self.lanes.values())
        blobs = sum(not stored for stored in self.blobs_stored.values())
        return Report("1.0", (), Backlog(waiting, blobs, None, 1, None), ())

    # -- what the hub's word allows --------------------------------------------------------------------------------

    def carry_out(self, action: Action) -> None:
        match action:
            case SetAcked(lane, n):
                self.lanes[lane].acked_n = n
                self._forget(lane)
            case Release(identities):
                for identity in identities:
                    if identity in self.places:
                        self._bury(identity, "released")
                for lane in self.lanes:
                    self._forget(lane)
            case MarkCorrupt(lane, n, identity):
                stored = self.lanes[lane]
                if n > stored.base_n and stored.positions[n - stored.base_n - 1].cause is None:
                    stored.positions[n - stored.base_n - 1].cause = "corrupt"
                    self.cores.pop(identity, None)
                    self.places.pop(identity, None)
                    self.status(Damage("content_corrupt", f"{lane} {n}"))
            case FixClock(mono_ms, hub_ms, uncertainty_ms):
                fix = ClockFix(self.boot, mono_ms, hub_ms, uncertainty_ms)
                if self.clock is not None and self.clock.is_better(fix):
                    self.status(fix)
                    self.clock.adopt(fix)
            case BlobStored(name, stored):
                if name in self.blobs and name not in self.blobs_refused:
                    self.blobs_stored[name] = stored
            case BlobRefused(name, why):
                if name in self.blobs:
                    self.blobs_refused.add(name)
                    self.status(Damage("blob_refused", why))
            case ReleaseBlobs(names):
                for name in names:
                    if self.blobs_stored.get(name):
                        for book in (self.blobs, self.blobs_stored, self.blob_at_ms, self.files):
                            book.pop(name, None)
            case _:
                raise AssertionError(f"not a write: {action}")

    def _bury(self, identity: bytes, cause: str) -> None:
        lane, n = self.places.pop(identity)
        stored = self.lanes[lane]
        position = stored.positions[n - stored.base_n - 1]
        if position.fact_id == identity and position.cause is None:
            position.cause = cause
            self.cores.pop(identity, None)

    def _forget(self, lane: Lane) -> None:
        """Advance the base over acknowledged tombstones."""
        stored = self.lanes[lane]
        count = 0
        for p in stored.positions:
            if p.n > stored.acked_n or p.cause is None:
                break
            stored.base_n, stored.base_hash = p.n, p.hash
            count += 1
        if count:
            del stored.positions[:count]

    # -- room ------------------------------------------------------------------------------------------------------

    def used_bytes(self) -> int:
        """What facts and attachments take."""
        facts = sum(map(len, self.cores.values())) + ROW_BYTES * len(self.cores)
        return facts + sum(map(len, self.blobs.values()))

    def look_at_room(self, *, disk_full: bool) -> bool:
        """Settle the level; whether it changed."""
        before = self.level
        if not disk_full and self.budget_bytes == AMPLE_BYTES:
            self.level = Level.OK
        else:
            self.level = level_of(self.used_bytes(), self.budget_bytes, before, disk_full=disk_full)
        return self.level is not before

    def next_to_thin(self) -> Callable[[], None] | None:
        """The transaction that thins the next block; None when all was looked at."""
        stored = self.lanes[Lane.TELEMETRY]
        for p in stored.positions:
            if p.n <= self.thinned_to_n or p.cause is not None or p.fact_id not in self.cores:
                continue
            self.thinned_to_n = p.n
            try:
                fact = decode_core(self.cores[p.fact_id])
                block = thin(fact.event, p.fact_id) if isinstance(fact.event, Readings) else None
            except Malformed:
                continue
            if block is not None:
                stamp = Stamp(fact.at_ms, fact.mono_ms, fact.clock)
                return partial(self._put_in_place, p.fact_id, block, stamp, fact.boot)
        return None

    def _put_in_place(self, identity: bytes, thinned: AnyEvent, stamp: Stamp, boot: bytes) -> None:
        self._bury(identity, "thinned")
        self.state(thinned, stamp, boot=boot)
