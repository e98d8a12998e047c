import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from hub.db import Database
from hub.errors import CommitFailed, Refused, UnsafeStorage
from hub.migrations.check import differences
from hub.migrations.upgrade import alembic_config
from hub.schema import metadata, newest_step, open_database


def test_migrations_lead_to_the_tables_as_declared() -> None:
    assert differences() == []


def test_a_fresh_database_is_durable_and_has_all_tables(tmp_path: Path) -> None:
    db = open_database(tmp_path)
    with db.write() as tx:
        settings = [tx.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("journal_mode", "synchronous", "foreign_keys")]
        tables = set(tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
    db.close()

    assert settings == ["wal", 2, 1]
    assert set(metadata.tables) <= tables
    assert db.path.stat().st_mode & 0o777 == 0o600


def test_a_closed_database_is_one_file(tmp_path: Path) -> None:
    db = open_database(tmp_path)
    with db.read() as tx:
        tx.exec_driver_sql("SELECT * FROM fact")
    db.close()
    assert [path.name for path in tmp_path.glob("hub.db*")] == ["hub.db"]


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    before = _schema(tmp_path)
    open_database(tmp_path).close()
    assert _schema(tmp_path) == before


def _schema(folder: Path) -> list[object]:
    db = sqlite3.connect(folder / "hub.db")
    try:
        return db.execute("SELECT * FROM sqlite_master ORDER BY name").fetchall()
    finally:
        db.close()


def test_f041_f043_a_second_writer_is_refused(tmp_path: Path) -> None:
    first = Database(tmp_path)
    with pytest.raises(Refused, match="in use by another hub process"):
        Database(tmp_path)
    first.close()
    Database(tmp_path).close()


def test_f040_a_database_that_will_not_be_durable_is_refused(tmp_path: Path) -> None:
    # Another program holds it open in another journal mode, so SQLite cannot switch to WAL.
    other = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    other.execute("CREATE TABLE a (b)")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises((UnsafeStorage, OperationalError, sqlite3.OperationalError)):
        Database(tmp_path)
    other.close()
    Database(tmp_path).close()


def test_a_database_of_a_newer_hub_is_refused(tmp_path: Path) -> None:
    db = open_database(tmp_path)
    with db.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    with pytest.raises(UnsafeStorage, match="schema '9999' of a newer hub"):
        open_database(tmp_path)
    Database(tmp_path).close()


def test_a_reader_sees_one_snapshot_and_cannot_write(tmp_path: Path) -> None:
    db = open_database(tmp_path)
    with db.read() as reader:
        assert reader.execute(text("SELECT COUNT(*) FROM setting")).scalar() == 0
        with db.write() as tx:
            tx.execute(text("INSERT INTO setting VALUES ('a', 'b')"))
        assert reader.execute(text("SELECT COUNT(*) FROM setting")).scalar() == 0
        with pytest.raises(OperationalError, match="readonly"):
            reader.execute(text("INSERT INTO setting VALUES ('c', 'd')"))
    with db.read() as reader:
        assert reader.execute(text("SELECT COUNT(*) FROM setting")).scalar() == 1
    db.close()


def _write(db: Database, statement: str, *, fail: bool = False) -> None:
    with db.write() as tx:
        # So that a broken key shows at the commit itself.
        tx.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        tx.exec_driver_sql(statement)
        if fail:
            raise ZeroDivisionError


def test_what_a_block_raises_rolls_it_back_and_the_writer_goes_on(tmp_path: Path) -> None:
    db = open_database(tmp_path)
    with pytest.raises(ZeroDivisionError):
        _write(db, "INSERT INTO setting VALUES ('a', 'b')", fail=True)
    with db.write() as tx:
        assert tx.execute(text("SELECT COUNT(*) FROM setting")).scalar() == 0
    db.close()


def test_after_a_failed_commit_the_writer_refuses_everything(tmp_path: Path) -> None:
    db = open_database(tmp_path)
    with pytest.raises(CommitFailed):
        _write(db, "INSERT INTO gap VALUES (99, 1, 2, 'x', 0)")
    with pytest.raises(CommitFailed, match="devices will send again"), db.write():
        pass
    db.close()


def test_the_newest_step_is_alembics_head() -> None:
    assert newest_step() == ScriptDirectory.from_config(alembic_config()).get_current_head()


def test_a_database_at_the_newest_schema_is_opened_without_alembic(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    code = "import sys, pathlib; from hub.schema import open_database; open_database(pathlib.Path(sys.argv[1])).close()"
    code += "; print('alembic' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )
