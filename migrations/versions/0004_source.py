"""What a batch held before any hook, and what its source itself says of the partition.

Revision: 0004, after 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from messy_migration.ledger.tables import naming

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = (
    ("read_rows", sa.BigInteger),
    ("read_lanes", sa.Text),
    ("source_rows", sa.BigInteger),
    ("source_lanes", sa.Text),
    ("source_note", sa.Text),
)


def upgrade() -> None:
    schema, prefix = naming(op.get_bind().dialect.name)
    for name, kind in COLUMNS:
        op.add_column(prefix + "receipt", sa.Column(name, kind), schema=schema)


def downgrade() -> None:
    schema, prefix = naming(op.get_bind().dialect.name)
    for name, _ in COLUMNS:
        op.drop_column(prefix + "receipt", name, schema=schema)
