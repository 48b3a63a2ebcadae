"""The chain of what runs committed, and what their receipts say beside counts.

Revision: 0002, after 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from messy_migration.ledger.tables import naming

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = (("receipt", "xid"), ("receipt_table", "amounts"), ("receipt_table", "losses"))


def upgrade() -> None:
    schema, prefix = naming(op.get_bind().dialect.name)
    op.create_table(
        prefix + "chain",
        sa.Column("ordinal", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("run_id", "kind", "previous")),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("receipts", sa.BigInteger, nullable=False),
        *(
            sa.Column(f"{name}_digest", sa.Text, nullable=False)
            for name in ("receipts", "quarantine", "plans", "evidence")
        ),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("verdict", "head", "written_at")),
        schema=schema,
    )
    for table, column in COLUMNS:
        op.add_column(prefix + table, sa.Column(column, sa.Text), schema=schema)


def downgrade() -> None:
    schema, prefix = naming(op.get_bind().dialect.name)
    for table, column in COLUMNS:
        op.drop_column(prefix + table, column, schema=schema)
    op.drop_table(prefix + "chain", schema=schema)
