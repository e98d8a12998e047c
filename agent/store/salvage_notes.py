"""What a salvage must remember of every fact while it goes through a damaged database: on disk, as there may be millions."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Self

from contract.event import Lane
from contract.items import CAUSES

IDENTITY_BYTES: Final = 32
_LANES: Final = frozenset(lane.value for lane in Lane)

Missing = tuple[str, bytes, str]
"""Lane, identity and cause of a position without content."""


class SalvageNotes:
    """A scratch database that is thrown away at the end; a crash makes it begin again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._notes = sqlite3.connect(path, isolation_level=None)
        self._notes.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE stream (id INTEGER PRIMARY KEY, lane TEXT, acked_n INTEGER);
            CREATE TABLE fact (fact_id BLOB PRIMARY KEY, stream INTEGER, n INTEGER, cause TEXT, kept INTEGER) WITHOUT ROWID;
            CREATE TABLE lost (fact_id BLOB PRIMARY KEY) WITHOUT ROWID;
            """
        )

    def __enter__(self) -> Self:
        """Give the notes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Throw them away."""
        self._notes.close()
        self._path.unlink(missing_ok=True)

    def note_streams(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Remember which lane each stream is, and how far it was acknowledged: rows of id, lane, acked_n."""
        whole = ((i, lane, n if isinstance(n, int) else 0) for i, lane, n in rows if lane in _LANES)
        self._notes.executemany("INSERT OR IGNORE INTO stream VALUES (?, ?, ?)", whole)

    def note_positions(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Remember what was chained: rows of stream, n, identity, cause."""
        whole = (
            (identity, stream, n, cause if cause in CAUSES else "corrupt")
            for stream, n, identity, cause in rows
            if isinstance(n, int) and isinstance(identity, bytes) and len(identity) == IDENTITY_BYTES
        )
        self._notes.executemany("INSERT OR IGNORE INTO fact VALUES (?, ?, ?, ?, 0)", whole)

    def is_chained(self, identity: bytes) -> bool:
        """Whether a position, or a content that was kept, has this identity."""
        row = self._notes.execute("SELECT 1 FROM fact WHERE fact_id = ?", (identity,)).fetchone()
        return row is not None

    def note_kept(self, identity: bytes) -> bool:
        """Remember that the content of a fact was found; False when it had been before."""
        done = self._notes.execute(
            "INSERT INTO fact (fact_id, kept) VALUES (?, 1) ON CONFLICT (fact_id) DO UPDATE SET kept = 1 WHERE kept = 0",
            (identity,),
        )
        return done.rowcount == 1

    def note_lost(self, identity: object) -> None:
        """Remember that something stood beside this identity that is not its content."""
        if isinstance(identity, bytes):
            self._notes.execute("INSERT OR IGNORE INTO lost VALUES (?)", (identity,))

    def missing(self) -> Iterator[Missing]:
        """Positions that the hub may not know and whose content was not found, in order."""
        return self._notes.execute(
            """
            SELECT s.lane, f.fact_id, f.cause FROM fact f JOIN stream s ON s.id = f.stream
            WHERE f.kept = 0 AND f.n > s.acked_n ORDER BY f.stream, f.n
            """
        )

    def lost(self) -> int:
        """How many contents were there but are not whole."""
        statement = "SELECT count(*) FROM lost WHERE fact_id NOT IN (SELECT fact_id FROM fact WHERE kept = 1)"
        return int(self._notes.execute(statement).fetchone()[0])
