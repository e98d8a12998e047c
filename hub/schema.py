"""All tables of the hub in one metadata, and the database opened at the newest schema."""

import importlib
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Integer, MetaData, String, inspect
from sqlmodel import AutoString, SQLModel

from hub.db import BigInt, Database
from hub.errors import UnsafeStorage

BUSINESS: Final = (
    "tracking", "trips", "coldchain", "accounts", "display", "fleet", "archive", "notices",
    "shipments", "routes", "deliveries",
)  # fmt: skip
"""Folders that bring tables of their own."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def _load() -> MetaData:
    importlib.import_module("hub.tables")
    for folder in BUSINESS:
        importlib.import_module(f"hub.{folder}.tables")
    for table in SQLModel.metadata.tables.values():
        for column in table.columns:
            # SQLModel's int has 32 bits on PostgreSQL, and epoch ms need more; its text type would end up in migrations.
            if type(column.type) is Integer:
                column.type = BigInt
            elif isinstance(column.type, AutoString):
                column.type = String(column.type.length)
                # A module that used the column before this one was loaded left behind what belongs to the type of then.
                column.__dict__.pop("comparator", None)
    return SQLModel.metadata


metadata: Final = _load()


def open_database(folder: Path) -> Database:
    """Open a data folder's database as its one writer, at the newest schema.

    Raises:
        Refused: another process writes here.
        UnsafeStorage: it could lose what is committed, or was written by a newer hub.
    """
    db = Database(folder)
    try:
        with db.write() as tx:
            migrate(tx)
    except BaseException:
        db.close()
        raise
    return db


def migrate(tx: Connection) -> None:
    """Bring the schema up to date in the caller's transaction.

    Raises:
        UnsafeStorage: the schema is of a newer hub, which may keep facts that this one would not see.
    """
    current = _current(tx)
    newest = newest_step()
    if current == newest:
        return
    if current > newest:
        raise UnsafeStorage(f"the database has schema {current!r} of a newer hub; update this one first")
    # Here, because alembic takes half a second to load, and a hub that comes back after a crash has nothing to migrate.
    from hub.migrations.upgrade import upgrade  # noqa: PLC0415 see above

    upgrade(tx)


def newest_step() -> str:
    """The number of the newest migration; the names of their files begin with it, and it has four digits."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _current(tx: Connection) -> str:
    """The schema of a database, as alembic notes it; empty where there is none yet."""
    if not inspect(tx).has_table("alembic_version"):
        return ""
    return tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or ""
