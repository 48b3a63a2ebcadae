"""What stands in quarantine is what the source gave, whatever was refused in it."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pytest

from messy_migration.model import Column, ColumnType, Frame, Partition, Stream, Table
from messy_migration.pipeline.cut import cut
from messy_migration.pipeline.prepare import prepare_batch


def one_table(kind):
    return Table("t", (Column("n", ColumnType("int64")), Column("x", ColumnType.parse(kind))))


def quarantined(registry, stream, *tables, unstorable=lambda table, data: {}):
    """The payloads and rules of a batch of frames that say nothing of where they come from."""
    (batch,) = cut(iter([Frame(table) for table in tables]), 10_000, 1 << 30)
    done = prepare_batch(registry, stream, Partition("p", "d"), batch, unstorable)
    return [(json.loads(entry.raw), entry.rule) for entry in done.entries]


def rows(values, kind, first=0):
    numbers = pa.array(range(first, first + len(values)), pa.int64())
    return pa.table({"n": numbers, "x": pa.array(values, kind)})


@pytest.mark.parametrize(
    "kind, arrow, value, shown, rule",
    [
        ("int16", pa.int64(), 70_000, 70_000, "core.type"),
        ("int64", pa.float64(), 1.5, 1.5, "core.type"),
        ("int64", pa.float64(), math.inf, "inf", "core.type"),
        ("decimal(38,37)", pa.decimal128(9, 0), 35, "35", "core.type"),
        ("json", pa.string(), '{"a":1,"a":2}', '{"a":1,"a":2}', "core.json"),
        ("json", pa.string(), r'"\u0000"', r'"\u0000"', "core.json"),
        ("uuid", pa.string(), "ABC", "ABC", "core.uuid"),
        ("text", pa.string(), "a\0b", "a\0b", "core.nul"),
        ("timestamp", pa.timestamp("ns", "UTC"), 1, "1970-01-01 00:00:00.000000001Z", "core.type"),
    ],
)  # fmt: skip
def test_g24_a_value_that_a_rule_refuses_is_kept(registry_of, kind, arrow, value, shown, rule):
    stream = Stream("shop.orders", (one_table(kind),))
    found = quarantined(
        registry_of(), stream, rows([None], arrow), rows([None, value, None], arrow, 1)
    )
    assert found == [({"t": [{"n": 2, "x": shown}]}, rule)]


def test_g24_a_day_that_python_does_not_have_is_kept(registry_of):
    stream = Stream("shop.orders", (one_table("date"),))
    days = rows([-746_117 + 10_957, 0], pa.int32())
    days = days.set_column(1, "x", days["x"].cast(pa.date32()))
    ((payload, rule),) = quarantined(
        registry_of(), stream, days, unstorable=lambda table, data: {"x": [0]}
    )
    assert rule == "core.unstorable"
    assert payload["t"][0]["x"].endswith("-03-15")
    assert payload["t"][0]["x"].startswith("-")


def test_bytes_are_kept_as_hexadecimal(registry_of):
    stream = Stream("shop.orders", (one_table("bytes"),))
    found = quarantined(
        registry_of(),
        stream,
        rows([b"\0\xff"], pa.binary()),
        unstorable=lambda table, data: {"x": [0]},
    )
    assert found == [({"t": [{"n": 0, "x": "00ff"}]}, "core.unstorable")]
