"""The key by which a record is known again in a later run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from messy_migration.model import RECORD, Column, ColumnType, Frame, Stream, Table, Violation
from messy_migration.pipeline.cut import cut
from messy_migration.pipeline.identity import (
    key_of_json,
    key_of_values,
    keys_of_refused,
    loaded_keys,
    row_keys,
)
from messy_migration.pipeline.rules import DUPLICATE_KEY

KINDS = {
    "id": "int64",
    "name": "text",
    "amt": "decimal(9,2)",
    "at": "timestamp",
    "raw": "bytes",
    "doc": "json",
    "f": "float64",
}
ROWS = [
    (1, "a|b", Decimal("1.50"), datetime(2026, 1, 1, tzinfo=UTC), b"|\x00", '{"a":"|"}', 0.5),
    (2, "", None, None, b"", None, None),
    (3, "~", Decimal("-7.00"), None, None, '"3:x|"', float("nan")),
    (4, "é\u202e3:|", Decimal(0), None, b"~", "[]", -0.0),
    (5, None, None, None, None, None, None),
]


def table(key=("id",), name="t", kinds=KINDS):
    columns = tuple(Column(one, ColumnType.parse(kind)) for one, kind in kinds.items())
    return Table(name, columns, key)


def data(of, rows=ROWS):
    found = pa.Table.from_pylist(
        [dict(zip(of.names, row, strict=True)) for row in rows], of.arrow_schema()
    )
    return found.append_column(RECORD, pa.array(range(found.num_rows), pa.int32()))


@pytest.mark.parametrize("key", [("id",), ("name",), ("id", "name"), ("doc", "id")])
def test_a_row_has_the_same_key_by_its_values_and_by_its_json(key):
    one = table(key)
    rows = data(one).select(["id", "name", "doc"]).to_pylist()
    keys = row_keys(one, data(one))
    assert [key_of_json(one, json.dumps(row).encode()) for row in rows] == keys
    assert len(set(keys)) >= len(keys) - 1


@pytest.mark.parametrize("row", [b"", b"[]", b"{}", b"1", b'{"id": null}', b'{"id": "x"}', b"\xff"])
def test_what_is_no_row_has_no_key(row):
    assert key_of_json(table(), row) == ""


def test_a_key_with_a_missing_part_is_none():
    assert [bool(key) for key in row_keys(table(("id", "amt")), data(table()))] == [
        True, False, True, True, False,
    ]  # fmt: skip


def test_what_an_extract_rejected_is_known_by_the_values_that_it_gives():
    stream = Stream("shop.s", (table(),))
    (expected, *_) = row_keys(table(), data(table()))
    assert key_of_values(stream, {"id": 1}) == expected
    for values in ({}, {"id": None}, {"id": "one"}, {"id": 1 << 80}, {"name": "a"}):
        assert key_of_values(stream, values) == ""
    assert key_of_values(Stream("shop.s", (table(), table(name="u"))), {"id": 1}) == ""
    assert key_of_values(Stream("shop.s", (table(key=()),)), {"id": 1}) == ""


def batch_of(*rows):
    (found,) = cut(iter([Frame(pa.table({"id": [str(row) for row in rows]}))]), 100, 1 << 20)
    return found


def violation(record, of="t", rule="shop.bad"):
    return {record: [Violation(record, of, None, rule, "")]}


def test_a_record_of_one_table_is_loaded_under_the_key_that_it_was_refused_with():
    one = table()
    stream, tables = Stream("shop.s", (one,)), {"t": data(one)}
    refused = keys_of_refused(stream, batch_of(), violation(2), tables)
    assert refused == {2: row_keys(one, data(one))[2]}
    assert refused[2] in loaded_keys(stream, batch_of(), tables)


def test_a_record_of_an_api_is_known_by_what_its_source_names_it():
    one = table(kinds={"id": "text", "n": "int64"})
    stream = Stream("shop.s", (one, table(name="u")), record=one.columns[:1], lands=True)
    part = batch_of(7, 8, 9)
    refused = keys_of_refused(stream, part, violation(1), {})
    later = batch_of(8)
    rows = data(one, [("own", 1)])
    assert refused[1] in loaded_keys(stream, later, {"t": rows})
    assert refused[1] not in loaded_keys(stream, batch_of(9), {"t": rows})


def test_of_a_record_of_several_tables_only_a_contradicting_row_is_known():
    first, second = table(), table(name="u")
    stream = Stream("shop.s", (first, second))
    tables = {"t": data(first), "u": data(second)}
    assert keys_of_refused(stream, batch_of(), violation(0), tables) == {}
    contradicting = violation(0, "u", DUPLICATE_KEY)
    (key,) = keys_of_refused(stream, batch_of(), contradicting, tables).values()
    assert key in loaded_keys(stream, batch_of(), {"u": data(second)})
    assert key not in loaded_keys(stream, batch_of(), {"t": data(first)})
