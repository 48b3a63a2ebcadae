"""The key of a PostgreSQL table after its load, and the rows that stand in its way.

Building the index at once costs a fifth of keeping it up to date row by row. What has to be
decided is decided in the database, where any number of rows may lose: a table of the places
of the losers, from which they are fingerprinted, read and deleted.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from messy_migration.databases.errors import refusals
from messy_migration.databases.merge import row_json
from messy_migration.databases.naming import column_list, quote
from messy_migration.databases.postgresql import encoding as c1
from messy_migration.databases.postgresql.session import naming_blockers
from messy_migration.model import Fingerprint, Table

ROWS_PER_FETCH = 1_000

# No table of ours has a blank or a capital in its name, nor has a column.
_LATE = '"mm late rows"'
_PLACE, _AGE, _HASH = '"Place"', '"Age"', '"Hash"'
_LANES = 16
"""Bytes of a hash that go into a fingerprint."""


class PostgreSQLKeys:
    """See `LateKeys`."""

    def lock(self, connection: Connection, table: Table) -> None:
        where = f"table {table.name}"
        with naming_blockers(connection.engine, table.name), refusals(where):
            connection.exec_driver_sql(f"LOCK TABLE {quote(table.name)} IN ACCESS EXCLUSIVE MODE")

    def add(self, connection: Connection, table: Table) -> None:
        where = f"table {table.name}"
        with naming_blockers(connection.engine, table.name), refusals(where):
            # The default makes more than one pass over a million keys. Reset when it is over.
            connection.exec_driver_sql(
                "SELECT set_config('maintenance_work_mem', '256MB', true) WHERE"
                " pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes('256MB')"
            )
            connection.exec_driver_sql(
                f"ALTER TABLE {quote(table.name)} ADD PRIMARY KEY ({column_list(table.key)})"
            )

    def find(self, connection: Connection, table: Table, bookmark: str | None) -> int:
        with refusals(f"table {table.name}"):
            return connection.exec_driver_sql(
                f"CREATE TEMP TABLE {_LATE} ON COMMIT DROP AS {_losers(table, bookmark)}"
            ).rowcount

    def fingerprint(self, connection: Connection, table: Table) -> Fingerprint:
        with refusals(f"table {table.name}"):
            row = connection.exec_driver_sql(c1.aggregate(table, "t", _joined(table))).one()
        return c1.to_fingerprint(*row)

    def contradictions(
        self, connection: Connection, table: Table
    ) -> Iterator[list[tuple[str, bytes]]]:
        lanes = f"encode(substr({c1.row_hash(table, 't')}, 1, {_LANES}), 'hex')"
        with refusals(f"table {table.name}"):
            result = connection.exec_driver_sql(
                f"SELECT {lanes}, {column_list(table.names, 't')} FROM {_joined(table)}"
                " WHERE l.contradicts",
                execution_options={"stream_results": True, "max_row_buffer": ROWS_PER_FETCH},
            )
            for chunk in result.partitions(ROWS_PER_FETCH):
                yield [(row[0], row_json(table, row[1:])) for row in chunk]

    def remove(self, connection: Connection, table: Table) -> int:
        with refusals(f"table {table.name}"):
            return connection.exec_driver_sql(
                f"DELETE FROM {quote(table.name)} t USING {_LATE} l WHERE t.ctid = l.{_PLACE}"
            ).rowcount


def _joined(table: Table) -> str:
    return f"{quote(table.name)} t JOIN {_LATE} l ON t.ctid = l.{_PLACE}"


def _losers(table: Table, bookmark: str | None) -> str:
    """All rows of keys that come twice, but the one that wins."""
    key = column_list(table.key)
    age = f"t.{quote(bookmark)}" if bookmark is not None else "NULL::integer"
    rows = (
        f"SELECT t.ctid AS {_PLACE}, {age} AS {_AGE}, {c1.row_hash(table, 't')} AS {_HASH}, {key}"
        f" FROM {quote(table.name)} t WHERE ({key}) IN"
        f" (SELECT {key} FROM {quote(table.name)} GROUP BY {key} HAVING count(*) > 1)"
    )
    ranked = (
        f'SELECT {_PLACE}, row_number() OVER contest AS "Rank",'
        f' row_number() OVER (PARTITION BY {key}, {_HASH} ORDER BY {_PLACE}) AS "Copy",'
        f' {_HASH} <> first_value({_HASH}) OVER contest AS "Differs",'
        f' {_AGE} IS NOT DISTINCT FROM first_value({_AGE}) OVER contest AS "Tied"'
        f" FROM ({rows}) r WINDOW contest AS"
        f" (PARTITION BY {key} ORDER BY {_AGE} DESC NULLS LAST, {_HASH} DESC, {_PLACE})"
    )
    return (
        f'SELECT {_PLACE}, "Tied" AND "Differs" AND "Copy" = 1 AS contradicts'
        f' FROM ({ranked}) c WHERE "Rank" > 1'
    )
