"""Which way to sketch a kind of database."""

from __future__ import annotations

from messy_migration.target.dialect import Reader
from messy_migration.target.postgresql_sketch import PostgreSQLScans
from messy_migration.target.sketch import Scans, Streamed
from messy_migration.target.sqlite_sketch import SQLiteScans


def scans_of(reader: Reader) -> Scans:
    """In the database where it can, else by fetching all rows."""
    if reader.name == "postgresql":
        return PostgreSQLScans()
    if reader.name == "sqlite":
        return SQLiteScans()
    return Streamed(reader)
