"""Partitions: even, complete, all of one moment, and what happens when that moment is gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration.errors import SourceError

KEYS = {
    "integer": ("id integer PRIMARY KEY", "id * 7 - 3000"),
    "bigint_gaps": ("id bigint PRIMARY KEY", "id * 500000 - 5000"),
    "text": ("id text PRIMARY KEY", "'k' || (id * 7919 % 10007)"),
}


def fill(base, kind, rows=4000):
    spelled, value = KEYS[kind]
    base.run(
        f"CREATE TABLE t ({spelled}, n integer)",
        "WITH RECURSIVE i(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM i WHERE id <"
        f" {rows}) INSERT INTO t SELECT {value}, id FROM i",
    )
    if base.kind == "postgresql":
        base.run("ANALYZE t")


@pytest.mark.parametrize("kind", KEYS)
def test_ranges_are_even_and_have_every_row_once(source, open_plugin, kind):
    fill(source, kind)
    plugin = open_plugin(source)
    stream = plugin.streams()["t"]
    parts = plugin.partitions(stream, records=500)
    got = plugin.extract(stream, parts)
    assert sorted(got.columns("id", "n")) == sorted(source.rows("SELECT id, n FROM t"))
    assert max(got.sizes) <= 500
    assert 8 <= len(parts) <= 11
    assert min(got.sizes) >= 300
    assert len({part.digest for part in parts}) == len({part.name for part in parts}) == len(parts)


def test_composite_keys_of_any_type(postgres, open_plugin):
    postgres.run(
        "CREATE TYPE mood AS ENUM ('b', 'a')",
        "CREATE TABLE t (m mood, u uuid, at timestamptz, d numeric(9,3),"
        " PRIMARY KEY (m, u, at, d))",
        "INSERT INTO t SELECT (ARRAY['a','b'])[1 + i % 2]::mood, gen_random_uuid(),"
        " now() - i * interval '1 s', i / 7.0 FROM generate_series(1, 3000) i",
        "ANALYZE t",
    )
    plugin = open_plugin(postgres)
    stream = plugin.streams()["t"]
    parts = plugin.partitions(stream, records=500)
    got = plugin.extract(stream, parts)
    assert len(parts) == 8
    assert len(got.rows) == len({row["u"] for row in got.rows}) == 3000
    assert max(got.sizes) <= 500


def test_keys_that_are_null_or_blobs_in_sqlite_are_read_whole(lite, open_plugin):
    lite.run(
        "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER)",
        "CREATE TABLE b (id BLOB PRIMARY KEY)",
        "INSERT INTO t VALUES ('a', 1), (NULL, 2), (NULL, 3), ('b', 4)",
        "INSERT INTO b VALUES (x'00'), (x'01')",
    )
    plugin = open_plugin(lite)
    streams = plugin.streams()
    assert plugin.extract(streams["t"], plugin.partitions(streams["t"], records=1)).sizes == [4]
    assert plugin.extract(streams["b"], plugin.partitions(streams["b"], records=1)).sizes == [2]


def test_partitions_and_inherited_tables_are_read_once(postgres, open_plugin):
    postgres.run(
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (500)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (500) TO (5000)",
        "INSERT INTO p SELECT generate_series(0, 999)",
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO child VALUES (2), (3)",
        "ANALYZE p",
    )
    plugin = open_plugin(postgres)
    streams = plugin.streams()
    assert set(streams) == {"p", "parent", "child"}
    got = plugin.extract(streams["p"], plugin.partitions(streams["p"], records=100))
    assert sorted(got.columns("id")) == [(n,) for n in range(1000)]
    assert len(got.sizes) > 8
    assert plugin.extract(streams["parent"]).columns("id") == [(1,)]
    assert plugin.extract(streams["child"]).columns("id") == [(2,), (3,)]


def test_all_tables_are_of_the_moment_at_which_the_first_was_cut(postgres, open_plugin):
    fill(postgres, "integer")
    postgres.run("CREATE TABLE other (id int PRIMARY KEY)", "INSERT INTO other VALUES (1)")
    parent, worker = open_plugin(postgres), open_plugin(postgres)
    streams = parent.streams()
    parts = parent.partitions(streams["t"])
    postgres.run("INSERT INTO other VALUES (2)", "UPDATE t SET n = 0", "DELETE FROM t WHERE n < 9")
    others = parent.partitions(streams["other"])
    assert {part.held for part in [*parts, *others]} == {parts[0].held}
    assert worker.extract(streams["other"], others).columns("id") == [(1,)]
    assert sum(row["n"] for row in worker.extract(streams["t"], parts).rows) == 4000 * 4001 // 2
    # Outside of a run there is nothing to hold on to: it is read as it is now.
    now = [replace(part, held=None) for part in others]
    assert worker.extract(streams["other"], now).columns("id") == [(1,), (2,)]


def test_a_snapshot_whose_holder_is_gone_is_one_clear_error(postgres, open_plugin):
    fill(postgres, "integer")
    parent, worker = open_plugin(postgres), open_plugin(postgres)
    stream = parent.streams()["t"]
    parts = parent.partitions(stream)
    parent.release()
    with pytest.raises(SourceError, match="the snapshot of the source is gone") as caught:
        worker.extract(stream, parts)
    assert "type the same command again" in caught.value.next


def test_a_table_that_cannot_be_read_does_not_end_the_snapshot(postgres, open_plugin):
    fill(postgres, "integer")
    postgres.run("CREATE TABLE gone (id int PRIMARY KEY)")
    plugin = open_plugin(postgres)
    streams = plugin.streams()
    (first,) = plugin.partitions(streams["t"])
    postgres.run("DROP TABLE gone")
    with pytest.raises(SourceError, match="a table of the source is gone"):
        plugin.partitions(streams["gone"])
    (second,) = plugin.partitions(streams["t"])
    assert first.held == second.held
    assert len(open_plugin(postgres).extract(streams["t"], [second]).rows) == 4000


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_file_that_is_written_to_meanwhile_is_noticed(lite, open_plugin, mode):
    fill(lite, "integer")
    lite.run(f"PRAGMA journal_mode = {mode}")
    parent, worker = open_plugin(lite), open_plugin(lite)
    stream = parent.streams()["t"]
    parts = parent.partitions(stream, records=1000)
    assert len(worker.extract(stream, parts[:1]).rows) == 1000
    worker.release()
    parent.release()
    with closing(sqlite3.connect(lite.path)) as connection:
        connection.execute("UPDATE t SET n = 0 WHERE id > 20000")
        connection.commit()
        with pytest.raises(SourceError, match="written to while it was read"):
            worker.extract(stream, parts[1:])
        again = parent.partitions(stream, planned=parts[1:])
        assert [part.digest for part in again] == [part.digest for part in parts[1:]]
        assert len(worker.extract(stream, again).rows) == 3000


def test_nothing_is_made_beside_a_file_with_a_log(lite, open_plugin):
    fill(lite, "integer", 10)
    lite.run("PRAGMA journal_mode = WAL")
    before = sorted(lite.path.parent.iterdir())
    plugin = open_plugin(lite)
    stream = plugin.streams()["t"]
    assert "is whole" in " ".join(stream.assumed)
    assert len(plugin.extract(stream).rows) == 10
    plugin.release()
    assert sorted(lite.path.parent.iterdir()) == before


def test_rows_in_an_open_log_are_read_too(lite, open_plugin):
    lite.run("PRAGMA journal_mode = WAL", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with closing(sqlite3.connect(lite.path)) as connection:
        connection.execute("INSERT INTO t VALUES (1), (2)")
        connection.commit()
        plugin = open_plugin(lite)
        assert len(plugin.extract(plugin.streams()["t"]).rows) == 2
        plugin.release()


def test_a_resumed_run_keeps_its_ranges_under_a_new_snapshot(source, open_plugin):
    fill(source, "integer")
    first, second = open_plugin(source), open_plugin(source)
    stream = first.streams()["t"]
    parts = first.partitions(stream, records=1000)
    first.release()
    source.run("INSERT INTO t VALUES (1000000, 1)")
    second.streams()
    again = second.partitions(stream, planned=parts, records=10)
    assert [replace(part, held=None) for part in again] == [
        replace(part, held=None) for part in parts
    ]
    assert len(second.extract(stream, again).rows) == 4001
    assert second.partitions(stream, planned=[]) == []


def test_a_table_without_a_key_is_one_partition_known_by_its_content(source, open_plugin):
    source.run("CREATE TABLE t (a integer, b text)", "INSERT INTO t VALUES (1, 'x'), (1, 'x')")
    (one,) = (plugin := open_plugin(source)).partitions(stream := plugin.streams()["t"])
    assert (one.name, one.records) == ("all", 2)
    assert plugin.extract(stream, [one]).columns("a", "b") == [(1, "x"), (1, "x")]
    plugin.release()
    (same,) = open_plugin(source).partitions(stream)
    assert same.digest == one.digest
    source.run("INSERT INTO t VALUES (2, 'y')")
    (other,) = open_plugin(source).partitions(stream)
    assert other.digest != one.digest


def test_a_table_without_a_key_is_read_from_its_own_pages_and_from_no_index(lite, open_plugin):
    """An index that lacks entries, and does not know it, is shorter than the table."""
    lite.run(
        "CREATE TABLE t (a integer, wide varchar(2000))",
        "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')",
        "CREATE INDEX lacking ON t (a) WHERE a < 3",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX lacking ON t (a)' WHERE name = 'lacking'",
    )
    assert lite.rows("SELECT count(*) FROM t") == [(2,)]
    got = open_plugin(lite).extract(open_plugin(lite).streams()["t"])
    assert got.columns("a") == [(1,), (2,), (3,)]


def test_half_of_a_table_without_a_key_is_not_gone_on_with_in_another_order(source, open_plugin):
    source.run("CREATE TABLE t (a integer)", "INSERT INTO t VALUES (1), (2)")
    parts = (plugin := open_plugin(source)).partitions(stream := plugin.streams()["t"])
    plugin.release()
    assert open_plugin(source).partitions(stream, planned=parts)[0].digest == parts[0].digest
    source.run("DELETE FROM t WHERE a = 1", "INSERT INTO t VALUES (1)")
    with pytest.raises(SourceError, match="rewritten since the run began"):
        open_plugin(source).partitions(stream, planned=parts)


@pytest.mark.parametrize("spelled", ["timestamp", "timestamptz"])
def test_a_bookmark_limits_what_a_later_run_reads(source, open_plugin, spelled):
    if source.kind == "sqlite":
        spelled = "DATETIME"
    source.run(
        f"CREATE TABLE t (id integer PRIMARY KEY, at {spelled})",
        "INSERT INTO t VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-02 12:00:00.123456'),"
        " (3, NULL), (4, '2999-01-01 00:00:00')",
    )
    plugin = open_plugin({"url": source.url, "tables": {"t": {"bookmark": "at"}}})
    stream = plugin.streams()["t"]
    assert (stream.bookmark, stream.overlap) == ("at", 3600)
    (part,) = plugin.partitions(stream)
    # A moment of the future would keep later runs from all that is written before it.
    until = datetime.fromisoformat(part.until)
    assert abs((until - datetime.now(UTC)).total_seconds()) < 60
    since = datetime(2024, 1, 2, 12, 0, 0, 123456, UTC)
    (later,) = plugin.partitions(stream, since=since)
    assert later.name != part.name
    assert [row["id"] for row in plugin.extract(stream, [later]).rows] == [2, 3, 4]


def test_reading_leaves_no_trace_in_postgres(postgres, open_plugin, postgres_server):
    fill(postgres, "integer")
    with postgres_server.role(postgres.url) as login:
        reader = make_url(login).username
        postgres.run(
            f"ALTER ROLE {reader} PASSWORD 'reads only'",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}",
        )
        url = make_url(login).set(drivername="postgresql", password="reads only")
        plugin = open_plugin({"url": url.render_as_string(hide_password=False)})
        stream = plugin.streams()["t"]
        plugin.extract(stream, plugin.partitions(stream, records=1000))
        connection = plugin.settings.open["", "snapshot"].connection
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE public.mine (a int)")
        plugin.release()
        (written,) = postgres.rows(
            "SELECT sum(n_tup_upd + n_tup_del), sum(n_tup_ins) FROM pg_stat_user_tables"
        )
        assert written[0] == 0
