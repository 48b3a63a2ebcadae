"""Which way to sketch a kind of database."""

from __future__ import annotations

from messy_migration.databases.dialect import Reader
from messy_migration.databases.postgresql.sketch import PostgreSQLScans
from messy_migration.databases.sketch import Scans, Streamed
from messy_migration.databases.sqlite.sketch import SQLiteScans


def scans_of(reader: Reader) -> Scans:
    """In the database where it can, else by fetching all rows."""
    if reader.name == "postgresql":
        return PostgreSQLScans()
    if reader.name == "sqlite":
        return SQLiteScans()
    return Streamed(reader)
