"""Connections to a PostgreSQL source: read only, in one snapshot, and closed when all is done.

Every transaction is REPEATABLE READ and READ ONLY. The parent process exports its snapshot and
holds it open for the length of the command; workers read in it. Nothing is set but for the
length of a transaction, so that nothing is left behind in a connection of a pooler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

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
    SELECT count(set_config(s.name, v.value, true))
    FROM unnest(%s::text[], %s::text[]) AS v(name, value)
    JOIN pg_settings s ON lower(s.name) = v.name
"""


@dataclass
class Session:
    """A connection inside a read-only snapshot, and the snapshot's name if it is exported."""

    connection: psycopg.Connection[Any]
    snapshot: str = ""

    def close(self) -> None:
        """End the transaction and the connection."""
        self.connection.close()


def engine(source: Source) -> Engine:
    """For reading the catalogue; every connection is closed after its use."""
    return create_engine(
        source.url,
        creator=lambda: _connected(source),
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
    )


def _connected(source: Source) -> psycopg.Connection[Any]:
    url = source.url
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


def _begun(source: Source, snapshot: str | None) -> psycopg.Connection[Any]:
    """A connection in a read-only transaction, in the given snapshot if there is one."""
    connection = _connected(source)
    try:
        connection.autocommit = True
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        connection.execute(_SET, [list(_SETTINGS), list(_SETTINGS.values())])
    except BaseException:
        connection.close()
        raise
    return connection


def held(settings: SqlSettings, source: Source) -> Session:
    """The parent's session, whose snapshot all workers read."""
    key = (source.tenant, "snapshot")
    found = settings.open.get(key)
    if isinstance(found, Session) and _is_usable(found):
        return found
    connection = _begun(source, None)
    (name,) = one(connection, sql.SQL("SELECT pg_export_snapshot()"))
    opened = Session(connection, str(name))
    settings.open[key] = opened
    return opened


def session(settings: SqlSettings, source: Source, snapshot: str | None) -> Session:
    """A session of this process in a snapshot, begun when it is first needed."""
    own = settings.open.get((source.tenant, "snapshot"))
    if snapshot is None and isinstance(own, Session) and _is_usable(own):
        return own
    key = (source.tenant, "reading")
    found = settings.open.get(key)
    if isinstance(found, Session) and found.snapshot == (snapshot or "") and _is_usable(found):
        return found
    if found is not None:
        found.close()
    opened = Session(_begun(source, snapshot), snapshot or "")
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
