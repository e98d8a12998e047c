"""Where each stream ends, remembered by the one writer between its transactions."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, func, select

from contract.delivery.hub_view import BranchHead, StreamName
from contract.event import Lane
from hub import tables as t
from hub.db import insert
from hub.ledger import questions
from hub.rows import read

MAX_REMEMBERED: Final = 100_000
"""Streams in memory, about 50 MB; a larger fleet only reads more often."""


class StreamHeads:
    """Numbers of streams, heads of their branches, and the ledger's next number.

    Only the one writer uses it. After a rollback call `forget`: what was remembered may be of the transaction that is gone.
    """

    def __init__(self) -> None:
        self._ids: dict[StreamName, int] = {}
        self._heads: dict[int, list[BranchHead]] = {}
        self._next_seq: int | None = None

    def forget(self) -> None:
        """Read everything from the database again."""
        self._ids.clear()
        self._heads.clear()
        self._next_seq = None

    def take_seqs(self, tx: Connection, count: int) -> int:
        """Reserve `count` consecutive numbers in the ledger's order; the first of them."""
        if self._next_seq is None:
            self._next_seq = (tx.execute(select(func.max(t.fact.c.seq))).scalar() or 0) + 1
        first = self._next_seq
        self._next_seq += count
        return first

    def known_id(self, tx: Connection, stream: StreamName) -> int | None:
        """The number of a stream, None when nothing of it was ever kept."""
        if (known := self._ids.get(stream)) is not None:
            return known
        asked = {"device": stream.device, "incarnation": stream.incarnation, "lane": stream.lane.value}
        found: int | None = read(tx, questions.STREAM, **asked).scalar()
        if found is not None:
            self._remember(stream, found)
        return found

    def id_of(self, tx: Connection, stream: StreamName) -> int:
        """The number of a stream, a new one where it has none."""
        known = self.known_id(tx, stream)
        if known is not None:
            return known
        new = (tx.execute(select(func.max(t.stream.c.id))).scalar() or 0) + 1
        row = {"id": new, "device": stream.device, "incarnation": stream.incarnation, "lane": stream.lane.value}
        tx.execute(insert(tx, t.stream), row)
        self._remember(stream, new)
        self._heads[new] = []
        return new

    def _remember(self, stream: StreamName, number: int) -> None:
        if len(self._ids) >= MAX_REMEMBERED:
            self._ids.clear()
            self._heads.clear()
        self._ids[stream] = number

    def branches(self, tx: Connection, stream: StreamName) -> Sequence[BranchHead]:
        """The ends of a stream's branches, in order of their numbers."""
        number = self.known_id(tx, stream)
        if number is None:
            return ()
        heads = self._heads.get(number)
        if heads is None:
            rows = read(tx, questions.BRANCHES, stream=number)
            heads = self._heads[number] = [BranchHead(*row) for row in rows]
        return tuple(heads)

    def move(self, tx: Connection, stream: StreamName, head: BranchHead) -> None:
        """A branch of a known stream now ends at `head`."""
        self.branches(tx, stream)
        heads = self._heads[self.id_of(tx, stream)]
        for at, known in enumerate(heads):
            if known.branch == head.branch:
                heads[at] = head
                return
        heads.append(head)


def stream_name(device: str, incarnation: bytes, lane: str) -> StreamName:
    """A stream's name from its row."""
    return StreamName(device, incarnation, Lane(lane))
