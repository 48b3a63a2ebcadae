"""Remove rows of a table that were staged: by their key, or equal ones by their number."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.databases.dialect import POSITION, Dialect
from messy_migration.databases.merge import keyed
from messy_migration.databases.naming import quote, scoped
from messy_migration.errors import TargetError
from messy_migration.model import Fingerprint, Table

_PLACES = {"postgresql": "ctid", "sqlite": "rowid", "duckdb": "rowid"}
"""What tells two equal rows apart, by kind of database."""


def remove_keyed(
    connection: Connection, dialect: Dialect, table: Table, data: pa.Table
) -> Fingerprint:
    """Remove the rows with the keys of `data`; the fingerprint of what was removed.

    Raises:
        TargetError: the database removes another number of rows than it announced.
    """
    stage = _staged(connection, dialect, table, data)
    rows = dialect.rows_of(connection, table.name)
    same_key = keyed(connection, dialect, table)
    match = f"{rows} t JOIN {stage} s ON {same_key}"
    going = dialect.fingerprint(connection, table, match)
    count = connection.exec_driver_sql(
        f"DELETE FROM {rows} AS t WHERE EXISTS (SELECT 1 FROM {stage} s WHERE {same_key})"
    ).rowcount
    return _announced(table, going, count)


def remove_equal(
    connection: Connection, dialect: Dialect, table: Table, data: pa.Table, counts: list[int]
) -> Fingerprint:
    """Remove each row of `data` as many times as `counts` says.

    Raises:
        TargetError: this kind of database cannot tell equal rows apart, or fewer are there.
    """
    row_id = _PLACES.get(dialect.name)
    if row_id is None:
        raise TargetError(
            "extra rows of a table without a key cannot be removed here",
            f"table {table.name}",
            f"{dialect.name} does not tell equal rows apart",
            "remove them by hand",
        )
    stage = _staged(connection, dialect, table, data)
    spelling = dialect.spelling
    among = "{place} OPERATOR(pg_catalog.=) ANY" if spelling.operators else "{place} IN"
    equal = " AND ".join(f"NOT ({dialect.differs(table, name)})" for name in table.names)
    rows, source = dialect.rows_of(connection, table.name), scoped(connection, dialect, table)
    before = dialect.fingerprint(connection, table, source)
    removed = 0
    for number, count in enumerate(counts):
        removed += connection.exec_driver_sql(
            f"DELETE FROM {rows} WHERE {among.format(place=row_id)}"
            f" (SELECT t.{row_id} FROM {rows} t JOIN {stage} s ON {equal}"
            f" WHERE {spelling.equal(f's.{quote(POSITION)}', str(number))} LIMIT {count})"
        ).rowcount
    going = before - dialect.fingerprint(connection, table, source)
    return _announced(table, going, removed)


def _staged(connection: Connection, dialect: Dialect, table: Table, data: pa.Table) -> str:
    positions = pa.array(np.arange(data.num_rows, dtype=np.int32))
    return dialect.stage(connection, table, data.append_column(POSITION, positions))


def _announced(table: Table, going: Fingerprint, count: int) -> Fingerprint:
    if going.rows != count:
        raise TargetError(
            "the target removed a different number of rows than it announced",
            f"table {table.name}",
            f"announced {going.rows}, removed {count}",
            "look for a trigger or rule on the table",
        )
    return going
