"""D10: a database that cannot be trusted is set aside; what can be read of it goes into a new one under a new incarnation.

The new database is built beside the old one and takes its place only when it is whole, so a crash in between begins again.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain as one_after_the_other
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from agent.faultpoint import faultpoint
from agent.store import blobs, chain
from agent.store.carve import carve
from agent.store.database import NAME, UNREADABLE, Database
from agent.store.errors import StoreError
from agent.store.files import sync_folder
from agent.store.salvage_notes import Missing, SalvageNotes
from contract.errors import ContractError
from contract.event import Lane
from contract.fact import decode_core, fact_id, next_hash
from contract.limits import MAX_CORE_BYTES

T = TypeVar("T")

BUILDING: Final = NAME + ".building"
SALVAGED: Final = NAME + ".salvaged"
"""A new database gets this name only when it is whole, because where the main file is gone it is taken unseen."""
ASIDE: Final = NAME + ".damaged-"
MOST_ASIDE: Final = 3
"""Damaged databases kept for an inspection; older ones are deleted."""
NOTES: Final = NAME + ".salvage-notes"
SIDE_FILES: Final = ("", "-wal", "-shm")
PART: Final = 256
"""Facts carried over in one transaction: the new database is built in bounded memory, however large the old one is."""
COPIED_TABLES: Final = ("request", "block", "sample", "blob", "shelf", "aside")


@dataclass(frozen=True, slots=True)
class Rescued:
    """How many facts could be read of a damaged database, and how many were there but are not whole."""

    kept: int
    lost: int


def needs_salvage(path: Path) -> bool:
    """Whether SQLite would throw a WAL away that still holds something, because the main file is empty or gone."""
    wal = path.with_name(path.name + "-wal")
    main_bytes = path.stat().st_size if path.exists() else 0
    return main_bytes == 0 and wal.exists() and wal.stat().st_size > 0


def finish(folder: Path) -> None:
    """Complete a salvage that a crash interrupted.

    Raises:
        OSError: the files cannot be renamed.
    """
    salvaged, path = folder / SALVAGED, folder / NAME
    _discard(folder / BUILDING)
    if not salvaged.exists():
        return
    if path.exists():
        _discard(salvaged)
    else:
        _swap(folder)


def _discard(path: Path) -> None:
    for side in SIDE_FILES:
        path.with_name(path.name + side).unlink(missing_ok=True)


def _swap(folder: Path) -> None:
    path = folder / NAME
    aside = folder / f"{ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    # The main file goes first: while it is gone, `finish` knows that the new one is whole.
    for side in SIDE_FILES:
        source = path.with_name(path.name + side)
        if source.exists():
            source.replace(aside.with_name(aside.name + side))
            # A power cut keeps names in no order: the new file must never come to stand beside the WAL of the old one.
            sync_folder(folder)
    faultpoint("salvage")
    (folder / SALVAGED).replace(path)
    sync_folder(folder)
    mains = sorted(p for p in folder.glob(f"{ASIDE}*") if not p.name.endswith(SIDE_FILES[1:]))
    for old in mains[:-MOST_ASIDE]:
        _discard(old)


def salvage(folder: Path, begin: Callable[[sqlite3.Connection], None], at_ms: int) -> Rescued:
    """Replace the folder's database by a new one that holds all that can be read of it.

    Args:
        folder: Where the database and the attachments are.
        begin: Begins the new incarnation.
        at_ms: When attachments that only their files tell of are taken to have been made.

    Raises:
        OSError: the new one could not be put in place; the old files are as before.
        NotKept: the same.
    """
    path, beside = folder / NAME, folder / BUILDING
    _discard(beside)
    database = Database.open(beside, check=False)
    try:
        with SalvageNotes(folder / NOTES) as notes, _opened(path) as old:
            rescued = _rebuild(database, old, carve(path), notes, begin)
        database.write(lambda c: adopt_files(c, folder, at_ms))
    except BaseException:
        database.close()
        _discard(beside)
        raise
    if not database.close():
        raise StoreError(f"{beside} could not be completed; nothing was changed")
    beside.replace(folder / SALVAGED)
    # Before the old one is moved away: whichever names survive, there is a whole database under one that is looked for.
    sync_folder(folder)
    _swap(folder)
    return rescued


def adopt_files(connection: sqlite3.Connection, folder: Path, at_ms: int) -> None:
    """Note attachments whose rows were lost; the hub says which of them it has."""
    for digest, size in blobs.BlobFiles(folder).present():
        blobs.insert(connection, digest, size, at_ms)


# -- reading what is damaged -----------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The damaged database through SQL, or an empty one where SQL would make things worse."""
    readable = not needs_salvage(path)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro" if readable else ":memory:", uri=True)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    with closing(connection):
        yield connection


def _rows(connection: sqlite3.Connection, table: str, columns: str = "*") -> Iterator[tuple[Any, ...]]:
    """Rows from both ends of a table, as far as they can be read."""
    statement = f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY 1"  # noqa: S608 names of our own tables
    try:
        yield from connection.execute(statement)
    except UNREADABLE:
        with suppress(*UNREADABLE):
            yield from connection.execute(statement + " DESC")


def _contents(old: sqlite3.Connection) -> Iterator[tuple[object, object]]:
    """Identity and core of what can be read; where the chain proves the bytes, it goes before what stands beside them."""
    before: tuple[int, object] = (0, None)
    for place, whole_hash, identity, core in _rows(old, "fact", "place, hash, fact_id, core"):
        proven = isinstance(core, bytes) and _is_next(before, place, whole_hash, core)
        yield fact_id(core) if proven else identity, core
        before = place, whole_hash


def _is_next(before: tuple[int, object], place: int, whole_hash: object, core: bytes) -> bool:
    before_place, previous = before
    if place != before_place + 1 or not isinstance(previous, bytes):
        return False
    return next_hash(previous, place & chain.N_MASK, fact_id(core)) == whole_hash


# -- building the new one --------------------------------------------------------------------------------------------


def _rebuild(
    database: Database,
    old: sqlite3.Connection,
    carved: Iterable[tuple[bytes, bytes]],
    notes: SalvageNotes,
    begin: Callable[[sqlite3.Connection], None],
) -> Rescued:
    def begin_anew(connection: sqlite3.Connection) -> None:
        _copy(connection, "incarnation", _rows(old, "incarnation"))
        begin(connection)
        for table in COPIED_TABLES:
            _copy(connection, table, _rows(old, table))
        connection.execute("DELETE FROM sample WHERE block NOT IN (SELECT id FROM block)")

    database.write(begin_anew)
    notes.note_streams(_rows(old, "stream", "id, lane, acked_n"))
    notes.note_positions(
        (place >> chain.N_BITS, place & chain.N_MASK, identity, cause)
        for place, identity, cause in _rows(old, "fact", "place, fact_id, cause")
    )
    kept = 0
    for part in _parts(one_after_the_other(_contents(old), carved)):
        kept += database.write(partial(_chain_anew, notes=notes, part=part))
    for missing in _parts(notes.missing()):
        database.write(partial(_bury_anew, missing=missing))
    return Rescued(kept, notes.lost())


def _parts(rows: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(rows)
    while part := list(islice(iterator, PART)):
        yield part


def _chain_anew(connection: sqlite3.Connection, *, notes: SalvageNotes, part: Sequence[tuple[object, object]]) -> int:
    """Store and chain those contents that are whole and were not met before; how many."""
    at = chain.heads(connection)
    kept = carried = 0
    for identity, core in part:
        if not isinstance(core, bytes):
            continue
        true = fact_id(core) if len(core) <= MAX_CORE_BYTES else None
        # Either the identity beside the bytes or the one in the chain proves them.
        if true is None or not (true == identity or notes.is_chained(true)):
            notes.note_lost(identity)
            continue
        if not notes.note_kept(true):
            continue
        kept += 1
        try:
            fact = decode_core(core)
        except ContractError:
            # An identity that fits bytes of another version: they are set aside rather than guessed at.
            connection.execute("INSERT INTO aside (fact_id, core) VALUES (?, ?)", (true, core))
            continue
        chain.add_content(connection, at, fact.lane, true, core, at_ms=fact.at_ms)
        carried += 1
    chain.count_carried(connection, carried)
    return kept


def _bury_anew(connection: sqlite3.Connection, *, missing: Sequence[Missing]) -> None:
    """Chain tombstones for what the hub may not know and is not there (any more)."""
    at = chain.heads(connection)
    for lane, identity, cause in missing:
        chain.add_tombstone(connection, at, Lane(lane), identity, cause, at_ms=0)
    chain.count_carried(connection, len(missing))


def _copy(connection: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    for row in rows:
        marks = ", ".join("?" * len(row))
        # A row that the schema refuses was damaged.
        with suppress(sqlite3.IntegrityError):
            connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 names of our own tables
