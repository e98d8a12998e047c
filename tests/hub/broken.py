"""Storage that refuses, as SQLite itself says it."""

from hub.db import Database


def read_only(db: Database, *, on: bool) -> None:
    """Let the writer's own SQLite refuse every write, as on a file system that turned read-only, or take them again."""
    connection = db._writer.connection.driver_connection
    assert connection is not None
    connection.execute(f"PRAGMA query_only={'ON' if on else 'OFF'}").close()
