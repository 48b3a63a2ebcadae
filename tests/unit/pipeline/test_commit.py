"""How a record counts of which some rows were there already."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from messy_migration.databases.merge import Written
from messy_migration.model import RECORD, Column, ColumnType, Fingerprint, Stream, Table
from messy_migration.pipeline import commit as committing
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.prepare import Prepared

STREAM = Stream(
    "shop.s",
    tuple(Table(name, (Column("id", ColumnType("int32")),), ("id",)) for name in ("a", "b")),
)


def prepared(**records):
    """A batch whose rows, by table, come from these records."""
    tables = {
        name: pa.table({"id": pa.array(range(len(found)), pa.int32())}).append_column(
            RECORD, pa.array(found, pa.int32())
        )
        for name, found in records.items()
    }
    return Prepared(9, tables, (), {}, 0, Cut(0), STREAM)


def written(**repeated):
    return {name: Written(0, 0, 0, Fingerprint(), found) for name, found in repeated.items()}


@pytest.mark.parametrize(
    "rows, repeats, count",
    [
        ({"a": [0, 1]}, {"a": ()}, 0),
        ({"a": [0, 1]}, {"a": (1,)}, 1),
        ({"a": [0, 1]}, {"a": (0, 1)}, 2),
        # Of a record that makes several rows all have to be there.
        ({"a": [0, 0, 1]}, {"a": (0,)}, 0),
        ({"a": [0, 0, 1]}, {"a": (0, 0)}, 1),
        ({"a": [0, 1], "b": [0, 2]}, {"a": (0,), "b": ()}, 0),
        ({"a": [0, 1], "b": [0, 2]}, {"a": (0,), "b": (0,)}, 1),
        ({"a": [0, 1], "b": [0, 2]}, {"a": (0, 1), "b": (2,)}, 2),
        ({}, {}, 0),
    ],
)
def test_a_record_is_repeated_only_if_all_of_its_rows_are(rows, repeats, count):
    found = committing._repeats(prepared(**rows), written(**repeats))
    assert found == (Counter({"core.duplicate": count}) if count else Counter())


def test_a_record_of_which_a_row_was_not_taken_is_counted_under_its_own_rule():
    rows = prepared(a=[0, 1, 2], b=[0, 1])
    left = {
        "a": Written(0, 0, 0, Fingerprint(), (0,), not_taken=(1, 2)),
        "b": Written(0, 0, 0, Fingerprint(), (0,)),
    }
    # Of record 1 the row in `b` was loaded.
    expected = {"core.duplicate": 1, "core.first": 1}
    assert committing._repeats(rows, left) == expected
