"""Many differences: how many are named, counted, estimated, and when nothing more is looked at."""

from __future__ import annotations

import pytest

from messy_migration.compare import resolve

ROWS = 12_000


@pytest.fixture
def wide(two):
    two.run("CREATE TABLE t (id integer PRIMARY KEY, k text, n integer, p numeric(12, 4))")
    rows = [(number, f"k{number}", number % 7, str(number + 0.1236)) for number in range(ROWS)]
    for side in (two.left, two.right):
        side.fill("t", rows)
    return two


def test_all_are_counted_and_the_first_are_listed(wide):
    wide.right.run("UPDATE t SET n = n + 1 WHERE id % 6 = 0")
    found = wide.only(limit=3).findings
    assert (found.total, found.is_exact) == (ROWS // 6, True)
    assert [dict(item.key)["id"] for item in found.differences] == ["0", "6", "12"]
    assert found.columns == (("n", ROWS // 6),)


def test_a_mass_of_differences_is_told_by_column_from_a_sample(wide, monkeypatch):
    monkeypatch.setattr(resolve, "MOST", 1_000)
    monkeypatch.setattr("messy_migration.compare.databases.MOST", 1_000)
    wide.right.run("UPDATE t SET p = round(p, 2)", "UPDATE t SET n = 9 WHERE id % 2 = 0")
    found = wide.only().findings
    assert not found.is_exact
    assert "sample" in found.note
    assert 0.9 * ROWS < found.total < 1.1 * ROWS
    assert 0 < found.looked_at <= resolve.SAMPLE
    columns = dict(found.columns)
    assert columns["p"] == found.looked_at
    assert 0.3 < columns["n"] / found.looked_at < 0.7
    assert dict(found.rules)["p"] == (("rounding to 2 digits", found.looked_at),)


def test_after_so_many_differences_nothing_more_is_looked_at(wide):
    wide.run("CREATE TABLE z (id integer)")
    wide.right.run("UPDATE t SET n = n + 1 WHERE id % 6 = 0")
    result = wide.compare(stop_after=5)
    found = {item.pair.label: item for item in result.tables}
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    assert len(found["t"].findings.differences) == 5
    assert found["z"].verdict == "UNKNOWN"
    assert "differences were found before" in found["z"].reason


def test_no_key_and_many_differences(wide):
    wide.run("CREATE TABLE loose (a integer, b text)")
    rows = [(number % 5_000, f"b{number % 5_000}") for number in range(10_000)]
    for side in (wide.left, wide.right):
        side.fill("loose", rows)
    wide.right.run("UPDATE loose SET b = 'x' WHERE a % 10 = 3")
    result = wide.compare()
    found = {item.pair.label: item for item in result.tables}["loose"].findings
    assert found.is_exact
    assert found.total == 2 * 1_000
    assert sum(item.rows for item in found.differences if item.kind == "missing") > 0


def test_one_row_that_is_there_a_thousand_times_too_often_is_one_difference(two, listed):
    two.run("CREATE TABLE t (a integer, b text)")
    for side in (two.left, two.right):
        side.fill("t", [(number, "x") for number in range(2_000)])
    two.right.fill("t", [(7, "x")] * 1_000)
    found = two.only()
    assert (listed(found), found.findings.is_exact) == ([("extra", {}, (), 1_000)], True)
