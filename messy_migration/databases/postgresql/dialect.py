"""PostgreSQL 15 and newer as a target: binary COPY in, one aggregate scan to prove."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pyarrow as pa
from sqlalchemy import Connection, Engine, text

from messy_migration.databases.dialect import POSITION, LateKeys, column_types
from messy_migration.databases.errors import refusals
from messy_migration.databases.naming import column_list, quote, told_apart
from messy_migration.databases.postgresql import encoding as c1
from messy_migration.databases.postgresql import session
from messy_migration.databases.postgresql.copy import column_type, encode
from messy_migration.databases.postgresql.keys import PostgreSQLKeys
from messy_migration.databases.postgresql.sketch import PostgreSQLScans
from messy_migration.databases.sketch import Scans
from messy_migration.errors import TargetError
from messy_migration.model import Fingerprint, Table

MINIMUM_VERSION = 150000
TURNS = session.LOCK ^ 1
# Partial indexes and indexes on expressions say nothing of all rows. INCLUDE columns come last.
_UNIQUE = """
    SELECT array_agg(a.attname::text)
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(number, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indrelid = to_regclass(:name) AND i.indisunique AND i.indisvalid
      AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
    GROUP BY i.indexrelid
"""
ROWS_PER_FETCH = 20_000


class PostgreSQL:
    """See `Dialect`."""

    name = "postgresql"
    batch_records = 1_000_000
    late_keys: LateKeys | None = PostgreSQLKeys()
    scans: Scans = PostgreSQLScans()

    def check(self, connection: Connection) -> str:
        row = connection.execute(
            text(
                "SELECT current_setting('server_version_num')::int,"
                " current_setting('server_version'), current_setting('server_encoding')"
            )
        ).one()
        number, words, encoding = row
        _refuse(
            connection,
            (number < MINIMUM_VERSION, f"it is version {words}, the oldest supported is 15"),
            (encoding != "UTF8", f"its encoding is {encoding}, it has to be UTF8"),
        )
        return f"PostgreSQL {words}"

    def check_writable(self, connection: Connection) -> None:
        row = connection.execute(
            text("SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')")
        ).one()
        standby, read_only = row
        _refuse(
            connection,
            (standby, "it is a standby and cannot be written"),
            (read_only == "on", "it is read-only"),
        )

    def columns(self, connection: Connection, table: str) -> dict[str, str] | None:
        rows = connection.execute(
            text(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped"
                " ORDER BY attnum"
            ),
            {"name": quote(table)},
        ).all()
        return {row[0]: row[1] for row in rows} if rows else None

    def demanded(self, connection: Connection, table: str) -> set[str]:
        found = connection.execute(
            text(
                "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:name)"
                " AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef"
                " AND attidentity = '' AND attgenerated = ''"
            ),
            {"name": quote(table)},
        )
        return set(found.scalars())

    def unique_keys(self, connection: Connection, table: str) -> list[set[str]]:
        found = connection.execute(text(_UNIQUE), {"name": quote(table)})
        return [set(names) for names in found.scalars()]

    def folded(self, connection: Connection, table: Table) -> list[str]:
        loose = connection.execute(
            text(
                "SELECT attname FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation"
                " WHERE attrelid = to_regclass(:name) AND NOT collisdeterministic"
            ),
            {"name": quote(table.name)},
        )
        return sorted(set(told_apart(table)) & set(loose.scalars()))

    def type_name(self, table: Table, column: str) -> str:
        return column_type(table.column(column))

    def ready(self, engine: Engine) -> None:
        """Nothing to do."""

    def unstorable(self, table: Table, data: pa.Table) -> dict[str, list[int]]:
        del table, data  # it holds whatever a batch can hold
        return {}

    def insert(self, connection: Connection, table: Table, data: pa.Table) -> None:
        rows = data.select(table.names)
        self._copy(connection, quote(table.name), table, rows)

    def stage(self, connection: Connection, table: Table, data: pa.Table) -> str:
        columns = column_types(self, table)
        digest = hashlib.sha256(f"{table.name} {columns}".encode()).hexdigest()[:16]
        name = quote(f"mm_stage_{digest}")
        connection.exec_driver_sql(
            f"CREATE TEMP TABLE IF NOT EXISTS {name} ({columns}, {quote(POSITION)} integer)"
            " ON COMMIT DELETE ROWS"
        )
        self._copy(connection, name, table, data, extra=(POSITION,))
        connection.exec_driver_sql(f"ANALYZE {name}")
        return name

    def _copy(
        self,
        connection: Connection,
        name: str,
        table: Table,
        data: pa.Table,
        extra: tuple[str, ...] = (),
    ) -> None:
        names = (*table.names, *extra)
        raw = connection.connection.driver_connection
        if raw is None:
            raise TargetError("the target went away", f"table {table.name}")
        statement = f"COPY {name} ({column_list(names)}) FROM STDIN (FORMAT BINARY)"
        with refusals(f"table {table.name}"), raw.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for chunk in encode(data.select(names), table.columns):
                    copy.write(chunk)
            if cursor.rowcount != data.num_rows:
                raise TargetError(
                    "the target took a different number of rows than it was sent",
                    f"table {table.name}",
                    f"sent {data.num_rows}, taken {cursor.rowcount}",
                    "look for a trigger or rule on the table that drops rows",
                )

    def differs(self, table: Table, column: str) -> str:
        name = quote(column)
        # jsonb calls 1.0 and 1.00 equal; the fingerprint, which is of the text, does not.
        # A user's text column may have a collation under which two texts are equal.
        casts = {"json": "::text", "text": ' COLLATE "C"'}
        cast = casts.get(table.column(column).type.kind, "")
        return f"t.{name}{cast} IS DISTINCT FROM s.{name}{cast}"

    def row_bytes(self, table: Table, alias: str) -> str:
        return f"convert_to({c1.row_text(table, alias)}, 'UTF8')"

    def streamed(self, table: Table) -> tuple[str, ...]:
        del table  # it computes every field
        return ()

    def fingerprint(self, connection: Connection, table: Table, source: str) -> Fingerprint:
        with refusals(f"table {table.name}"):
            row = connection.exec_driver_sql(c1.aggregate(table, "t", source)).one()
        return c1.to_fingerprint(*row)

    def row_fields(
        self, connection: Connection, table: Table, source: str
    ) -> Iterator[list[tuple[bytes, ...]]]:
        fields = ", ".join(f"convert_to({field}, 'UTF8')" for field in c1.fields(table, "t"))
        with refusals(f"table {table.name}"):
            result = connection.exec_driver_sql(
                f"SELECT {fields} FROM {source}",
                execution_options={"stream_results": True, "max_row_buffer": ROWS_PER_FETCH},
            )
            for chunk in result.partitions(ROWS_PER_FETCH):
                yield [tuple(bytes(field) for field in row) for row in chunk]

    @contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        with refusals("target"), engine.connect() as plain:
            connection = plain.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            with connection.begin() as transaction:
                # Between two reads of a snapshot an input may be read again, however long.
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                yield connection
                if connection.invalidated:
                    # Who read has said so; a COMMIT would only fail once more.
                    transaction.rollback()

    def lock(self, engine: Engine) -> AbstractContextManager[Callable[[], bool] | None]:
        return session.lock(engine)

    def holder(self, engine: Engine) -> str:
        with refusals("target"), engine.connect() as connection:
            return session.holder(connection)

    def session(self, connection: Connection) -> str:
        return str(connection.info[session.PROCESS])

    def is_over(self, connection: Connection, session_id: str, *, forcibly: bool) -> bool:
        return session.is_over(connection, session_id, forcibly=forcibly)

    def blockers(self, engine: Engine, tables: Sequence[str]) -> str:
        return session.blockers(engine, tables)

    def end_others(self, connection: Connection, application: str) -> None:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user"
                " AND application_name LIKE 'mm:%'"
                " AND split_part(application_name, '@', 1) <> split_part(:own, '@', 1)"
                " AND pid <> pg_backend_pid()"
            ),
            {"own": application},
        )

    def take_turns(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TURNS})

    def deferred(self, connection: Connection) -> int:
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        return 0

    def fence_suffix(self) -> str:
        return " FOR SHARE"


def _refuse(connection: Connection, *problems: tuple[bool, str]) -> None:
    for is_wrong, why in problems:
        if is_wrong:
            where = str(connection.engine.url.database)
            raise TargetError("the target is not usable", where, why)
