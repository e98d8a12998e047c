"""The rows of the two chained lanes: positions, their contents, and the incarnation they stand under.

Every function works on a connection inside the caller's transaction; `agent.outbox` is the only one that writes with them.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.store.errors import StoreDamaged
from contract.delivery.device_view import LaneEnds, StoredPosition
from contract.event import Lane
from contract.fact import fact_id, next_hash, root_hash
from contract.limits import KIB

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
    last_ord: int
    lanes: dict[Lane, _Head]


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
    rows = [(seq, lane.value, root_hash(device, incarnation, lane)) for lane in Lane]
    connection.executemany("INSERT INTO stream (incarnation, lane, base_hash) VALUES (?, ?, ?)", rows)


def heads(connection: sqlite3.Connection) -> Heads:
    """The heads of the incarnation in force.

    Raises:
        StoreDamaged: a row of it is gone.
    """
    # One statement, because every capture begins with it.
    rows = connection.execute(
        """
        SELECT i.incarnation, i.carried, s.lane, s.id, coalesce(p.n, s.base_n), coalesce(p.hash, s.base_hash)
        FROM incarnation i JOIN stream s ON s.incarnation = i.seq
        LEFT JOIN position p ON p.stream = s.id AND p.n = (SELECT max(n) FROM position WHERE stream = s.id)
        WHERE i.seq = (SELECT max(seq) FROM incarnation)
        """
    ).fetchall()
    if len(rows) != len(Lane):
        raise StoreDamaged("the row of the incarnation or of a lane is missing")
    lanes = {Lane(lane): _Head(stream, n, whole_hash) for _i, _carried, lane, stream, n, whole_hash in rows}
    # Every position is a fact made under this incarnation, or was carried into it.
    made = sum(head.n for head in lanes.values()) - rows[0][1]
    return Heads(rows[0][0], made, lanes)


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
        StoreDamaged: the lane's row is gone.
    """
    stream = stream_of(connection, lane)
    base_n, base_hash, acked_n = connection.execute(
        "SELECT base_n, base_hash, acked_n FROM stream WHERE id = ?", (stream,)
    ).fetchone()
    head_n, head_hash = connection.execute(
        "SELECT n, hash FROM position WHERE stream = ? ORDER BY n DESC LIMIT 1", (stream,)
    ).fetchone() or (base_n, base_hash)
    return LaneEnds(base_n, base_hash, head_n, head_hash, acked_n)


def hash_at(connection: sqlite3.Connection, lane: Lane, n: int) -> bytes | None:
    """The hash of a prefix; None where it is not stored."""
    stream = stream_of(connection, lane)
    row = connection.execute("SELECT hash FROM position WHERE stream = ? AND n = ?", (stream, n)).fetchone()
    if row is None:
        row = connection.execute("SELECT base_hash FROM stream WHERE id = ? AND base_n = ?", (stream, n)).fetchone()
    return None if row is None else row[0]


def add_content(
    connection: sqlite3.Connection, at: Heads, lane: Lane, identity: bytes, core: bytes, *, at_ms: int
) -> int:
    """Store a core and chain it at the head of its lane; its position is returned."""
    n = at.lanes[lane].n + 1
    # A row number may be used again after its content was let go; by then no position names it.
    seq = connection.execute(
        "INSERT INTO content (fact_id, lane, n, at_ms, core) VALUES (?, ?, ?, ?, ?)",
        (identity, lane.value, n, at_ms, core),
    ).lastrowid
    at.last_ord += 1
    return _chain(connection, at.lanes[lane], identity, seq, None)


def add_tombstone(connection: sqlite3.Connection, at: Heads, lane: Lane, identity: bytes, cause: str) -> int:
    """Chain a fact without content at the head of its lane; its position is returned."""
    at.last_ord += 1
    return _chain(connection, at.lanes[lane], identity, None, cause)


def _chain(connection: sqlite3.Connection, head: _Head, identity: bytes, content: int | None, cause: str | None) -> int:
    n = head.n + 1
    head.hash = next_hash(head.hash, n, identity)
    head.n = n
    connection.execute(
        "INSERT INTO position (stream, n, hash, fact_id, content, cause) VALUES (?, ?, ?, ?, ?, ?)",
        (head.stream, n, head.hash, identity, content, cause),
    )
    return n


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
        SELECT p.stream, s.lane, p.n, p.fact_id, p.cause, p.n > s.acked_n, c.seq, length(c.core)
        FROM position p JOIN stream s ON s.id = p.stream LEFT JOIN content c ON c.seq = p.content
        WHERE p.stream < (SELECT min(id) FROM stream WHERE incarnation = (SELECT max(seq) FROM incarnation))
        ORDER BY p.stream, p.n LIMIT ?
        """,
        (CARRY_MOST,),
    ).fetchall()
    at = heads(connection)
    before_n = sum(head.n for head in at.lanes.values())
    room = CARRY_BYTES
    last: tuple[int, int] | None = None
    for stream, lane, n, identity, cause, unknown, content, size in rows:
        room -= size or 0
        if last is not None and room < 0:
            break
        if content is not None and cause is None:
            reached = _chain(connection, at.lanes[Lane(lane)], identity, content, None)
            connection.execute("UPDATE content SET n = ? WHERE seq = ?", (reached, content))
        elif unknown:
            _chain(connection, at.lanes[Lane(lane)], identity, None, cause or "corrupt")
        last = stream, n
    if last is None:
        _carry_strays(connection, at)
        connection.execute("DELETE FROM stream WHERE incarnation < (SELECT max(seq) FROM incarnation)")
        return
    connection.execute("DELETE FROM position WHERE (stream, n) <= (?, ?)", last)
    count_carried(connection, sum(head.n for head in at.lanes.values()) - before_n)


def _carry_strays(connection: sqlite3.Connection, at: Heads) -> None:
    """Chain contents that no position names, as damage may leave them."""
    strays = connection.execute(
        """
        SELECT c.lane, c.fact_id, c.seq FROM content c
        JOIN stream s ON s.lane = c.lane AND s.incarnation = (SELECT max(seq) FROM incarnation)
        LEFT JOIN position p ON p.stream = s.id AND p.n = c.n
        WHERE p.content IS NOT c.seq
        """
    ).fetchall()
    for lane, identity, seq in strays:
        n = _chain(connection, at.lanes[Lane(lane)], identity, seq, None)
        connection.execute("UPDATE content SET n = ? WHERE seq = ?", (n, seq))
    count_carried(connection, len(strays))


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
    rows = connection.execute(
        """
        SELECT p.n, p.hash, p.fact_id, p.cause, c.core FROM position p LEFT JOIN content c ON c.seq = p.content
        WHERE p.stream = ? AND p.n > ? ORDER BY p.n LIMIT ?
        """,
        (stream_of(connection, lane), after_n, most),
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
        "SELECT c.core FROM position p JOIN content c ON c.seq = p.content WHERE p.stream = ? AND p.n = ?",
        (stream_of(connection, lane), n),
    ).fetchone()
    return None if row is None else row[0]


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
    stream = stream_of(connection, lane)
    row = connection.execute(
        "SELECT content FROM position WHERE stream = ? AND n = ? AND fact_id = ? AND content IS NOT NULL",
        (stream, n, identity),
    ).fetchone()
    if row is None:
        return False
    connection.execute("UPDATE position SET cause = ?, content = NULL WHERE stream = ? AND n = ?", (cause, stream, n))
    connection.execute("DELETE FROM content WHERE seq = ?", row)
    return True


def set_aside(connection: sqlite3.Connection, lane: Lane, n: int, identity: bytes) -> bool:
    """Move a content that is not whole out of the way; False when the position already says what became of it."""
    stream = stream_of(connection, lane)
    row = connection.execute(
        "SELECT p.content, c.core FROM position p LEFT JOIN content c ON c.seq = p.content "
        "WHERE p.stream = ? AND p.n = ? AND p.fact_id = ? AND p.cause IS NULL",
        (stream, n, identity),
    ).fetchone()
    if row is None:
        return False
    content, core = row
    if core is not None:
        connection.execute("INSERT INTO aside (fact_id, core) VALUES (?, ?)", (identity, core))
        connection.execute("DELETE FROM content WHERE seq = ?", (content,))
    connection.execute("UPDATE position SET cause = 'corrupt', content = NULL WHERE stream = ? AND n = ?", (stream, n))
    return True


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
        "SELECT n, hash, cause FROM position WHERE stream = ? AND n <= ? ORDER BY n LIMIT ?",
        (stream, at.acked_n, FORGET_MOST),
    )
    base = (at.base_n, at.base_hash)
    for n, whole_hash, cause in rows:
        if cause is None:
            break
        base = (n, whole_hash)
    if base[0] > at.base_n:
        connection.execute("UPDATE stream SET base_n = ?, base_hash = ? WHERE id = ?", (*base, stream))
        connection.execute("DELETE FROM position WHERE stream = ? AND n <= ?", (stream, base[0]))


def is_whole(identity: bytes, core: bytes) -> bool:
    """Whether stored bytes are still what they were (D2)."""
    return fact_id(core) == identity
