"""Rows of a target read back and summed here, where a key may be used: it never enters SQL."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from messy_migration.databases.dialect import Dialect
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.fingerprint.keyed import Key, Sums, sums_of_texts
from messy_migration.model import Table

ROWS_PER_FETCH = 5_000


def texts(connection: Connection, dialect: Dialect, table: Table, source: str) -> Iterator[bytes]:
    """The C1 texts of the rows of `source` (a FROM clause, table alias `t`), a chunk at a time."""
    with driver_errors_as_ours(f"table {table.name}"):
        result = connection.exec_driver_sql(
            f"SELECT {dialect.row_bytes(table, 't')} FROM {source}",
            execution_options={"stream_results": True, "max_row_buffer": ROWS_PER_FETCH},
        )
        for chunk in result.partitions(ROWS_PER_FETCH):
            yield from (bytes(row[0]) for row in chunk)


def sums_of(
    connection: Connection, dialect: Dialect, table: Table, source: str, key: Key | None
) -> Sums:
    """The sums of the rows of `source`; without a key the database computes the one there is."""
    if key is None:
        return dialect.fingerprint(connection, table, source), None
    unkeyed, keyed = sums_of_texts(texts(connection, dialect, table, source), key)
    return unkeyed, keyed
