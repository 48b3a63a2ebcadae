"""The values that move through a migration: frozen, plain, and safe to send between processes.

`schema` has what a plugin declares, `records` what goes through the rules, `receipts` what is
left of it in the ledger.
"""

from __future__ import annotations

from messy_migration.model.columns import Column, ColumnType
from messy_migration.model.derived import Derived
from messy_migration.model.loss import Loss
from messy_migration.model.receipts import (
    Extraction,
    Fingerprint,
    LoadCounts,
    Receipt,
    TableReceipt,
    Totals,
)
from messy_migration.model.records import (
    Batch,
    Extracted,
    Filtered,
    Frame,
    Origin,
    Rejected,
    Transformed,
    Violation,
)
from messy_migration.model.schema import (
    RECORD,
    ForeignKey,
    Partition,
    Sandbox,
    Stream,
    Table,
    stream_label,
)

__all__ = [
    "RECORD",
    "Batch",
    "Column",
    "ColumnType",
    "Derived",
    "Extracted",
    "Extraction",
    "Filtered",
    "Fingerprint",
    "ForeignKey",
    "Frame",
    "LoadCounts",
    "Loss",
    "Origin",
    "Partition",
    "Receipt",
    "Rejected",
    "Sandbox",
    "Stream",
    "Table",
    "TableReceipt",
    "Totals",
    "Transformed",
    "Violation",
    "stream_label",
]
