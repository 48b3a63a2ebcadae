"""What a batch leaves in the ledger: the records it left out, and the receipt that counts them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from messy_migration.ledger import quarantine, receipts
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.quarantine import Entry
from messy_migration.ledger.tables import Ledger
from messy_migration.model import Receipt


def sign(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    receipt: Receipt,
    entries: Sequence[Entry],
    *,
    kind: str = "load",
    warnings: int = 0,
) -> None:
    """Put records into quarantine, and the receipt that holds them fast into the ledger."""
    batch = (signature.run_id, receipt.batch_id, receipt.stream, receipt.tenant)
    held = quarantine.write(connection, ledger, *batch, entries)
    receipts.write(
        connection, ledger, signature, receipt, kind=kind, warnings=warnings, quarantined=held
    )
