"""D10: a database that cannot be trusted is set aside; what can be read of it goes into a new one under a new incarnation.

The new database is built beside the old one and takes its place only when it is whole, so a crash in between begins again.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from agent.faultpoint import faultpoint
from agent.store import blobs, chain
from agent.store.carve import carve
from agent.store.chain import Link
from agent.store.database import NAME, UNREADABLE, Database
from agent.store.errors import StoreError
from agent.store.files import sync_folder
from contract.errors import ContractError
from contract.event import Lane
from contract.fact import decode_core, fact_id
from contract.items import CAUSES
from contract.limits import MAX_CORE_BYTES

BUILDING: Final = NAME + ".building"
SALVAGED: Final = NAME + ".salvaged"
"""A new database gets this name only when it is whole, because where the main file is gone it is taken unseen."""
ASIDE: Final = NAME + ".damaged-"
MOST_ASIDE: Final = 3
"""Damaged databases kept for an inspection; older ones are deleted."""
SIDE_FILES: Final = ("", "-wal", "-shm")
IDENTITY_BYTES: Final = 32
COPIED_TABLES: Final = ("request", "block", "sample", "blob", "shelf", "aside")


@dataclass(slots=True)
class Rescued:
    """What could be read of a damaged database."""

    cores: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    """Old position and bytes by identity."""
    tombstones: list[tuple[Any, ...]] = field(default_factory=list)
    tables: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    incarnations: list[tuple[Any, ...]] = field(default_factory=list)
    lost: int = 0


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


def rescue(path: Path) -> Rescued:
    """Read what can be read, from the bare pages and through SQL."""
    rescued = Rescued()
    found = list(carve(path))
    chained: set[object] = set()
    if not needs_salvage(path):
        with suppress(*UNREADABLE), closing(_connected(path)) as connection:
            chained = {row[0] for row in _rows(connection, "position", "fact_id, n")}
            found = [row for row in _rows(connection, "content", "n, fact_id, core") if _is_content(row)] + found
            rescued.tombstones = _tombstones(connection)
            rescued.incarnations = _rows(connection, "incarnation", "*")
            rescued.tables = {table: _rows(connection, table, "*") for table in COPIED_TABLES}
    lost: set[bytes] = set()
    for n, identity, core in found:
        true = fact_id(core) if len(core) <= MAX_CORE_BYTES else None
        # Either the identity beside the bytes or the one in the chain proves them.
        if true is not None and (true == identity or true in chained):
            rescued.cores.setdefault(true, (n, core))
        else:
            lost.add(identity)
    rescued.lost = len(lost - rescued.cores.keys())
    return rescued


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def _is_content(row: tuple[object, ...]) -> bool:
    return isinstance(row[0], int) and isinstance(row[1], bytes) and isinstance(row[2], bytes)


def _tombstones(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Positions that the hub may not know, whether or not they say what became of their content."""
    acked = {row[0]: row[1] for row in _rows(connection, "lane", "lane, acked_n") if isinstance(row[1], int)}
    return [
        (lane, n, identity, cause)
        for lane, n, identity, cause in _rows(connection, "position", "lane, n, fact_id, cause")
        if isinstance(n, int) and n > acked.get(lane, 0) and (cause is None or cause in CAUSES)
    ]


def _rows(connection: sqlite3.Connection, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Rows from both ends of a table, as far as they can be read; in order."""
    found: dict[tuple[Any, ...], None] = {}
    forward = list(_readable(connection, f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY 1, 2"))  # noqa: S608 names of our own tables
    found.update(dict.fromkeys(forward))
    plain = list(_readable(connection, f"SELECT {columns} FROM {table} NOT INDEXED"))  # noqa: S608 names of our own tables
    found.update(dict.fromkeys(plain))
    backward = list(_readable(connection, f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY 1 DESC, 2 DESC"))  # noqa: S608 names of our own tables
    found.update(dict.fromkeys(reversed(backward)))
    return list(found)


def _readable(connection: sqlite3.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    with suppress(*UNREADABLE):
        yield from connection.execute(statement)


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
    beside = folder / BUILDING
    _discard(beside)
    rescued = rescue(folder / NAME)

    def fill(connection: sqlite3.Connection) -> None:
        _copy(connection, "incarnation", rescued.incarnations)
        begin(connection)
        _chain_anew(connection, rescued)
        for table, rows in rescued.tables.items():
            _copy(connection, table, rows)
        connection.execute("DELETE FROM sample WHERE block NOT IN (SELECT id FROM block)")
        adopt_files(connection, folder, at_ms)

    database = Database.open(beside, check=False)
    try:
        database.write(fill)
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


def _chain_anew(connection: sqlite3.Connection, rescued: Rescued) -> None:
    found: list[Link] = []
    for identity, (_n, core) in sorted(rescued.cores.items(), key=lambda item: item[1][0]):
        try:
            fact = decode_core(core)
        except ContractError:
            # An identity that fits bytes of another version: they are set aside rather than guessed at.
            connection.execute("INSERT INTO aside (fact_id, core) VALUES (?, ?)", (identity, core))
            continue
        row = connection.execute(
            "INSERT INTO content (fact_id, lane, n, at_ms, core) VALUES (?, ?, 0, ?, ?)",
            (identity, fact.lane.value, fact.at_ms, core),
        ).lastrowid
        found.append(Link(fact.lane, identity, row))
    lanes = {lane.value: lane for lane in Lane}
    gone = {
        identity: Link(lanes[lane], identity, None, cause or "corrupt")
        for lane, _n, identity, cause in rescued.tombstones
        if lane in lanes and _is_identity(identity) and identity not in rescued.cores
    }
    chain.chain(connection, [*found, *gone.values()])


def _is_identity(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == IDENTITY_BYTES


def _copy(connection: sqlite3.Connection, table: str, rows: list[tuple[Any, ...]]) -> None:
    for row in rows:
        marks = ", ".join("?" * len(row))
        # A row that the schema refuses was damaged.
        with suppress(sqlite3.IntegrityError):
            connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 names of our own tables
