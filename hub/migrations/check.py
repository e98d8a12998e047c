"""`python -m hub.migrations.check` says how the migrations differ from the tables as declared, and exits 1 if they do.

`python -m hub.migrations.check --write "message"` writes the missing step.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hub.migrations.upgrade import alembic_config
from hub.schema import MIGRATIONS, metadata, open_database


def differences() -> list[object]:
    """What a database made by the migrations lacks or has too much."""
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder))
        try:
            with db.write() as tx:
                found: list[object] = compare_metadata(MigrationContext.configure(tx), metadata)
                return found
        finally:
            db.close()


def write_step(message: str) -> None:
    """Write a migration that makes up for the differences; steps are numbered."""
    number = f"{len(list((MIGRATIONS / 'versions').glob('*.py'))) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder))
        try:
            with db.write() as tx:
                command.revision(alembic_config(tx), message=message, autogenerate=True, rev_id=number)
        finally:
            db.close()


def main() -> int:
    """The command."""
    if sys.argv[1:2] == ["--write"]:
        write_step(sys.argv[2])
        return 0
    found = differences()
    for difference in found:
        sys.stderr.write(f"{difference}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
