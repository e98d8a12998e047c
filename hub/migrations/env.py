"""Run by alembic with the one writer's connection."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from hub.db import BigInt
from hub.schema import metadata


def plain_types(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write a step with the types as they are in every database."""
    return "BIG" if kind == "type" and item is BigInt else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite rolls DDL back like anything else, once the driver's own transactions are off.
    transactional_ddl=True,
    # SQLite alters tables by copying them.
    render_as_batch=True,
    render_item=plain_types,
)
context.run_migrations()
