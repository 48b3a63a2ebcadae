"""What of a batch goes to quarantine: one entry a record."""

from __future__ import annotations

import pyarrow as pa

from messy_migration.model import (
    RECORD,
    Column,
    ColumnType,
    Frame,
    Rejected,
    Stream,
    Table,
    Violation,
)
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.entries import displaced_entry, entries_of, rejected_entries
from messy_migration.pipeline.rules import DUPLICATE_KEY

TABLE = Table("t", (Column("id", ColumnType("int32")), Column("name", ColumnType("text"))), ("id",))
STREAM = Stream("made.t", (TABLE,))
ROWS = pa.table({"id": pa.array([1, 2], pa.int32()), "name": ["a", "b"]})


def batch():
    made = Cut(3)
    made.add(Frame(ROWS), 0, 2)
    return made


def numbered():
    return {"t": ROWS.append_column(RECORD, pa.array([0, 1], pa.int32()))}


def test_a_record_has_one_entry_with_its_first_rule_and_all_reasons():
    violations = [
        Violation(1, "t", "name", "shop.name", "too short"),
        Violation(1, "t", None, "shop.row", "too odd"),
        Violation(1, "t", "name", "shop.name", "too short"),
        Violation(0, "t", "id", "shop.id", "too small"),
    ]
    first, second = entries_of(STREAM, batch(), violations, numbered())
    assert (first.rule, first.column, first.reason) == ("shop.id", "id", "id: too small")
    assert (second.rule, second.reason) == ("shop.name", "name: too short; too odd")
    assert second.place == "made.t, batch 3, record 1"


def test_a_contradiction_is_known_by_its_row():
    violations = [
        Violation(record, "t", None, DUPLICATE_KEY, "another record has the same key")
        for record in (0, 1)
    ]
    first, second = entries_of(STREAM, batch(), violations, numbered())
    assert len(first.identity) == len(second.identity) == 32
    assert first.identity != second.identity


def test_what_extract_rejected_keeps_its_words():
    made = Cut(0, rejected=[Rejected(b"1,x", "a.csv:2", "no number", "files.value", "id")])
    (entry,) = rejected_entries(STREAM, made)
    assert (entry.place, entry.rule, entry.reason) == ("a.csv:2", "files.value", "no number")
    assert (entry.raw, entry.column) == (b"1,x", "id")


def test_a_row_that_lost_later_is_named_by_its_key():
    entry = displaced_entry(TABLE, "0" * 32, b'{"id": 1, "name": "a"}')
    assert (entry.rule, entry.table, entry.column) == (DUPLICATE_KEY, "t", "id")
    assert entry.identity == "0" * 32
