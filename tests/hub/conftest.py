"""What the hub's tests share: one run of the migrations, and passwords that cost little."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import Connection

from hub.accounts import secrets
from hub.migrations import upgrade as migrations

_TABLES = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid"


@pytest.fixture(scope="session", autouse=True)
def migrated_once() -> Iterator[None]:
    """Empty databases get the schema that the migrations made of the first one; `test_db.py` holds them against the tables."""
    upgrade = migrations.upgrade
    made: list[str] = []

    def upgrade_or_repeat(tx: Connection) -> None:
        empty = not tx.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        if not empty or not made:
            upgrade(tx)
        else:
            for statement in made:
                tx.exec_driver_sql(statement)
        if empty and not made:
            (version,) = tx.exec_driver_sql("SELECT version_num FROM alembic_version").one()
            made.extend(row.sql for row in tx.exec_driver_sql(_TABLES))
            made.append(f"INSERT INTO alembic_version VALUES ('{version}')")

    with patch.object(migrations, "upgrade", upgrade_or_repeat):
        yield


@pytest.fixture(scope="session", autouse=True)
def shipped_hasher() -> Iterator[PasswordHash]:
    """What hashes passwords outside of tests; in them Argon2id takes no time, but for hubs that are processes of their own."""
    shipped = secrets._hasher
    with patch.object(secrets, "_hasher", PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))):
        yield shipped
