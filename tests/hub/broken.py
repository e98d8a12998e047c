"""Storage that refuses, as SQLite itself says it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from hub.db import Database


def read_only(db: Database, *, on: bool) -> None:
    """Let the writer's own SQLite refuse every write, as on a file system that turned read-only, or take them again."""
    connection = db._writer.connection.driver_connection
    assert connection is not None
    connection.execute(f"PRAGMA query_only={'ON' if on else 'OFF'}").close()


@contextmanager
def held(db: Database) -> Iterator[None]:
    """Another program holds the database, and the writer does not wait for it."""
    connection = db._writer.connection.driver_connection
    assert connection is not None
    connection.execute("PRAGMA busy_timeout=0").close()
    with closing(sqlite3.connect(db.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE").close()
        yield
        other.execute("ROLLBACK").close()
