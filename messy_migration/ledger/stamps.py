"""What a target is for, `real` or `sandbox`."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from messy_migration.ledger.tables import Ledger


def kind(connection: Connection, ledger: Ledger) -> str | None:
    """What the first run said; None before it."""
    found: str | None = connection.execute(
        select(ledger.stamp.c.kind).where(ledger.stamp.c.id == 1)
    ).scalar_one_or_none()
    return found


def stamp(connection: Connection, ledger: Ledger, wanted: str) -> str:
    """What the target is for; the first run says."""
    known = kind(connection, ledger)
    if known is None:
        connection.execute(insert(ledger.stamp).values(id=1, kind=wanted))
    return known or wanted
