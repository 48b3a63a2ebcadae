"""A DuckDB file, to be read and proven."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from messy_migration.databases import streaming
from messy_migration.databases.duckdb import encoding as c1
from messy_migration.databases.errors import driver_errors_as_ours, translate
from messy_migration.databases.naming import quote
from messy_migration.databases.sketch import Scans, Streamed
from messy_migration.errors import TargetError
from messy_migration.fingerprint.rows import fingerprint_texts
from messy_migration.model import Fingerprint, Table

ROWS_PER_FETCH = 10_000
_LANE = 1 << 64
_COLUMNS = """
    SELECT column_name, data_type FROM system.main.duckdb_columns()
    WHERE database_name = system.main.current_database()
      AND schema_name = system.main.current_schema()
      AND table_name = :name ORDER BY column_index
"""
_UNIQUE = """
    SELECT constraint_column_names FROM system.main.duckdb_constraints()
    WHERE database_name = system.main.current_database()
      AND schema_name = system.main.current_schema()
      AND table_name = :name AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
"""


_OPEN = "SELECT system.main.current_database(), system.main.current_schema()"
_PLACE = "messy_migration_place"


class DuckDB:
    """See `Reader`."""

    name = "duckdb"
    spelling = c1.SPELLING

    @property
    def scans(self) -> Scans:
        return Streamed(self)

    def check(self, connection: Connection) -> str:
        version = connection.execute(text("SELECT system.main.version()")).scalar_one()
        return f"DuckDB {str(version).removeprefix('v')}"

    def columns(self, connection: Connection, table: str) -> dict[str, str] | None:
        rows = connection.execute(text(_COLUMNS), {"name": table}).all()
        return {str(row[0]): str(row[1]) for row in rows} if rows else None

    def unique_keys(self, connection: Connection, table: str) -> list[set[str]]:
        cursor = connection.execute(text(_UNIQUE), {"name": table})
        return [set(names) for names in cursor.scalars()]

    def schema(self, connection: Connection) -> str | None:
        del connection
        return None

    def place(self, connection: Connection, table: str) -> str:
        current: tuple[str, str] | None = connection.info.get(_PLACE)
        if current is None:
            database, schema = connection.exec_driver_sql(_OPEN).one()
            current = connection.info[_PLACE] = (str(database), str(schema))
        return ".".join(quote(name) for name in (*current, table))

    rows_of = place

    def own_path(self, connection: Connection) -> AbstractContextManager[None]:
        del connection  # names are looked up in one file
        return nullcontext()

    def streamed(self, table: Table) -> tuple[str, ...]:
        return tuple(one.name for one in table.columns if one.type.kind in c1.STREAMED)

    def fingerprint(self, connection: Connection, table: Table, source: str) -> Fingerprint:
        if self.streamed(table):
            pieces = streaming.joined_fields(_pieces(table), c1.joined)
            chunks = _fetched(connection, table, source, pieces)
            return fingerprint_texts(b"|".join(row) for chunk in chunks for row in chunk)
        with driver_errors_as_ours(f"table {table.name}"):
            row = connection.exec_driver_sql(c1.aggregate(table, "t", source)).one()
        rows, lane0, lane1 = (int(value) for value in row)
        return Fingerprint(rows, lane0 % _LANE, lane1 % _LANE)

    def row_fields(
        self, connection: Connection, table: Table, source: str
    ) -> Iterator[list[tuple[bytes, ...]]]:
        return _fetched(connection, table, source, _pieces(table))

    @contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        with driver_errors_as_ours("target"), engine.connect() as connection, connection.begin():
            yield connection


def reading_engine(url: URL) -> Engine:
    """An engine on a file that is only read; DuckDB lets no other process write meanwhile."""
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={"read_only": True},
        execution_options={"no_parameters": True},
    )


@contextmanager
def _refusals(where: str) -> Iterator[None]:
    """Turn errors of the driver, called without SQLAlchemy between, into ours."""
    import duckdb  # an extra, which is there once a connection is

    try:
        yield
    except duckdb.Error as error:
        raise translate(error, where) from error


def _pieces(table: Table) -> list[streaming.Piece]:
    return streaming.each_field(table, c1.fields(table, "t"), c1.STREAMED)


def _fetched(
    connection: Connection, table: Table, source: str, pieces: list[streaming.Piece]
) -> Iterator[list[tuple[bytes, ...]]]:
    # Arrow hands rows over several times faster than the driver's cursor; as BLOB, so that a
    # text is encoded once.
    selected = ", ".join(
        f"{c1.SPELLING.call('encode', piece.expression)} AS c{number}"
        for number, piece in enumerate(pieces)
    )
    raw = connection.connection.driver_connection
    if raw is None:
        raise TargetError("the database went away", f"table {table.name}")
    with _refusals(f"table {table.name}"):
        reader = raw.sql(f"SELECT {selected} FROM {source}").to_arrow_reader(ROWS_PER_FETCH)
        chunks = (
            zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in reader
        )
        yield from streaming.finished(table, pieces, chunks)
