"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:  # noqa: PLR0915 - one table after the other
    op.create_table(
        "api_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=256), nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("expires_at_ms", BIG, nullable=False),
        sa.Column("revoked_at_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "audit_trail",
        sa.Column("id", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("old", sa.String(), nullable=False),
        sa.Column("new", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("audit_trail", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_trail_at_ms"), ["at_ms"], unique=False)

    op.create_table(
        "backup",
        sa.Column("id", BIG, nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("made_ms", BIG, nullable=False),
        sa.Column("verified_ms", BIG, nullable=True),
        sa.Column("removed_ms", BIG, nullable=True),
        sa.Column("fact_seq", BIG, nullable=False),
        sa.Column("blob_seq", BIG, nullable=False),
        sa.Column("facts", BIG, nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "blob",
        sa.Column("seq", BIG, nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("kept_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("sha256"),
    )
    with op.batch_alter_table("blob", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_blob_device"), ["device"], unique=False)

    op.create_table(
        "clock_fix",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("fact_id", sa.LargeBinary(), nullable=False),
        sa.Column("mono_ms", BIG, nullable=False),
        sa.Column("hub_ms", BIG, nullable=False),
        sa.Column("uncertainty_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("device", "boot", "fact_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "custody_correction",
        sa.Column("fact_id", sa.LargeBinary(), nullable=False),
        sa.Column("target", sa.LargeBinary(), nullable=False),
        sa.Column("parcel", sa.String(length=256), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("happened_ms", BIG, nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("incarnation", sa.LargeBinary(), nullable=False),
        sa.Column("ord", BIG, nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("mono_ms", BIG, nullable=False),
        sa.Column("clock", sa.String(length=8), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("fact_id", "target"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("custody_correction", schema=None) as batch_op:
        batch_op.create_index("ix_custody_correction_target", ["target"], unique=False)

    op.create_table(
        "custody_event",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("mono_ms", BIG, nullable=False),
        sa.Column("span_ms", BIG, nullable=False),
        sa.Column("made_mono_ms", BIG, nullable=False),
        sa.Column("clock", sa.String(length=8), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("happened_ms", BIG, nullable=False),
        sa.Column("time_source", sa.String(length=16), nullable=False),
        sa.Column("uncertainty_ms", BIG, nullable=True),
        sa.Column("fact_id", sa.LargeBinary(), nullable=False),
        sa.Column("parcel", sa.String(length=256), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("step", sa.String(length=32), nullable=False),
        sa.Column("incarnation", sa.LargeBinary(), nullable=False),
        sa.Column("ord", BIG, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("lat_e7", BIG, nullable=True),
        sa.Column("lon_e7", BIG, nullable=True),
        sa.Column("accuracy_m", BIG, nullable=True),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("cold_verdict", sa.String(), nullable=False),
        sa.Column("cold_budget_s", BIG, nullable=True),
        sa.Column("code", sa.LargeBinary(), nullable=True),
        sa.Column("aim", sa.String(), nullable=False),
        sa.Column("code_kind", sa.String(), nullable=False),
        sa.Column("port", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("fact_id", "parcel"),
    )
    with op.batch_alter_table("custody_event", schema=None) as batch_op:
        batch_op.create_index("ix_custody_event_boot", ["boot", "device"], unique=False)
        batch_op.create_index("ix_custody_event_parcel", ["parcel", "happened_ms"], unique=False)

    op.create_table(
        "device",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("enrolled_ms", BIG, nullable=False),
        sa.Column("revoked_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "device_boot",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("last_mono_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("device", "boot"),
    )
    op.create_table(
        "device_contact",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("contact_ms", BIG, nullable=False),
        sa.Column("incarnation", sa.LargeBinary(), nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("clock_offset_ms", BIG, nullable=False),
        sa.Column("backlog_facts", BIG, nullable=False),
        sa.Column("backlog_blobs", BIG, nullable=False),
        sa.Column("oldest_at_ms", BIG, nullable=True),
        sa.Column("room_bytes", BIG, nullable=False),
        sa.Column("room_s", BIG, nullable=True),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_table(
        "device_document",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=256), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("made_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("device", "kind"),
    )
    op.create_table(
        "device_position",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("time_source", sa.String(), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("lat_e7", BIG, nullable=False),
        sa.Column("lon_e7", BIG, nullable=False),
        sa.Column("accuracy_m", BIG, nullable=False),
        sa.Column("speed_cm_s", BIG, nullable=False),
        sa.Column("heading_c", BIG, nullable=False),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_table(
        "incarnation",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("incarnation", sa.LargeBinary(), nullable=False),
        sa.Column("first_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("device", "incarnation"),
    )
    op.create_table(
        "incident",
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("first_ms", BIG, nullable=False),
        sa.Column("last_ms", BIG, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("closed_ms", BIG, nullable=True),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    with op.batch_alter_table("incident", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incident_last_ms"), ["last_ms"], unique=False)

    op.create_table(
        "parcel",
        sa.Column("parcel", sa.String(length=256), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("step", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("step_ms", BIG, nullable=True),
        sa.Column("step_known_ms", BIG, nullable=True),
        sa.Column("step_source", sa.String(), nullable=False),
        sa.Column("step_uncertainty_ms", BIG, nullable=True),
        sa.Column("step_fact_id", sa.LargeBinary(), nullable=True),
        sa.Column("step_device", sa.String(), nullable=False),
        sa.Column("step_actor", sa.String(), nullable=False),
        sa.Column("step_place", sa.String(), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("seen_ms", BIG, nullable=False),
        sa.Column("seen_known_ms", BIG, nullable=False),
        sa.Column("seen_source", sa.String(), nullable=False),
        sa.Column("seen_uncertainty_ms", BIG, nullable=True),
        sa.Column("seen_device", sa.String(), nullable=False),
        sa.Column("seen_place", sa.String(), nullable=False),
        sa.Column("lat_e7", BIG, nullable=True),
        sa.Column("lon_e7", BIG, nullable=True),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("cold_verdict", sa.String(), nullable=False),
        sa.Column("cold_budget_s", BIG, nullable=True),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("events", BIG, nullable=False),
        sa.Column("corrections", BIG, nullable=False),
        sa.Column("after_delivery", BIG, nullable=False),
        sa.PrimaryKeyConstraint("parcel"),
    )
    with op.batch_alter_table("parcel", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_parcel_known_ms"), ["known_ms"], unique=False)
        batch_op.create_index(batch_op.f("ix_parcel_route"), ["route"], unique=False)
        batch_op.create_index("ix_parcel_seen", ["seen_ms", "parcel"], unique=False)
        batch_op.create_index(batch_op.f("ix_parcel_seen_place"), ["seen_place"], unique=False)
        batch_op.create_index("ix_parcel_status_seen", ["status", "seen_ms", "parcel"], unique=False)

    op.create_table(
        "parcel_term",
        sa.Column("term", sa.String(length=256), nullable=False),
        sa.Column("parcel", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("term", "parcel"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "position_block",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("mono_ms", BIG, nullable=False),
        sa.Column("span_ms", BIG, nullable=False),
        sa.Column("made_mono_ms", BIG, nullable=False),
        sa.Column("clock", sa.String(length=8), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("happened_ms", BIG, nullable=False),
        sa.Column("time_source", sa.String(length=16), nullable=False),
        sa.Column("uncertainty_ms", BIG, nullable=True),
        sa.Column("fact_id", sa.LargeBinary(), nullable=False),
        sa.Column("receiver", sa.String(length=256), nullable=False),
        sa.Column("last_ms", BIG, sa.Computed("happened_ms + span_ms", persisted=True), nullable=False),
        sa.Column("interval_ms", BIG, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("columns", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fact_id"),
    )
    with op.batch_alter_table("position_block", schema=None) as batch_op:
        batch_op.create_index("ix_position_block_boot", ["boot", "device"], unique=False)
        batch_op.create_index("ix_position_block_time", ["device", "last_ms", "happened_ms"], unique=False)

    op.create_table(
        "projection_attempt",
        sa.Column("first_seq", BIG, nullable=False),
        sa.Column("last_seq", BIG, nullable=False),
        sa.Column("attempts", BIG, nullable=False),
        sa.PrimaryKeyConstraint("first_seq", "last_seq"),
    )
    op.create_table(
        "projection_marker",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("fact_id", sa.LargeBinary(), nullable=True),
        sa.Column("projection", sa.String(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("fact_id", "projection"),
    )
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.create_index("ix_quarantine_held", ["device", "kind", "state"], unique=False)

    op.create_table(
        "reading",
        sa.Column("sensor", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("value", BIG, nullable=True),
        sa.Column("flags", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sensor", "at_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reading_block",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("mono_ms", BIG, nullable=False),
        sa.Column("span_ms", BIG, nullable=False),
        sa.Column("made_mono_ms", BIG, nullable=False),
        sa.Column("clock", sa.String(length=8), nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("happened_ms", BIG, nullable=False),
        sa.Column("time_source", sa.String(length=16), nullable=False),
        sa.Column("uncertainty_ms", BIG, nullable=True),
        sa.Column("fact_id", sa.LargeBinary(), nullable=False),
        sa.Column("sensor", BIG, nullable=False),
        sa.Column("last_ms", BIG, sa.Computed("happened_ms + span_ms", persisted=True), nullable=False),
        sa.Column("interval_ms", BIG, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("columns", sa.LargeBinary(), nullable=False),
        sa.Column("replaces", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("fact_id"),
    )
    with op.batch_alter_table("reading_block", schema=None) as batch_op:
        batch_op.create_index("ix_reading_block_boot", ["boot", "device"], unique=False)
        batch_op.create_index("ix_reading_block_time", ["sensor", "last_ms", "happened_ms"], unique=False)

    op.create_table(
        "reading_conflict",
        sa.Column("sensor", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("fact_id", sa.LargeBinary(), nullable=False),
        sa.Column("value", BIG, nullable=True),
        sa.Column("flags", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sensor", "at_ms", "fact_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reading_hour",
        sa.Column("sensor", BIG, nullable=False),
        sa.Column("hour_ms", BIG, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("faults", BIG, nullable=False),
        sa.Column("min", BIG, nullable=True),
        sa.Column("max", BIG, nullable=True),
        sa.Column("sum", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sensor", "hour_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sensor",
        sa.Column("number", BIG, nullable=False),
        sa.Column("sensor", sa.String(length=256), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("quantity", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("sensor"),
    )
    with op.batch_alter_table("sensor", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sensor_device"), ["device"], unique=False)

    op.create_table(
        "sensor_latest",
        sa.Column("sensor", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("value", BIG, nullable=True),
        sa.Column("flags", BIG, nullable=False),
        sa.Column("known_ms", BIG, nullable=False),
        sa.Column("interval_ms", BIG, nullable=False),
        sa.Column("time_source", sa.String(length=16), nullable=False),
        sa.Column("uncertainty_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("sensor"),
    )
    with op.batch_alter_table("sensor_latest", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sensor_latest_at_ms"), ["at_ms"], unique=False)

    op.create_table(
        "setting",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "stream",
        sa.Column("id", BIG, nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("incarnation", sa.LargeBinary(), nullable=False),
        sa.Column("lane", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("device", "incarnation", "lane"),
    )
    op.create_table(
        "user_account",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("disabled_at_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "branch",
        sa.Column("stream_id", BIG, nullable=False),
        sa.Column("branch", BIG, nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("forks_after_n", BIG, nullable=True),
        sa.ForeignKeyConstraint(
            ["stream_id"],
            ["stream.id"],
        ),
        sa.PrimaryKeyConstraint("stream_id", "branch"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "claim",
        sa.Column("stream_id", BIG, nullable=False),
        sa.Column("head_n", BIG, nullable=False),
        sa.Column("head_hash", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"],
            ["stream.id"],
        ),
        sa.PrimaryKeyConstraint("stream_id", "head_n", "head_hash"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fact",
        sa.Column("seq", BIG, nullable=False),
        sa.Column("fact_id", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("stream_id", BIG, nullable=True),
        sa.Column("n", BIG, nullable=True),
        sa.Column("branch", BIG, nullable=True),
        sa.Column("core", sa.LargeBinary(), nullable=True),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("received_ms", BIG, nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["stream_id"],
            ["stream.id"],
        ),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("fact_id"),
    )
    with op.batch_alter_table("fact", schema=None) as batch_op:
        batch_op.create_index("ix_fact_device_seq", ["device", "seq"], unique=False)

    op.create_table(
        "gap",
        sa.Column("stream_id", BIG, nullable=False),
        sa.Column("first_n", BIG, nullable=False),
        sa.Column("last_n", BIG, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("stated_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"],
            ["stream.id"],
        ),
        sa.PrimaryKeyConstraint("stream_id", "first_n", "last_n"),
    )
    op.create_table(
        "position",
        sa.Column("stream_id", BIG, nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.Column("branch", BIG, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("fact_id", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["stream_id"],
            ["stream.id"],
        ),
        sa.PrimaryKeyConstraint("stream_id", "n", "branch"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "user_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("expires_at_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_name"],
            ["user_account.name"],
        ),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    with op.batch_alter_table("user_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_user_session_user_name"), ["user_name"], unique=False)

    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_trail_no_{verb.lower()} BEFORE {verb} ON audit_trail "
                "BEGIN SELECT RAISE(ABORT, 'the audit trail is only ever added to'); END"
            )
