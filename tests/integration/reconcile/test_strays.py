"""Rows of a shared table that are in no stream's scope: named, counted, and no MATCH."""

from __future__ import annotations

from dataclasses import replace

import pytest

from messy_migration.compare.findings import Difference, Findings
from messy_migration.fingerprint.rows import fingerprint, format_id
from messy_migration.model import Fingerprint
from messy_migration.reconcile.prove import prove
from messy_migration.reconcile.strays import counted, with_strays

KINDS = {"id": "int32", "system": "text", "account": "text"}
AUCKLAND = (("system", "vivenu"), ("account", "auckland"))
OSLO = (("system", "eventcombo"), ("account", "oslo"))
ROWS = [(1, "vivenu", "auckland"), (2, "vivenu", "auckland"), (3, "eventcombo", "oslo")]
OTHERS = {
    "another case of a tenant": "(9, 'vivenu', 'Auckland')",
    "another case of a system": "(9, 'VIVENU', 'auckland')",
    "NULL": "(9, NULL, 'auckland')",
    "both NULL": "(9, NULL, NULL)",
    "a tenant that nobody loaded": "(9, 'vivenu', 'bergen')",
    "two right values that do not belong together": "(9, 'vivenu', 'oslo')",
    "a blank behind it": "(9, 'vivenu', 'auckland ')",
}


@pytest.fixture
def shared(site, table_of):
    """One table of two streams: the table by its scope."""
    tables = {scope: table_of("t", KINDS, (), scope) for scope in (AUCKLAND, OSLO)}
    site.create(tables[AUCKLAND])
    site.fill(tables[AUCKLAND], *ROWS)
    return tables


def proven(site, state_of, tables, wanted=None):
    """Verdicts and findings of the scopes that are wanted, with what belongs to no stream."""
    known = [state_of(table) for table in tables.values()]
    chosen = [state for state in known if wanted is None or state.table.scope in wanted]
    sums = {}
    for state in known:
        own = [row for row in ROWS if row[1:] == tuple(value for _, value in state.table.scope)]
        net = fingerprint(site.data(state.table, *own), state.table.columns)
        sums[*state.key, format_id(state.table)] = net
    statements = []
    with site.reading() as connection:
        results = [(item, None) for item in prove(connection, site.dialect, chosen, sums, {})]
        execute = connection.exec_driver_sql
        connection.exec_driver_sql = lambda text: (statements.append(text), execute(text))[1]
        results = with_strays(connection, site.dialect, known, chosen, results)
    return results, statements


def test_a_table_that_holds_its_streams_alone_is_counted_once(site, state_of, shared):
    results, statements = proven(site, state_of, shared)
    assert [verdict.verdict for verdict, _ in results] == ["MATCH", "MATCH"]
    assert len([text for text in statements if "count(" in text]) == 1


@pytest.mark.parametrize("row", OTHERS.values(), ids=OTHERS)
def test_g10_a_row_of_no_stream_is_named_and_no_match(site, state_of, shared, row):
    site.run(f"INSERT INTO t VALUES {row}")
    ((verdict, found), (other, nothing)), _ = proven(site, state_of, shared)
    assert (verdict.verdict, verdict.reason) == ("MISMATCH", "1 row belongs to no stream")
    assert (other.verdict, nothing) == ("MATCH", None)
    (difference,) = found.differences
    assert (difference.kind, difference.rows, found.total) == ("extra", 1, 1)
    values = [part.strip("' ") if "'" in part else part for part in row[1:-1].split(", ")][1:]
    assert [value.strip() for _, value in difference.key] == values


def test_g10_many_rows_are_listed_by_their_scope_the_most_first(site, state_of, shared):
    site.run("INSERT INTO t VALUES (7, 'a', 'b'), (8, 'c', 'd'), (9, 'c', 'd')")
    ((verdict, found), _), _ = proven(site, state_of, shared)
    assert verdict.reason == "3 rows belong to no stream"
    key = (("system", "c"), ("account", "d"))
    assert found.differences[0] == Difference("t", key, "extra", (), 2)
    assert found.total == 3


def test_g10_a_stream_that_was_not_asked_for_is_known_to_the_ledger(site, state_of, shared):
    """A run of one plugin says nothing against the rows of the other one."""
    for scope in shared:
        ((verdict, found),), _ = proven(site, state_of, shared, [scope])
        assert (verdict.verdict, found) == ("MATCH", None)
    site.run("INSERT INTO t VALUES (9, 'vivenu', 'Auckland')")
    ((verdict, _),), _ = proven(site, state_of, shared, [OSLO])
    assert verdict.verdict == "MISMATCH"


def test_g10_a_row_that_is_lost_does_not_hide_one_that_belongs_to_nobody(site, state_of, shared):
    site.run("UPDATE t SET account = 'Auckland' WHERE id = 2")
    ((verdict, found), _), _ = proven(site, state_of, shared)
    assert verdict.reason == "1 rows, expected 2; 1 row belongs to no stream"
    assert found.total == 1
    # Nor where a scope that was not asked for is what lost it.
    site.run("UPDATE t SET account = 'Oslo' WHERE id = 3")
    ((verdict, _),), _ = proven(site, state_of, shared, [AUCKLAND])
    assert verdict.reason.endswith("2 rows belong to no stream")


def test_g10_what_differs_beside_is_told_too(site, state_of, shared):
    site.run("INSERT INTO t VALUES (9, 'VIVENU', 'auckland')")
    with site.reading() as connection:
        known = [state_of(table) for table in shared.values()]
        verdicts = list(prove(connection, site.dialect, known, {}, {}))
        before = Findings("t", (Difference("t", (("id", "1"),), "changed", ("id",)),), 1, ())
        told = with_strays(
            connection, site.dialect, known, known, [(verdicts[0], before), (verdicts[1], None)]
        )
    assert told[0][1].total == 2
    assert [item.kind for item in told[0][1].differences] == ["extra", "changed"]


def test_g10_the_quick_form_counts_them(site, state_of, shared):
    known = [state_of(table) for table in shared.values()]
    site.run("INSERT INTO t VALUES (8, 'vivenu', 'Auckland'), (9, NULL, 'oslo')")
    with site.reading() as connection:
        assert counted(connection, site.dialect, known, "t") == 2
        assert (
            counted(
                connection, site.dialect, [*known, state_of(replace(known[0].table, scope=()))], "t"
            )
            == 0
        )


def test_g10_a_table_without_a_scope_belongs_to_its_stream_whole(site, state_of, table_of):
    table = table_of("t", KINDS)
    site.create(table)
    site.fill(table, *ROWS, (9, "any", None))
    state = state_of(table)
    with site.reading() as connection:
        (verdict,) = prove(connection, site.dialect, [state], {}, {})
        assert with_strays(connection, site.dialect, [state], [state], [(verdict, None)]) == [
            (verdict, None)
        ]


def test_g10_a_table_that_could_not_be_read_is_no_match_by_its_count(site, state_of, shared):
    known = [state_of(table) for table in shared.values()]
    with site.reading() as connection:
        verdicts = list(prove(connection, site.dialect, known, {}, {}))
        unread = [replace(item, actual=None, verdict="UNKNOWN") for item in verdicts]
        results = [(item, None) for item in unread]
        assert with_strays(connection, site.dialect, known, known, results) == results
        assert Fingerprint() == verdicts[0].expected


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_index_that_lacks_a_row_of_a_scope_is_no_match(site, state_of, shared):
    """A row is added to a scope, and the index by which scopes are looked up has no entry of it."""
    site.run(
        "INSERT INTO t VALUES (9, 'vivenu', 'auckland')",
        "CREATE INDEX lacking ON t (system, account) WHERE id < 9",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX lacking ON t (system, account)'"
        " WHERE name = 'lacking'",
    )
    results, _ = proven(site, state_of, shared)
    assert [verdict.verdict for verdict, _ in results] == ["UNKNOWN", "MATCH"]
    assert "holds +1 rows beside those that were read" in results[0][0].reason
