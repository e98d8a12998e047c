"""Excursions, profiles and records of sensors.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "course",
        sa.Column("sensor", BIG, nullable=False),
        sa.Column("hour_ms", BIG, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sensor", "hour_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "excursion",
        sa.Column("started_ms", BIG, nullable=False),
        sa.Column("alarm_ms", BIG, nullable=True),
        sa.Column("ended_ms", BIG, nullable=True),
        sa.Column("extreme", BIG, nullable=True),
        sa.Column("beyond_ms", BIG, nullable=False),
        sa.Column("alarm_known_ms", BIG, nullable=True),
        sa.Column("ended_known_ms", BIG, nullable=True),
        sa.Column("withdrawn", BIG, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("sensor", sa.String(length=256), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("limit_name", sa.String(), nullable=False),
        sa.Column("side", sa.String(length=8), nullable=False),
        sa.Column("threshold", BIG, nullable=True),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("changed_ms", BIG, nullable=False),
        sa.Column("ack_who", sa.String(), nullable=False),
        sa.Column("ack_why", sa.String(), nullable=False),
        sa.Column("ack_ms", BIG, nullable=True),
        sa.Column("ack_covers", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("excursion", schema=None) as batch_op:
        batch_op.create_index("ix_excursion_sensor", ["sensor", "started_ms"], unique=False)
        batch_op.create_index("ix_excursion_started", ["started_ms"], unique=False)

    op.create_table(
        "excursion_acknowledgement",
        sa.Column("fact_id", sa.LargeBinary(), nullable=False),
        sa.Column("excursion", sa.String(), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("from_ms", BIG, nullable=False),
        sa.Column("to_ms", BIG, nullable=True),
        sa.Column("extreme", BIG, nullable=True),
        sa.PrimaryKeyConstraint("fact_id"),
    )
    with op.batch_alter_table("excursion_acknowledgement", schema=None) as batch_op:
        batch_op.create_index("ix_excursion_acknowledgement_excursion", ["excursion"], unique=False)

    op.create_table(
        "excursion_change",
        sa.Column("started_ms", BIG, nullable=False),
        sa.Column("alarm_ms", BIG, nullable=True),
        sa.Column("ended_ms", BIG, nullable=True),
        sa.Column("extreme", BIG, nullable=True),
        sa.Column("beyond_ms", BIG, nullable=False),
        sa.Column("alarm_known_ms", BIG, nullable=True),
        sa.Column("ended_known_ms", BIG, nullable=True),
        sa.Column("withdrawn", BIG, nullable=False),
        sa.Column("excursion", sa.String(length=32), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("excursion", "known_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "judged_sensor",
        sa.Column("sensor", BIG, nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("from_ms", BIG, nullable=False),
        sa.Column("until_ms", BIG, nullable=True),
        sa.Column("course", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("sensor"),
    )
    op.create_table(
        "sensor_assignment",
        sa.Column("sensor", sa.String(length=256), nullable=False),
        sa.Column("from_ms", BIG, nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sensor", "from_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sensor_record",
        sa.Column("sensor", sa.String(length=256), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("profile_from_ms", BIG, nullable=True),
        sa.Column("calibration_due_ms", BIG, nullable=True),
        sa.Column("replaced_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sensor"),
    )
    with op.batch_alter_table("sensor_record", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sensor_record_device"), ["device"], unique=False)

    op.create_table(
        "temperature_profile",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
