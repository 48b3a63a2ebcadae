"""A database that is only read."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import scoped
from messy_migration.databases.open import open_database, open_target
from messy_migration.errors import ConfigurationError, TargetUnavailable
from messy_migration.fingerprint.rows import fingerprint


@pytest.fixture
def table(table_of):
    return table_of("people", {"id": "int64", "name": "text"}, key=("id",))


def test_it_is_proven_like_a_target(bare_site, table):
    bare_site.create(table)
    bare_site.fill(table, (1, "Ada"), (2, None))
    database = open_database(bare_site.target.engine.url, "mm:read")
    with database.reader.reading(database.engine) as connection:
        assert database.reader.check(connection)
        assert set(database.reader.columns(connection, "people")) == {"id", "name"}
        assert database.reader.columns(connection, "nobody") is None
        assert database.reader.unique_keys(connection, "people") == [{"id"}]
        found = database.reader.fingerprint(
            connection, table, scoped(connection, database.reader, table)
        )
    assert found == fingerprint(bare_site.data(table, (1, "Ada"), (2, None)), table.columns)


def test_it_cannot_be_written(bare_site, table):
    bare_site.create(table)
    database = open_database(bare_site.target.engine.url, "mm:read")
    with database.reader.reading(database.engine) as connection:
        place = database.reader.place(connection, "people")
    with (
        database.reader.reading(database.engine) as connection,
        pytest.raises(DBAPIError, match=r"read-?only"),
    ):
        connection.exec_driver_sql(f"INSERT INTO {place} VALUES (1, 'Ada')")


def test_a_file_that_is_missing_is_not_made(tmp_path):
    with pytest.raises(ConfigurationError, match="no such database"):
        open_database(make_url(f"sqlite:///{tmp_path / 'missing.db'}"), "mm:read")
    assert not list(tmp_path.iterdir())


def test_a_path_with_signs_of_a_url_is_found(tmp_path, table):
    import sqlite3

    path = tmp_path / "a#b?c%41.db"
    sqlite3.connect(path).executescript('CREATE TABLE "people" (id INTEGER, name TEXT)').close()
    database = open_database(make_url("sqlite://").set(database=str(path)), "mm:read")
    with database.reader.reading(database.engine) as connection:
        assert database.reader.columns(connection, "people")


def test_another_kind_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="'oracle'"):
        open_database(make_url("oracle://somewhere/else"), "mm:read")


def test_a_statement_on_a_connection_that_was_lost_before_finds_the_target_away(postgres_url):
    """Whoever met the loss first may have gone on; only the next statement says so again."""
    target = open_target(make_url(postgres_url), "mm:read")
    with target.engine.connect() as connection, connection.begin() as transaction:
        with pytest.raises(OperationalError):
            connection.exec_driver_sql(
                "SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())"
            )
        with (
            pytest.raises(TargetUnavailable, match="went away"),
            driver_errors_as_ours("table people"),
        ):
            connection.exec_driver_sql("SELECT 1")
        transaction.rollback()
