"""The interface of the standard library's `sqlite3` over apsw, whose SQLite lets Python stand under its files.

Only what the product uses. Errors are the standard library's own classes, so that the product's handlers see what they expect.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, NoReturn, Self

import apsw

CLASSES: Final[dict[int, type[Exception]]] = {
    sqlite3.SQLITE_INTERNAL: sqlite3.InternalError,
    sqlite3.SQLITE_NOTFOUND: sqlite3.InternalError,
    sqlite3.SQLITE_NOMEM: MemoryError,
    sqlite3.SQLITE_ERROR: sqlite3.OperationalError,
    sqlite3.SQLITE_PERM: sqlite3.OperationalError,
    sqlite3.SQLITE_ABORT: sqlite3.OperationalError,
    sqlite3.SQLITE_BUSY: sqlite3.OperationalError,
    sqlite3.SQLITE_LOCKED: sqlite3.OperationalError,
    sqlite3.SQLITE_READONLY: sqlite3.OperationalError,
    sqlite3.SQLITE_INTERRUPT: sqlite3.OperationalError,
    sqlite3.SQLITE_IOERR: sqlite3.OperationalError,
    sqlite3.SQLITE_FULL: sqlite3.OperationalError,
    sqlite3.SQLITE_CANTOPEN: sqlite3.OperationalError,
    sqlite3.SQLITE_PROTOCOL: sqlite3.OperationalError,
    sqlite3.SQLITE_SCHEMA: sqlite3.OperationalError,
    sqlite3.SQLITE_TOOBIG: sqlite3.DataError,
    sqlite3.SQLITE_CONSTRAINT: sqlite3.IntegrityError,
    sqlite3.SQLITE_MISMATCH: sqlite3.IntegrityError,
    sqlite3.SQLITE_MISUSE: sqlite3.InterfaceError,
    sqlite3.SQLITE_RANGE: sqlite3.InterfaceError,
}
"""The classes that the standard library raises, by primary result code; DatabaseError for the rest."""
_CHANGING: Final = ("INSERT", "UPDATE", "DELETE", "REPLAC")


def _raise(error: apsw.Error) -> NoReturn:
    if isinstance(error, apsw.ConnectionClosedError):
        raise sqlite3.ProgrammingError("Cannot operate on a closed database.") from error
    code = getattr(error, "extendedresult", 0) or getattr(error, "result", 0)
    told = CLASSES.get(code & 0xFF, sqlite3.DatabaseError)(str(error))
    if isinstance(told, sqlite3.Error):
        told.sqlite_errorcode = code
        told.sqlite_errorname = str(apsw.mapping_extended_result_codes.get(code, code))
    raise told from error


class Cursor:
    """One statement at a time."""

    arraysize = 1

    def __init__(self, connection: "Connection", *, described: bool) -> None:
        self.connection = connection
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.description: tuple[Any, ...] | None = None
        try:
            self._cursor = connection.apsw.cursor()
        except apsw.Error as error:
            _raise(error)
        if described:
            # Only while a statement begins does apsw tell the columns of one that returns no row.
            self._cursor.exec_trace = self._describe

    def _describe(self, cursor: Any, _sql: str, _values: Any) -> bool:
        columns = cursor.get_description()
        self.description = tuple((column[0], *[None] * 6) for column in columns) or None
        return True

    def execute(self, sql: str, values: Any = ()) -> "Cursor":
        self.rowcount = -1
        self.description = None
        try:
            self._cursor.execute(sql, values or None)
        except apsw.Error as error:
            _raise(error)
        self._count(sql, self.connection.apsw.changes)
        return self

    def executemany(self, sql: str, rows: Iterable[Any]) -> "Cursor":
        before = self.connection.apsw.total_changes()
        try:
            self._cursor.executemany(sql, rows)
        except apsw.Error as error:
            _raise(error)
        self._count(sql, lambda: self.connection.apsw.total_changes() - before)
        return self

    def _count(self, sql: str, changes: Callable[[], int]) -> None:
        if sql.lstrip()[:6].upper() in _CHANGING:
            self.rowcount = changes()
            self.lastrowid = self.connection.apsw.last_insert_rowid()

    def fetchone(self) -> Any:
        try:
            return next(self._cursor, None)
        except apsw.Error as error:
            _raise(error)

    def fetchmany(self, size: int = 1) -> list[Any]:
        found: list[Any] = []
        while len(found) < size and (row := self.fetchone()) is not None:
            found.append(row)
        return found

    def fetchall(self) -> list[Any]:
        try:
            return self._cursor.fetchall()
        except apsw.Error as error:
            _raise(error)

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    def close(self) -> None:
        self._cursor.close(force=True)


class Connection:
    """A connection without implicit transactions, as the product opens all that write."""

    def __init__(self, database: object, *, uri: bool = False, timeout: float = 5.0, **_: Any) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | (apsw.SQLITE_OPEN_URI if uri else 0)
        self.isolation_level = None
        self.text_factory: object = str
        self._closed = False
        try:
            self.apsw = apsw.Connection(str(database), flags=flags, vfs=VFS_NAME, statementcachesize=256)
        except apsw.Error as error:
            _raise(error)
        self.apsw.set_busy_timeout(int(timeout * 1000))

    @property
    def in_transaction(self) -> bool:
        try:
            return self.apsw.in_transaction
        except apsw.Error as error:
            _raise(error)

    def cursor(self, *_: Any) -> Cursor:
        return Cursor(self, described=True)

    def execute(self, sql: str, values: Any = ()) -> Cursor:
        return Cursor(self, described=False).execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Any]) -> Cursor:
        return Cursor(self, described=False).executemany(sql, rows)

    def executescript(self, script: str) -> None:
        self.commit()
        try:
            for _ in self.apsw.execute(script):
                pass
        except apsw.Error as error:
            _raise(error)

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def backup(self, target: "Connection", *, pages: int = -1) -> None:
        try:
            with target.apsw.backup("main", self.apsw, "main") as copying:
                while not copying.done:
                    copying.step(pages)
        except apsw.Error as error:
            _raise(error)

    def set_progress_handler(self, handler: Callable[[], bool] | None, steps: int) -> None:
        self.apsw.set_progress_handler(handler, steps or 1)

    def create_function(self, name: str, arguments: int, function: Any, *, deterministic: bool = False) -> None:
        self.apsw.create_scalar_function(name, function, arguments, deterministic=deterministic)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        # SQLite tries for a lock that a connection for reading never gets, and goes on; apsw tells of it.
        with suppress(apsw.Error):
            self.apsw.close(force=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failed: object) -> None:
        if failed[0] is None:
            self.commit()
        else:
            self.rollback()


VFS_NAME: Final = "power"
