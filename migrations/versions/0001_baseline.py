"""The ledger: what ran, what was read, committed, left out and landed, and who holds it.

Revision: 0001, the first
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from messy_migration.ledger.tables import naming

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "run",
    "partition",
    "receipt",
    "receipt_table",
    "quarantine",
    "table_state",
    "landing",
    "bookmark",
    "stamp",
    "epoch",
    "heartbeat",
)


def upgrade() -> None:
    schema, prefix = naming(op.get_bind().dialect.name)
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

    def create(name: str, *items: sa.schema.SchemaItem) -> None:
        op.create_table(prefix + name, *items, schema=schema)

    def text(name: str, *, null: bool = False) -> sa.Column[str]:
        return sa.Column(name, sa.Text, nullable=null)

    def count(name: str, *, null: bool = False) -> sa.Column[int]:
        return sa.Column(name, sa.BigInteger, nullable=null)

    create(
        "run",
        sa.Column("run_id", sa.Text, primary_key=True),
        *(text(name) for name in ("profile", "plugins", "selection", "state", "options")),
        *(text(name) for name in ("versions", "host")),
        sa.Column("pid", sa.Integer, nullable=False),
        text("actor"),
        text("started_at"),
        text("finished_at", null=True),
        text("verdict", null=True),
        sa.Column("exit_code", sa.Integer),
        text("report", null=True),
        sa.CheckConstraint("state IN ('open', 'done')", name="run_state"),
    )
    create(
        "partition",
        *(text(name) for name in ("run_id", "stream", "tenant", "digest", "name", "bounds")),
        text("plan_id"),
        sa.Column("ordinal", sa.Integer, nullable=False),
        count("records", null=True),
        text("until", null=True),
        sa.PrimaryKeyConstraint("run_id", "stream", "tenant", "digest"),
    )
    create(
        "receipt",
        sa.Column("seq", number, primary_key=True, autoincrement=True),
        sa.Column("batch_id", sa.Text, nullable=False, unique=True),
        *(text(name) for name in ("kind", "run_id", "stream", "tenant", "partition")),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        *(count(name) for name in ("extracted", "loaded", "quarantined", "filtered")),
        text("filters"),
        count("warnings"),
        text("reason", null=True),
        count("epoch"),
        sa.Column("pid", sa.Integer, nullable=False),
        text("started_at"),
        text("committed_at"),
        sa.CheckConstraint("extracted = loaded + quarantined + filtered", name="receipt_balance"),
    )
    op.create_index(
        f"{prefix}receipt_partition",
        prefix + "receipt",
        ["stream", "tenant", "partition"],
        schema=schema,
    )
    create(
        "receipt_table",
        *(text(name) for name in ("batch_id", "table_name", "scope", "format_id")),
        *(count(name) for name in ("inserted", "updated", "unchanged", "net_rows")),
        text("net_lanes"),
        sa.PrimaryKeyConstraint("batch_id", "table_name", "scope"),
    )
    create(
        "quarantine",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        *(text(name) for name in ("batch_id", "run_id", "stream", "tenant", "identity", "place")),
        text("table_name", null=True),
        text("column_name", null=True),
        *(text(name) for name in ("rule", "reason", "payload", "payload_encoding", "state")),
        text("created_at"),
        sa.CheckConstraint("payload_encoding IN ('utf-8', 'base64')", name="quarantine_encoding"),
    )
    op.create_index(
        f"{prefix}quarantine_stream",
        prefix + "quarantine",
        ["stream", "tenant", "rule"],
        schema=schema,
    )
    create(
        "table_state",
        *(text(name) for name in ("table_name", "scope", "stream", "tenant", "format_id")),
        text("definition"),
        sa.Column("created", sa.Integer, nullable=False),
        text("first_run"),
        count("baseline_rows"),
        text("bookmark", null=True),
        text("state"),
        sa.PrimaryKeyConstraint("table_name", "scope"),
        sa.CheckConstraint("state IN ('key_pending', 'ready')", name="table_state_state"),
    )
    create(
        "landing",
        *(text(name) for name in ("stream", "tenant", "partition", "run_id", "path", "sha256")),
        count("records"),
        text("landed_at"),
        sa.PrimaryKeyConstraint("stream", "tenant", "partition"),
    )
    create(
        "bookmark",
        *(text(name) for name in ("stream", "tenant", "position", "run_id")),
        sa.PrimaryKeyConstraint("stream", "tenant"),
    )
    create(
        "stamp",
        sa.Column("id", sa.Integer, primary_key=True),
        text("kind"),
        sa.CheckConstraint("kind IN ('real', 'sandbox')", name="stamp_kind"),
    )
    create("epoch", sa.Column("id", sa.Integer, primary_key=True), count("epoch"))
    create(
        "heartbeat",
        sa.Column("id", sa.Integer, primary_key=True),
        text("run_id"),
        text("host"),
        sa.Column("pid", sa.Integer, nullable=False),
        text("started_at"),
        text("beat_at"),
    )


def downgrade() -> None:
    schema, prefix = naming(op.get_bind().dialect.name)
    for name in reversed(TABLES):
        op.drop_table(prefix + name, schema=schema)
