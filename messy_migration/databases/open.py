"""Open a database: a target to be loaded and proven, or one that is only read."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from messy_migration.databases.dialect import Dialect, Reader
from messy_migration.databases.duckdb import reader as duckdb
from messy_migration.databases.mysql import reader as mysql
from messy_migration.databases.postgresql import pins, session
from messy_migration.databases.postgresql.dialect import PostgreSQL
from messy_migration.databases.sqlite.dialect import SQLite
from messy_migration.errors import ConfigurationError
from messy_migration.reflection import QUALIFIED

SNAPSHOT = "messy_migration_snapshot"
"""Execution option of a connection that only reads."""
HURRIED = "messy_migration_hurried"
"""Execution option of a connection that does not wait for other writers of a file."""

_EACH_TIME: dict[str, Any] = {"poolclass": NullPool}
# Making one costs as much as loading a thousand rows. One that died meanwhile is found out.
_KEPT: dict[str, Any] = {"pool_size": 1, "pool_pre_ping": True}
LOCK_SECONDS = 30.0
BUSY_SECONDS = 60


@dataclass(frozen=True)
class Target:
    """An open target.

    Attributes:
        engine: makes connections; one process has its own.
        dialect: what this kind of database can do.
        label: the URL without its password, for people.
    """

    engine: Engine
    dialect: Dialect
    label: str


def open_target(
    url: URL, application: str, lock_seconds: float = LOCK_SECONDS, *, keep: bool = False
) -> Target:
    """Prepare, but do not connect to, the database behind a URL.

    Args:
        url: a `postgresql` or `sqlite` URL.
        application: the name under which the server lists our connections.
        lock_seconds: how long a statement waits for the lock of another transaction.
        keep: use one connection again and again, for a process that commits batch after batch.

    Raises:
        ConfigurationError: there is no dialect for this kind of URL.
    """
    label = url.render_as_string(hide_password=True)
    kind = url.get_backend_name()
    if kind == "postgresql":
        engine = postgresql_engine(url, application, lock_seconds, keep=keep)
        return Target(engine, PostgreSQL(), label)
    if kind == "sqlite":
        return Target(_sqlite(url, lock_seconds), SQLite(), label)
    raise ConfigurationError(
        f"{kind!r} is not a kind of target", why="a target is a postgresql or sqlite URL"
    )


def postgresql_engine(
    url: URL, application: str, lock_seconds: float = LOCK_SECONDS, *, keep: bool = False
) -> Engine:
    """An engine that makes a connection each time it is asked for one, or keeps one."""
    arguments = {"application_name": application, **session.CLIENT}
    own = {name: value for name, value in arguments.items() if name not in url.query}
    engine = create_engine(
        url.set(drivername=QUALIFIED),
        **(_KEPT if keep else _EACH_TIME),
        connect_args=own,
        # Else the driver takes a percent sign in a statement of ours (a scope) for a placeholder.
        execution_options={"no_parameters": True},
    )
    settings = {"lock_timeout": f"{round(lock_seconds * 1000)}ms", **session.SERVER}
    options = str(url.query.get("options", ""))
    defaults = {name: value for name, value in settings.items() if name not in options}

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        record.info[session.PROCESS] = session.set_session(connection, defaults)

    event.listen(engine, "begin", pins.pin)
    return engine


def _sqlite(url: URL, lock_seconds: float) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": lock_seconds})

    @event.listens_for(engine, "do_connect")
    def make_private(*_: object) -> None:
        _make_private(url.database)

    @event.listens_for(engine, "connect")
    def connect(connection: object, _: object) -> None:
        SQLite.set_session(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        options = connection.get_execution_options()  # type: ignore[attr-defined]
        if options.get(HURRIED):
            connection.exec_driver_sql("PRAGMA busy_timeout = 0")  # type: ignore[attr-defined]
        # A deferred BEGIN that reads before it writes fails at once, busy timeout or not.
        statement = "BEGIN" if options.get(SNAPSHOT) else "BEGIN IMMEDIATE"
        connection.exec_driver_sql(statement)  # type: ignore[attr-defined]

    return engine


def _make_private(database: str | None) -> None:
    """Make the file of a new target, readable by its owner alone whatever the umask.

    SQLite gives its log and its index the rights of the file. Only a file that was not there is
    opened: closing one that SQLite has open would drop the locks of this process on it.
    """
    if not database or database == ":memory:":
        return
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with suppress(OSError):  # it is there, or it cannot be made and SQLite says why
        os.close(os.open(os.path.realpath(database), flags, 0o600))


KINDS = ("postgresql", "sqlite", "mysql", "mariadb", "duckdb")
"""The kinds of URL that name a database that can be proven."""


@dataclass(frozen=True)
class Database:
    """A database that is only read.

    Attributes:
        engine: makes connections; one process has its own.
        reader: how this kind of database is read and proven.
        label: the URL without its password, for people.
    """

    engine: Engine
    reader: Reader
    label: str


def open_database(url: URL, application: str) -> Database:
    """Prepare, but do not connect to, the database behind a URL. Nothing is ever created.

    Args:
        url: of any kind of database that can be proven.
        application: the name under which a server lists our connections.

    Raises:
        ConfigurationError: this kind of database cannot be proven, or a file is missing.
    """
    label = url.render_as_string(hide_password=True)
    kind = url.get_backend_name()
    if kind == "postgresql":
        return Database(postgresql_engine(url, application), PostgreSQL(), label)
    if kind == "sqlite":
        return Database(_reading_sqlite(url), SQLite(), label)
    if kind in ("mysql", "mariadb"):
        _require("pymysql", "mysql")
        return Database(mysql.reading_engine(url), mysql.MySQL(), label)
    if kind == "duckdb":
        _require("duckdb_engine", "duckdb")
        _existing(url)
        return Database(duckdb.reading_engine(url), duckdb.DuckDB(), label)
    raise ConfigurationError(
        f"{kind!r} is not a kind of database that can be proven",
        why=f"the kinds are {', '.join(KINDS)}",
    )


def _require(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise ConfigurationError(
            "the driver of this kind of database is not installed",
            why=f"there is no module {module}",
            next=f"pip install 'messy-migration[{extra}]'",
        )


def _existing(url: URL) -> Path:
    path = Path(url.database or "")
    if not path.is_file():
        raise ConfigurationError("there is no such database", where=str(path))
    return path


def _reading_sqlite(url: URL) -> Engine:
    path = _existing(url)
    read_only = url.set(
        database=f"file:{quote(str(path.resolve()))}", query={"mode": "ro", "uri": "true"}
    )
    engine = create_engine(read_only, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def connect(connection: object, _: object) -> None:
        SQLite.set_session(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN")  # type: ignore[attr-defined]

    return engine
