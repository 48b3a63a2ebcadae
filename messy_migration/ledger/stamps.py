"""What a target is for, `real` or `sandbox`."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from messy_migration.errors import TargetError
from messy_migration.ledger import changes
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import Ledger


def kind(connection: Connection, ledger: Ledger) -> str | None:
    """What the first run said; None before it."""
    kind_stored: str | None = connection.execute(
        select(ledger.stamp.c.kind).where(ledger.stamp.c.id == 1)
    ).scalar_one_or_none()
    return kind_stored


def stamp(connection: Connection, ledger: Ledger, signature: Signature, kind_of_run: str) -> str:
    """What the target is for; the first run says.

    Raises:
        TargetError: runs were there, and nothing says it any more.
    """
    kind_stored = kind(connection, ledger)
    if kind_stored is None and connection.execute(select(ledger.run.c.run_id).limit(1)).first():
        raise TargetError(
            "the ledger was edited by hand",
            "table stamp",
            "runs were there, and what the target is for is gone",
            "restore the tables of the ledger; nothing can be proven without them",
        )
    if kind_stored is None:
        connection.execute(insert(ledger.stamp).values(id=1, kind=kind_of_run))
        changes.record(connection, ledger, signature, "stamp", ("1",))
    return kind_stored or kind_of_run
