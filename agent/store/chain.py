"""The rows of the two chained lanes: positions, their contents, and the incarnation they stand under.

Every function works on a connection inside the caller's transaction; `agent.outbox` is the only one that writes with them.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.store.errors import StoreDamaged
from contract.delivery.device_view import LaneEnds, StoredPosition
from contract.event import Lane
from contract.fact import fact_id, next_hash, root_hash

FORGET_MOST: Final = 1_000
"""Positions forgotten in one transaction; the rest goes with the next acknowledgement."""


@dataclass(frozen=True, slots=True)
class Incarnation:
    """The name under which positions are chained, and how many facts were made under it."""

    incarnation: bytes
    device: str
    reason: str
    last_ord: int


@dataclass(frozen=True, slots=True)
class Link:
    """What is to be chained: a content already stored, or a tombstone."""

    lane: Lane
    fact_id: bytes
    content: int | None = None
    cause: str | None = None


def present(connection: sqlite3.Connection) -> Incarnation | None:
    """The incarnation in force; None in a new database."""
    row = connection.execute(
        "SELECT incarnation, device, reason, last_ord FROM incarnation ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Incarnation(*row)


def past(connection: sqlite3.Connection) -> frozenset[bytes]:
    """All incarnations that this database has had."""
    return frozenset(row[0] for row in connection.execute("SELECT incarnation FROM incarnation ORDER BY seq"))


def set_last_ord(connection: sqlite3.Connection, last_ord: int) -> None:
    """Remember how many facts were made under the incarnation in force."""
    connection.execute(
        "UPDATE incarnation SET last_ord = ? WHERE seq = (SELECT max(seq) FROM incarnation)", (last_ord,)
    )


def begin(connection: sqlite3.Connection, device: str, incarnation: bytes, reason: str) -> None:
    """Begin an incarnation: both lanes start at their roots, without positions."""
    connection.execute(
        "INSERT INTO incarnation (incarnation, device, reason) VALUES (?, ?, ?)", (incarnation, device, reason)
    )
    connection.execute("DELETE FROM position")
    connection.execute("DELETE FROM lane")
    rows = [(lane.value, root_hash(device, incarnation, lane)) for lane in Lane]
    connection.executemany("INSERT INTO lane (lane, base_hash) VALUES (?, ?)", rows)


def ends(connection: sqlite3.Connection, lane: Lane) -> LaneEnds:
    """Base, head and acknowledged position of a lane.

    Raises:
        StoreDamaged: the lane's row is gone.
    """
    row = connection.execute("SELECT base_n, base_hash, acked_n FROM lane WHERE lane = ?", (lane.value,)).fetchone()
    if row is None:
        raise StoreDamaged(f"the row of lane {lane} is missing")
    base_n, base_hash, acked_n = row
    head_n, head_hash = _last(connection, lane) or (base_n, base_hash)
    return LaneEnds(base_n, base_hash, head_n, head_hash, acked_n)


def _last(connection: sqlite3.Connection, lane: Lane) -> tuple[int, bytes] | None:
    row: tuple[int, bytes] | None = connection.execute(
        "SELECT n, hash FROM position WHERE lane = ? ORDER BY n DESC LIMIT 1", (lane.value,)
    ).fetchone()
    return row


def hash_at(connection: sqlite3.Connection, lane: Lane, n: int) -> bytes | None:
    """The hash of a prefix; None where it is not stored."""
    row = connection.execute("SELECT hash FROM position WHERE lane = ? AND n = ?", (lane.value, n)).fetchone()
    if row is None:
        row = connection.execute("SELECT base_hash FROM lane WHERE lane = ? AND base_n = ?", (lane.value, n)).fetchone()
    return None if row is None else row[0]


def add_content(connection: sqlite3.Connection, lane: Lane, identity: bytes, core: bytes, at_ms: int) -> int:
    """Store a core and chain it at the head of its lane; its position is returned."""
    n, previous = _last(connection, lane) or _base(connection, lane)
    # A row number may be used again after its content was let go; by then no position names it.
    seq = connection.execute(
        "INSERT INTO content (fact_id, lane, n, at_ms, core) VALUES (?, ?, ?, ?, ?)",
        (identity, lane.value, n + 1, at_ms, core),
    ).lastrowid
    connection.execute(
        "INSERT INTO position (lane, n, hash, fact_id, content) VALUES (?, ?, ?, ?, ?)",
        (lane.value, n + 1, next_hash(previous, n + 1, identity), identity, seq),
    )
    return n + 1


def _base(connection: sqlite3.Connection, lane: Lane) -> tuple[int, bytes]:
    row = ends(connection, lane)
    return row.base_n, row.base_hash


def chain(connection: sqlite3.Connection, links: Iterable[Link]) -> None:
    """Chain contents and tombstones at the heads of their lanes, in this order."""
    heads = {lane: (e.head_n, e.head_hash) for lane in Lane for e in [ends(connection, lane)]}
    for link in links:
        n, previous = heads[link.lane]
        heads[link.lane] = n + 1, next_hash(previous, n + 1, link.fact_id)
        connection.execute(
            "INSERT INTO position (lane, n, hash, fact_id, content, cause) VALUES (?, ?, ?, ?, ?, ?)",
            (link.lane.value, *heads[link.lane], link.fact_id, link.content, link.cause),
        )
        if link.content is not None:
            connection.execute("UPDATE content SET n = ? WHERE seq = ?", (n + 1, link.content))


def links(connection: sqlite3.Connection) -> list[Link]:
    """All that a new incarnation must chain anew, per lane in order: contents, and tombstones that the hub may not know."""
    rows = connection.execute(
        """
        SELECT lane, n, fact_id, seq, NULL FROM content
        UNION ALL
        SELECT p.lane, p.n, p.fact_id, NULL, coalesce(p.cause, 'corrupt') FROM position p JOIN lane l ON l.lane = p.lane
        WHERE p.n > l.acked_n
          AND NOT EXISTS (SELECT 1 FROM content c WHERE c.seq = p.content AND c.lane = p.lane AND c.n = p.n)
        ORDER BY 1, 2
        """
    )
    return [Link(Lane(lane), identity, seq, cause) for lane, _n, identity, seq, cause in rows]


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
        WHERE p.lane = ? AND p.n > ? ORDER BY p.n LIMIT ?
        """,
        (lane.value, after_n, most),
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
    return found


def check_heads(connection: sqlite3.Connection) -> None:
    """Look whether both lanes end as a chain must.

    Raises:
        StoreDamaged: they do not.
    """
    for lane in Lane:
        head = ends(connection, lane)
        if head.head_n > head.base_n:
            read(connection, lane, head.head_n - 1, 1, 0)


def place_of(connection: sqlite3.Connection, identity: bytes) -> tuple[int, Lane, int] | None:
    """Row, lane and position of a stored content."""
    row = connection.execute("SELECT seq, lane, n FROM content WHERE fact_id = ?", (identity,)).fetchone()
    return None if row is None else (row[0], Lane(row[1]), row[2])


def bury(connection: sqlite3.Connection, lane: Lane, n: int, content: int, cause: str) -> bool:
    """Let a content go and leave a tombstone; False when the position does not hold this content (any more)."""
    buried = connection.execute(
        "UPDATE position SET cause = ?, content = NULL WHERE lane = ? AND n = ? AND content = ? AND cause IS NULL",
        (cause, lane.value, n, content),
    )
    if buried.rowcount != 1:
        return False
    connection.execute("DELETE FROM content WHERE seq = ?", (content,))
    return True


def set_aside(connection: sqlite3.Connection, lane: Lane, n: int, identity: bytes) -> bool:
    """Move a content that is not whole out of the way; False when the position already says what became of it."""
    row = connection.execute(
        "SELECT p.content, c.core FROM position p LEFT JOIN content c ON c.seq = p.content "
        "WHERE p.lane = ? AND p.n = ? AND p.fact_id = ? AND p.cause IS NULL",
        (lane.value, n, identity),
    ).fetchone()
    if row is None:
        return False
    content, core = row
    if core is not None:
        connection.execute("INSERT INTO aside (fact_id, core) VALUES (?, ?)", (identity, core))
        connection.execute("DELETE FROM content WHERE seq = ?", (content,))
    connection.execute(
        "UPDATE position SET cause = 'corrupt', content = NULL WHERE lane = ? AND n = ?", (lane.value, n)
    )
    return True


def set_acked(connection: sqlite3.Connection, lane: Lane, n: int, sent_n: int) -> None:
    """Remember what the hub has committed; it may be less than before."""
    connection.execute(
        "UPDATE lane SET acked_n = ?, sent_n = max(sent_n, ?, ?) WHERE lane = ?", (n, n, sent_n, lane.value)
    )


def count_released(connection: sqlite3.Connection, lane: Lane) -> None:
    """One more content of this lane was let go because the hub holds it safely."""
    connection.execute("UPDATE lane SET released = released + 1 WHERE lane = ?", (lane.value,))


def forget(connection: sqlite3.Connection, lane: Lane) -> None:
    """Advance the base over acknowledged tombstones."""
    at = ends(connection, lane)
    rows = connection.execute(
        "SELECT n, hash, cause FROM position WHERE lane = ? AND n <= ? ORDER BY n LIMIT ?",
        (lane.value, at.acked_n, FORGET_MOST),
    )
    base = (at.base_n, at.base_hash)
    for n, whole_hash, cause in rows:
        if cause is None:
            break
        base = (n, whole_hash)
    if base[0] > at.base_n:
        connection.execute("UPDATE lane SET base_n = ?, base_hash = ? WHERE lane = ?", (*base, lane.value))
        connection.execute("DELETE FROM position WHERE lane = ? AND n <= ?", (lane.value, base[0]))


def is_whole(identity: bytes, core: bytes) -> bool:
    """Whether stored bytes are still what they were (D2)."""
    return fact_id(core) == identity
