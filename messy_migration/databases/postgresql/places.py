"""Where a table is: the schema in which the role's own path finds its name, and how it is read.

A table that others inherit from is read without them (they are tables of their own), and a
partitioned one with its partitions, which have all of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from messy_migration.databases.naming import literal, quote
from messy_migration.databases.postgresql import pins


@dataclass(frozen=True)
class Place:
    """A relation of the database: where it is, and its kind as `pg_class.relkind` has it."""

    schema: str
    name: str
    kind: str

    @property
    def full(self) -> str:
        """Its name with its schema, quoted."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def rows(self) -> str:
        """Its own rows, as they stand behind FROM, UPDATE and DELETE FROM."""
        return self.full if self.kind == "p" else f"ONLY {self.full}"


def find(connection: Connection, name: str) -> Place | None:
    """Where the role's path finds a name; asked once a connection, and again for each proof."""
    places: dict[str, Place] = connection.info.setdefault(pins.PLACES, {})
    if name not in places:
        path = ", ".join(literal(schema) for schema in pins.schemas(connection))
        array = f"ARRAY[{path}]::pg_catalog.name[]"
        row = connection.exec_driver_sql(
            "SELECT n.nspname::pg_catalog.text, c.relkind::pg_catalog.text"
            " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
            " ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
            f" WHERE c.relname OPERATOR(pg_catalog.=) {literal(name)}"
            f" AND n.nspname OPERATOR(pg_catalog.=) ANY ({array})"
            f" ORDER BY pg_catalog.array_position({array}, n.nspname) LIMIT 1"
        ).first()
        if row is None:
            return None
        places[name] = Place(row[0], name, row[1])
    return places[name]


def rows_of(connection: Connection, name: str) -> str:
    """See `Reader.rows_of`."""
    pins.refuse_unguarded(connection, name)
    return place(connection, name).rows


def place(connection: Connection, name: str) -> Place:
    """Where a table is, or where it would be created."""
    schemas = pins.schemas(connection)
    return find(connection, name) or Place(schemas[0] if schemas else "public", name, "r")
