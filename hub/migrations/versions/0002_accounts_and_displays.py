"""Accounts, displays, reports of devices.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.add_column("user_account", sa.Column("must_change", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("user_session", sa.Column("address", sa.String(64), nullable=False, server_default=""))
    op.add_column("user_session", sa.Column("browser", sa.String(256), nullable=False, server_default=""))
    op.add_column("api_token", sa.Column("created_by", sa.String(), nullable=False, server_default=""))
    op.add_column("api_token", sa.Column("last_used_ms", BIG, nullable=True))
    op.add_column("audit_trail", sa.Column("hash", sa.LargeBinary(), nullable=False, server_default=""))
    op.create_table(
        "display",
        sa.Column("name", sa.String(48), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("mqtt_password", sa.String(64), nullable=False),
        sa.Column("made_ms", BIG, nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("revoked_ms", BIG, nullable=True),
        sa.Column("last_seen_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "device_report",
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("ord", BIG, nullable=False),
        sa.Column("fact_id", sa.LargeBinary(), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("device", "kind", "name"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_trail_only_added() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit trail is only ever added to'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_trail_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_trail "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_only_added()"
        )
