"""The hub's database: one writer, any number of readers, and no setting that could lose a commit.

SQLite before 3.51.3 has a rare race when two connections write or checkpoint one WAL at once, so a single connection writes,
kept by `writer.lock` in the data folder; all others are opened read-only and can therefore never checkpoint.

Tables are declared with SQLModel in `*/tables.py` and used through SQLAlchemy Core: `fact = table_of(Fact)`.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool, StaticPool
from sqlmodel import SQLModel

from hub.archive.store import INFO_KEY, Archives
from hub.errors import CommitFailed, FolderInUse, UnsafeStorage

DATABASE_FILE: Final = "hub.db"
LOCK_FILE: Final = "writer.lock"
BUSY_TIMEOUT_MS: Final = 5_000
"""Readers wait this long at most; nothing of ours holds a lock longer than a group commit."""
MAX_READERS: Final = 32
"""FastAPI's own thread pool has 40 threads; those few more wait for a connection."""
CHECKPOINT_PAGES: Final = 4_000
"""16 MiB of WAL before a checkpoint: large groups then cost one flush, not several."""
LOG_BYTES: Final = 64 * 1024 * 1024
"""What the log's file keeps after a checkpoint; a backup that reads for long lets it grow far beyond that."""
SYNCHRONOUS_FULL: Final = 2

# Rows are written and read as Core tables; nothing asks the classes of tables to validate.
SQLModel.model_config["defer_build"] = True

BigInt = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
"""64 bits everywhere; in SQLite a single such primary key is the row id itself."""


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a SQLModel class."""
    return model.metadata.tables[str(model.__tablename__)]


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update` in the dialect of the connection."""
    return upsert(connection.dialect.name, table)


def upsert(dialect: str, table: Table) -> Any:
    """The same for statements that are built before there is a connection."""
    if dialect == "postgresql":
        # Here, because nobody who keeps SQLite should wait for it.
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 see above

        return postgresql.insert(table)
    return sqlite.insert(table)


class WriterLock:
    """The right to write in a data folder. It is the kernel's, so it goes with the process however that ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            FolderInUse: another process has it.
        """
        self._descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise FolderInUse(f"{folder} is in use by another hub process; stop it first") from error

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)


class Database:
    """One writer and read-only readers over one SQLite file.

    Thread-safe: writers queue for the one connection; each reader has its own.
    """

    def __init__(self, folder: Path) -> None:
        """Open the writer and check that what it commits is durable. Call `hub.schema.open_database` instead: it also migrates.

        Raises:
            Refused: another process writes here.
            UnsafeStorage: SQLite did not take the settings that commits rely on.
        """
        self.folder = folder
        self.path = folder / DATABASE_FILE
        self._lock = WriterLock(folder)
        self._mutex = threading.RLock()
        self._failed: str | None = None
        self.archives = Archives(folder)
        try:
            self.engine = _writer_engine(self.path)
            knows_archives(self.engine, self.archives)
            self._writer = self.engine.connect()
            _refuse_unsafe(self._writer)
            self.readers = _reader_engine(self.path)
            knows_archives(self.readers, self.archives)
        except BaseException:
            self._lock.release()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction of the one writer; it commits at the end of the block, or rolls back when the block raises.

        Raises:
            CommitFailed: the commit did not succeed, now or earlier; the process must end.
        """
        with self._mutex:
            if self._failed is not None:
                raise CommitFailed(self._failed)
            transaction = self._writer.begin()
            try:
                yield self._writer
            except BaseException:
                self._rollback(transaction.rollback)
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                # Whether it is on disk is unknown, and SQLite may answer wrongly on this handle (fsync is never tried twice).
                self._failed = f"the database did not commit: {error.orig}; the hub ends and devices will send again"
                raise CommitFailed(self._failed) from error

    def _rollback(self, rollback: Callable[[], None]) -> None:
        try:
            rollback()
        except DBAPIError as error:
            self._failed = f"the database did not roll back: {error.orig}"
            raise CommitFailed(self._failed) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot for reading."""
        with self.readers.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections and give the lock back."""
        with self._mutex:
            self._failed = self._failed or "the database is closed"
            self.readers.dispose()
            # Last, for only the last connection writes the log back, and only the writer may.
            self._writer.close()
            self.engine.dispose()
            self._lock.release()


def _writer_engine(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
        )
        path.chmod(0o600)
        for pragma in (
            "journal_mode=WAL",
            # NORMAL may lose the last commits at a power cut, and an acknowledged fact may be deleted elsewhere.
            "synchronous=FULL",
            "foreign_keys=ON",
            # What is withheld or erased shall not be read out of the free space of the file.
            "secure_delete=ON",
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
            f"journal_size_limit={LOG_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _reader_engine(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_MS / 1000,
        )
        connection.execute("PRAGMA query_only=ON").close()
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=MAX_READERS - 4)
    event.listen(engine, "begin", _begin_deferred)
    return engine


def knows_archives(engine: Engine, archives: Archives) -> None:
    """Let the connections of an engine read contents that were moved out of the ledger (`hub.archive.store.whole`)."""

    def connected(_: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        record.info[INFO_KEY] = archives

    event.listen(engine, "connect", connected)


def _begin_immediate(connection: Connection) -> None:
    # Python's driver begins by itself only before some statements, and never before a SAVEPOINT.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_deferred(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _refuse_unsafe(connection: Connection) -> None:
    with connection.begin():
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    if journal != "wal":
        raise UnsafeStorage(f"journal mode is {journal!r}, expected 'wal'; use a local disk, not a network folder")
    if synchronous != SYNCHRONOUS_FULL:
        raise UnsafeStorage(f"synchronous is {synchronous!r}, expected {SYNCHRONOUS_FULL} (FULL)")
