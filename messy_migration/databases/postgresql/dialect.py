"""PostgreSQL 15 and newer as a target: binary COPY in, one aggregate scan to prove."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pyarrow as pa
from sqlalchemy import Connection, Engine, text

from messy_migration.databases.dialect import POSITION, LateKeys, column_types
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import column_list, quote, told_apart
from messy_migration.databases.postgresql import encoding as c1
from messy_migration.databases.postgresql import pins, places, session
from messy_migration.databases.postgresql.copy import column_type, declared_type, encode
from messy_migration.databases.postgresql.keys import PostgreSQLKeys
from messy_migration.databases.postgresql.sketch import PostgreSQLScans
from messy_migration.databases.postgresql.spelling import SPELLING
from messy_migration.databases.sketch import Scans
from messy_migration.errors import TargetError
from messy_migration.model import Fingerprint, Table
from messy_migration.model.identity import Identity

MINIMUM_VERSION = 150000
TURNS = session.LOCK ^ 1
# Partial indexes and indexes on expressions say nothing of all rows. INCLUDE columns come last.
_UNIQUE = """
    SELECT pg_catalog.array_agg(a.attname::pg_catalog.text)
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[])
        WITH ORDINALITY AS k(number, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
        AND a.attnum OPERATOR(pg_catalog.=) k.number
    WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)
      AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND k.place OPERATOR(pg_catalog.<=) i.indnkeyatts
    GROUP BY i.indexrelid
"""
# Of each column of the unique indexes that hold for all rows: the operator under which the
# index calls two keys equal, and the type that it is of.
_EQUALITY = """
    SELECT a.attname::pg_catalog.text, pg_catalog.quote_ident(n.nspname::pg_catalog.text),
           o.oprname::pg_catalog.text, pg_catalog.quote_ident(tn.nspname::pg_catalog.text),
           pg_catalog.quote_ident(t.typname::pg_catalog.text),
           t.typtype OPERATOR(pg_catalog.=) 'p' OR o.oprleft OPERATOR(pg_catalog.=) a.atttypid
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL ROWS FROM (
        pg_catalog.unnest(i.indkey::pg_catalog.int2[]),
        pg_catalog.unnest(i.indclass::pg_catalog.oid[])
    ) WITH ORDINALITY AS k(number, class, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
        AND a.attnum OPERATOR(pg_catalog.=) k.number
    JOIN pg_catalog.pg_opclass c ON c.oid OPERATOR(pg_catalog.=) k.class
    JOIN pg_catalog.pg_amop m ON m.amopfamily OPERATOR(pg_catalog.=) c.opcfamily
        AND m.amoplefttype OPERATOR(pg_catalog.=) c.opcintype
        AND m.amoprighttype OPERATOR(pg_catalog.=) c.opcintype
        AND m.amopstrategy OPERATOR(pg_catalog.=) 3
    JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) m.amopopr
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
    JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) o.oprleft
    JOIN pg_catalog.pg_namespace tn ON tn.oid OPERATOR(pg_catalog.=) t.typnamespace
    WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)
      AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND k.place OPERATOR(pg_catalog.<=) i.indnkeyatts
    ORDER BY i.indisprimary, i.indexrelid DESC
"""
# A type of somebody else's schema never reads like one of the database's own.
_SPELLED = """
    CASE WHEN n.nspname OPERATOR(pg_catalog.=) 'pg_catalog'
    THEN pg_catalog.format_type(a.atttypid, a.atttypmod)
    ELSE pg_catalog.format('%I.%I', n.nspname, t.typname) END
"""
_COLUMNS = f"""
    SELECT a.attname, {_SPELLED} FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
    WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)
      AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
_DEMANDED = """
    SELECT attname FROM pg_catalog.pg_attribute
    WHERE attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)
      AND attnum OPERATOR(pg_catalog.>) 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef
      AND attidentity OPERATOR(pg_catalog.=) '' AND attgenerated OPERATOR(pg_catalog.=) ''
"""
_FOLDED = """
    SELECT attname FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_collation c ON c.oid OPERATOR(pg_catalog.=) a.attcollation
    WHERE attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)
      AND NOT collisdeterministic
"""
_COPIED = """
    SELECT a.attname, EXISTS (
        SELECT 1 FROM pg_catalog.pg_constraint c
        WHERE c.conrelid OPERATOR(pg_catalog.=) a.attrelid
          AND c.contype OPERATOR(pg_catalog.=) 'f'
          AND a.attnum OPERATOR(pg_catalog.=) ANY (c.conkey)
    )
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)
      AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
      AND a.attgenerated OPERATOR(pg_catalog.=) ''
    ORDER BY a.attnum
"""
_CATALOGUE = "pg_catalog."
_OPERATORS = "messy_migration_operators"
ROWS_PER_FETCH = 20_000
_IDENTITY = text(
    "SELECT n.nspname, c.oid::pg_catalog.text, c.relkind::pg_catalog.text"
    " FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)"
)
_STAND_INS = {"v": "view", "m": "materialized view", "f": "foreign table"}
"""By `pg_class.relkind`: what is read like a table and holds no rows of its own."""


class PostgreSQL:
    """See `Dialect`."""

    name = "postgresql"
    batch_records = 1_000_000
    late_keys: LateKeys | None = PostgreSQLKeys()
    retyped = "ALTER COLUMN {column} TYPE {type}"
    scans: Scans = PostgreSQLScans()
    spelling = SPELLING

    def check(self, connection: Connection) -> str:
        row = connection.execute(
            text(
                "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4,"
                " pg_catalog.current_setting('server_version'),"
                " pg_catalog.current_setting('server_encoding')"
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
            text(
                "SELECT pg_catalog.pg_is_in_recovery(),"
                " pg_catalog.current_setting('default_transaction_read_only')"
            )
        ).one()
        standby, read_only = row
        _refuse(
            connection,
            (standby, "it is a standby and cannot be written"),
            (read_only == "on", "it is read-only"),
        )

    def role(self, connection: Connection) -> str | None:
        """See `Dialect.role`; who logged in stands behind it, where that is another."""
        role, login = connection.exec_driver_sql("SELECT current_user, session_user").one()
        return str(role) if role == login else f"{role}, logged in as {login}"

    def identity(self, connection: Connection, table: Table, schema: str = "") -> Identity:
        """See `Dialect.identity`."""
        there = f"{quote(schema)}.{quote(table.name)}" if schema else ""
        name = there or self.place(connection, table.name)
        row = connection.execute(_IDENTITY, {"name": name}).one_or_none()
        return Identity(row[0], row[1], _STAND_INS.get(row[2], "")) if row else Identity()

    def columns(self, connection: Connection, table: str) -> dict[str, str] | None:
        rows = connection.execute(text(_COLUMNS), {"name": self.place(connection, table)}).all()
        return {row[0]: row[1].removeprefix(_CATALOGUE) for row in rows} if rows else None

    def demanded(self, connection: Connection, table: str) -> set[str]:
        cursor = connection.execute(text(_DEMANDED), {"name": self.place(connection, table)})
        return set(cursor.scalars())

    def unique_keys(self, connection: Connection, table: str) -> list[set[str]]:
        cursor = connection.execute(text(_UNIQUE), {"name": self.place(connection, table)})
        return [set(names) for names in cursor.scalars()]

    def folded(self, connection: Connection, table: Table) -> list[str]:
        loose = connection.execute(text(_FOLDED), {"name": self.place(connection, table.name)})
        return sorted(set(told_apart(table)) & set(loose.scalars()))

    def schema(self, connection: Connection) -> str | None:
        return next(iter(pins.schemas(connection)), None)

    def place(self, connection: Connection, table: str) -> str:
        return places.place(connection, table).full

    def rows_of(self, connection: Connection, table: str) -> str:
        return places.rows_of(connection, table)

    def policies(self, connection: Connection, table: str) -> str:
        oid = "pg_catalog.to_regclass(:name)::pg_catalog.oid"
        active = connection.execute(
            text(f"SELECT pg_catalog.row_security_active({oid})"),
            {"name": self.place(connection, table)},
        ).scalar()
        return "row-level security applies to this role" if active else ""

    @contextmanager
    def own_path(self, connection: Connection) -> Iterator[None]:
        with pins.own_path(connection):
            yield

    def copied(self, connection: Connection, table: str) -> tuple[list[str], set[str]]:
        rows = connection.execute(text(_COPIED), {"name": self.place(connection, table)}).all()
        return [row[0] for row in rows], {row[0] for row in rows if row[1]}

    def same_key(self, connection: Connection, table: Table) -> str:
        operators_of = connection.info.setdefault(_OPERATORS, {})
        if table.name not in operators_of:
            name = self.place(connection, table.name)
            rows = connection.execute(text(_EQUALITY), {"name": name}).all()
            operators_of[table.name] = {row[0]: tuple(row[1:]) for row in rows}
        return " AND ".join(_equal(name, operators_of[table.name].get(name)) for name in table.key)

    def type_name(self, table: Table, column: str) -> str:
        return column_type(table.column(column))

    def declared(self, table: Table, column: str) -> str:
        return declared_type(table.column(column))

    def ready(self, engine: Engine) -> None:
        """Nothing to do."""

    def unstorable(self, table: Table, data: pa.Table) -> dict[str, list[int]]:
        del table, data  # it holds whatever a batch can hold
        return {}

    def insert(self, connection: Connection, table: Table, data: pa.Table) -> None:
        rows = data.select(table.names)
        self._copy(connection, self.place(connection, table.name), table, rows)

    def stage(self, connection: Connection, table: Table, data: pa.Table) -> str:
        columns = column_types(self, table)
        digest = hashlib.sha256(f"{table.name} {columns}".encode()).hexdigest()[:16]
        name = f"pg_temp.{quote(f'mm_stage_{digest}')}"
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
        with driver_errors_as_ours(f"table {table.name}"), raw.cursor() as cursor:
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
        left, right = (f"{alias}.{quote(column)}" for alias in ("t", "s"))
        # jsonb calls 1.0 and 1.00 equal; the fingerprint, which is of the text, does not.
        # A user's text column may have a collation under which two texts are equal.
        casts = {"json": "::pg_catalog.text", "text": ' COLLATE pg_catalog."C"'}
        cast = casts.get(table.column(column).type.kind, "")
        return self.spelling.unlike(f"{left}{cast}", f"{right}{cast}")

    def row_bytes(self, table: Table, alias: str) -> str:
        return c1.as_bytes(c1.row_text(table, alias))

    def streamed(self, table: Table) -> tuple[str, ...]:
        del table  # it computes every field
        return ()

    def fingerprint(self, connection: Connection, table: Table, source: str) -> Fingerprint:
        with driver_errors_as_ours(f"table {table.name}"):
            row = connection.exec_driver_sql(c1.aggregate(table, "t", source)).one()
        return c1.to_fingerprint(*row)

    def row_fields(
        self, connection: Connection, table: Table, source: str
    ) -> Iterator[list[tuple[bytes, ...]]]:
        fields = ", ".join(c1.as_bytes(field) for field in c1.fields(table, "t"))
        with driver_errors_as_ours(f"table {table.name}"):
            result = connection.exec_driver_sql(
                f"SELECT {fields} FROM {source}",
                execution_options={"stream_results": True, "max_row_buffer": ROWS_PER_FETCH},
            )
            for chunk in result.partitions(ROWS_PER_FETCH):
                yield [tuple(bytes(field) for field in row) for row in chunk]

    @contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        with driver_errors_as_ours("target"), engine.connect() as plain:
            connection = plain.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True, **{pins.PROVES: True}
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
        with driver_errors_as_ours("target"), engine.connect() as connection:
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
                "SELECT pg_catalog.pg_terminate_backend(pid, 5000)"
                " FROM pg_catalog.pg_stat_activity"
                " WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"
                " AND usename OPERATOR(pg_catalog.=) current_user"
                " AND pg_catalog.starts_with(application_name, 'mm:')"
                " AND pg_catalog.split_part(application_name, '@', 1)"
                " OPERATOR(pg_catalog.<>) pg_catalog.split_part(:own, '@', 1)"
                " AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()"
            ),
            {"own": application},
        )

    def take_turns(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_catalog.pg_advisory_xact_lock(:key)"), {"key": TURNS})

    @contextmanager
    def otherwise(self, connection: Connection) -> Iterator[None]:
        with pins.planned_otherwise(connection):
            yield

    def deferred(self, connection: Connection) -> int:
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        return 0


def _equal(name: str, operator: tuple[str, str, str, str, bool] | None) -> str:
    """Do `t` and `s` have one value of a key's column, by the operator of the key's index?"""
    left, right = f"t.{quote(name)}", f"s.{quote(name)}"
    if operator is None:
        return SPELLING.equal(left, right)
    schema, sign, type_schema, type_name, is_own = operator
    # What is staged is of our type, which the operator of another does not take.
    other = (
        right
        if is_own and type_schema == SPELLING.schema
        else f"{right}::{type_schema}.{type_name}"
    )
    return f"({left} OPERATOR({schema}.{sign}) {other})"


def _refuse(connection: Connection, *problems: tuple[bool, str]) -> None:
    for is_wrong, why in problems:
        if is_wrong:
            where = str(connection.engine.url.database)
            raise TargetError("the target is not usable", where, why)
