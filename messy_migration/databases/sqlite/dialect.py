"""SQLite as a target: the embedded default, one writer at a time, everything in one file."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Engine, inspect, text

from messy_migration.databases.dialect import POSITION, LateKeys, column_types
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import Spelling, column_list, literal, quote, told_apart
from messy_migration.databases.sketch import Scans
from messy_migration.databases.sqlite import encoding as c1
from messy_migration.databases.sqlite import scan as rows
from messy_migration.databases.sqlite.sketch import SQLiteScans
from messy_migration.errors import TargetError
from messy_migration.fingerprint.rows import fingerprint_texts
from messy_migration.model import Fingerprint, Table
from messy_migration.model.identity import Identity

MINIMUM_VERSION = (3, 35, 0)
ROWS_PER_FETCH = 10_000


class SQLite:
    """See `Dialect`."""

    name = "sqlite"
    batch_records = 10_000
    late_keys: LateKeys | None = None
    retyped = ""
    scans: Scans = SQLiteScans()
    spelling = Spelling(whole=" NOT INDEXED")

    @staticmethod
    def set_session(connection: Any) -> None:
        """Set up a new connection of the driver."""
        connection.isolation_level = None  # transactions are begun by us, never by the driver
        c1.register(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    def check(self, connection: Connection) -> str:
        if sqlite3.sqlite_version_info < MINIMUM_VERSION:
            raise TargetError(
                "this Python's SQLite is too old",
                "sqlite",
                sqlite3.sqlite_version,
                "use SQLite 3.35",
            )
        connection.execute(text("SELECT count(*) FROM main.sqlite_master")).scalar_one()
        encoding = connection.execute(text("PRAGMA encoding")).scalar_one()
        if encoding != "UTF-8":
            # The fingerprint is of the stored bytes, and those would be of another encoding.
            raise TargetError(
                "the target is not usable",
                str(connection.engine.url.database),
                f"its encoding is {encoding}, it has to be UTF-8",
            )
        return f"SQLite {sqlite3.sqlite_version}"

    def check_writable(self, connection: Connection) -> None:
        """Every write begins with BEGIN IMMEDIATE, which a file that cannot be written refuses."""

    def role(self, connection: Connection) -> str | None:
        """See `Dialect.role`: whoever can write the file may write it."""
        del connection
        return None

    def identity(self, connection: Connection, table: Table, schema: str = "") -> Identity:
        """See `Dialect.identity`: the database is a file, and a table has no number in it."""
        del schema
        # A name is the same whatever its case; a trigger may have that of a table.
        stand_in = connection.exec_driver_sql(
            "SELECT CASE WHEN type = 'view' THEN type WHEN rootpage = 0 THEN 'virtual table'"
            " ELSE '' END FROM main.sqlite_master WHERE type IN ('table', 'view')"
            f" AND name = {literal(table.name)} COLLATE NOCASE"
        ).scalar()
        return Identity() if stand_in is None else Identity("main", stand_in=str(stand_in))

    def columns(self, connection: Connection, table: str) -> dict[str, str] | None:
        rows = connection.execute(
            text("SELECT name, type FROM pragma_table_info(:name, 'main')"), {"name": table}
        ).all()
        return {name: spelled.upper() for name, spelled in rows} if rows else None

    def demanded(self, connection: Connection, table: str) -> set[str]:
        cursor = connection.execute(
            text(
                "SELECT name FROM pragma_table_info(:name, 'main')"
                ' WHERE "notnull" AND dflt_value IS NULL'
            ),
            {"name": table},
        )
        return set(cursor.scalars())

    def unique_keys(self, connection: Connection, table: str) -> list[set[str]]:
        key = connection.execute(
            text("SELECT name FROM pragma_table_info(:name, 'main') WHERE pk > 0"), {"name": table}
        )
        indexes = connection.execute(
            text(
                "SELECT l.name, i.name FROM pragma_index_list(:name, 'main') l"
                " JOIN pragma_index_info(l.name, 'main') i"
                ' WHERE l."unique" AND NOT l.partial'
            ),
            {"name": table},
        )
        columns_of: dict[str, set[str]] = {"": set(key.scalars())}
        for index, column in indexes:
            columns_of.setdefault(index, set()).add(column)
        return [names for names in columns_of.values() if names and None not in names]

    def folded(self, connection: Connection, table: Table) -> list[str]:
        there = self.columns(connection, table.name) or {}
        names = []
        for name in told_apart(table):
            # A compound takes the collation of its first part; no pragma tells it of a column.
            probe = (
                f"SELECT x = 'A' OR x = 'a ' FROM (SELECT {quote(name)} AS x"
                f" FROM {self.place(connection, table.name)} WHERE 0 UNION ALL SELECT 'a')"
            )
            if name in there and connection.exec_driver_sql(probe).scalar_one():
                names.append(name)
        return names

    def type_name(self, table: Table, column: str) -> str:
        return c1.column_type(table.column(column))

    declared = type_name

    def schema(self, connection: Connection) -> str | None:
        del connection
        return None

    def place(self, connection: Connection, table: str) -> str:
        del connection
        # Else a temporary table of its name, or one of an attached file, may be meant.
        return f"main.{quote(table)}"

    rows_of = place

    def own_path(self, connection: Connection) -> AbstractContextManager[None]:
        del connection  # names are looked up in one file
        return nullcontext()

    def policies(self, connection: Connection, table: str) -> str:
        del connection, table  # it has none
        return ""

    def same_key(self, connection: Connection, table: Table) -> str:
        del connection  # an operator compares as the collation of its left side says
        return " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in table.key)

    def copied(self, connection: Connection, table: str) -> tuple[list[str], set[str]]:
        inspector = inspect(connection)
        names = [one["name"] for one in inspector.get_columns(table) if not one.get("computed")]
        keys = inspector.get_foreign_keys(table)
        return names, {name for key in keys for name in key["constrained_columns"]}

    def ready(self, engine: Engine) -> None:
        with driver_errors_as_ours("target"), engine.connect() as connection:
            raw = connection.connection.driver_connection
            if raw is not None:
                raw.execute("PRAGMA journal_mode = WAL")  # lasts; readers no longer stop the writer

    def unstorable(self, table: Table, data: pa.Table) -> dict[str, list[int]]:
        return c1.unstorable(data, table.columns)

    def insert(self, connection: Connection, table: Table, data: pa.Table) -> None:
        full_name = self.place(connection, table.name)
        self._fill(connection, full_name, table, data.select(table.names), ())

    def stage(self, connection: Connection, table: Table, data: pa.Table) -> str:
        name = f"temp.{quote(f'mm_stage_{table.name}')}"
        columns = column_types(self, table)
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
        connection.exec_driver_sql(
            f"CREATE TEMP TABLE {name[5:]} ({columns}, {quote(POSITION)} INTEGER)"
        )
        self._fill(connection, name, table, data, (POSITION,))
        return name

    def _fill(
        self,
        connection: Connection,
        name: str,
        table: Table,
        data: pa.Table,
        extra: tuple[str, ...],
    ) -> None:
        names = (*table.names, *extra)
        marks = ", ".join("?" for _ in names)
        raw = connection.connection.driver_connection
        if raw is None:
            raise TargetError("the target went away", f"table {table.name}")
        rows = c1.storage(data.select(names), table.columns)
        with driver_errors_as_ours(f"table {table.name}"):
            cursor = raw.executemany(
                f"INSERT INTO {name} ({column_list(names)}) VALUES ({marks})",
                rows,
            )
        if cursor.rowcount not in (data.num_rows, -1 if data.num_rows == 0 else data.num_rows):
            raise TargetError(
                "the target took a different number of rows than it was sent",
                f"table {table.name}",
                f"sent {data.num_rows}, taken {cursor.rowcount}",
            )

    def differs(self, table: Table, column: str) -> str:
        del table  # IS NOT is of the stored values, and those are what the fingerprint is of
        # The user's column may have a collation under which two texts are equal.
        return f"t.{quote(column)} IS NOT s.{quote(column)} COLLATE BINARY"

    def row_bytes(self, table: Table, alias: str) -> str:
        # As a blob, because text that is no UTF-8 would stop the driver.
        return f"CAST(({c1.row_text(table, alias)}) AS BLOB)"

    def streamed(self, table: Table) -> tuple[str, ...]:
        del table  # it computes every field; only the hashes are made here
        return ()

    def fingerprint(self, connection: Connection, table: Table, source: str) -> Fingerprint:
        raw: Any = connection.connection.driver_connection
        if raw is None:
            raise TargetError("the target went away", f"table {table.name}")
        with driver_errors_as_ours(f"table {table.name}"):
            stored = None
            if any(column.type.kind in rows.KINDS for column in table.columns):
                stored = rows.fingerprint(raw, table, source)
            if stored is None:
                texts = raw.execute(f"SELECT {self.row_bytes(table, 't')} FROM {source}")
                stored = fingerprint_texts(row[0] for row in texts)
            return stored

    def row_fields(
        self, connection: Connection, table: Table, source: str
    ) -> Iterator[list[tuple[bytes, ...]]]:
        with driver_errors_as_ours(f"table {table.name}"):
            fields = ", ".join(f"CAST(({field}) AS BLOB)" for field in c1.fields(table, "t"))
            result = connection.exec_driver_sql(f"SELECT {fields} FROM {source}")
            for chunk in result.partitions(ROWS_PER_FETCH):
                yield [tuple(row) for row in chunk]

    @contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        with driver_errors_as_ours("target"), engine.connect() as plain:
            connection = plain.execution_options(messy_migration_snapshot=True)
            transaction = connection.begin()
            try:
                yield connection
            finally:
                # COMMIT would fail after a damaged page; there is nothing to commit.
                transaction.rollback()

    @contextmanager
    def lock(self, engine: Engine) -> Iterator[Callable[[], bool] | None]:
        database = engine.url.database
        if not database or database == ":memory:":
            yield _held
            return
        path, now = _lock_file(engine), datetime.now(UTC)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise TargetError(
                "the target's lock file cannot be opened",
                str(path),
                error.strerror or "",
                "check the path, its folder and its rights",
            ) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            who = (
                f"process {os.getpid()} on {socket.gethostname()}, since {now:%Y-%m-%d %H:%M:%S%z}"
            )
            os.ftruncate(handle, 0)
            os.write(handle, who.encode())
            yield _held
        finally:
            os.close(handle)

    def holder(self, engine: Engine) -> str:
        with suppress(OSError):
            return _lock_file(engine).read_text(encoding="utf-8", errors="replace")[:200]
        return ""

    def session(self, connection: Connection) -> str:
        del connection  # what did not commit ends with the process
        return ""

    def is_over(self, connection: Connection, session_id: str, *, forcibly: bool) -> bool:
        del connection, session_id, forcibly
        return True

    def blockers(self, engine: Engine, tables: Sequence[str]) -> str:
        del engine, tables  # SQLite does not tell who has a file open
        return ""

    def end_others(self, connection: Connection, application: str) -> None:
        """Nothing to end: a dead process holds no connection to a file."""

    def take_turns(self, connection: Connection) -> None:
        """There is one writer anyway."""

    @contextmanager
    def otherwise(self, connection: Connection) -> Iterator[None]:
        connection.exec_driver_sql("PRAGMA reverse_unordered_selects = ON")
        try:
            yield
        finally:
            connection.exec_driver_sql("PRAGMA reverse_unordered_selects = OFF")

    def deferred(self, connection: Connection) -> int:
        return len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())


def _lock_file(engine: Engine) -> Path:
    return Path(f"{Path(str(engine.url.database)).resolve()}.lock")


def _held() -> bool:
    """A lock on a file lasts as long as the process keeps it open."""
    return True
