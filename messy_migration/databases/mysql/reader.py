"""MariaDB 10.5 and MySQL 8 and newer, to be read and proven."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from messy_migration.databases import streaming
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.mysql import encoding as c1
from messy_migration.databases.naming import Spelling, quote
from messy_migration.databases.sketch import Scans, Streamed
from messy_migration.errors import TargetError
from messy_migration.fingerprint.rows import fingerprint_texts
from messy_migration.model import Fingerprint, Table

MINIMUM_MARIADB = (10, 5)
MINIMUM_MYSQL = (8, 0)
CONNECT_SECONDS = 10
READ_SECONDS = 3_600
ROWS_PER_FETCH = 10_000
_LANE = 1 << 64
# An index on the beginning of a column, or on an expression, says nothing of whole values.
# Names of tables are compared as bytes: catalogues ignore case, tables on Linux do not.
_UNIQUE = """
    SELECT index_name, column_name, sub_part FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND BINARY table_name = :name AND non_unique = 0
"""
_COLUMNS = """
    SELECT column_name, column_type FROM information_schema.columns
    WHERE table_schema = DATABASE() AND BINARY table_name = :name ORDER BY ordinal_position
"""


class MySQL:
    """See `Reader`."""

    name = "mysql"
    spelling = Spelling()

    @property
    def scans(self) -> Scans:
        return Streamed(self)

    def check(self, connection: Connection) -> str:
        words = str(connection.execute(text("SELECT VERSION()")).scalar_one())
        is_mariadb = "mariadb" in words.lower()
        match = re.match(r"(\d+)\.(\d+)", words)
        version = (int(match[1]), int(match[2])) if match else (0, 0)
        oldest = MINIMUM_MARIADB if is_mariadb else MINIMUM_MYSQL
        kind = "MariaDB" if is_mariadb else "MySQL"
        if version < oldest:
            raise TargetError(
                "the database cannot be proven",
                str(connection.engine.url.database),
                f"it is {kind} {words}, the oldest supported is {oldest[0]}.{oldest[1]}",
            )
        return f"{kind} {words.partition('-')[0]}"

    def columns(self, connection: Connection, table: str) -> dict[str, str] | None:
        rows = connection.execute(text(_COLUMNS), {"name": table}).all()
        return {str(row[0]): str(row[1]) for row in rows} if rows else None

    def unique_keys(self, connection: Connection, table: str) -> list[set[str]]:
        columns_of: dict[str, set[str | None]] = {}
        for index, column, part in connection.execute(text(_UNIQUE), {"name": table}):
            columns_of.setdefault(index, set()).add(None if part is not None else column)
        return [
            {name for name in names if name} for names in columns_of.values() if None not in names
        ]

    def schema(self, connection: Connection) -> str | None:
        del connection
        return None

    def place(self, connection: Connection, table: str) -> str:
        return f"{quote(str(connection.engine.url.database))}.{quote(table)}"

    rows_of = place

    def own_path(self, connection: Connection) -> AbstractContextManager[None]:
        del connection  # a name without a database is one of the database that is open
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
        rows, lane0, lane1, lost = (int(value or 0) for value in row)
        if lost:
            raise streaming.too_long(table, lost)
        return Fingerprint(rows, lane0 % _LANE, lane1 % _LANE)

    def row_fields(
        self, connection: Connection, table: Table, source: str
    ) -> Iterator[list[tuple[bytes, ...]]]:
        return _fetched(connection, table, source, _pieces(table))

    @contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        with driver_errors_as_ours("target"), engine.connect() as plain:
            connection = plain.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                # Without it the snapshot would be taken by the first table that is read.
                connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                _check_settings(connection)
                yield connection


def reading_engine(url: URL) -> Engine:
    """An engine whose sessions understand our SQL, and that keeps no connection."""
    arguments = {
        "charset": "utf8mb4",
        "connect_timeout": CONNECT_SECONDS,
        "init_command": c1.SESSION,
        "read_timeout": READ_SECONDS,
    }
    return create_engine(
        url.set(drivername="mysql+pymysql"),
        poolclass=NullPool,
        connect_args={name: value for name, value in arguments.items() if name not in url.query},
        # Else the driver takes a percent sign in a statement of ours (a scope) for a placeholder.
        execution_options={"no_parameters": True},
    )


def _check_settings(connection: Connection) -> None:
    """The session is as it was set when it began.

    Raises:
        TargetError: a program between us and the server gave us another one.
    """
    modes, *others = connection.exec_driver_sql(c1.SETTINGS).one()
    zone, is_null, limit, *as_of = others
    as_set = (zone, is_null, limit) == ("+00:00", 0, c1.LIMIT) and set(as_of) <= {"DEFAULT"}
    if set(c1.MODES) != set(modes.split(",")) or not as_set:
        raise TargetError(
            "settings of the session do not stay as they were set",
            str(connection.engine.url.database),
            "sql_mode, time_zone, sql_auto_is_null, sql_select_limit or"
            " system_versioning_asof is another",
            "connect to the server itself, without a program between",
        )


def _pieces(table: Table) -> list[streaming.Piece]:
    return streaming.each_field(table, c1.fields(table, "t"), c1.STREAMED)


def _fetched(
    connection: Connection, table: Table, source: str, pieces: list[streaming.Piece]
) -> Iterator[list[tuple[bytes, ...]]]:
    selected = ", ".join(piece.expression for piece in pieces)
    with driver_errors_as_ours(f"table {table.name}"):
        result = connection.exec_driver_sql(
            f"SELECT {selected} FROM {source}",
            execution_options={"stream_results": True, "max_row_buffer": ROWS_PER_FETCH},
        )
        yield from streaming.finished(table, pieces, result.partitions(ROWS_PER_FETCH))
