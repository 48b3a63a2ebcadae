"""Is the table that answers to a name the very one that was loaded?"""

from __future__ import annotations

from sqlalchemy import Connection

from messy_migration.databases.dialect import Dialect
from messy_migration.ledger.known_tables import TableState


def another_table(connection: Connection, dialect: Dialect, state: TableState) -> str:
    """Why the name means a table in another place now; empty if it does not."""
    known, found = state.identity.schema, dialect.identity(connection, state.table).schema
    name = state.table.name
    if known is None or found is None or known == found:
        return ""
    return f"was {known}.{name}, is {found}.{name}: the rows that were loaded are not these"


def made_again(connection: Connection, dialect: Dialect, state: TableState) -> str:
    """That it was dropped and made again under its name; empty if it was not."""
    known, found = state.identity.oid, dialect.identity(connection, state.table).oid
    if known is None or found is None or known == found:
        return ""
    return f"the table was dropped and made again since it was loaded (oid {known}, now {found})"
