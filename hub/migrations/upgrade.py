"""Alembic, told where the migrations are; there is no configuration file of it."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from hub.schema import MIGRATIONS


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for a connection of the one writer."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(tx: Connection) -> None:
    """Take all steps that the database lacks, in the caller's transaction."""
    command.upgrade(alembic_config(tx), "head")
