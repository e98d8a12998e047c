"""All tables of the hub in one metadata, and the database opened at the newest schema."""

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Integer, MetaData, String
from sqlmodel import AutoString, SQLModel

from hub.db import BigInt, Database
from hub.errors import UnsafeStorage

BUSINESS: Final = ("tracking", "coldchain", "delivery", "fleet", "accounts")
"""Folders that may bring tables and a projection of their own."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def _load() -> MetaData:
    importlib.import_module("hub.tables")
    for folder in BUSINESS:
        if find_spec(f"hub.{folder}") and find_spec(f"hub.{folder}.tables"):
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


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; there is no file of it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


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
    config = alembic_config(tx)
    current = MigrationContext.configure(tx).get_current_revision()
    if current is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(current)
        except CommandError as error:
            raise UnsafeStorage(f"the database has schema {current!r} of a newer hub; update this one first") from error
    command.upgrade(config, "head")
