"""Every table of the ledger under a seal, the identity of loaded tables, and keyed sums.

Revision: 0003, after 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from messy_migration.ledger.tables import naming

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXTS = {
    "receipt": ("lane", "previous", "server", "salt", "reason_digest", "key_id", "mac"),
    "receipt_table": ("file_node", "keyed_lanes"),
    "quarantine": ("salt", "payload_digest"),
    "table_state": ("schema_name", "object_id", "key_id"),
    "chain": (
        *("revision", "columns_digest", "lanes", "changes_digest", "state_digest"),
        *("key_id", "mac"),
    ),
}
NUMBERS = {"receipt": ("lane_number",), "chain": ("last_change", "changes")}


def upgrade() -> None:
    schema, prefix = naming(op.get_bind().dialect.name)
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    for names, kind in ((TEXTS, sa.Text), (NUMBERS, sa.BigInteger)):
        for table, columns in names.items():
            for column in columns:
                op.add_column(prefix + table, sa.Column(column, kind), schema=schema)
    op.create_table(
        prefix + "change",
        sa.Column("seq", number, primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("run_id", "table_name", "row_key")),
        sa.Column("row_digest", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("lane_number", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("written_at", sa.Text, nullable=False),
        sa.Column("mac", sa.Text),
        schema=schema,
    )


def downgrade() -> None:
    schema, prefix = naming(op.get_bind().dialect.name)
    op.drop_table(prefix + "change", schema=schema)
    for names in (NUMBERS, TEXTS):
        for table, columns in names.items():
            for column in columns:
                op.drop_column(prefix + table, column, schema=schema)
