"""`device.db`: one writer connection for all threads with group commit, one reader connection that sees only what is committed.

SQLite before 3.51.3 can damage a WAL when two connections write or checkpoint at once, so only the writer does either.
"""

import sqlite3
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from shutil import copyfile
from typing import Any, Final, Generic, TypeVar

from agent.faultpoint import faultpoint
from agent.store.errors import Cause, NotKept, StoreDamaged
from agent.store.schema import check_version, migrate, version_of, versions

T = TypeVar("T")

NAME: Final = "device.db"
BUSY_TIMEOUT_S: Final = 2.0
"""A person with a scanner waits no longer for a stranger's lock."""
MAX_GROUP: Final = 64
"""Captures that share one fsync."""
CHECK_LIMIT_S: Final = 5.0
CHECK_STEP: Final = 10_000
WAL_KEPT_BYTES: Final = 4 * 1024 * 1024
VACUUM_PAGES: Final = 500
CHECKPOINT_COMMITS: Final = 32
"""After so many commits the WAL is moved into the main file. What it holds by then must fit into the ballast, or a full disk
could take neither new rows nor the deletes that make room."""

_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
_UNFLUSHED: Final = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
_BY_PRIMARY: Final = {
    sqlite3.SQLITE_READONLY: Cause.READ_ONLY,
    sqlite3.SQLITE_PERM: Cause.READ_ONLY,
    sqlite3.SQLITE_CORRUPT: Cause.DAMAGED,
    sqlite3.SQLITE_NOTADB: Cause.DAMAGED,
    sqlite3.SQLITE_IOERR: Cause.DAMAGED,
    # A schema or rows that this program cannot have written.
    sqlite3.SQLITE_ERROR: Cause.DAMAGED,
    sqlite3.SQLITE_CONSTRAINT: Cause.DAMAGED,
    sqlite3.SQLITE_BUSY: Cause.BUSY,
    sqlite3.SQLITE_LOCKED: Cause.BUSY,
    sqlite3.SQLITE_NOMEM: Cause.NO_MEANS,
    sqlite3.SQLITE_CANTOPEN: Cause.NO_MEANS,
}
_SENTENCES: Final = {
    Cause.FULL: "Not kept: the device's storage is full. Bring it into contact with the hub, or free space on it.",
    Cause.READ_ONLY: "Not kept: the device's storage cannot be written to. Restart the device; call support if it stays so.",
    Cause.DAMAGED: "Not kept: the device's storage is damaged and is being repaired. Try again in a moment.",
    Cause.BUSY: "Not kept: another program holds the device's storage. Close it and try again.",
    Cause.NO_MEANS: "Not kept: the device is short of memory or file handles. Try again; restart the device if it stays so.",
    Cause.BROKEN: "Not kept: the device's disk did not take the data. The agent must restart; call support if it stays so.",
}


UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged database raises; names in a damaged schema, and SQLite's words about them, may be no UTF-8."""


def cause_of(error: BaseException) -> Cause:
    """Which reaction an error of SQLite asks for."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Cause.NO_MEANS if isinstance(error, MemoryError) else Cause.DAMAGED
    if code in _FULL:
        return Cause.FULL
    if code in _UNFLUSHED:
        return Cause.BROKEN
    return _BY_PRIMARY.get(code & 0xFF, Cause.BROKEN)


def not_kept(cause: Cause) -> NotKept:
    """The error with the sentence for the person."""
    return NotKept(cause, _SENTENCES[cause])


class _Task(Generic[T]):
    """One thread's part of a group commit."""

    __slots__ = ("error", "finished", "job", "result", "turn")

    def __init__(self, job: Callable[[sqlite3.Connection], T]) -> None:
        self.job = job
        self.finished = False
        self.turn = threading.Lock()
        """Let go when the task is finished, or when it is first in the queue and its thread commits for all."""
        self.result: T | None = None
        self.error: BaseException | None = None


class Database:
    """The open database. `write` and `read` may be called from any thread."""

    def __init__(self, path: Path, writer: sqlite3.Connection | None, reader: sqlite3.Connection) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader
        self._queue: deque[_Task[Any]] = deque()
        self._queueing = threading.Lock()
        self._writing = threading.Lock()
        self._reading = threading.RLock()
        self._owner: int | None = None
        self.broken = False
        """A flush failed: nothing is written any more, the process must end."""
        self.cramped = False
        """The main file found no room for what the WAL holds: nothing new should be written until `relieve` succeeds."""
        self._commits = 0
        self.undone: Callable[[], None] = lambda: None
        """Told, before any other job runs, that a job's writes are gone: what was remembered of them is wrong."""

    # -- opening and closing ---------------------------------------------------------------------------------------

    @classmethod
    def open(cls, path: Path, *, check: bool, steps: list[str] | None = None) -> "Database":
        """Open for writing, creating or migrating it as needed; the caller holds the folder's lock.

        Args:
            path: The file.
            check: Look for damage first, at most for CHECK_LIMIT_S.
            steps: The schema's versions; those of this program by default.

        Raises:
            FutureSchema: a newer version wrote it.
            StoreDamaged: it is no database, or its pages contradict each other.
            NotKept: it cannot be written; `open_readable` may still work.
        """
        try:
            writer = _connect(path, "rwc")
        except UNREADABLE as error:
            raise _opening_error(error) from error
        try:
            _prepare(writer, versions() if steps is None else steps, check=check)
            reader = _reader(path)
        except UNREADABLE as error:
            writer.close()
            raise _opening_error(error) from error
        except BaseException:
            writer.close()
            raise
        return cls(path, writer, reader)

    @classmethod
    def open_readable(cls, path: Path) -> "Database":
        """Open without writing anything, beside a running agent or on a read-only disk.

        Raises:
            FutureSchema: a newer version wrote it.
            StoreDamaged: nothing readable is there.
        """
        try:
            reader = _reader(path)
        except sqlite3.OperationalError:
            # Without its -shm file a WAL database on a read-only disk can only be read from a copy.
            reader = _reader_of_copy(path)
        except UNREADABLE as error:
            raise StoreDamaged(f"{path} cannot be read: {error}") from error
        return cls(path, None, reader)

    @property
    def writable(self) -> bool:
        """Whether it was opened for writing."""
        return self._writer is not None

    def close(self) -> bool:
        """Close both connections; True when everything stands in the main file."""
        with self._reading:
            self._reader.close()
        with self._writing:
            if self._writer is None:
                return False
            clean = not self.broken and self._checkpoint(self._writer)
            with suppress(sqlite3.Error):
                self._writer.close()
            return clean

    def replace(self, rebuild: Callable[[], T]) -> T:
        """Close, let `rebuild` put another file in the place of this one, and open that. Everybody else waits.

        Raises:
            NotKept: the file cannot be opened again; from then on nothing is kept or read.
            Exception: whatever `rebuild` raised; the old file is open again.
        """
        with self._writing, self._reading:
            self._reader.close()
            if self._writer is not None:
                with suppress(sqlite3.Error):
                    self._writer.close()
            self.undone()
            try:
                return rebuild()
            finally:
                opened = Database.open(self.path, check=False)
                self._writer, self._reader = opened._writer, opened._reader  # noqa: SLF001 one of its own kind

    # -- writing ---------------------------------------------------------------------------------------------------

    def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job in a transaction and return its result once that is on disk.

        Jobs that wait together share one commit; a job that fails is undone alone. A job that calls `write` runs the inner
        job in its own transaction.

        Raises:
            NotKept: nothing of this job is on disk.
            Exception: whatever the job raised; nothing of it is on disk.
        """
        if self._owner == threading.get_ident() and self._writer is not None:
            return job(self._writer)
        task = _Task(job)
        with self._queueing:
            self._queue.append(task)
            first = self._queue[0] is task
            task.turn.acquire()
        if not first:
            # Waking each thread once, and not all of them at the writer's lock, is what makes a group fast.
            task.turn.acquire()
        if not task.finished:
            with self._writing:
                self._lead()
        if task.error is not None:
            raise task.error
        return task.result  # type: ignore[return-value]  # None only where T allows it

    def _told(self, error: BaseException) -> BaseException:
        """What the caller hears of an error; after a flush that failed nothing more is written."""
        if not isinstance(error, (*UNREADABLE, MemoryError)):
            return error
        cause = cause_of(error)
        if cause is Cause.BROKEN:
            self.broken = True
        told = not_kept(cause)
        told.__cause__ = error
        return told

    def _lead(self) -> None:
        """Commit for everyone who waits, and hand over to the first of those who came meanwhile."""
        with self._queueing:
            tasks = list(islice(self._queue, MAX_GROUP))
        self._owner = threading.get_ident()
        try:
            self._commit(tasks)
        except BaseException as error:
            for task in tasks:
                task.error = task.error or error
            if not isinstance(error, Exception):
                raise
        finally:
            self._owner = None
            for task in tasks:
                # Judged before anybody else may commit: after a failed flush the next commit must not be tried.
                task.error = None if task.error is None else self._told(task.error)
                task.finished = True
            with self._queueing:
                for _ in tasks:
                    self._queue.popleft()
                following = [*tasks[1:], *islice(self._queue, 1)]
            for task in following:
                task.turn.release()

    def _commit(self, tasks: list[_Task[Any]]) -> None:
        connection = self._writer
        if connection is None:
            raise not_kept(Cause.READ_ONLY)
        if self.broken:
            # After a failed flush the kernel may drop what it could not write and say yes the next time.
            raise not_kept(Cause.BROKEN)
        try:
            connection.execute("BEGIN IMMEDIATE")
            if len(tasks) == 1:
                tasks[0].result = tasks[0].job(connection)
            else:
                for task in tasks:
                    self._run(connection, task)
            faultpoint("pre_commit")
            connection.execute("COMMIT")
        except BaseException:
            self.undone()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        faultpoint("post_commit")
        self._commits += 1
        if self._commits >= CHECKPOINT_COMMITS:
            self._relieve(connection)

    def _run(self, connection: sqlite3.Connection, task: _Task[Any]) -> None:
        connection.execute("SAVEPOINT task")
        try:
            task.result = task.job(connection)
        except Exception as error:  # It is raised again in the thread that asked.
            task.error = error
            self.undone()
            if not connection.in_transaction:
                # SQLite gave the whole transaction up, as it may on a full disk.
                raise
            connection.execute("ROLLBACK TO task")
        connection.execute("RELEASE task")

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job that only reads, on what is committed.

        Raises:
            StoreDamaged: the database cannot be read.
        """
        try:
            with self._reading:
                return job(self._reader)
        except UNREADABLE as error:
            raise StoreDamaged(f"the device database cannot be read: {error}") from error

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a SELECT, on what is committed.

        Raises:
            StoreDamaged: the database cannot be read.
        """
        return self.read(lambda c: c.execute(statement, values).fetchall())

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def checkpoint(self) -> bool:
        """Move the WAL into the main file and cut it off; True when all of it was moved."""
        with self._writing:
            return self._writer is not None and self._checkpoint(self._writer)

    def _checkpoint(self, writer: sqlite3.Connection) -> bool:
        try:
            busy, _pages, _moved = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (sqlite3.Error, MemoryError) as error:
            self._told(error)
            return False
        self.cramped = False
        self._commits = 0
        return not busy

    def relieve(self) -> bool:
        """Move what no reader needs from the WAL into the main file; False when that found no room."""
        with self._writing:
            if self._writer is not None:
                self._relieve(self._writer)
            return not self.cramped

    def _relieve(self, writer: sqlite3.Connection) -> None:
        self._commits = 0
        try:
            writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except (sqlite3.Error, MemoryError) as error:
            # What was committed stays committed, whatever became of moving it.
            self._told(error)
            self.cramped = True
        else:
            self.cramped = False

    def vacuum(self) -> None:
        """Give free pages back to the disk, a bounded number at a time.

        Raises:
            NotKept: the database could not be written.
        """
        with self._writing:
            if self._writer is None:
                return
            try:
                # `execute` would step the statement once and free one page.
                self._writer.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
            except sqlite3.Error as error:
                raise self._told(error) from error

    def free_pages(self) -> int:
        """Pages that hold nothing."""
        return int(self.rows("PRAGMA freelist_count")[0][0])

    def used_bytes(self) -> int:
        """Bytes of the pages in use."""

        def size(connection: sqlite3.Connection) -> int:
            pages, free, page_bytes = (
                int(connection.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
            return (pages - free) * page_bytes

        return self.read(size)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
    )


def _prepare(writer: sqlite3.Connection, steps: list[str], *, check: bool) -> None:
    check_version(writer, len(steps))
    # Space is given back page by page; it can only be chosen before the first table.
    writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
    writer.execute("PRAGMA journal_mode = WAL")
    # With NORMAL the last commits may be gone after a power cut, and "kept" would have been a lie (P1).
    writer.execute("PRAGMA synchronous = FULL")
    # Only we move the WAL, so that we learn when there is no room for it.
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
    if check and version_of(writer):
        _quick_check(writer)
    migrate(writer, steps)


def _quick_check(connection: sqlite3.Connection) -> None:
    end = time.monotonic() + CHECK_LIMIT_S
    connection.set_progress_handler(lambda: time.monotonic() > end, CHECK_STEP)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        # A big database on a slow card: what is read later is checked by its identity anyway (D2).
        return
    finally:
        connection.set_progress_handler(None, 0)
    if found != "ok":
        raise StoreDamaged(f"the device database is damaged: {found}")


def _opening_error(error: Exception) -> Exception:
    cause = cause_of(error)
    if cause is Cause.DAMAGED:
        return StoreDamaged(f"the device database is damaged: {error}")
    return not_kept(cause)


def _reader(path: Path) -> sqlite3.Connection:
    return _readable(_connect(path, "ro"))


def _wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _readable(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA query_only = ON")
        check_version(connection, len(versions()))
        connection.execute("SELECT count(*) FROM stream").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _reader_of_copy(path: Path) -> sqlite3.Connection:
    """Read the file as it stands, or, if a WAL belongs to it, a copy of both in memory."""
    wal = _wal_of(path)
    if path.exists() and not (wal.exists() and wal.stat().st_size):
        try:
            return _readable(_connect(path, "ro&immutable=1"))
        except sqlite3.Error as error:
            raise StoreDamaged(f"{path} cannot be read: {error}") from error
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        copied = Path(folder) / NAME
        try:
            copyfile(path, copied)
            copyfile(wal, _wal_of(copied))
        except OSError as error:
            raise StoreDamaged(f"{path} cannot be read: {error}") from error
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        source = sqlite3.connect(copied)
        try:
            source.backup(memory)
        except sqlite3.Error as error:
            memory.close()
            raise StoreDamaged(f"{path} cannot be read: {error}") from error
        finally:
            source.close()
        try:
            return _readable(memory)
        except sqlite3.Error as error:
            raise StoreDamaged(f"{path} cannot be read: {error}") from error
