"""Connections to a PostgreSQL source: read only, in one snapshot, and closed when all is done.

Every transaction is REPEATABLE READ and READ ONLY. The parent process exports its snapshot and
holds it open for the length of the command; workers read in it. Nothing is set but for the
length of a transaction, so that nothing is left behind in a connection of a pooler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from messy_migration.errors import SourceError
from messy_migration.reflection import QUALIFIED, refuse_open_way
from messy_migration_sql.settings import Source, SqlSettings

__all__ = ["Session", "drop", "engine", "held", "one", "plan_for", "session"]

_CONNECT = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": "messy-migration source",
    "client_encoding": "utf8",
}
# What pg_dump sets too: text forms that are exact, no limit that ends a long reading, and an
# error instead of a part of the table where row security would hide rows. Which of them there
# are depends on the version.
_SETTINGS = {
    # Names are safe by being qualified; what a server looks up for itself is its own all the same.
    "search_path": "pg_catalog, pg_temp",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "xmloption": "content",
    "xmlbinary": "base64",
    "gin_fuzzy_search_limit": "0",
    "lc_monetary": "C",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "30s",
    "row_security": "off",
    "synchronize_seqscans": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # For the bitmap of a range.
    "work_mem": "64MB",
}
_INDEXES = ("enable_indexscan", "enable_indexonlyscan")
_SET = """
    SELECT v.name, v.value, pg_catalog.set_config(s.name, v.value, true)
    FROM ROWS FROM (
        pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[])
    ) AS v(name, value)
    JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) v.name
"""
_PATH = "SELECT pg_catalog.current_schemas(false), pg_catalog.current_setting('search_path')"
_GUARD = "row_security"
_GUARDED_SINCE = 90_500
"""The first version that can hide rows from a role."""


@dataclass
class Session:
    """A connection inside a read-only snapshot.

    Attributes:
        connection: of the driver.
        home: the schema where the role's own path finds tables.
        snapshot: the snapshot's name if it is exported.
        has_own_path: names are looked up as the role itself would.
        orders: (schema, table) -> how the indexes of a table order their columns.
    """

    connection: psycopg.Connection[Any]
    home: str = ""
    snapshot: str = ""
    has_own_path: bool = False
    orders: dict[tuple[str, str], Mapping[tuple[str, int], tuple[str, str]]] = field(
        default_factory=dict
    )

    @property
    def begun_as(self) -> tuple[str, bool]:
        """The snapshot and the kind of path with which this session was begun."""
        return self.snapshot, self.has_own_path

    def close(self) -> None:
        """End the transaction and the connection."""
        self.connection.close()


def engine(source: Source) -> Engine:
    """For reading the catalogue; every connection is closed after its use."""
    engine = create_engine(
        source.url.set(drivername=QUALIFIED),
        creator=lambda: _connected(source),
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The role's path says which schema is meant where none is named.
        _pin(_raw(connection), _names(has_own_path=True))

    return engine


def _raw(connection: Connection) -> psycopg.Connection[Any]:
    raw: Any = connection.connection.driver_connection
    return cast("psycopg.Connection[Any]", raw)


def _names(*, has_own_path: bool) -> Mapping[str, str]:
    if not has_own_path:
        return _SETTINGS
    return {name: value for name, value in _SETTINGS.items() if name != "search_path"}


def _pin(connection: psycopg.Connection[Any], pins: Mapping[str, str]) -> None:
    """Set them for the length of the transaction, and look at what they are then.

    Raises:
        SourceError: a setting does not stay as it was set, or rows may be hidden without a word.
    """
    rows = connection.execute(_SET, [list(pins), list(pins.values())]).fetchall()
    for name, value, actual in rows:
        if value != actual:
            raise SourceError(
                "a setting of the source's session does not stay as it was set",
                name,
                f"it was set to {value!r} and is {actual!r}",
                "connect to the server itself, without a program between",
            )
    is_guarded = _GUARD in {name for name, _, _ in rows}
    if not is_guarded and connection.info.server_version >= _GUARDED_SINCE:
        raise SourceError(
            "it cannot be ruled out that the source hides rows",
            _GUARD,
            "this server has no setting of that name",
            "read a PostgreSQL server, or a copy of the tables in one",
        )


def _connected(source: Source) -> psycopg.Connection[Any]:
    url = source.url
    refuse_open_way(url, source.label, 'insecure_reason = "..." beside it', source.insecure_reason)
    said = {name: str(value) for name, value in url.query.items()}
    arguments: dict[str, Any] = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "dbname": url.database,
        **_CONNECT,
        **said,
    }
    return psycopg.connect(**{name: value for name, value in arguments.items() if value})


def _begun(source: Source, snapshot: str | None, *, has_own_path: bool = False) -> Session:
    """A session in a read-only transaction, in the given snapshot if there is one."""
    connection = _connected(source)
    try:
        connection.autocommit = True
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        schemas, _ = one(connection, sql.SQL(_PATH))
        _pin(connection, _names(has_own_path=has_own_path))
    except BaseException:
        connection.close()
        raise
    home = next(iter(schemas), "public")
    return Session(connection, home, snapshot or "", has_own_path)


def held(settings: SqlSettings, source: Source) -> Session:
    """The parent's session, whose snapshot all workers read."""
    key = (source.tenant, "snapshot")
    reusable = settings.open.get(key)
    if isinstance(reusable, Session) and _is_usable(reusable):
        return reusable
    opened = _begun(source, None)
    (name,) = one(opened.connection, sql.SQL("SELECT pg_catalog.pg_export_snapshot()"))
    opened.snapshot = str(name)
    settings.open[key] = opened
    return opened


def session(
    settings: SqlSettings, source: Source, snapshot: str | None, *, has_own_path: bool = False
) -> Session:
    """A session of this process in a snapshot, begun when it is first needed.

    With `has_own_path` names are looked up along the role's own path: an index may need that.
    """
    own = settings.open.get((source.tenant, "snapshot"))
    if snapshot is None and not has_own_path and isinstance(own, Session) and _is_usable(own):
        return own
    key = (source.tenant, "reading")
    reusable = settings.open.get(key)
    begun_as = (snapshot or "", has_own_path)
    if isinstance(reusable, Session) and _is_usable(reusable) and reusable.begun_as == begun_as:
        return reusable
    if reusable is not None:
        reusable.close()
    opened = _begun(source, snapshot, has_own_path=has_own_path)
    settings.open[key] = opened
    return opened


def _is_usable(session: Session) -> bool:
    status = session.connection.info.transaction_status
    return status == psycopg.pq.TransactionStatus.INTRANS


def drop(settings: SqlSettings, broken: Session) -> None:
    """Close a session whose transaction is of no use any more."""
    for key, opened in list(settings.open.items()):
        # The parent's snapshot is that of all workers: it stays as long as it can.
        if opened is broken and key[1] == "reading":
            del settings.open[key]
            broken.close()


def plan_for(connection: psycopg.Connection[Any], *, is_reading: bool) -> None:
    """Get ready to read rows, or to do anything else.

    Rows are read in the order in which they lie, the only one that costs nothing and is the
    same whatever the planner thinks: a scan of the heap, or of a bitmap over it, has it, and an
    index has another. A database in the encoding SQL_ASCII may hold any bytes, and is not to
    stop at them.
    """
    word = "off" if is_reading else "on"
    connection.execute(_SET, [list(_INDEXES), [word] * len(_INDEXES)])
    if is_reading and connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        connection.execute("SET LOCAL client_encoding = 'SQL_ASCII'")


def one(connection: psycopg.Connection[Any], query: sql.SQL | sql.Composed) -> Sequence[Any]:
    """The first row; empty where there is none."""
    row: Sequence[Any] | None = connection.execute(query).fetchone()
    return row or ()
