"""Bring the ledger's tables to the version that this program knows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    inspect,
    text,
)
from sqlalchemy.schema import CreateSchema

from messy_migration.errors import TargetError
from messy_migration.ledger.tables import SCHEMA, ledger, naming

HEAD = "0005"
"""The newest revision in `migrations/`; a test compares the two."""

CHAINED = "0002"
"""Runs before this revision wrote no link of the chain."""

SEALED = "0003"
"""Links before this revision say nothing of the ledger's tables beside receipts and plans."""


def version_table(dialect: str) -> str:
    """Name of Alembic's own table, without its schema."""
    return naming(dialect)[1] + "version"


def version(connection: Connection) -> str | None:
    """The revision of the ledger in this database, or None where there is no ledger."""
    dialect = connection.dialect.name
    schema, _ = naming(dialect)
    if not inspect(connection).has_table(version_table(dialect), schema=schema):
        return None
    prefix = f'"{schema}".' if schema else ""
    return connection.execute(
        text(f'SELECT version_num FROM {prefix}"{version_table(dialect)}"')
    ).scalar_one_or_none()


def upgrade(connection: Connection) -> None:
    """Create or upgrade the ledger on this connection; the caller commits.

    Raises:
        TargetError: the ledger was written by a newer program.
    """
    revision = version(connection)
    if revision == HEAD:
        return
    refuse_newer(revision)
    with _own_names(connection):
        _bring(connection, revision)


@contextmanager
def _own_names(connection: Connection) -> Iterator[None]:
    """Let the conditions of new tables mean the server's own operators, whatever the role's path.

    They are looked up once, when a table is made, and run with every row ever after.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    show = "SELECT pg_catalog.current_setting('search_path')"
    path = str(connection.exec_driver_sql(show).scalar_one()).replace("'", "''")
    setting = "SELECT pg_catalog.set_config('search_path', '{}', true)"
    connection.exec_driver_sql(setting.format("pg_catalog, pg_temp"))
    yield
    connection.exec_driver_sql(setting.format(path))


def _bring(connection: Connection, revision: str | None) -> None:
    if revision is None and not _is_begun(connection):
        _create(connection)
        return
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from alembic import command  # its import alone takes longer than making a ledger
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(revisions()))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _is_begun(connection: Connection) -> bool:
    """Is there anything of a ledger, though no version? Then the revisions say what is wrong."""
    own, prefix = naming(connection.dialect.name)
    names = inspect(connection).get_table_names(schema=own)
    return any(name.startswith(prefix) for name in names)


def _create(connection: Connection) -> None:
    """The newest ledger at once; a test holds it against what the revisions make of nothing."""
    dialect = connection.dialect.name
    own, _ = naming(dialect)
    # IF NOT EXISTS asks for the right to create schemas even where an administrator made this one.
    if own and not inspect(connection).has_schema(own):
        connection.execute(CreateSchema(own))
    ledger(dialect).metadata.create_all(connection, checkfirst=False)
    name = version_table(dialect)
    number = Column("version_num", String(32), nullable=False)
    key = PrimaryKeyConstraint("version_num", name=f"{name}_pkc")
    table = Table(name, MetaData(schema=own), number, key)
    table.create(connection)
    connection.execute(table.insert().values(version_num=HEAD))


def refuse_newer(revision: str | None) -> None:
    """Refuse a ledger that a later program wrote.

    Raises:
        TargetError: the ledger was written by a newer program.
    """
    if revision is not None and revision > HEAD:
        raise TargetError(
            "the ledger in this target is of a newer version",
            where=f"schema {SCHEMA}",
            why=f"it is at revision {revision}, this program knows {HEAD}",
            next="install the newer messy-migration",
        )


def revisions() -> Path:
    """The folder of the Alembic revisions: in the wheel, or in a checkout.

    Raises:
        TargetError: neither is there; the installation is incomplete.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise TargetError(
        "the ledger's revisions are not installed",
        where=str(package),
        next="install messy-migration again from its wheel",
    )
