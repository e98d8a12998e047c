"""All tables of the hub in one metadata, and the database opened at the newest schema."""

import importlib
from importlib.util import find_spec
from typing import Final

from sqlalchemy import Integer, MetaData
from sqlmodel import SQLModel

from hub.db import BigInt

BUSINESS: Final = ("tracking", "coldchain", "delivery", "fleet", "accounts")
"""Folders that may bring tables of their own."""


def _load() -> MetaData:
    importlib.import_module("hub.tables")
    for folder in BUSINESS:
        if find_spec(f"hub.{folder}") and find_spec(f"hub.{folder}.tables"):
            importlib.import_module(f"hub.{folder}.tables")
    for table in SQLModel.metadata.tables.values():
        for column in table.columns:
            # SQLModel's int has 32 bits on PostgreSQL, and epoch ms need more.
            if type(column.type) is Integer:
                column.type = BigInt
    return SQLModel.metadata


metadata: Final = _load()
