"""What the delivery protocol reads of the outbox (`contract.delivery.device_view.DeviceView`), as far as it is committed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from shutil import disk_usage
from typing import Final

from agent.clock import MAX_AT_MS, DeviceClock
from agent.room import Growth, Level, at_least, time_left_s
from agent.store import blobs, chain
from agent.store.blobs import BlobFiles
from agent.store.database import Database
from agent.store.errors import StoreDamaged
from agent.store.places import Places
from contract.delivery.device_view import LaneEnds, PendingBlob, Report, StoredPosition
from contract.event import Lane
from contract.messages import Backlog, DocumentVersion, LatestReading

GROWTH_FACTS: Final = 500
"""Newest facts from which the present rate is told."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an outbox is kept.

    Attributes:
        version: Of the program, told in hellos.
        budget_bytes: Room for database and attachments.
        hold_ms: How long even safe content stays while there is room.
        entropy: Random bytes; seeded in simulations.
    """

    version: str
    budget_bytes: int
    hold_ms: int
    entropy: Callable[[int], bytes]


class StoreView:
    """Reading only. Every method raises `StoreDamaged` when what is stored cannot be read or contradicts itself."""

    def __init__(self, database: Database, files: BlobFiles, clock: DeviceClock, settings: Settings) -> None:
        self.database = database
        self.files = files
        self.clock = clock
        self.boot = clock.boot
        self.version = settings.version
        self.budget_bytes = settings.budget_bytes
        self.hold_ms = settings.hold_ms
        self.level = Level.OK
        self._disk_full = False
        self._sent = dict.fromkeys(Lane, 0)
        self._places = Places()
        self._rotated = (b"", 0)
        self.documents: Callable[[], tuple[DocumentVersion, ...]] = tuple
        """Where `report` gets the versions of documents."""
        self.snapshot: Callable[[], tuple[LatestReading, ...]] = tuple
        """Where `report` gets latest values."""

    @property
    def incarnation(self) -> bytes:
        """The 16 bytes under which positions are chained now."""
        present = self.database.read(chain.present)
        if present is None:
            raise StoreDamaged("the row of the incarnation is missing")
        return present.incarnation

    def lane(self, lane: Lane) -> LaneEnds:
        """The ends of a lane."""
        return self.database.read(lambda c: chain.ends(c, lane))

    def hash_at(self, lane: Lane, n: int) -> bytes | None:
        """The whole hash of position `n`, base and root included; None where it is not stored."""
        return self.database.read(lambda c: chain.hash_at(c, lane, n))

    def read(self, lane: Lane, after_n: int, most: int, most_bytes: int) -> Sequence[StoredPosition]:
        """Positions after `after_n` in order: at most `most`, together at most `most_bytes` of content, but at least one."""
        return self.database.read(lambda c: chain.read(c, lane, after_n, most, most_bytes))

    @property
    def _release_until_ms(self) -> int:
        """D8: older than this, or anything under pressure, should go once it is safe."""
        # Under pressure without a look at the date: a clock that ran ahead must not keep a lane full for ever.
        return MAX_AT_MS if at_least(self.level, Level.RELEASING) else self.clock.now().at_ms - self.hold_ms

    def release_candidates(self, most: int) -> Sequence[bytes]:
        """D8: identities whose content should go as soon as it is safe, oldest first."""
        # Only the oldest held ones are looked at: if they are too young, so are the others.
        statement = """
            SELECT fact_id, n FROM (
              SELECT f.fact_id, f.place & ? AS n, f.at_ms
              FROM stream s JOIN fact f ON f.place BETWEEN s.id << 40 AND s.id << 40 | s.acked_n
              WHERE s.id = ? AND f.cause IS NULL ORDER BY f.place LIMIT ?
            ) WHERE at_ms <= ? ORDER BY n
            """
        until_ms = self._release_until_ms
        found: list[bytes] = []
        for lane in (Lane.TELEMETRY, Lane.CUSTODY):
            stream = self._stream(lane)
            for identity, n in self.database.rows(statement, (chain.N_MASK, stream, most - len(found), until_ms)):
                self._places.note(identity, lane, n)
                found.append(identity)
        return found

    def _stream(self, lane: Lane) -> int:
        return self.database.read(lambda c: chain.stream_of(c, lane))

    def identities_after(self, cursor: bytes, most: int) -> Sequence[bytes]:
        """Identities with content, lane by lane, behind `cursor`: the rotation of the audit.

        A cursor that did not end the last part begins anew.
        """
        last, after = self._rotated
        statement = """
            SELECT f.place, f.fact_id, s.lane FROM fact f CROSS JOIN stream s ON s.id = f.place >> 40
            WHERE f.place > ? AND f.cause IS NULL AND s.incarnation = (SELECT max(seq) FROM incarnation)
            ORDER BY f.place LIMIT ?
            """
        rows = self.database.rows(statement, (after if cursor == last else 0, most))
        for place, identity, lane in rows:
            self._places.note(identity, Lane(lane), place & chain.N_MASK)
            self._rotated = (identity, place)
        return [identity for _place, identity, _lane in rows]

    def committed_only(self, identities: Sequence[bytes], acked: Mapping[Lane, int]) -> Sequence[bytes]:
        """Those identities whose position is not above what was acknowledged; the others are on their way anyway."""
        places = [(i, self._places.of(i)) for i in identities]
        return [i for i, place in places if place is not None and place.n <= acked.get(place.lane, 0)]

    def contents(self, identities: Sequence[bytes]) -> Sequence[bytes]:
        """The cores that are still stored and whose hash fits."""
        places = [(i, at) for i in identities if (at := self._places.of(i)) is not None]
        cores = [(i, self.database.read(partial(chain.core_at, lane=at.lane, n=at.n))) for i, at in places]
        return [core for i, core in cores if core is not None and chain.is_whole(i, core)]

    def pending_blob(self) -> PendingBlob | None:
        """The oldest attachment that the hub does not have whole."""
        return self.database.read(blobs.oldest_pending)

    def blob_chunk(self, sha256: bytes, start: int, size: int) -> bytes | None:
        """Bytes of an attachment; None when it can no longer be read."""
        return self.files.chunk(sha256, start, size)

    def blob_release_candidates(self, most: int) -> Sequence[bytes]:
        """Attachments that should go as soon as they are safe."""
        until_ms = self._release_until_ms
        return self.database.read(lambda c: blobs.stored_until(c, until_ms, most))

    def blobs_after(self, cursor: bytes, most: int) -> Sequence[bytes]:
        """Attachments that the hub said it has, behind `cursor`: the rotation of the audit."""
        return self.database.read(lambda c: blobs.stored_after(c, cursor, most))

    def report(self, at_ms: int) -> Report:  # noqa: ARG002 the backlog's age is told as a time
        """Versions, backlog and latest values."""
        ends = [self.lane(lane) for lane in Lane]
        backlog = Backlog(
            facts=sum(e.head_n - max(e.acked_n, e.base_n) for e in ends),
            blobs=self.database.read(blobs.totals)[0],
            oldest_at_ms=self.oldest_unsent_at_ms(),
            room_bytes=self.room_bytes(),
            room_s=self.room_s(),
        )
        return Report(self.version, self.documents(), backlog, self.snapshot())

    # -- room ------------------------------------------------------------------------------------------------------

    def used_bytes(self) -> int:
        """What facts and attachments take."""
        return self.database.used_bytes() + self.database.read(blobs.totals)[1]

    def room_bytes(self) -> int:
        """What is left of the budget, or of the disk where that is less."""
        free_bytes = disk_usage(self.database.path.parent).free
        return max(min(self.budget_bytes - self.used_bytes(), free_bytes), 0)

    def room_s(self) -> int | None:
        """Seconds until the budget is used up at the present rate; None when it is not filling."""
        return time_left_s(self.room_bytes(), self._growth())

    def _growth(self) -> Growth:
        rows = self.database.read(lambda c: chain.newest(c, "length(core), at_ms", GROWTH_FACTS))
        times_ms = [at_ms for *_, at_ms in rows] or [0]
        return Growth(sum(size for *_, size, _at_ms in rows), max(times_ms) - min(times_ms))

    def oldest_unsent_at_ms(self) -> int | None:
        """When the oldest fact was made that the hub has not committed."""
        statement = """
            SELECT min(at_ms) FROM (
              SELECT (
                SELECT f.at_ms FROM fact f
                WHERE f.place > s.id << 40 | max(s.acked_n, s.base_n) AND f.place < (s.id + 1) << 40 AND f.cause IS NULL
                ORDER BY f.place LIMIT 1
              ) AS at_ms FROM stream s
            )
            """
        oldest: int | None = self.database.rows(statement)[0][0]
        return oldest
