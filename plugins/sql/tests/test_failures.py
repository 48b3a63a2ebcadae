"""What goes wrong with a source is one line that says what to do, and ends with exit code 5."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration.errors import SourceError

from .conftest import plain


def problem(plugin):
    def everything():
        for stream in plugin.streams_list():
            plugin.extract(stream)

    with pytest.raises(SourceError) as caught:
        everything()
    assert caught.value.exit_code == 5
    text = str(caught.value)
    assert "\n" not in text
    assert "secret-word" not in text
    return text


@pytest.fixture
def parts(postgres):
    postgres.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    return psycopg.conninfo.conninfo_to_dict(plain(postgres.url))


def test_a_server_that_is_not_there(open_plugin):
    # Port 1 of the loopback address is nobody's.
    text = problem(open_plugin({"url": "postgresql://me:secret-word@127.0.0.1:1/shop"}))
    assert "cannot be reached" in text
    assert "check the URL" in text


def test_a_wrong_password(open_plugin, parts):
    url = f"postgresql://{parts['user']}:secret-word@{parts['host']}:{parts['port']}"
    text = problem(open_plugin({"url": f"{url}/{parts['dbname']}"}))
    assert "refuses the login" in text


def test_a_database_that_is_not_there(open_plugin, parts):
    login = f"{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}"
    assert "no such database" in problem(open_plugin({"url": f"postgresql://{login}/nope"}))


def test_a_schema_that_is_not_there(open_plugin, postgres, parts):
    text = problem(open_plugin({"url": postgres.url, "schema": "nope"}))
    assert "no table to read" in text
    assert "check `schema`" in text


def test_a_table_without_rights_and_one_with_row_security(
    open_plugin, postgres, parts, postgres_server
):
    postgres.run(
        "CREATE TABLE hidden (id int PRIMARY KEY)",
        "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
    )
    with postgres_server.role(postgres.url) as login:
        postgres.run(f"GRANT SELECT ON hidden TO {make_url(login).username}")
        url = plain(login)
        text = problem(open_plugin({"url": url, "include": ["t"]}))
        assert "may not read a table" in text
        assert "table t" in text
        assert "GRANT SELECT" in text
        text = problem(open_plugin({"url": url, "include": ["hidden"]}))
        assert "row-level security" in text


def test_a_table_that_vanishes_after_it_was_offered(source, open_plugin):
    source.run("CREATE TABLE t (id integer PRIMARY KEY)")
    plugin = open_plugin(source)
    stream = plugin.streams()["t"]
    source.run("DROP TABLE t")
    with pytest.raises(SourceError, match="of the source is gone"):
        plugin.partitions(stream)


def test_a_connection_that_is_cut_in_the_middle(open_plugin, postgres, parts):
    postgres.run("INSERT INTO t SELECT generate_series(2, 300000)")
    plugin = open_plugin(postgres)
    stream = plugin.streams()["t"]
    partitions = plugin.partitions(stream, records=10**6)
    worker = open_plugin(postgres)

    def cut():
        for number, item in enumerate(worker_items(worker, stream, partitions[0])):
            if number == 0:
                postgres.run(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE"
                    " datname = current_database() AND pid <> pg_backend_pid()"
                )
            assert item is not None

    with pytest.raises(SourceError, match=r"the source (went away|cannot be reached)") as caught:
        cut()
    assert "type the same command again" in caught.value.next


@pytest.mark.parametrize("row", [2, 150, 100_000])
def test_a_value_that_the_server_cannot_cast_ends_the_copy_with_its_own_word(
    open_plugin, postgres, caplog, row
):
    """Among rows that come at once, and after thousands; nothing hangs, nothing else is said."""
    postgres.run(
        "CREATE TABLE said (id int PRIMARY KEY, n text)",
        f"INSERT INTO said SELECT i, CASE i WHEN {row} THEN 'many' ELSE i::text END"
        f" FROM generate_series(1, {max(row, 200)}) i",
    )
    entry = {"types": {"n": "int64"}}
    plugin = open_plugin({"url": postgres.url, "include": ["said"], "tables": {"said": entry}})
    stream = plugin.streams()["said"]
    with pytest.raises(SourceError, match="InvalidTextRepresentation"):
        plugin.extract(stream, plugin.partitions(stream, records=10**6))
    assert not caplog.records


def worker_items(plugin, stream, partition):
    import messy_migration_sql

    return messy_migration_sql.extract(stream, partition, plugin.settings)


def test_a_table_that_stays_locked(open_plugin, postgres, parts, monkeypatch):
    from messy_migration_sql import sessions

    monkeypatch.setitem(sessions._SETTINGS, "lock_timeout", "200ms")
    plugin = open_plugin(postgres)
    stream = plugin.streams()["t"]
    with psycopg.connect(plain(postgres.url)) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceError, match="stays locked"):
            plugin.partitions(stream)
        other.rollback()


def test_a_file_that_is_not_there(open_plugin):
    assert "No such file" in problem(open_plugin({"url": "sqlite:///nope.db"}))


def test_a_file_that_is_no_database(open_plugin, lite):
    lite.path.write_bytes(b"id,name\n" * 1000)
    assert "no SQLite database" in problem(open_plugin(lite))


def test_a_damaged_file(open_plugin, lite):
    lite.run(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
        "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 5000)"
        " INSERT INTO t SELECT n, hex(randomblob(40)) FROM i",
    )
    data = bytearray(lite.path.read_bytes())
    data[40_000:80_000] = b"\xff" * 40_000
    lite.path.write_bytes(data)
    assert "damaged" in problem(open_plugin(lite))


def test_a_locked_file(open_plugin, lite, monkeypatch):
    from messy_migration_sql import opened

    lite.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    monkeypatch.setattr(opened, "_BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(lite.path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        begin = time.monotonic()
        text = problem(open_plugin(lite))
        assert "the file is locked" in text
        assert time.monotonic() - begin < 30


def test_text_of_a_file_that_is_no_utf_8_costs_its_record_only(open_plugin, lite):
    lite.run(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
        "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 9000)"
        " INSERT INTO t SELECT n, 'n' || n FROM i",
        "UPDATE t SET name = CAST(x'ff41' AS TEXT) WHERE id = 8500",
    )
    plugin = open_plugin(lite)
    got = plugin.extract(plugin.streams()["t"])
    assert [row["id"] for row in got.rows] == [n for n in range(1, 9001) if n != 8500]
    assert "no UTF-8" in got.rejected[0].reason
