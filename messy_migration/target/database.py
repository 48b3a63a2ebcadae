"""Open a database that is only read: to be held against another one, never to be loaded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from messy_migration.errors import ConfigurationError
from messy_migration.databases.duckdb import reader as duckdb
from messy_migration.databases.mysql import reader as mysql
from messy_migration.databases.dialect import Reader
from messy_migration.databases.open import BUSY_SECONDS, postgresql_engine
from messy_migration.databases.postgresql.dialect import PostgreSQL
from messy_migration.databases.sqlite.dialect import SQLite

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
        return Database(_sqlite(url), SQLite(), label)
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


def _sqlite(url: URL) -> Engine:
    path = _existing(url)
    read_only = url.set(
        database=f"file:{quote(str(path.resolve()))}", query={"mode": "ro", "uri": "true"}
    )
    engine = create_engine(read_only, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def connect(connection: object, _: object) -> None:
        SQLite.prepare(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN")  # type: ignore[attr-defined]

    return engine
