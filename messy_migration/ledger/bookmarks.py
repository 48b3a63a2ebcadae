"""How far each stream has come."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from messy_migration.ledger import changes
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import Ledger

NOWHERE = ""
"""The position of a bookmark that was taken away: the next run reads all of the stream."""


def positions(connection: Connection, ledger: Ledger) -> dict[tuple[str, str], str]:
    """(stream, tenant) -> the upper bound of what was read, ISO 8601 in UTC."""
    table = ledger.bookmark
    query = select(table.c.stream, table.c.tenant, table.c.position).where(
        table.c.position != NOWHERE
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def move(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    stream: str,
    tenant: str,
    position: str,
) -> None:
    """Put a stream's bookmark at a position."""
    table = ledger.bookmark
    connection.execute(delete(table).where(table.c.stream == stream, table.c.tenant == tenant))
    connection.execute(
        insert(table).values(
            stream=stream, tenant=tenant, position=position, run_id=signature.run_id
        )
    )
    changes.record(connection, ledger, signature, "bookmark", (stream, tenant))
