"""Removed files and ordered reports."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("erased_blob", schema=None) as batch_op:
        batch_op.add_column(sa.Column("removed_ms", BIG, nullable=True))
        batch_op.create_index(batch_op.f("ix_erased_blob_removed_ms"), ["removed_ms"], unique=False)
    # A projection that no hub folded before: there are no rows.
    with op.batch_alter_table("device_report", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stream_id", BIG, server_default="0", nullable=False))
