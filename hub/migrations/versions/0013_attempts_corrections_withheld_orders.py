"""attempts corrections withheld orders."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("custody_correction", schema=None) as batch_op:
        batch_op.add_column(sa.Column("span_ms", BIG, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("made_mono_ms", BIG, server_default="0", nullable=False))
        batch_op.add_column(sa.Column("time_source", sa.String(length=16), server_default="device", nullable=False))
        batch_op.add_column(sa.Column("uncertainty_ms", BIG, nullable=True))
        batch_op.create_index("ix_custody_correction_boot", ["boot", "device"], unique=False)
    op.execute("UPDATE custody_correction SET made_mono_ms = mono_ms")

    # Where a parcel is planned is read from its stop.
    op.drop_index("ix_parcel_route", table_name="parcel")
    op.drop_column("parcel", "route")

    # Its key grows, which no database does in place.
    op.drop_index("ix_route_shipment_stop", table_name="route_shipment")
    op.rename_table("route_shipment", "route_shipment_before")
    op.create_table(
        "route_shipment",
        sa.Column("shipment", BIG, nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("stop", sa.String(length=64), nullable=False),
        sa.Column("latest", sa.Boolean(), nullable=False),
        sa.Column("given", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["stop"], ["route_stop.stop"]),
        sa.PrimaryKeyConstraint("shipment", "attempt"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO route_shipment (shipment, attempt, stop, latest, given) "
        "SELECT shipment, 1, stop, true, '[]' FROM route_shipment_before"
    )
    op.drop_table("route_shipment_before")
    with op.batch_alter_table("route_shipment", schema=None) as batch_op:
        batch_op.create_index("ix_route_shipment_stop", ["stop"], unique=False)

    for table in ("route_stop", "shipment"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("withheld", sa.String(length=64), server_default="", nullable=False))
