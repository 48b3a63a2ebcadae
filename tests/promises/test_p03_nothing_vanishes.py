"""Every record that was extracted was loaded, quarantined, or filtered by a named rule."""

from __future__ import annotations

import sqlite3
from collections import Counter

import psycopg
import pytest

MIXED = """
import pyarrow as pa
from messy_migration.model import *

COLUMNS = (Column("id", ColumnType("int64"), required=True), Column("name", ColumnType("text")))

@hookimpl
def streams():
    return [Stream("mixed.all", (Table("mixed", COLUMNS, ("id",)),))]

@hookimpl
def partitions():
    return [Partition(name, name) for name in ("first", "second")]

@hookimpl
def extract(partition):
    start = 100 if partition.name == "second" else 0
    yield Filtered("mixed.test_order", 4)
    yield Rejected(b"no record", f"{partition.name}: 5", "it cannot be read", "mixed.unreadable")
    ids = pa.array([start, start + 1, start + 2, start + 3, None], pa.int64())
    names = pa.array(list("abcde"))
    yield Frame(pa.table({"id": ids, "name": names}), lambda i: Origin(b"row", f"row {i}"))

@hookimpl
def validate(table, batch):
    records = zip(batch.table["_record"].to_pylist(), batch.table["name"].to_pylist())
    return [
        Violation(record, table, "name", "mixed.no_b", "b is no name")
        for record, name in records
        if name == "b"
    ]
"""
SPENT = {"extracted": 20, "loaded": 6, "quarantined": 6, "filtered": 8}


@pytest.fixture
def mixed(anywhere):
    anywhere.install("mixed", MIXED, select=False)
    anywhere.plugins = ["mixed"]
    anywhere.configure("quarantine_limit = 100")
    return anywhere


def test_records_of_every_fate_add_up_for_batch_stream_and_run(mixed):
    result = mixed.migrate("run", "--json").matched()
    assert result.counts("mixed.all") == tuple(SPENT.values())
    assert result.stream("mixed.all")["filters"] == {"mixed.test_order": 8}
    sums = ", ".join(f"sum({name})" for name in SPENT)
    assert mixed.query(f"SELECT {sums} FROM {mixed.ledger('receipt')}") == [tuple(SPENT.values())]
    mixed.assert_balanced()
    rules = Counter(rule for _, rule, *_ in mixed.quarantine())
    assert rules == {"mixed.unreadable": 2, "core.required": 2, "mixed.no_b": 2}


@pytest.mark.parametrize("count", SPENT)
def test_no_receipt_can_be_written_that_does_not_add_up(mixed, count):
    mixed.migrate("run").ended(0)
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.CheckViolation)):
        mixed.execute(f"UPDATE {mixed.ledger('receipt')} SET {count} = {count} + 1")
