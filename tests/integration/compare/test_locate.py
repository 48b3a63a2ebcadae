"""The rows and columns behind a mismatch, named by key where there is one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from messy_migration.compare.locate import Replayable, locate
from messy_migration.compare.readable import readable
from messy_migration.errors import SourceError
from messy_migration.fingerprint.rows import fields, fingerprint
from messy_migration.model import Fingerprint

UUID = "01234567-89ab-cdef-0123-456789abcdef"
ROWS = [("oslo", 1, "a", Decimal("1.5")), ("oslo", 2, None, None), ("berg|en", 1, "", Decimal(0))]
ROWS += [("1:x~", 1, "é", Decimal("-1.5")), ("", -1, "a", Decimal(2))]


@pytest.fixture
def table(site, table_of):
    found = table_of(
        "t", {"shop": "text", "id": "int32", "v": "text", "m": "decimal(5,2)"}, ("shop", "id")
    )
    site.create(found)
    site.fill(found, *ROWS)
    return found


def located(site, table, *batches, expected=None, limit=50, bookmark=None):
    """What differs from the batches, which were loaded one after the other."""
    data = [site.data(table, *rows) for rows in batches]
    if expected is None:
        expected = sum((fingerprint(one, table.columns) for one in data), Fingerprint())
    with site.reading() as connection:
        return locate(
            connection,
            site.dialect,
            table,
            Replayable(expected, lambda: iter(data)),
            limit,
            bookmark,
        )


def differences(found):
    return {(item.kind, item.key, item.columns, item.rows) for item in found.differences}


def key(shop, number):
    return (("shop", shop), ("id", str(number)))


def test_equal_rows_have_no_differences(site, table):
    found = located(site, table, ROWS[:2], ROWS[2:])
    assert (found.differences, found.total, found.columns, found.note) == ((), 0, (), "")


def test_rows_that_are_gone_new_or_changed_are_named_by_their_whole_key(site, table):
    site.run(
        "DELETE FROM t WHERE shop = 'berg|en'",
        "INSERT INTO t (shop, id, v) VALUES ('oslo', 3, 'new')",
        "UPDATE t SET v = 'b' WHERE shop = 'oslo' AND id = 1",
        "UPDATE t SET v = '', m = 1 WHERE shop = 'oslo' AND id = 2",
        "UPDATE t SET v = NULL WHERE shop = '1:x~'",
    )
    found = located(site, table, ROWS)
    assert differences(found) == {
        ("missing", key("berg|en", 1), (), 1),
        ("extra", key("oslo", 3), (), 1),
        ("changed", key("oslo", 1), ("v",), 1),
        ("changed", key("oslo", 2), ("v", "m"), 1),
        ("changed", key("1:x~", 1), ("v",), 1),
    }
    assert found.total == 5
    assert found.columns == (("v", 3), ("m", 1))
    assert found.note == ""


def test_a_changed_key_is_one_row_missing_and_one_extra(site, table):
    site.run("UPDATE t SET id = 7 WHERE shop = ''")
    found = located(site, table, ROWS)
    assert differences(found) == {
        ("missing", key("", -1), (), 1),
        ("extra", key("", 7), (), 1),
    }


def test_of_a_key_that_was_loaded_twice_the_last_row_is_expected(site, table):
    newer = ("oslo", 1, "newer", None)
    older = site.data(table, ROWS[0])
    net = fingerprint(site.data(table, *ROWS), table.columns)
    net += fingerprint(site.data(table, newer), table.columns) - fingerprint(older, table.columns)
    found = located(site, table, ROWS, [newer], expected=net)
    assert differences(found) == {("changed", key("oslo", 1), ("v", "m"), 1)}
    assert found.note == ""


def test_of_a_key_that_was_loaded_twice_the_newest_row_is_expected(site, table_of):
    table = table_of("t", {"id": "int32", "v": "text", "at": "timestamp"}, ("id",))
    site.create(table)
    days = [datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2)]
    rows = [(1, "newest", days[1]), (2, "only", None), (3, "dated", days[0])]
    site.fill(table, *rows)
    net = fingerprint(site.data(table, *rows), table.columns)
    older = [(1, "older", days[0]), (3, "undated", None)]
    found = located(site, table, rows, older, expected=net, bookmark="at")
    assert (found.total, found.note) == (0, "")
    site.run("UPDATE t SET v = 'x' WHERE id = 2")
    found = located(site, table, rows[:1], older, rows[1:], expected=net, bookmark="at")
    assert differences(found) == {("changed", (("id", "2"),), ("v",), 1)}
    assert found.note == ""


def test_an_empty_target_misses_everything_and_an_empty_input_explains_nothing(site, table):
    found = located(site, table)
    assert (found.total, {item.kind for item in found.differences}) == (5, {"extra"})
    site.run("DELETE FROM t")
    found = located(site, table, ROWS)
    assert (found.total, {item.kind for item in found.differences}) == (5, {"missing"})


def test_all_differences_are_counted_and_the_first_are_listed_in_order(site, table):
    site.run("UPDATE t SET v = 'x'")
    every = located(site, table, ROWS)
    found = located(site, table, ROWS, limit=2)
    assert found.differences == every.differences[:2]
    assert (found.total, found.columns) == (5, (("v", 5),))
    assert located(site, table, ROWS, limit=0).total == 5


def test_without_a_key_rows_have_a_number_and_columns_are_those_that_differ(site, table_of):
    table = table_of("t", {"a": "int32", "b": "text", "c": "bool"})
    site.create(table)
    rows = [(1, "x", True)] * 3 + [(2, "y", None)]
    site.fill(table, *rows)
    assert located(site, table, rows).total == 0
    site.run("UPDATE t SET b = 'z' WHERE a = 1")
    found = located(site, table, rows)
    assert differences(found) == {("missing", (), ("b",), 3), ("extra", (), ("b",), 3)}
    assert found.total == 6


def test_a_row_that_is_there_too_often_is_a_difference_in_number_only(site, table_of):
    table = table_of("t", {"a": "int32", "b": "text"})
    site.create(table)
    site.fill(table, *[(1, "x")] * 5, (2, "y"))
    found = located(site, table, [(1, "x")] * 2 + [(2, "y")] * 2)
    assert differences(found) == {("extra", (), ("a", "b"), 3), ("missing", (), ("a", "b"), 1)}


def test_a_scope_hides_the_rows_of_the_others(site, table, table_of):
    scoped = table_of("t", {one.name: str(one.type) for one in table.columns}, table.key,
                      (("shop", "oslo"),))  # fmt: skip
    assert located(site, scoped, ROWS[:2]).total == 0
    site.run("DELETE FROM t WHERE shop <> 'oslo'")
    assert located(site, scoped, ROWS[:2]).total == 0
    site.run("DELETE FROM t WHERE id = 2")
    assert located(site, scoped, ROWS[:2]).total == 1


def test_an_input_that_is_gone_is_said_and_nothing_is_made_up(site, table):
    def gone():
        raise SourceError("the file is gone", "sales.csv")
        yield

    with site.reading() as connection:
        found = locate(connection, site.dialect, table, Replayable(Fingerprint(), gone), 50)
    assert (found.differences, found.total) == ((), 0)
    assert "cannot be read again" in found.note
    assert "sales.csv" in found.note


def test_an_input_that_gives_other_rows_than_were_loaded_is_said(site, table):
    loaded = fingerprint(site.data(table, *ROWS), table.columns)
    found = located(site, table, ROWS[1:], expected=loaded)
    assert "does not give the rows that were loaded" in found.note


def test_findings_hold_keys_and_names_of_columns_but_no_other_value(site, table):
    site.run("UPDATE t SET v = 'somebody@example.org' WHERE id = 2")
    assert "example.org" not in repr(located(site, table, ROWS))


READABLE = {
    "text": {"a": "a", "": "", "1:x": "1:x", "é|~": "é|~", None: "NULL"},
    "int16": {-1: "-1"},
    "int32": {2**31 - 1: "2147483647"},
    "int64": {-(2**63): "-9223372036854775808"},
    "bool": {True: "true", False: "false"},
    "float64": {1.5: "1.5", -0.1: "-0.1", float("inf"): "inf", 1e300: "1e+300"},
    "decimal(12,2)": {Decimal("1.50"): "1.5", Decimal(-2): "-2"},
    "date": {
        date(2000, 1, 1): "2000-01-01",
        date(1, 1, 1): "0001-01-01",
        date(9999, 12, 31): "9999-12-31",
    },
    "timestamp": {
        datetime(2020, 2, 29, 12, 30, 15, 7, UTC): "2020-02-29T12:30:15.000007Z",
        datetime(1969, 12, 31, tzinfo=UTC): "1969-12-31T00:00:00.000000Z",
    },
    "uuid": {UUID: UUID},
    "json": {'{"a": "1:x"}': '{"a": "1:x"}'},
    "bytes": {b"\0\xff": "00ff"},
}


@pytest.mark.parametrize(
    "kind, value, shown",
    [(kind, value, shown) for kind, cases in READABLE.items() for value, shown in cases.items()],
)
def test_a_key_is_shown_as_a_person_would_write_it(table_of, kind, value, shown):
    table = table_of("t", {"k": kind})
    data = table.arrow_schema().empty_table()
    data = type(data).from_pylist([{"k": value}], table.arrow_schema())
    (cell,) = fields(data, table.columns)[0].to_pylist()
    assert readable(table, "k", cell.encode()) == shown


@pytest.mark.parametrize("kind", READABLE)
def test_a_cell_that_somebody_damaged_is_shown_as_it_is(table_of, kind):
    bare = kind.partition("(")[0]
    for cell, shown in ((b"!text:61", "a (stored as text"), (b"!real:1.5", "1.5 (stored as real")):
        assert readable(table_of("t", {"k": kind}), "k", cell) == f"{shown}, no {bare})"
