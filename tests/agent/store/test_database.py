"""The database: group commit, migrations, and what it says when the disk or another program is in the way."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import faultpoint
from agent.store.database import BUSY_TIMEOUT_S, Database, cause_of
from agent.store.errors import Cause, FutureSchema, NotKept, StoreDamaged
from agent.store.schema import migrate, versions


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "device.db", check=False)
    yield database
    database.close()


def put(database: Database, name: str) -> None:
    database.write(lambda c: c.execute("INSERT INTO shelf VALUES ('test', ?, x'00')", (name,)))


def names(database: Database) -> list[str]:
    return [row[0] for row in database.rows("SELECT name FROM shelf ORDER BY name")]


def test_commits_are_flushed_and_pages_can_be_given_back(database: Database) -> None:
    settings = {
        name: database.write(lambda c, name=name: c.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("journal_mode", "synchronous", "auto_vacuum", "wal_autocheckpoint")
    }

    assert settings == {"journal_mode": "wal", "synchronous": 2, "auto_vacuum": 2, "wal_autocheckpoint": 0}


def test_readers_see_only_what_is_committed(database: Database) -> None:
    def job(connection: sqlite3.Connection) -> list[str]:
        connection.execute("INSERT INTO shelf VALUES ('test', 'one', x'00')")
        return names(database)

    assert database.write(job) == []
    assert names(database) == ["one"]


def test_job_that_fails_is_undone_alone(database: Database) -> None:
    """All wait for the first, so they share a commit."""
    entered, go_on = threading.Event(), threading.Event()

    def first(_connection: sqlite3.Connection) -> None:
        entered.set()
        go_on.wait(10)

    def failing(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO shelf VALUES ('test', 'failing', x'00')")
        raise ZeroDivisionError

    failures: list[Exception] = []

    def fail() -> None:
        try:
            database.write(failing)
        except ZeroDivisionError as error:
            failures.append(error)

    threads = [threading.Thread(target=lambda: database.write(first))]
    threads[0].start()
    assert entered.wait(10)
    threads += [threading.Thread(target=put, args=(database, f"{i}")) for i in range(5)]
    threads.append(threading.Thread(target=fail))
    for thread in threads[1:]:
        thread.start()
    while len(database._queue) < 6:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join()

    assert names(database) == [f"{i}" for i in range(5)]
    assert len(failures) == 1


def test_inner_write_is_part_of_the_outer_transaction(database: Database) -> None:
    def job(_connection: sqlite3.Connection) -> None:
        put(database, "inner")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(job)
    assert names(database) == []


def test_failure_before_the_commit_is_told_to_everybody_who_shared_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faultpoint, "_armed", faultpoint._parse("pre_commit:1:raise"))

    with pytest.raises(faultpoint.FaultInjected):
        put(database, "one")
    put(database, "two")

    assert names(database) == ["two"]


def test_f017_database_that_another_holds_is_refused_after_a_bounded_wait(database: Database) -> None:
    assert BUSY_TIMEOUT_S <= 5
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(NotKept) as caught:
            put(database, "one")
    finally:
        other.close()

    assert caught.value.cause is Cause.BUSY
    put(database, "two")
    assert names(database) == ["two"]


def failing_with(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("injected")
    error.sqlite_errorcode = code
    return error


def test_p1_f016_after_a_failed_flush_nothing_is_kept_any_more(database: Database) -> None:
    """The kernel may forget what it could not write, so a later success would be a lie."""

    def job(_connection: sqlite3.Connection) -> None:
        raise failing_with(sqlite3.SQLITE_IOERR_FSYNC)

    with pytest.raises(NotKept, match="did not take the data") as caught:
        database.write(job)
    assert caught.value.cause is Cause.BROKEN
    assert database.broken
    with pytest.raises(NotKept):
        put(database, "later")
    assert names(database) == []


def test_p1_f016_failed_flush_is_known_before_the_next_thread_may_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[bool] = []

    class Watched:
        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            known.append(database.broken)

    def job(_connection: sqlite3.Connection) -> None:
        raise failing_with(sqlite3.SQLITE_IOERR_FSYNC)

    with monkeypatch.context() as patched:
        patched.setattr(database, "_writing", Watched())
        with pytest.raises(NotKept):
            database.write(job)

    assert known == [True]


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (sqlite3.SQLITE_FULL, Cause.FULL),
        (sqlite3.SQLITE_IOERR_WRITE, Cause.FULL),
        (sqlite3.SQLITE_READONLY, Cause.READ_ONLY),
        (sqlite3.SQLITE_READONLY_DBMOVED, Cause.READ_ONLY),
        (sqlite3.SQLITE_CORRUPT, Cause.DAMAGED),
        (sqlite3.SQLITE_NOTADB, Cause.DAMAGED),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Cause.BUSY),
        (sqlite3.SQLITE_NOMEM, Cause.NO_MEANS),
        (sqlite3.SQLITE_CANTOPEN, Cause.NO_MEANS),
        (sqlite3.SQLITE_IOERR_FSYNC, Cause.BROKEN),
    ],
)
def test_every_error_of_sqlite_has_its_reaction(code: int, cause: Cause) -> None:
    assert cause_of(failing_with(code)) is cause


# -- migrations ----------------------------------------------------------------------------------------------------------


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        return [f"version {version}", *connection.iterdump()]
    finally:
        connection.close()


def test_database_of_a_newer_version_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    Database.open(path, check=False).close()
    newer = sqlite3.connect(path, isolation_level=None)
    migrate(newer, [*versions(), "CREATE TABLE newer (x);"])
    newer.close()
    before = dump(path)

    with pytest.raises(FutureSchema, match=r"has schema 2; this version of Holdfast knows schemas up to 1\."):
        Database.open(path, check=False)

    assert dump(path) == before


def test_f019_failed_migration_leaves_the_old_database(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    database = Database.open(path, check=False)
    put(database, "kept")
    database.close()
    before = dump(path)

    with pytest.raises(StoreDamaged):
        Database.open(path, check=False, steps=[*versions(), "CREATE TABLE newer (x); INSERT INTO missing VALUES (1);"])

    assert dump(path) == before


def test_f019_migration_keeps_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    database = Database.open(path, check=False)
    put(database, "kept")
    database.close()

    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, [*versions(), "ALTER TABLE shelf ADD COLUMN newer TEXT;"])

    assert connection.execute("SELECT name, newer FROM shelf").fetchall() == [("kept", None)]
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_faultpoint_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected NAME:NTH:kill\|raise\|sleep"):
        faultpoint._parse("somewhere:1:kill")
