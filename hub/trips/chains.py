"""The facts that a report rests on, with their places in the chains of their devices, as the ledger holds them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, select

from contract.delivery.hub_view import StreamName
from contract.event import Lane
from contract.fact import next_hash, root_hash
from hub.archive.store import whole
from hub.reports.content import ChainRun, LedgerGap
from hub.reports.evidence import Beside, Hop, Link, Rests, Withheld, pack_run
from hub.tables import fact, gap, position, stream
from hub.timeline import chunks


class Place(Struct, frozen=True):
    """A stretch of a branch of a stream."""

    stream_id: int
    branch: int
    name: StreamName
    first_n: int
    last_n: int


def chain_runs(conn: Connection, shifts: Mapping[bytes, int]) -> tuple[tuple[ChainRun, ...], tuple[LedgerGap, ...]]:
    """The runs that hold these facts, and what their devices stated as gone between them.

    Args:
        conn: a reader.
        shifts: by identity, corrected minus stated time in ms. What the ledger does not hold (any more) is left out.
    """
    facts = {row.fact_id: row for some in chunks(sorted(shifts)) for row in _facts(conn, some)}
    places: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for row in facts.values():
        places[row.stream_id, row.branch].append(row.n)
    runs: list[ChainRun] = []
    gaps: list[LedgerGap] = []
    rests = {
        row.fact_id: _evidence(conn, row, shifts[row.fact_id])
        # In the order of archives, which are read block by block.
        for row in sorted(facts.values(), key=attrgetter("stream_id", "n"))
    }
    for (stream_id, branch), needed in sorted(places.items()):
        named = conn.execute(select(stream).where(stream.c.id == stream_id)).one()
        name = StreamName(named.device, named.incarnation, Lane(named.lane))
        there = Place(stream_id, branch, name, min(needed), max(needed))
        runs += _runs(conn, there, rests)
        gaps += _gaps(conn, there)
    return tuple(runs), tuple(gaps)


def _evidence(conn: Connection, row: Row[Any], shift_ms: int) -> Rests | Withheld:
    content = whole(conn, row.core, row.fact_id)
    if content.withheld:
        return Withheld(row.fact_id, content.withheld)
    return Rests(content.core, row.received_ms, shift_ms)


def _facts(conn: Connection, ids: Sequence[bytes]) -> Iterable[Row[Any]]:
    c = fact.c
    held = (c.core.is_not(None), c.stream_id.is_not(None), c.n.is_not(None))
    query: Select[Any] = select(c.fact_id, c.stream_id, c.n, c.branch, c.core, c.received_ms)
    return conn.execute(query.where(c.fact_id.in_(ids), *held)).all()


def _runs(conn: Connection, there: Place, rests: Mapping[bytes, Rests | Withheld]) -> Iterator[ChainRun]:
    c = position.c
    query: Select[Any] = select(c.n, c.hash, c.fact_id).where(
        c.stream_id == there.stream_id, c.branch == there.branch, c.n.between(there.first_n, there.last_n)
    )
    rows = conn.execute(query.order_by(c.n)).all()
    for _, some in groupby(_numbered(rows), key=lambda pair: pair[0]):
        run = [row for _, row in some]
        previous = _previous(conn, there, run[0])
        if previous is None:
            continue
        yield pack_run(there.name, run[0].n, previous, [_link(row, rests) for row in run])


def _numbered(rows: Iterable[Row[Any]]) -> Iterator[tuple[int, Row[Any]]]:
    """Positions that follow one another have one number; a stated gap is passed over by the position at its end."""
    number, expected = 0, None
    for row in rows:
        number += expected is not None and row.n != expected and row.fact_id is not None
        expected = row.n + 1
        yield number, row


def _previous(conn: Connection, there: Place, row: Row[Any]) -> bytes | None:
    """The hash before a position, which in a fork is another branch's; None where the ledger does not have it."""
    c = position.c
    before = list(conn.scalars(select(c.hash).where(c.stream_id == there.stream_id, c.n == row.n - 1)))
    if row.n == 1:
        before = [root_hash(there.name.device, there.name.incarnation, there.name.lane)]
    if row.fact_id is None:
        return before[0] if before else None
    return next((hash_ for hash_ in before if next_hash(hash_, row.n, row.fact_id) == row.hash), None)


def _link(row: Row[Any], rests: Mapping[bytes, Rests | Withheld]) -> Link:
    if row.fact_id is None:
        return Hop(row.n, row.hash)
    return rests.get(row.fact_id) or Beside(row.fact_id)


def _gaps(conn: Connection, there: Place) -> Iterator[LedgerGap]:
    c = gap.c
    touching = (c.stream_id == there.stream_id, c.first_n <= there.last_n, c.last_n >= there.first_n)
    for row in conn.execute(select(gap).where(*touching).order_by(c.first_n)):
        yield LedgerGap(there.name.device, there.name.lane, row.first_n, row.last_n, row.cause, row.stated_ms)
