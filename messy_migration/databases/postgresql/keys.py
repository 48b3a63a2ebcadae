"""The key of a PostgreSQL table after its load, and the rows that stand in its way.

Building the index at once costs a fifth of keeping it up to date row by row. What has to be
decided is decided in the database, where any number of rows may lose: a table of the places
of the losers, from which they are fingerprinted, read and deleted.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from messy_migration.databases.ddl import foreign_key_ddl
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.merge import row_json
from messy_migration.databases.naming import column_list, literal, quote
from messy_migration.databases.postgresql import encoding as c1
from messy_migration.databases.postgresql.places import place
from messy_migration.databases.postgresql.session import naming_blockers
from messy_migration.databases.postgresql.spelling import SPELLING
from messy_migration.model import Fingerprint, ForeignKey, Table

ROWS_PER_FETCH = 1_000

# No table of ours has a blank or a capital in its name, nor has a column.
_LATE = 'pg_temp."mm late rows"'
_PLACE, _AGE, _HASH = '"Place"', '"Age"', '"Hash"'
_SAME_PLACE = SPELLING.equal("t.ctid", f"l.{_PLACE}")
_LONGEST_NAME = 63
_LANES = 16
"""Bytes of a hash that go into a fingerprint."""


class PostgreSQLKeys:
    """See `LateKeys`."""

    def lock(self, connection: Connection, table: Table) -> None:
        where = f"table {table.name}"
        with naming_blockers(connection.engine, table.name), driver_errors_as_ours(where):
            connection.exec_driver_sql(
                f"LOCK TABLE {place(connection, table.name).rows} IN ACCESS EXCLUSIVE MODE"
            )

    def add(self, connection: Connection, table: Table) -> None:
        where = f"table {table.name}"
        with naming_blockers(connection.engine, table.name), driver_errors_as_ours(where):
            # The default makes more than one pass over a million keys. Reset when it is over.
            connection.exec_driver_sql(
                "SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', true) WHERE"
                " pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem'))"
                " OPERATOR(pg_catalog.<) pg_catalog.pg_size_bytes('256MB')"
            )
            connection.exec_driver_sql(
                f"ALTER TABLE {place(connection, table.name).full}"
                f" ADD PRIMARY KEY ({column_list(table.key)})"
            )

    def add_foreign(self, connection: Connection, table: Table, key: ForeignKey) -> bool:
        child, parent = place(connection, table.name).full, place(connection, key.parent).full
        name = "_".join((table.name, *key.columns, "fkey"))[-_LONGEST_NAME:]
        constraint = connection.exec_driver_sql(
            "SELECT 1 FROM pg_catalog.pg_constraint c WHERE c.conrelid OPERATOR(pg_catalog.=)"
            f" CAST({literal(child)} AS pg_catalog.regclass)"
            f" AND c.conname OPERATOR(pg_catalog.=) {literal(name)}"
        ).first()
        if constraint is not None:
            return False
        where = f"foreign key {', '.join(key.columns)} of table {table.name}"
        with naming_blockers(connection.engine, table.name), driver_errors_as_ours(where):
            connection.exec_driver_sql(foreign_key_ddl(child, parent, key, name))
        return True

    def find(self, connection: Connection, table: Table, bookmark: str | None) -> int:
        with driver_errors_as_ours(f"table {table.name}"):
            losers = _losers(place(connection, table.name).rows, table, bookmark)
            return connection.exec_driver_sql(
                f"CREATE TEMP TABLE {_LATE} ON COMMIT DROP AS {losers}"
            ).rowcount

    def fingerprint(self, connection: Connection, table: Table) -> Fingerprint:
        with driver_errors_as_ours(f"table {table.name}"):
            row = connection.exec_driver_sql(
                c1.aggregate(table, "t", _joined(connection, table))
            ).one()
        return c1.to_fingerprint(*row)

    def source(self, connection: Connection, table: Table) -> str:
        return _joined(connection, table)

    def contradictions(
        self, connection: Connection, table: Table
    ) -> Iterator[list[tuple[str, bytes]]]:
        lanes = (
            f"pg_catalog.encode(pg_catalog.substr({c1.row_hash(table, 't')}, 1, {_LANES}), 'hex')"
        )
        with driver_errors_as_ours(f"table {table.name}"):
            result = connection.exec_driver_sql(
                f"SELECT {lanes}, {column_list(table.names, 't')} FROM {_joined(connection, table)}"
                " WHERE l.contradicts",
                execution_options={"stream_results": True, "max_row_buffer": ROWS_PER_FETCH},
            )
            for chunk in result.partitions(ROWS_PER_FETCH):
                yield [(row[0], row_json(table, row[1:])) for row in chunk]

    def remove(self, connection: Connection, table: Table) -> int:
        with driver_errors_as_ours(f"table {table.name}"):
            return connection.exec_driver_sql(
                f"DELETE FROM {place(connection, table.name).rows} t USING {_LATE} l"
                f" WHERE {_SAME_PLACE}"
            ).rowcount


def _joined(connection: Connection, table: Table) -> str:
    return f"{place(connection, table.name).rows} t JOIN {_LATE} l ON {_SAME_PLACE}"


def _losers(source: str, table: Table, bookmark: str | None) -> str:
    """All rows of keys that come twice, but the one that wins."""
    key = column_list(table.key)
    age = f"t.{quote(bookmark)}" if bookmark is not None else "NULL::pg_catalog.int4"
    # A table of which the key is pending was made by us: its types are the database's own.
    same = " AND ".join(
        SPELLING.equal(f"t.{quote(name)}", f"twice.{quote(name)}") for name in table.key
    )
    twice = (
        f"SELECT {key} FROM {source} GROUP BY {key}"
        f" HAVING {SPELLING.apply('pg_catalog.count(*)', '>', '1')}"
    )
    rows = (
        f"SELECT t.ctid AS {_PLACE}, {age} AS {_AGE}, {c1.row_hash(table, 't')} AS {_HASH},"
        f" {column_list(table.key, 't')} FROM {source} t JOIN ({twice}) AS twice ON {same}"
    )
    first_hash, first_age = (
        f"pg_catalog.first_value({name}) OVER contest" for name in (_HASH, _AGE)
    )
    differs = SPELLING.apply(_HASH, "<>", first_hash)
    tied = f"coalesce({SPELLING.equal(_AGE, first_age)}, {_AGE} IS NULL AND {first_age} IS NULL)"
    ranked = (
        f'SELECT {_PLACE}, pg_catalog.row_number() OVER contest AS "Rank",'
        f' pg_catalog.row_number() OVER (PARTITION BY {key}, {_HASH} ORDER BY {_PLACE}) AS "Copy",'
        f' {differs} AS "Differs", {tied} AS "Tied"'
        f" FROM ({rows}) r WINDOW contest AS"
        f" (PARTITION BY {key} ORDER BY {_AGE} DESC NULLS LAST, {_HASH} DESC, {_PLACE})"
    )
    is_one, is_late = SPELLING.equal('"Copy"', "1"), SPELLING.apply('"Rank"', ">", "1")
    return (
        f'SELECT {_PLACE}, "Tied" AND "Differs" AND {is_one} AS contradicts'
        f" FROM ({ranked}) c WHERE {is_late}"
    )
