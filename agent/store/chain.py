"""The rows of the two chained lanes: facts at their positions, and the incarnation they stand under.

Every function works on a connection inside the caller's transaction; `agent.outbox` is the only one that writes with them.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from agent.store.errors import StoreDamaged
from contract.delivery.device_view import LaneEnds, StoredPosition
from contract.event import Lane
from contract.fact import fact_id, next_hash, root_hash
from contract.limits import KIB

N_BITS: Final = 40
"""Lower bits of a place, for the position. No device makes so many facts."""
N_MASK: Final = (1 << N_BITS) - 1
FORGET_MOST: Final = 1_000
"""Positions forgotten in one transaction; the rest goes with the next acknowledgement."""
CARRY_MOST: Final = 500
CARRY_BYTES: Final = 64 * KIB
"""Contents carried into a new incarnation at once: small beside the ballast, which is all the room that a full disk has."""


@dataclass(frozen=True, slots=True)
class Incarnation:
    """The name under which positions are chained."""

    incarnation: bytes
    device: str
    reason: str


@dataclass(slots=True)
class _Head:
    stream: int
    n: int
    hash: bytes


@dataclass(slots=True)
class Heads:
    """Where the next facts of the incarnation in force go; moves along with what is added."""

    incarnation: bytes
    carried: int
    last_seq: int
    lanes: dict[Lane, _Head]

    @property
    def last_ord(self) -> int:
        """Every position is a fact made under this incarnation, or was carried into it."""
        return self.last_seq - self.carried


def place_of(stream: int, n: int) -> int:
    """The row of a position."""
    return stream << N_BITS | n


def present(connection: sqlite3.Connection) -> Incarnation | None:
    """The incarnation in force; None in a new database."""
    row = connection.execute("SELECT incarnation, device, reason FROM incarnation ORDER BY seq DESC LIMIT 1").fetchone()
    return None if row is None else Incarnation(*row)


def past(connection: sqlite3.Connection) -> frozenset[bytes]:
    """All incarnations that this database has had."""
    return frozenset(row[0] for row in connection.execute("SELECT incarnation FROM incarnation ORDER BY seq"))


def begin(connection: sqlite3.Connection, device: str, incarnation: bytes, reason: str) -> None:
    """Begin an incarnation: both lanes start at their roots, without positions. `carry` takes along what is kept."""
    seq = connection.execute(
        "INSERT INTO incarnation (incarnation, device, reason) VALUES (?, ?, ?)", (incarnation, device, reason)
    ).lastrowid
    # Custody last: scans then go to the end of the tree, where a full page needs no balancing with others.
    rows = [(seq, lane.value, root_hash(device, incarnation, lane)) for lane in (Lane.TELEMETRY, Lane.CUSTODY)]
    connection.executemany("INSERT INTO stream (incarnation, lane, base_hash) VALUES (?, ?, ?)", rows)


def heads(connection: sqlite3.Connection) -> Heads:
    """The heads of the incarnation in force.

    Raises:
        StoreDamaged: a row of it is gone.
    """
    rows = connection.execute(
        """
        SELECT i.incarnation, i.carried, s.lane, s.id, coalesce(f.place & ?, s.base_n), coalesce(f.hash, s.base_hash)
        FROM incarnation i JOIN stream s ON s.incarnation = i.seq
        LEFT JOIN fact f ON f.place = (SELECT max(place) FROM fact WHERE place BETWEEN s.id << 40 AND s.id << 40 | ?)
        WHERE i.seq = (SELECT max(seq) FROM incarnation)
        """,
        (N_MASK, N_MASK),
    ).fetchall()
    if len(rows) != len(Lane):
        raise StoreDamaged("the row of the incarnation or of a lane is missing")
    lanes = {Lane(lane): _Head(stream, n, whole_hash) for _i, _carried, lane, stream, n, whole_hash in rows}
    return Heads(rows[0][0], rows[0][1], sum(head.n for head in lanes.values()), lanes)


def stream_of(connection: sqlite3.Connection, lane: Lane) -> int:
    """The row of a lane under the incarnation in force.

    Raises:
        StoreDamaged: it is gone.
    """
    row = connection.execute(
        "SELECT id FROM stream WHERE incarnation = (SELECT max(seq) FROM incarnation) AND lane = ?", (lane.value,)
    ).fetchone()
    if row is None:
        raise StoreDamaged(f"the row of lane {lane} is missing")
    return int(row[0])


def ends(connection: sqlite3.Connection, lane: Lane) -> LaneEnds:
    """Base, head and acknowledged position of a lane.

    Raises:
        StoreDamaged: the lane's row is gone, or does not fit what stands in its chain.
    """
    stream = stream_of(connection, lane)
    base_n, base_hash, acked_n = connection.execute(
        "SELECT base_n, base_hash, acked_n FROM stream WHERE id = ?", (stream,)
    ).fetchone()
    head_n, head_hash = connection.execute(
        "SELECT place & ?, hash FROM fact WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT 1",
        (N_MASK, place_of(stream, 1), place_of(stream, N_MASK)),
    ).fetchone() or (base_n, base_hash)
    # One flipped bit gives the last row the number of another, or the base that of a row that is still there.
    if hash_at(connection, lane, base_n) != base_hash or hash_at(connection, lane, head_n) != head_hash:
        raise StoreDamaged(f"lane {lane} does not go from position {base_n} to {head_n}")
    return LaneEnds(base_n, base_hash, head_n, head_hash, acked_n)


def hash_at(connection: sqlite3.Connection, lane: Lane, n: int) -> bytes | None:
    """The hash of a prefix; None where it is not stored."""
    stream = stream_of(connection, lane)
    row = connection.execute("SELECT hash FROM fact WHERE place = ?", (place_of(stream, n),)).fetchone()
    if row is None:
        row = connection.execute("SELECT base_hash FROM stream WHERE id = ? AND base_n = ?", (stream, n)).fetchone()
    return None if row is None else row[0]


def add_content(
    connection: sqlite3.Connection, at: Heads, lane: Lane, identity: bytes, core: bytes, *, at_ms: int
) -> int:
    """Store a core and chain it at the head of its lane; its position is returned."""
    return _chain(connection, at, lane, (identity, at_ms, None, core))


def add_tombstone(
    connection: sqlite3.Connection, at: Heads, lane: Lane, identity: bytes, cause: str, *, at_ms: int
) -> int:
    """Chain a fact without content at the head of its lane; its position is returned."""
    return _chain(connection, at, lane, (identity, at_ms, cause, None))


def _chain(
    connection: sqlite3.Connection, at: Heads, lane: Lane, row: tuple[bytes, int, str | None, bytes | None]
) -> int:
    head = at.lanes[lane]
    identity, at_ms, cause, core = row
    at.last_seq += 1
    head.n += 1
    head.hash = next_hash(head.hash, head.n, identity)
    connection.execute(
        "INSERT INTO fact (place, hash, fact_id, seq, at_ms, cause, core) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (place_of(head.stream, head.n), head.hash, identity, at.last_seq, at_ms, cause, core),
    )
    return head.n


def count_carried(connection: sqlite3.Connection, count: int) -> None:
    """So many of the positions under the incarnation in force hold facts that were made before it."""
    connection.execute(
        "UPDATE incarnation SET carried = carried + ? WHERE seq = (SELECT max(seq) FROM incarnation)", (count,)
    )


def carry(connection: sqlite3.Connection) -> None:
    """Chain the next of what is kept from earlier incarnations under the present one.

    Contents go, and tombstones that the hub may not know. It is done in steps, each as small as a full disk can take, and
    where a crash ends them the next one goes on.
    """
    rows = connection.execute(
        """
        SELECT f.place, s.lane, f.fact_id, f.at_ms, f.cause, f.place & ? > s.acked_n, f.core
        FROM fact f CROSS JOIN stream s ON s.id = f.place >> 40
        WHERE f.place < (SELECT min(id) FROM stream WHERE incarnation = (SELECT max(seq) FROM incarnation)) << 40
        ORDER BY f.place LIMIT ?
        """,
        (N_MASK, CARRY_MOST),
    )
    at = heads(connection)
    before_seq = at.last_seq
    room = CARRY_BYTES
    last: int | None = None
    for place, lane, identity, at_ms, cause, unknown, core in rows:
        room -= len(core or b"")
        if last is not None and room < 0:
            break
        if core is not None:
            add_content(connection, at, Lane(lane), identity, core, at_ms=at_ms)
        elif unknown:
            add_tombstone(connection, at, Lane(lane), identity, cause, at_ms=at_ms)
        last = place
    rows.close()
    if last is None:
        connection.execute("DELETE FROM stream WHERE incarnation < (SELECT max(seq) FROM incarnation)")
        return
    connection.execute("DELETE FROM fact WHERE place <= ?", (last,))
    count_carried(connection, at.last_seq - before_seq)


def is_carrying(connection: sqlite3.Connection) -> bool:
    """Whether something of an earlier incarnation still waits for `carry`."""
    row = connection.execute(
        "SELECT 1 FROM stream WHERE incarnation < (SELECT max(seq) FROM incarnation) LIMIT 1"
    ).fetchone()
    return row is not None


def read(
    connection: sqlite3.Connection, lane: Lane, after_n: int, most: int, most_bytes: int
) -> Sequence[StoredPosition]:
    """Positions after `after_n`, checked against the chain.

    Raises:
        StoreDamaged: the rows do not continue the chain.
    """
    previous = hash_at(connection, lane, after_n)
    stream = stream_of(connection, lane)
    rows = connection.execute(
        "SELECT place & ?, hash, fact_id, cause, core FROM fact WHERE place > ? AND place <= ? ORDER BY place LIMIT ?",
        (N_MASK, place_of(stream, after_n), place_of(stream, N_MASK), most),
    )
    found: list[StoredPosition] = []
    room = most_bytes
    for n, whole_hash, identity, cause, core in rows:
        room -= len(core or b"")
        if found and room < 0:
            break
        expected_n = after_n + len(found) + 1
        if previous is None or n != expected_n or whole_hash != next_hash(previous, n, identity):
            raise StoreDamaged(f"the chain of lane {lane} is broken at position {expected_n}")
        previous = whole_hash
        found.append(StoredPosition(n, identity, core, cause))
    # A search may be led past rows by one flipped bit of the tree that the look from its end never meets.
    if not found and after_n < ends(connection, lane).head_n:
        raise StoreDamaged(
            f"position {after_n + 1} of lane {lane} cannot be found, although the chain goes on behind it"
        )
    return found


def core_at(connection: sqlite3.Connection, *, lane: Lane, n: int) -> bytes | None:
    """The content of one position; None where there is none."""
    row = connection.execute(
        "SELECT core FROM fact WHERE place = ?", (place_of(stream_of(connection, lane), n),)
    ).fetchone()
    return None if row is None else row[0]


def newest(
    connection: sqlite3.Connection, what: str, most: int, before_seq: int | None = None
) -> Sequence[tuple[Any, ...]]:
    """The contents captured last, or before another one, newest first: rows of seq, lane, n, and the columns `what`.

    Raises:
        StoreDamaged: a row is gone.
    """
    found: list[tuple[Any, ...]] = []
    for lane in Lane:
        stream, end = stream_of(connection, lane), ends(connection, lane)
        last_n = end.head_n
        if before_seq is not None:
            seq_at = partial(_seq_at, connection, stream)
            last_n = end.base_n + bisect_left(range(end.base_n + 1, end.head_n + 1), before_seq, key=seq_at)
        statement = (
            f"SELECT seq, ?, place & ?, {what} FROM fact "  # noqa: S608 names of our own columns
            "WHERE place BETWEEN ? AND ? AND cause IS NULL ORDER BY place DESC LIMIT ?"
        )
        values = (lane.value, N_MASK, place_of(stream, 1), place_of(stream, last_n), most)
        found += connection.execute(statement, values)
    return sorted(found, reverse=True, key=lambda row: row[0])[:most]


def _seq_at(connection: sqlite3.Connection, stream: int, n: int) -> int:
    row = connection.execute("SELECT seq FROM fact WHERE place = ?", (place_of(stream, n),)).fetchone()
    if row is None:
        raise StoreDamaged(f"position {n} cannot be found")
    return int(row[0])


def check_heads(connection: sqlite3.Connection) -> None:
    """Look whether both lanes end as a chain must.

    Raises:
        StoreDamaged: they do not.
    """
    for lane in Lane:
        head = ends(connection, lane)
        if head.head_n > head.base_n:
            read(connection, lane, head.head_n - 1, 1, 0)


def bury(connection: sqlite3.Connection, lane: Lane, n: int, identity: bytes, cause: str) -> bool:
    """Let a content go and leave a tombstone; False when the position does not hold this content (any more)."""
    done = connection.execute(
        "UPDATE fact SET cause = ?, core = NULL WHERE place = ? AND fact_id = ? AND cause IS NULL",
        (cause, place_of(stream_of(connection, lane), n), identity),
    )
    return done.rowcount == 1


def set_aside(connection: sqlite3.Connection, lane: Lane, n: int, identity: bytes) -> bool:
    """Move a content that is not whole out of the way; False when the position already says what became of it."""
    place = place_of(stream_of(connection, lane), n)
    done = connection.execute(
        "INSERT INTO aside (fact_id, core) SELECT fact_id, core FROM fact WHERE place = ? AND fact_id = ? AND cause IS NULL",
        (place, identity),
    )
    return done.rowcount == 1 and bury(connection, lane, n, identity, "corrupt")


def set_acked(connection: sqlite3.Connection, lane: Lane, n: int, sent_n: int) -> None:
    """Remember what the hub has committed; it may be less than before."""
    connection.execute(
        "UPDATE stream SET acked_n = ?, sent_n = max(sent_n, ?, ?) WHERE id = ?",
        (n, n, sent_n, stream_of(connection, lane)),
    )


def count_released(connection: sqlite3.Connection, lane: Lane) -> None:
    """One more content of this lane was let go because the hub holds it safely."""
    connection.execute("UPDATE stream SET released = released + 1 WHERE id = ?", (stream_of(connection, lane),))


def forget(connection: sqlite3.Connection, lane: Lane) -> None:
    """Advance the base over acknowledged tombstones."""
    stream, at = stream_of(connection, lane), ends(connection, lane)
    rows = connection.execute(
        "SELECT place & ?, hash, cause FROM fact WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?",
        (N_MASK, place_of(stream, 1), place_of(stream, at.acked_n), FORGET_MOST),
    )
    base = (at.base_n, at.base_hash)
    for n, whole_hash, cause in rows:
        if cause is None:
            break
        base = (n, whole_hash)
    if base[0] > at.base_n:
        connection.execute("UPDATE stream SET base_n = ?, base_hash = ? WHERE id = ?", (*base, stream))
        first, last = place_of(stream, 1), place_of(stream, base[0])
        connection.execute("DELETE FROM fact WHERE place BETWEEN ? AND ?", (first, last))


def is_whole(identity: bytes, core: bytes) -> bool:
    """Whether stored bytes are still what they were (D2)."""
    return fact_id(core) == identity
