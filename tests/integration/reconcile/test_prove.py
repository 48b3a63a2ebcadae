"""The verdict on a table: MATCH only for what was read and is equal."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import make_url

from messy_migration.fingerprint.rows import fingerprint, format_id
from messy_migration.model import Fingerprint
from messy_migration.reconcile.prove import prove
from messy_migration.reconcile.verdict import overall

KINDS = {"id": "int32", "v": "text", "money": "decimal(5,2)"}


@pytest.fixture
def loaded(site, table_of):
    """A function that makes a table with rows: (table, expected)."""

    def make(name, *rows, key=("id",), scope=(), kinds=KINDS):
        table = table_of(name, kinds, key, scope)
        site.create(table)
        site.fill(table, *rows)
        return table, fingerprint(site.data(table, *rows), table.columns)

    return make


def proven(site, state_of, *found, connection=None, incomplete=()):
    states = [state_of(table) for table, _ in found]
    sums = {(table.name, table.scope, format_id(table)): net for table, net in found}
    if connection is not None:
        return list(prove(connection, site.dialect, states, sums, dict(incomplete)))
    with site.reading() as reading:
        return list(prove(reading, site.dialect, states, sums, dict(incomplete)))


def words(verdicts):
    return [(item.table, item.verdict) for item in verdicts]


ROWS = [(1, "a", 1), (2, None, None), (3, "", 2)]


def test_what_was_loaded_and_is_there_matches(site, loaded, state_of):
    found = [loaded("t", *ROWS), loaded("empty")]
    verdicts = proven(site, state_of, *found)
    assert words(verdicts) == [("t", "MATCH"), ("empty", "MATCH")]
    assert [item.actual for item in verdicts] == [net for _, net in found]
    assert overall(verdicts) == "MATCH"
    assert {item.reason for item in verdicts} == {""}


@pytest.mark.parametrize(
    "statement, reason",
    [
        ("DELETE FROM t WHERE id = 1", "2 rows, expected 3"),
        ("INSERT INTO t (id) VALUES (9)", "4 rows, expected 3"),
        ("UPDATE t SET v = 'b' WHERE id = 1", "content"),
        ("UPDATE t SET v = '' WHERE id = 2", "content"),
        ("UPDATE t SET v = NULL WHERE id = 3", "content"),
        ("UPDATE t SET id = 7 WHERE id = 3", "content"),
    ],
)
def test_every_change_of_a_row_is_a_mismatch_with_a_reason(
    site, loaded, state_of, statement, reason
):
    table = loaded("t", *ROWS)
    site.run(statement)
    (verdict,) = proven(site, state_of, table)
    assert verdict.verdict == "MISMATCH"
    assert reason in verdict.reason


def test_swapped_values_are_found_although_every_column_has_the_same_values(site, loaded, state_of):
    table = loaded("t", (1, "a", 1), (2, "b", 2))
    site.run("UPDATE t SET v = CASE v WHEN 'a' THEN 'b' ELSE 'a' END")
    assert words(proven(site, state_of, table)) == [("t", "MISMATCH")]


def test_one_row_doubled_and_one_gone_is_found_without_a_key(site, loaded, state_of):
    table = loaded("t", *ROWS, key=())
    site.run("UPDATE t SET id = 3, v = '', money = 2 WHERE id = 1")
    assert words(proven(site, state_of, table)) == [("t", "MISMATCH")]


@pytest.mark.parametrize(
    "statements, reason",
    [
        (["DROP TABLE t"], "the table is gone"),
        (["ALTER TABLE t DROP COLUMN v"], "column v is missing"),
        (["ALTER TABLE t RENAME COLUMN v TO w"], "column v is missing"),
        (
            ["ALTER TABLE t DROP COLUMN v", "ALTER TABLE t ADD COLUMN v integer"],
            "column v is integer, the schema needs text",
        ),
    ],
)
def test_a_table_that_is_no_longer_what_it_was_is_a_mismatch(
    site, loaded, state_of, statements, reason
):
    table = loaded("t", *ROWS)
    site.run(*statements)
    (verdict,) = proven(site, state_of, table)
    assert (verdict.verdict, verdict.actual) == ("MISMATCH", None)
    assert verdict.reason.lower() == reason.lower()


def test_a_column_of_somebody_else_changes_nothing(site, loaded, state_of):
    table = loaded("t", *ROWS)
    site.run("ALTER TABLE t ADD COLUMN note text DEFAULT 'x'")
    assert words(proven(site, state_of, table)) == [("t", "MATCH")]


def test_rows_without_a_receipt_are_a_mismatch(site, loaded, state_of):
    table, _ = loaded("t", *ROWS)
    with site.reading() as connection:
        (verdict,) = prove(connection, site.dialect, [state_of(table)], {}, {})
    assert (verdict.verdict, verdict.expected) == ("MISMATCH", Fingerprint())


def test_a_scope_is_proven_by_its_own_rows(site, loaded, state_of):
    kinds = {"shop": "text", "id": "int32"}
    oslo = loaded("t", ("oslo", 1), key=("shop", "id"), scope=(("shop", "oslo"),), kinds=kinds)
    odd = loaded("t", ("o'd%s:d", 1), key=("shop", "id"), scope=(("shop", "o'd%s:d"),), kinds=kinds)
    assert words(proven(site, state_of, oslo, odd)) == [("t", "MATCH")] * 2
    site.run("UPDATE t SET id = 2 WHERE shop = 'oslo'")
    assert words(proven(site, state_of, oslo, odd)) == [("t", "MISMATCH"), ("t", "MATCH")]


def test_what_was_not_read_to_its_end_is_unknown_but_a_mismatch_stays_one(site, loaded, state_of):
    good, bad = loaded("good", *ROWS), loaded("bad", *ROWS)
    site.run("DELETE FROM bad")
    verdicts = proven(site, state_of, good, bad, incomplete={"shop.s": "one file is damaged"})
    assert words(verdicts) == [("good", "UNKNOWN"), ("bad", "MISMATCH")]
    assert verdicts[0].reason == "one file is damaged"


def test_nothing_compared_is_not_a_match():
    assert overall([]) == "UNKNOWN"


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_table_that_may_not_be_read_is_unknown_and_the_others_are_proven(
    site, loaded, state_of, postgres_server
):
    found = [loaded(name, *ROWS) for name in ("first", "hidden", "last", "wrong")]
    site.run(
        "DELETE FROM wrong WHERE id = 1",
    )
    place = site.target.engine.url.render_as_string(hide_password=False)
    with postgres_server.role(place) as url:
        reader = make_url(url).username
        site.run(
            f"GRANT USAGE ON SCHEMA public TO {reader}",
            f"GRANT SELECT ON first, last, wrong TO {reader}",
        )
        with site.reading() as connection:
            connection.exec_driver_sql(f"SET LOCAL ROLE {reader}")
            verdicts = proven(site, state_of, *found, connection=connection)
    assert words(verdicts) == [
        ("first", "MATCH"),
        ("hidden", "UNKNOWN"),
        ("last", "MATCH"),
        ("wrong", "MISMATCH"),
    ]
    assert "permission denied" in verdicts[1].reason
    assert verdicts[1].actual is None
    assert overall(verdicts[:3]) == "UNKNOWN"


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_scan_that_takes_too_long_is_unknown(site, loaded, state_of, monkeypatch):
    found = [loaded("slow", *ROWS), loaded("t", *ROWS)]
    rows_of = site.dialect.rows_of

    def slowly(connection, name):
        rows = rows_of(connection, name)
        slow = f"(SELECT r.* FROM {rows} r, LATERAL (SELECT pg_sleep(1)) s WHERE id IS NOT NULL)"
        return slow if name == "slow" else rows

    monkeypatch.setattr(type(site.dialect), "rows_of", staticmethod(slowly))
    with site.reading() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = '300ms'")
        verdicts = proven(site, state_of, *found, connection=connection)
    assert words(verdicts) == [("slow", "UNKNOWN"), ("t", "MATCH")]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_connection_lost_in_the_middle_is_never_a_match(site, loaded, state_of, backends):
    found = [loaded("a", *ROWS), loaded("b", *ROWS)]

    with site.reading() as connection:
        backends(site)
        verdicts = proven(site, state_of, *found, connection=connection)
    assert words(verdicts) == [("a", "UNKNOWN"), ("b", "UNKNOWN")]
    assert all("connection to the target was lost" in item.reason for item in verdicts)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_damaged_file_is_never_a_match(site, loaded, state_of):
    rows = [(n, "x" * 500, 1) for n in range(200)]
    found = [loaded("good", *ROWS), loaded("bad", *rows)]
    with site.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        root = connection.exec_driver_sql(
            "SELECT rootpage FROM sqlite_master WHERE name = 'bad'"
        ).scalar_one()
    with site.target.engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = Path(site.target.engine.url.database)
    content = bytearray(path.read_bytes())
    content[(root - 1) * pages : root * pages] = b"\xff" * pages
    path.write_bytes(content)
    verdicts = proven(site, state_of, *found)
    assert words(verdicts) == [("good", "MATCH"), ("bad", "UNKNOWN")]
    assert verdicts[1].reason


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_locked_file_is_never_a_match(site, loaded, state_of):
    table = loaded("t", *ROWS)
    with site.target.engine.connect() as plain:
        raw = plain.connection.driver_connection
        raw.execute("PRAGMA busy_timeout = 50")
        raw.execute("PRAGMA journal_mode = DELETE")
        with contextlib.closing(sqlite3.connect(site.target.engine.url.database)) as holding:
            holding.execute("BEGIN EXCLUSIVE")
            reading = plain.execution_options(messy_migration_snapshot=True)
            verdicts = proven(site, state_of, table, connection=reading)
    assert words(verdicts) == [("t", "UNKNOWN")]
    assert "locked" in verdicts[0].reason


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_text_that_is_no_text_is_a_mismatch_and_not_a_crash(site, loaded, state_of):
    table = loaded("t", *ROWS)
    site.run("UPDATE t SET v = CAST(x'ff00' AS TEXT) WHERE id = 1")
    assert words(proven(site, state_of, table)) == [("t", "MISMATCH")]
