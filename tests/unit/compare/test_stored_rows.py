"""The rows that should be there: of those with one key the newest, whatever came first."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from messy_migration.compare.stored_rows import BATCH, Expected
from messy_migration.databases.sketch import Cells, Keys, View
from messy_migration.fingerprint.rows import fingerprint
from messy_migration.model import Column, ColumnType, Table

TABLE = Table(
    "t",
    tuple(
        Column(name, ColumnType(kind))
        for name, kind in (("id", "int32"), ("v", "text"), ("at", "int32"))
    ),
    ("id",),
)
VIEW = View(TABLE, "t")


def batch(*rows, label="one"):
    data = pa.Table.from_pylist(
        [dict(zip(TABLE.names, row, strict=True)) for row in rows], TABLE.arrow_schema()
    )
    return data.replace_schema_metadata({BATCH: label.encode()})


def held(rows):
    return Counter(tuple(cell.decode() for cell in row.fields) for row in rows)


def everything(expected):
    return held(expected.rows(Cells(frozenset(range(4)), 4)))


def test_rows_are_kept_as_they_came_with_their_sum():
    batches = [batch((1, "a", 1), (2, None, None)), batch((1, "a", 1), label="two")]
    with Expected(VIEW, batches) as expected:
        assert expected.sketch.total() == fingerprint(pa.concat_tables(batches), TABLE.columns)
        assert everything(expected) == {("1", "1:a", "1"): 2, ("2", "~", "~"): 1}
        rows = expected.rows(Keys(frozenset({1})))
        assert held(rows) == {("1", "1:a", "1"): 2}
        assert expected.sketched(16).total() == expected.sketch.total()


@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_of_a_key_stays_and_null_is_older_than_all(turned):
    rows = [(1, "old", 1), (1, "new", 10), (1, "null", None), (2, "a", None), (3, "b", -5)]
    batches = [batch(row) for row in (reversed(rows) if turned else rows)]
    with Expected(VIEW, batches) as expected:
        expected.keep_newest("at")
        assert everything(expected) == {
            ("1", "3:new", "10"): 1,
            ("2", "1:a", "~"): 1,
            ("3", "1:b", "-5"): 1,
        }
        assert expected.sketch.total().rows == 3


def test_of_equally_new_rows_and_without_a_bookmark_the_last_stays():
    batches = [batch((1, "a", 5), (2, "p", 9)), batch((1, "b", 5), (2, "q", 1))]
    with Expected(VIEW, batches) as expected:
        expected.keep_newest(None)
        assert everything(expected) == {("1", "1:b", "5"): 1, ("2", "1:q", "1"): 1}
    with Expected(VIEW, batches) as expected:
        expected.keep_newest("at")
        assert everything(expected) == {("1", "1:b", "5"): 1, ("2", "1:p", "9"): 1}


def test_batches_are_named_the_most_frequent_first():
    batches = [batch((1, "a", 1), label="one"), batch((2, "b", 1), (3, "c", 1), label="two")]
    with Expected(VIEW, batches) as expected:
        rows = expected.rows(Cells(frozenset({0}), 1))
        assert expected.batches(rows) == (("two", 2), ("one", 1))


def test_of_nothing_nothing_is_kept():
    with Expected(VIEW, []) as expected:
        expected.keep_newest("at")
        assert everything(expected) == {}
