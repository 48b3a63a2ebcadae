"""Sessions on a PostgreSQL server: their timeouts, the run lock, and who stands in the way.

Neither side waits for the dead. The client's socket and the server's have keepalives and a limit
for what stays unacknowledged, so that after a silent cut both know of it in about ten seconds
(the defaults of Linux are hours); the server also ends a statement whose client has gone, and a
transaction that nobody works on. The run lock is an advisory lock of a session that does nothing
else, and that tells in its application name which process has it.
"""

from __future__ import annotations

import hashlib
import os
import select
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
from psycopg.pq import ConnStatus
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.postgresql.places import find
from messy_migration.errors import Interrupted, MigrationError, TargetBusy, TargetError

LOCK = int.from_bytes(hashlib.sha256(b"messy_migration run lock").digest()[:8], "big", signed=True)

CLIENT = {
    # Else the driver gives bytes for texts of a database in SQL_ASCII, before it can be refused.
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8_000,
}
"""Parameters of libpq, which a target URL may give otherwise (`?connect_timeout=30`)."""

SERVER = {
    "idle_in_transaction_session_timeout": "60s",
    "client_connection_check_interval": "2s",
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "8s",
}
"""What each session sets, unless the URL does (`?options=-c%20tcp_user_timeout%3D30s`)."""

LOCK_STATEMENT_SECONDS = 10
_OTHER_SESSIONS = 3

PROCESS = "messy_migration_process"
"""Where a connection of SQLAlchemy keeps the process of its session."""

# On a server that runs on Windows nothing can look for a client that has gone.
_SET = """
    SELECT pg_catalog.pg_backend_pid(), (
        SELECT pg_catalog.count(pg_catalog.set_config(name, value, false))
        FROM (VALUES {values}) AS wanted(name, value)
        WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {pid}
          AND (name OPERATOR(pg_catalog.<>) 'client_connection_check_interval'
               OR pg_catalog.version() OPERATOR(pg_catalog.!~*) 'mingw|visual c')
    )
"""
_HOLDER = """
    SELECT a.pid, a.application_name, a.backend_start
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
    WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted
      AND l.objsubid OPERATOR(pg_catalog.=) 1
      AND l.database OPERATOR(pg_catalog.=) (
          SELECT oid FROM pg_catalog.pg_database
          WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
      )
      AND ((l.classid::pg_catalog.int8 OPERATOR(pg_catalog.<<) 32)
           OPERATOR(pg_catalog.|) l.objid::pg_catalog.int8) OPERATOR(pg_catalog.=) :key
"""
_BLOCKERS = """
    SELECT DISTINCT a.pid, a.application_name FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
    WHERE l.granted
      AND l.relation OPERATOR(pg_catalog.=) ANY (:tables ::pg_catalog.regclass[]::pg_catalog.oid[])
      AND (l.mode OPERATOR(pg_catalog.<>) 'AccessShareLock' OR :exclusive)
      AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
      AND pg_catalog.split_part(a.application_name, '@', 1) OPERATOR(pg_catalog.<>)
          pg_catalog.split_part(pg_catalog.current_setting('application_name'), '@', 1)
    ORDER BY 1
"""


def set_session(raw: psycopg.Connection[Any], settings: dict[str, str]) -> int:
    """Set up a new session, and give its process on the server.

    Nothing is set where a pooler stands between: it stays with a session that others use.
    """
    values = ", ".join(f"('{name}', '{value}')" for name, value in settings.items())
    before, raw.autocommit = raw.autocommit, True
    row = raw.execute(_SET.format(values=values, pid=raw.info.backend_pid).encode()).fetchone()
    raw.autocommit = before
    return int(row[0]) if row else 0


@contextmanager
def lock(engine: Engine) -> Iterator[Callable[[], bool] | None]:
    """See `Dialect.lock`."""
    with driver_errors_as_ours("target"), engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        raw: Any = connection.connection.driver_connection
        _refuse_shared(engine, connection, raw)
        _name(connection)
        if not _try(connection) and not (_end_ghost(connection) and _try(connection)):
            yield None
            return
        try:
            yield partial(_is_alive, raw)
        except (TargetError, Interrupted):
            raise  # the server may not answer; it takes the lock back when the session ends
        except Exception:
            _unlock(connection)
            raise
        _unlock(connection)


def holder(connection: Connection) -> str:
    """The session that holds the run lock, in words; empty if none does."""
    row = connection.execute(text(_HOLDER), {"key": LOCK}).first()
    if row is None:
        return ""
    application, _, host_and_pid = str(row[1]).partition("@")
    host, _, pid = host_and_pid.rpartition("/")
    who = f"run {application[3:16]}" if application.startswith("mm:") else application
    if pid:
        who += f" on {host}, process {pid}"
    since = f", since {row[2]:%Y-%m-%d %H:%M:%S%z}" if row[2] else ""
    return f"{who} (session {row[0]} of the server{since})"


def is_over(connection: Connection, pid: str, *, forcibly: bool) -> bool:
    """Has a session of ours ended? With `forcibly` the server is asked to end it."""
    asked = "pg_catalog.pg_terminate_backend(pid)" if forcibly else "true"
    rows = connection.execute(
        text(
            f"SELECT {asked} FROM pg_catalog.pg_stat_activity"
            " WHERE pid OPERATOR(pg_catalog.=) :pid"
            " AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()"
            " AND application_name"
            " OPERATOR(pg_catalog.=) pg_catalog.current_setting('application_name')"
        ),
        {"pid": int(pid)},
    )
    return rows.first() is None


def blockers(engine: Engine, tables: Sequence[str], *, exclusive: bool = False) -> str:
    """Sessions of others that hold locks on tables, in words; empty if it cannot be told."""
    with suppress(MigrationError), driver_errors_as_ours("target"), engine.connect() as connection:
        # The path is known once a transaction has begun.
        connection.begin()
        places = (find(connection, table) for table in tables)
        names = [place.full for place in places if place]
        rows = connection.execute(text(_BLOCKERS), {"tables": names, "exclusive": exclusive})
        return ", ".join(f"process {pid} ({name or 'nameless'})" for pid, name in rows)
    return ""


@contextmanager
def naming_blockers(engine: Engine, table: str) -> Iterator[None]:
    """Name, in the error of a lock that was not got, the sessions that hold it."""
    try:
        yield
    except TargetBusy as error:
        who = blockers(engine, [table], exclusive=True)
        why = f"{error.why}, held by {who}" if who else error.why
        raise TargetBusy(error.what, error.where, why, error.next) from error


def _refuse_shared(engine: Engine, connection: Connection, raw: psycopg.Connection[Any]) -> None:
    """A pooler that gives a session to others between two transactions cannot hold a lock.

    A pooler makes up the process id that it tells a client who connects, since it has no session
    for it yet. If there is one, others are let in: they meet the session that is ours no more.

    Raises:
        TargetError: the session is shared.
    """
    pid = _backend(connection)
    if pid == raw.info.backend_pid:
        return
    with ExitStack() as stack:
        for _ in range(_OTHER_SESSIONS):
            other = stack.enter_context(engine.connect())
            stack.enter_context(other.begin())
            if _backend(other) == pid:
                raise TargetError(
                    "the target URL leads through a transaction pooler",
                    "target",
                    "the run lock would be lost between two statements",
                    "use the URL of the server itself, or a pooler in session mode",
                )


def _backend(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_catalog.pg_backend_pid()")).scalar_one())


def _name(connection: Connection) -> None:
    """Whoever finds the lock taken reads here by whom; the server cuts names at 63 bytes."""
    connection.execute(
        text(
            "SELECT pg_catalog.set_config('application_name',"
            " pg_catalog.current_setting('application_name')"
            " OPERATOR(pg_catalog.||) :place, false),"
            " pg_catalog.set_config('statement_timeout', :limit, false)"
        ),
        {
            "place": f"@{socket.gethostname()[:14]}/{os.getpid()}",
            "limit": f"{LOCK_STATEMENT_SECONDS}s",
        },
    )


def _try(connection: Connection) -> bool:
    got = connection.execute(text("SELECT pg_catalog.pg_try_advisory_lock(:key)"), {"key": LOCK})
    return bool(got.scalar_one())


def _end_ghost(connection: Connection) -> bool:
    """End the session in which this very run had the lock before its connection died."""
    ended = connection.execute(
        text(
            f"SELECT pg_catalog.pg_terminate_backend(h.pid, 5000) FROM ({_HOLDER}) AS h"
            " WHERE h.application_name"
            " OPERATOR(pg_catalog.=) pg_catalog.current_setting('application_name')"
            " AND pg_catalog.starts_with(h.application_name, 'mm:')"
        ),
        {"key": LOCK},
    )
    return ended.first() is not None


def _unlock(connection: Connection) -> None:
    # Of a connection that died the server has taken the lock back already.
    with suppress(SQLAlchemyError):
        connection.execute(text("SELECT pg_catalog.pg_advisory_unlock(:key)"), {"key": LOCK})


def _is_alive(raw: psycopg.Connection[Any]) -> bool:
    """Is the session still there? Looks at the socket, so that a silent server holds nobody up."""
    try:
        for _ in range(3):  # the last words of the server come before the end of the connection
            watch = select.poll()
            watch.register(raw.pgconn.socket, select.POLLIN)
            if not watch.poll(0):
                break
            raw.pgconn.consume_input()
    except (psycopg.Error, OSError):
        return False
    return not raw.closed and raw.pgconn.status == ConnStatus.OK
