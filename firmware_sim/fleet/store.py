"""A device's outbox in memory: keeps for ever what it was told to keep, and chains it as the protocol says."""

import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contract.delivery.device_actions import (
    Action,
    BlobRefused,
    BlobStored,
    FixClock,
    MarkCorrupt,
    Release,
    ReleaseBlobs,
    SetAcked,
    StoreDocument,
)
from contract.delivery.device_view import LaneEnds, PendingBlob, Report, StoredPosition
from contract.event import LANE_OF, Booted, ClockFix, Damage, Event, Lane, Status
from contract.fact import Clock, Fact, encode_core, fact_id, next_hash, root_hash
from contract.messages import Backlog, Document, DocumentVersion

VERSION: Final = "fleet"
ROOM_BYTES: Final = 10**9


@dataclass(slots=True)
class Kept:
    """One fact; `waits_since_ms` is when it was captured live, None once it was committed and for a backlog."""

    identity: bytes
    core: bytes
    at_ms: int
    waits_since_ms: float | None


@dataclass(slots=True)
class KeptLane:
    """A stream from its root on: position n is `kept[n - 1]`, its hash `hashes[n]`."""

    hashes: list[bytes]
    kept: list[Kept] = field(default_factory=list)
    acked_n: int = 0


class MemoryOutbox:
    """The store behind one simulated device; it is the `DeviceView` of its protocol.

    Nothing is ever released: a real device keeps even what is safe for days while it has room.
    """

    def __init__(self, device: str, rng: random.Random, *, boot_at_ms: int) -> None:
        """Start empty, as a device on its first day.

        Args:
            device: Its id.
            rng: Where salts and names of incarnations come from.
            boot_at_ms: Epoch milliseconds of its boot.
        """
        self.device = device
        self.boot_at_ms = boot_at_ms
        self.latencies_ms: list[float] = []
        """From each live capture to the hub's word that it is committed."""
        self._rng = rng
        self._boot = rng.randbytes(16)
        self._ord = 0
        self._best_uncertainty_ms: int | None = None
        self._documents: dict[str, int] = {}
        self._sorted: list[bytes] = []
        self._unsorted: list[bytes] = []
        self._begin()
        self.keep(Status(Booted(VERSION)), boot_at_ms)

    def _begin(self) -> None:
        self._incarnation = self._rng.randbytes(16)
        self._lanes = {lane: KeptLane([root_hash(self.device, self._incarnation, lane)]) for lane in Lane}
        self._places: dict[bytes, tuple[Lane, int]] = {}

    # -- writing ---------------------------------------------------------------------------------------------------

    def keep(self, event: Event, at_ms: int, *, live_ms: float | None = None) -> bytes:
        """Capture one fact.

        Args:
            event: What happened.
            at_ms: When, in epoch milliseconds.
            live_ms: The same moment on the clock by which latencies are measured; None for a backlog.

        Returns:
            Its identity.
        """
        self._ord += 1
        fact = Fact(
            version=1,
            device=self.device,
            incarnation=self._incarnation,
            boot=self._boot,
            ord=self._ord,
            salt=self._rng.randbytes(8),
            at_ms=at_ms,
            mono_ms=at_ms - self.boot_at_ms,
            clock=Clock.SYNCED,
            actor="",
            event=event,
        )
        core = encode_core(fact)
        kept = Kept(fact_id(core), core, at_ms, live_ms)
        self._unsorted.append(kept.identity)
        self._chain(LANE_OF[type(event)], kept)
        return kept.identity

    def _chain(self, lane: Lane, kept: Kept) -> None:
        stored = self._lanes[lane]
        stored.kept.append(kept)
        n = len(stored.kept)
        stored.hashes.append(next_hash(stored.hashes[-1], n, kept.identity))
        self._places[kept.identity] = (lane, n)

    def carry_out(self, action: Action, now_ms: float) -> None:
        """Do what the protocol asks of a store; `now_ms` is on the clock of `live_ms`."""
        match action:
            case SetAcked(lane, n):
                self._set_acked(self._lanes[lane], n, now_ms)
            case FixClock(mono_ms, hub_ms, uncertainty_ms):
                # A real device states a fix only when it is clearly better than the one before.
                if self._best_uncertainty_ms is None or uncertainty_ms * 2 <= self._best_uncertainty_ms:
                    self._best_uncertainty_ms = uncertainty_ms
                    fix = ClockFix(self._boot, mono_ms, hub_ms, uncertainty_ms)
                    self.keep(Status(fix), self.boot_at_ms + mono_ms, live_ms=now_ms)
            case StoreDocument(document):
                self._store(document)
            case Release() | ReleaseBlobs() | BlobStored() | BlobRefused() | MarkCorrupt():
                raise AssertionError(f"{action} answers nothing that this store ever asks")
            case _:
                raise TypeError(f"not a write: {action}")

    def _set_acked(self, lane: KeptLane, n: int, now_ms: float) -> None:
        for kept in lane.kept[lane.acked_n : n]:
            if kept.waits_since_ms is not None:
                self.latencies_ms.append(now_ms - kept.waits_since_ms)
                kept.waits_since_ms = None
        lane.acked_n = n

    def _store(self, part: Document) -> None:
        if part.part == part.parts - 1:
            self._documents[part.kind] = part.version

    def reincarnate(self, reason: str, at_ms: int) -> None:
        """Begin a new incarnation and chain all that is kept anew under it, with its old identities."""
        before = [kept for stored in self._lanes.values() for kept in stored.kept]
        lanes = {kept.identity: self._places[kept.identity][0] for kept in before}
        self._begin()
        for kept in before:
            self._chain(lanes[kept.identity], kept)
        self._ord = 0
        self.keep(Status(Damage(reason)), at_ms)

    # -- what people ask -------------------------------------------------------------------------------------------

    @property
    def captured(self) -> int:
        """How many facts are kept."""
        return len(self._places)

    @property
    def committed(self) -> int:
        """How many of them the hub acknowledged."""
        return sum(stored.acked_n for stored in self._lanes.values())

    def identities(self) -> list[bytes]:
        """All facts that were ever captured."""
        return list(self._places)

    # -- DeviceView ------------------------------------------------------------------------------------------------

    @property
    def incarnation(self) -> bytes:
        """The present incarnation."""
        return self._incarnation

    @property
    def boot(self) -> bytes:
        """This boot."""
        return self._boot

    def lane(self, lane: Lane) -> LaneEnds:
        """The ends of a lane, which begins at its root."""
        stored = self._lanes[lane]
        return LaneEnds(0, stored.hashes[0], len(stored.kept), stored.hashes[-1], stored.acked_n)

    def hash_at(self, lane: Lane, n: int) -> bytes | None:
        """The hash of a position."""
        hashes = self._lanes[lane].hashes
        return hashes[n] if n < len(hashes) else None

    def read(self, lane: Lane, after_n: int, most: int, most_bytes: int) -> Sequence[StoredPosition]:
        """The next positions that fit."""
        found: list[StoredPosition] = []
        room = most_bytes
        for n, kept in enumerate(self._lanes[lane].kept[after_n : after_n + most], after_n + 1):
            room -= len(kept.core)
            if found and room < 0:
                break
            found.append(StoredPosition(n, kept.identity, kept.core, None))
        return found

    def release_candidates(self, most: int) -> Sequence[bytes]:  # noqa: ARG002 of the view
        """None: there is room."""
        return ()

    def identities_after(self, cursor: bytes, most: int) -> Sequence[bytes]:
        """The rotation of the audit."""
        if self._unsorted:
            self._sorted += self._unsorted
            self._sorted.sort()
            self._unsorted.clear()
        start = bisect_right(self._sorted, cursor)
        return self._sorted[start : start + most]

    def committed_only(self, identities: Sequence[bytes], acked: Mapping[Lane, int]) -> Sequence[bytes]:
        """Those not above what was acknowledged."""
        return [i for i in identities if self._places[i][1] <= acked[self._places[i][0]]]

    def contents(self, identities: Sequence[bytes]) -> Sequence[bytes]:
        """Their cores."""
        places = [self._places[i] for i in identities]
        return [self._lanes[lane].kept[n - 1].core for lane, n in places]

    def pending_blob(self) -> PendingBlob | None:
        """None: there are no attachments."""
        return None

    def blob_chunk(self, sha256: bytes, start: int, size: int) -> bytes | None:  # noqa: ARG002 of the view
        """None: there are no attachments."""
        return None

    def blob_release_candidates(self, most: int) -> Sequence[bytes]:  # noqa: ARG002 of the view
        """None: there are no attachments."""
        return ()

    def blobs_after(self, cursor: bytes, most: int) -> Sequence[bytes]:  # noqa: ARG002 of the view
        """None: there are no attachments."""
        return ()

    def report(self, at_ms: int) -> Report:  # noqa: ARG002 of the view
        """Versions and backlog."""
        waiting = [stored.kept[stored.acked_n] for stored in self._lanes.values() if stored.acked_n < len(stored.kept)]
        oldest_ms = min((kept.at_ms for kept in waiting), default=None)
        documents = tuple(DocumentVersion(kind, version) for kind, version in sorted(self._documents.items()))
        return Report(VERSION, documents, Backlog(self.captured - self.committed, 0, oldest_ms, ROOM_BYTES, None), ())
