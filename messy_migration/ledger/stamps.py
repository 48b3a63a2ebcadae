"""What a target is for, `real` or `sandbox`."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from messy_migration.errors import TargetError
from messy_migration.ledger import changes
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import Ledger


def kind(connection: Connection, ledger: Ledger) -> str | None:
    """What the first run said; None before it."""
    found: str | None = connection.execute(
        select(ledger.stamp.c.kind).where(ledger.stamp.c.id == 1)
    ).scalar_one_or_none()
    return found


def stamp(connection: Connection, ledger: Ledger, signature: Signature, wanted: str) -> str:
    """What the target is for; the first run says.

    Raises:
        TargetError: runs were there, and nothing says it any more.
    """
    known = kind(connection, ledger)
    if known is None and connection.execute(select(ledger.run.c.run_id).limit(1)).first():
        raise TargetError(
            "the ledger was edited by hand",
            "table stamp",
            "runs were there, and what the target is for is gone",
            "restore the tables of the ledger; nothing can be proven without them",
        )
    if known is None:
        connection.execute(insert(ledger.stamp).values(id=1, kind=wanted))
        changes.record(connection, ledger, signature, "stamp", ("1",))
    return known or wanted
