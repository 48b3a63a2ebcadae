"""What is compared with what: names, types, keys, and what is refused before anything is read."""

from __future__ import annotations

import pytest

from messy_migration import api
from messy_migration.api import CompareOptions, Request
from messy_migration.errors import SourceError, TargetError, UsageProblem

ROWS = [(1, "a", 10), (2, "b", 20), (3, None, 30)]


@pytest.fixture
def same(two):
    two.run("CREATE TABLE t (id integer PRIMARY KEY, v text, n integer)")
    for side in (two.left, two.right):
        side.fill("t", ROWS)
    return two


def test_equal_tables_match_and_rows_are_counted(same):
    result = same.compare()
    (found,) = result.tables
    assert (result.verdict, result.exit_code) == ("MATCH", 0)
    assert (found.left.rows, found.right.rows, found.findings) == (3, 3, None)
    assert found.left == found.right


def test_rows_that_are_missing_extra_or_changed_are_named(same, listed):
    same.right.run(
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET v = 'x', n = 21 WHERE id = 2",
        "INSERT INTO t VALUES (-7, 'new', 0)",
    )
    result = same.compare()
    (found,) = result.tables
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    assert listed(found) == [
        ("extra", {"id": "-7"}, (), 1),
        ("missing", {"id": "1"}, (), 1),
        ("changed", {"id": "2"}, ("v", "n"), 1),
    ]
    assert found.findings.total == 3
    assert dict(found.findings.columns) == {"v": 1, "n": 1}


def test_values_are_shown_only_to_those_who_ask(same):
    same.right.run("UPDATE t SET v = 'secret@example.org' WHERE id = 2")
    hidden = same.only().findings.differences[0]
    assert hidden.values == ()
    assert "example.org" not in repr(same.only())
    shown = same.only(show_values=True).findings.differences[0]
    assert shown.values == (("v", "b", "secret@example.org"),)


@pytest.mark.parametrize(
    "key", ["PRIMARY KEY (a, b)", "UNIQUE (b)", "PRIMARY KEY (b)", "PRIMARY KEY (b, n)"]
)
def test_other_keys_than_one_integer_are_named_by_all_of_their_columns(two, key, listed):
    two.run(f"CREATE TABLE t (a integer NOT NULL, b text NOT NULL, n integer NOT NULL, {key})")
    rows = [(number % 5, f"k|{number}", number) for number in range(200)]
    for side in (two.left, two.right):
        side.fill("t", rows)
    assert two.only().verdict == "MATCH"
    columns = key.partition("(")[2].rstrip(")").split(", ")
    changed = "a" if "a" not in columns else "n"
    two.right.run(f"UPDATE t SET {changed} = 77 WHERE b = 'k|11'", "DELETE FROM t WHERE n = 20")
    found = two.only()
    keys = {"a": "1", "b": "k|11", "n": "11"}, {"a": "0", "b": "k|20", "n": "20"}
    assert sorted(listed(found), key=lambda item: item[0]) == [
        ("changed", {name: keys[0][name] for name in columns}, (changed,), 1),
        ("missing", {name: keys[1][name] for name in columns}, (), 1),
    ]


def test_without_a_key_rows_are_counted_with_their_multiplicity(two, listed):
    two.run("CREATE TABLE t (a integer, b text)")
    two.left.fill("t", [(1, "x")] * 3 + [(2, "y")] + [(None, None)] * 2)
    two.right.fill("t", [(2, "y")] + [(1, "x")] * 5 + [(None, None)])
    found = two.only()
    assert listed(found) == [("missing", {}, ("a", "b"), 1), ("extra", {}, ("a", "b"), 2)]
    two.right.run("DELETE FROM t WHERE a = 1")
    two.right.fill("t", [(1, "x")] * 3 + [(None, None)])
    assert two.only().verdict == "MATCH"


def test_a_key_that_only_one_side_has_may_be_there_twice_on_the_other(two, listed):
    two.left.run("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    two.right.run("CREATE TABLE t (id integer, v text)")
    two.left.fill("t", [(1, "a"), (2, "b"), (3, "c")])
    two.right.fill("t", [(1, "a"), (2, "b"), (2, "b"), (3, "c"), (3, "d"), (None, "e")])
    assert listed(two.only()) == [
        ("extra", {"id": "2"}, (), 1),
        ("extra", {"id": "3"}, (), 1),
        ("extra", {"id": "NULL"}, (), 1),
    ]


def test_a_table_or_a_column_of_one_side_only_is_a_difference(same):
    same.left.run("CREATE TABLE gone (id integer)", "ALTER TABLE t ADD COLUMN was integer")
    same.right.run("CREATE TABLE new (id integer)")
    result = same.compare()
    found = {item.pair.label: item for item in result.tables}
    assert {item.verdict for item in result.tables} == {"MISMATCH"}
    assert found["gone"].reason == "there is no such table on the right"
    assert found["new"].reason == "there is no such table on the left"
    assert found["t"].reason == "column was missing on the right"
    assert found["t"].pair.only_left == ("was",)


def test_what_is_ignored_is_said_and_not_compared(same):
    same.right.run("UPDATE t SET n = 0", "ALTER TABLE t ADD COLUMN more integer")
    found = same.only(CompareOptions(ignored=(("t", "n"), ("t", "more"))))
    assert (found.verdict, found.pair.ignored) == ("MATCH", ("n", "more"))


def test_names_match_exactly_or_but_for_case_or_as_somebody_says(two, listed):
    two.left.run('CREATE TABLE "Order Details" ("OrderID" integer PRIMARY KEY, "Unit""Price" text)')
    two.left.run('CREATE TABLE "Plain" ("Id" integer PRIMARY KEY)')
    two.right.run("CREATE TABLE lines (orderid integer PRIMARY KEY, price text)")
    two.right.run("CREATE TABLE plain (id integer PRIMARY KEY)")
    two.left.fill("Order Details", [(1, "x"), (2, "y")])
    two.right.fill("lines", [(1, "x"), (2, "z")])
    wishes = CompareOptions(
        tables_map={"Order Details": "lines"},
        columns_map={("Order Details", 'Unit"Price'): "price"},
    )
    found = {item.pair.label: item for item in two.compare(wishes).tables}
    assert found["Plain"].verdict == "MATCH"
    assert listed(found["Order Details"]) == [("changed", {"OrderID": "2"}, ('Unit"Price',), 1)]


def test_only_chosen_tables_are_compared(same):
    same.left.run("CREATE TABLE other (id integer)")
    result = same.compare(CompareOptions(tables=("T*",)))
    assert [item.pair.label for item in result.tables] == ["t"]
    assert result.verdict == "MATCH"


@pytest.mark.parametrize(
    "wishes, words",
    [
        (CompareOptions(tables=("nope*",)), "no table has such a name"),
        (CompareOptions(tables_map={"x": "t"}), "left side has no table 'x'"),
        (CompareOptions(tables_map={"t": "x"}), "right side has no table 'x'"),
        (CompareOptions(columns_map={("t", "v"): "x"}), "right side has no column 'x'"),
        (CompareOptions(columns_map={("x", "v"): "v"}), "--map x.v names no column"),
        (CompareOptions(ignored=(("t", "x"),)), "--ignore t.x names no column"),
        (CompareOptions(tables_map={"t": "u", "u": "u"}), "two tables to u"),
    ],
)
def test_a_wish_that_names_nothing_is_refused(same, wishes, words):
    same.run("CREATE TABLE u (id integer)")
    with pytest.raises(UsageProblem, match=words):
        same.compare(wishes)


def test_empty_databases_prove_nothing(two):
    result = two.compare()
    assert (result.verdict, result.exit_code, result.tables) == ("UNKNOWN", 8, ())


def test_the_ledger_is_nobodys_table(same):
    same.left.run("CREATE TABLE messy_migration_runs (id integer)")
    assert same.compare().verdict == "MATCH"


def test_a_side_that_cannot_be_opened_is_named_by_its_exit_code(two_files, tmp_path):
    gone = f"sqlite:///{tmp_path / 'gone.db'}"
    with pytest.raises(SourceError, match="left database cannot be opened"):
        api.compare(Request(), gone, two_files.right.url)
    with pytest.raises(TargetError, match="right database cannot be opened"):
        api.compare(Request(), two_files.left.url, gone)
    assert not (tmp_path / "gone.db").exists()
    (tmp_path / "text.db").write_text("this is no database, but long enough to be one" * 20)
    with pytest.raises(TargetError, match="right database cannot be opened"):
        api.compare(Request(), two_files.left.url, f"sqlite:///{tmp_path / 'text.db'}")


def test_a_database_is_not_compared_with_itself(two_files):
    with pytest.raises(UsageProblem, match="the same database"):
        api.compare(Request(), two_files.left.url, two_files.left.url)


def test_nothing_is_written(two_files):
    two_files.run("CREATE TABLE t (id integer PRIMARY KEY)")
    with two_files.left.connected() as connection:
        before = connection.execute("PRAGMA data_version").fetchone()
        two_files.compare()
        assert connection.execute("PRAGMA data_version").fetchone() == before


def test_names_with_quotes_in_them_are_names(two, listed):
    two.run('CREATE TABLE t (id integer PRIMARY KEY, "a""b" text)')
    two.run("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    assert two.compare().verdict == "MATCH"
    two.right.run("""UPDATE t SET "a""b" = 'z' WHERE id = 2""")
    (found,) = two.compare().tables
    assert listed(found) == [("changed", {"id": "2"}, ('a"b',), 1)]
