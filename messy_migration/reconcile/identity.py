"""Is the table that answers to a name the very one that was loaded?"""

from __future__ import annotations

from sqlalchemy import Connection

from messy_migration.databases.dialect import Dialect
from messy_migration.ledger.known_tables import TableState


def another_table(connection: Connection, dialect: Dialect, state: TableState) -> str:
    """Why the name means something else now than the table that was loaded; empty if it does not.

    A view shows what its author wants; and where the path leads to no table of that name, the
    one that was loaded may still be in its place.
    """
    schema, identity = state.identity.schema, dialect.identity(connection, state.table)
    name = state.table.name
    if identity.stand_in:
        return (
            f"{name} is a {identity.stand_in} now, and no table: rows that it shows prove nothing"
        )
    if schema is None or schema == identity.schema:
        return ""
    if identity.schema is not None:
        move = f"was {schema}.{name}, is {identity.schema}.{name}"
        return f"{move}: the rows that were loaded are not these"
    if dialect.identity(connection, state.table, schema).schema is None:
        return ""
    return f"{schema}.{name} is there, and the search_path of this role does not lead to it"


def made_again(connection: Connection, dialect: Dialect, state: TableState) -> str:
    """That it was dropped and made again under its name; empty if it was not."""
    loaded_oid, oid = state.identity.oid, dialect.identity(connection, state.table).oid
    if loaded_oid is None or oid is None or loaded_oid == oid:
        return ""
    return f"the table was dropped and made again since it was loaded (oid {loaded_oid}, now {oid})"
