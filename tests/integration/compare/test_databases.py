"""A side that cannot be read is UNKNOWN with its reason and exit 8, and never a MATCH."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, Request

from .pairs import Two


@pytest.fixture
def guarded(two_postgres, postgres_server):
    """Both sides equal; the right one is read by `reader`, a role that is not the owner."""
    two = two_postgres
    two.run("CREATE TYPE trapped AS (number integer)")
    two.run("CREATE TABLE t (id integer PRIMARY KEY, v trapped)", "CREATE TABLE u (id integer)")
    two.run("INSERT INTO t SELECT g, ROW(g)::trapped FROM generate_series(1, 1000) AS g")
    with postgres_server.role(two.right.url) as url:
        guarded = Guarded(two.left, two.right, url)
        two.right.run(
            f"GRANT USAGE ON SCHEMA public TO {guarded.reader}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {guarded.reader}",
        )
        yield guarded


@dataclass(frozen=True)
class Guarded(Two):
    """Two databases, and how the reader logs in to the right one."""

    login: str = field(repr=False)

    @property
    def reader(self):
        return make_url(self.login).username


def compare(guarded, **budget):
    """As that role."""
    return api.compare(
        Request(), guarded.left.url, guarded.login, CompareOptions(), Budget(**budget)
    )


def raising(guarded, body):
    """Whoever reads a row of `t` on the right runs this first: it is how its type is written."""
    guarded.right.run(
        "CREATE FUNCTION trap(trapped) RETURNS text LANGUAGE plpgsql AS $$"
        f"DECLARE id integer := ($1).number; BEGIN {body} RETURN '(' || id || ')'; END$$",
        "CREATE CAST (trapped AS text) WITH FUNCTION trap(trapped)",
    )


def words(result):
    return {item.pair.label: (item.verdict, item.reason) for item in result.tables}


def test_a_table_that_may_not_be_read_is_unknown_and_the_others_are_proven(guarded):
    guarded.right.run(f"REVOKE SELECT ON t FROM {guarded.reader}")
    result = compare(guarded)
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    verdict, reason = words(result)["t"]
    assert verdict == "UNKNOWN"
    assert "right side could not be read" in reason
    assert "permission denied" in reason
    assert words(result)["u"] == ("MATCH", "")


@pytest.mark.parametrize(
    "state, reason",
    [
        ("72000", "snapshot too old"),
        ("58030", "could not read block"),
        ("57014", "canceling statement"),
    ],
)
def test_an_error_in_the_middle_of_a_table_is_unknown(guarded, state, reason):
    raising(
        guarded,
        f"IF id = 777 THEN RAISE EXCEPTION '{reason}' USING ERRCODE = '{state}'; END IF;",
    )
    result = compare(guarded)
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    verdict, said = words(result)["t"]
    assert verdict == "UNKNOWN"
    assert reason in said
    assert words(result)["u"][0] == "MATCH"


@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_connection_that_is_cut_or_cancelled_proves_nothing_more(guarded, how):
    raising(guarded, "PERFORM pg_sleep(CASE WHEN id = 5 THEN 30 ELSE 0 END);")
    ended = []

    def end():
        plain = make_url(guarded.right.url).set(drivername="postgresql")
        with psycopg.connect(
            plain.render_as_string(hide_password=False), autocommit=True
        ) as connection:
            deadline = time.monotonic() + 30
            while not ended and time.monotonic() < deadline:
                ended.extend(
                    connection.execute(
                        f"SELECT {how}(pid) FROM pg_stat_activity WHERE usename = %s"
                        " AND wait_event = 'PgSleep'",
                        (guarded.reader,),
                    ).fetchall()
                )
                time.sleep(0.02)

    thread = threading.Thread(target=end)
    thread.start()
    result = compare(guarded)
    thread.join()
    assert ended
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    assert words(result)["t"][0] == "UNKNOWN"
    assert words(result)["u"][0] == ("MATCH" if how == "pg_cancel_backend" else "UNKNOWN")


def test_what_cannot_be_looked_at_closer_stays_a_mismatch_and_says_so(guarded):
    guarded.right.run("UPDATE t SET v = ROW(0) WHERE id = 9")
    # The scan gets through; the second look, whose rows are fetched one by one, does not.
    raising(
        guarded,
        "IF current_query() LIKE 'FETCH%' THEN RAISE EXCEPTION 'gone'; END IF;",
    )
    result = compare(guarded)
    found = next(item for item in result.tables if item.pair.label == "t")
    assert (found.verdict, result.exit_code) == ("MISMATCH", 8)
    assert (found.findings.differences, found.findings.total) == ((), 0)
    assert "could not be looked at" in found.findings.note


def test_seconds_that_are_over_end_a_statement_and_claim_nothing(guarded):
    raising(guarded, "PERFORM pg_sleep(CASE WHEN id = 5 THEN 30 ELSE 0 END);")
    begin = time.monotonic()
    result = compare(guarded, seconds=3)
    assert time.monotonic() - begin < 20
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    assert "3 seconds are over" in words(result)["t"][1]
    assert words(result)["u"][0] == "UNKNOWN"


def test_seconds_end_a_scan_of_a_file_too(two_files):
    two_files.run("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    for side in (two_files.left, two_files.right):
        side.fill("t", [(number, "x" * 50) for number in range(60_000)])
    (found,) = two_files.compare(seconds=0.05).tables
    assert found.verdict == "UNKNOWN"
    assert "seconds are over" in found.reason


def test_a_damaged_file_is_unknown(two_files):
    two_files.run("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    for side in (two_files.left, two_files.right):
        side.fill("t", [(number, "x" * 500) for number in range(1_000)])
    path = make_url(two_files.right.url).database
    with Path(path).open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"\xff" * 4096)
    result = two_files.compare()
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    assert "right side could not be read" in result.tables[0].reason
