"""The database's schema: one SQL file per version, each applied in one transaction."""

import re
import sqlite3
from pathlib import Path
from typing import Final

from agent.faultpoint import faultpoint
from agent.store.errors import FutureSchema

FOLDER: Final = Path(__file__).parent
_NAME: Final = re.compile(r"\d{3}\.sql")


def versions(folder: Path = FOLDER) -> list[str]:
    """The SQL of each version, from 1."""
    return [path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()) if _NAME.fullmatch(path.name)]


def version_of(connection: sqlite3.Connection) -> int:
    """The version that the database has; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: sqlite3.Connection, newest: int) -> int:
    """The database's version if this program may open it.

    Raises:
        FutureSchema: a newer program wrote it.
    """
    version = version_of(connection)
    if version > newest:
        raise FutureSchema(
            f"The device database has schema {version}; this version of Holdfast knows schemas up to {newest}. "
            "Install the version that wrote it; nothing was changed."
        )
    return version


def migrate(connection: sqlite3.Connection, steps: list[str]) -> None:
    """Bring the database to the newest version; an interrupted step leaves it as it was.

    Raises:
        FutureSchema: a newer program wrote it.
    """
    done = check_version(connection, len(steps))
    for version, sql in enumerate(steps[done:], start=done + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {version};")
            faultpoint("migrate")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
