"""Every kind of database that can be proven, empty, and the shortest way to fill it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sqlalchemy import make_url

from messy_migration.databases.open import Database, open_database, open_target

KINDS = ("postgresql", "sqlite", "mariadb", "duckdb")
PIECE = 1_000
# JSON would be LONGTEXT with a check that allows 32 levels only.
_MARIADB = {
    "text": "LONGTEXT", "int16": "SMALLINT", "int32": "INT", "int64": "BIGINT",
    "bool": "TINYINT(1)", "float64": "DOUBLE", "date": "DATE", "timestamp": "DATETIME(6)",
    "uuid": "CHAR(36)", "json": "LONGTEXT", "bytes": "LONGBLOB",
}  # fmt: skip
_DUCKDB = {
    "text": "VARCHAR", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT",
    "bool": "BOOLEAN", "float64": "DOUBLE", "date": "DATE", "timestamp": "TIMESTAMPTZ",
    "uuid": "UUID", "json": "JSON", "bytes": "BLOB",
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A database of one kind, how rows get into it, and what it cannot hold."""

    kind: str
    url: str
    load: Callable
    run: Callable
    unstorable: Callable

    def open(self) -> Database:
        """It, to be read only."""
        return open_database(make_url(self.url), "mm:read")


def columns_of(table, names):
    lines = [
        f'"{one.name}" {names.get(one.type.kind, str(one.type).upper())}' for one in table.columns
    ]
    if table.key:
        lines.append(f"PRIMARY KEY ({', '.join(table.key)})")
    return ", ".join(lines)


def as_target(kind, url):
    """PostgreSQL and SQLite load as every run does."""
    from messy_migration.databases.ddl import create_table

    target = open_target(make_url(url), "mm:load")

    def load(table, data):
        with target.engine.begin() as connection:
            create_table(connection, target.dialect, table)
            target.dialect.insert(connection, table, data)

    def run(*statements):
        with target.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    return Place(kind, url, load, run, target.dialect.unstorable)


def in_mariadb(url):
    import pymysql

    from messy_migration.databases.mysql.encoding import SESSION

    parts = make_url(url)

    def cursor_of(work):
        with (
            pymysql.connect(
                host=parts.host, port=parts.port, user=parts.username, password=parts.password,
                database=parts.database, init_command=SESSION, autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):  # fmt: skip
            work(cursor)

    def run(*statements):
        cursor_of(lambda cursor: [cursor.execute(statement) for statement in statements])

    def load(table, data):
        marks = ", ".join(["%s"] * len(table.columns))
        run(
            f'CREATE TABLE "{table.name}" ({columns_of(table, _MARIADB)})'
            " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        )

        def fill(cursor):
            cursor.execute("SET autocommit = 0")
            for batch in data.to_batches(PIECE):
                cells = [naive(column).to_pylist() for column in batch.columns]
                cursor.executemany(
                    f'INSERT INTO "{table.name}" VALUES ({marks})', list(zip(*cells, strict=True))
                )
            cursor.execute("COMMIT")

        cursor_of(fill)

    return Place("mariadb", url, load, run, not_finite)


def naive(column):
    is_instant = pa.types.is_timestamp(column.type)
    return column.cast(pa.timestamp("us")) if is_instant else column


def not_finite(table, data):
    """MariaDB stores neither NaN nor infinity."""
    return {
        one.name: pc.indices_nonzero(
            pc.fill_null(pc.invert(pc.is_finite(data.column(one.name))), False)
        ).to_pylist()
        for one in table.columns
        if one.type.kind == "float64"
    }


def in_duckdb(path):
    def run(*statements):
        with duckdb.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)

    def load(table, data):
        with duckdb.connect(path) as connection:
            connection.execute(f'CREATE TABLE "{table.name}" ({columns_of(table, _DUCKDB)})')
            connection.register("incoming", data)
            connection.execute(f'INSERT INTO "{table.name}" SELECT * FROM incoming')

    return Place("duckdb", f"duckdb:///{path}", load, run, lambda table, data: {})


@pytest.fixture
def place_of(request, tmp_path):
    """A function that gives an empty database of a kind."""

    def make(kind):
        if kind == "postgresql":
            return as_target(kind, request.getfixturevalue("postgres_url"))
        if kind == "mariadb":
            return in_mariadb(request.getfixturevalue("mariadb_url"))
        path = str(tmp_path / f"{kind}.db")
        if kind == "duckdb":
            place = in_duckdb(path)
            place.run("SELECT 1")
            return place
        place = as_target(kind, f"sqlite:///{path}")
        place.run("SELECT 1")
        return place

    return make


@pytest.fixture(params=KINDS)
def place(request, place_of):
    """An empty database of each kind."""
    return place_of(request.param)


def pytest_collection_modifyitems(items):
    """Let tests that stand on a server through a parameter count as such."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        kind = callspec.params.get("place") if callspec else None
        server = {"postgresql": "postgres_server", "mariadb": "mariadb_server"}.get(kind)
        if server:
            item.fixturenames = [*item.fixturenames, server]
