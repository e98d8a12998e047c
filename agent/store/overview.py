"""What people are told of the outbox: counts for `status`, facts for `outbox`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.room import Level, level_of
from agent.store import blobs, chain, samples
from agent.store.view import StoreView
from contract.errors import ContractError
from contract.event import Lane
from contract.fact import Fact, decode_core


@dataclass(frozen=True, slots=True)
class LaneSummary:
    """Counts of one lane in the present incarnation."""

    kept: int
    sent: int
    committed: int
    released: int


@dataclass(frozen=True, slots=True)
class OutboxSummary:
    """What `status` tells of the outbox."""

    incarnation: bytes
    lanes: Mapping[Lane, LaneSummary]
    unsealed: int
    blobs_pending: int
    oldest_unsent_at_ms: int | None
    level: Level
    used_bytes: int
    room_bytes: int
    room_s: int | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One kept fact for a person or a script; `fact` is None where its bytes are no longer whole."""

    seq: int
    fact_id: bytes
    lane: Lane
    n: int
    committed: bool
    fact: Fact | None


class Overview(StoreView):
    """A view with answers for people."""

    def summary(self) -> OutboxSummary:
        """What `status` tells.

        Raises:
            StoreDamaged: the database cannot be read.
        """
        pending, _bytes = self.database.read(blobs.totals)
        used_bytes = self.used_bytes()
        return OutboxSummary(
            incarnation=self.incarnation,
            lanes={lane: self._lane_summary(lane) for lane in Lane},
            unsealed=self.database.read(samples.count),
            blobs_pending=pending,
            oldest_unsent_at_ms=self.oldest_unsent_at_ms(),
            level=level_of(used_bytes, self.budget_bytes, self.level, disk_full=self._disk_full),
            used_bytes=used_bytes,
            room_bytes=self.room_bytes(),
            room_s=self.room_s(),
        )

    def _lane_summary(self, lane: Lane) -> LaneSummary:
        ends = self.lane(lane)
        statement = "SELECT sent_n, released FROM stream WHERE id = ?"
        sent, released = self.database.rows(statement, (self._stream(lane),))[0]
        return LaneSummary(ends.head_n, max(sent, self._sent[lane], ends.acked_n), ends.acked_n, released)

    def listing(self, limit: int, before: int | None = None) -> Sequence[Listed]:
        """Kept facts, those chained last first; `before` is the `seq` of the last one of the page before.

        Raises:
            StoreDamaged: the database cannot be read.
        """
        acked = {lane: self.lane(lane).acked_n for lane in Lane}
        return [
            Listed(seq, identity, Lane(lane), n, n <= acked[Lane(lane)], _decoded(identity, core))
            for seq, lane, n, identity, core in self.database.read(
                lambda c: chain.newest(c, "fact_id, core", limit, before)
            )
        ]


def _decoded(identity: bytes, core: bytes) -> Fact | None:
    if not chain.is_whole(identity, core):
        return None
    try:
        return decode_core(core)
    except ContractError:
        return None
