"""Texts of databases and declarations as values; the conformance suite tries millions more."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from messy_migration.model import ColumnType
from messy_migration.model.conversion import cast_exactly, cast_table, typed


def same(one, other):
    return one == other or (math.isnan(one) and math.isnan(other))


@pytest.mark.parametrize(
    "kind, text, value",
    [
        ("bool", "t", True),
        ("bool", "0", False),
        ("int16", "-32768", -32768),
        ("float64", "NaN", math.nan),
        ("float64", "-Infinity", -math.inf),
        ("float64", "1e-400", 0.0),
        ("bytes", r"\x00ff", b"\0\xff"),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("timestamp", "2024-02-29 23:00:00+13", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("uuid", "01234567-89AB-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"),
        ("decimal(38,30)", "12345678.5", Decimal("12345678.5")),
        ("text", " x ", " x "),
    ],
)
def test_what_a_database_writes_becomes_a_value(kind, text, value):
    (found, none) = typed([text, None], ColumnType.parse(kind)).to_pylist()
    assert none is None
    assert same(found, value)


@pytest.mark.parametrize(
    "kind, text",
    [
        ("decimal(38,30)", "350000000"),
        ("decimal(10,2)", "3402823669209384634633746074317682114.57"),
        ("int16", "32768"),
        ("int64", "0x10"),
        ("int64", "1" * 20),
        ("float64", "1e400"),
        ("float64", "1_0"),
        ("bool", "yes"),
        ("date", "2024-02-30"),
        ("date", "2024-02-01 BC"),
        ("timestamp", "2024-02-30 00:00:00"),
        ("timestamp", "2024-01-01 00:00:00.0000001"),
        ("timestamp", "infinity"),
        ("bytes", "00ff"),
        ("uuid", "0_123456-89ab-cdef-0123-456789abcdef"),
        ("uuid", "{01234567-89ab-cdef-0123-456789abcdef"),
    ],
)
def test_g01_what_is_no_value_is_refused_without_being_quoted(kind, text):
    with pytest.raises(ValueError, match="a text is no ") as caught:
        typed(["1", text] if kind.startswith(("int", "dec")) else [text], ColumnType.parse(kind))
    assert text not in str(caught.value)


def test_g01_a_larger_scale_does_not_wrap():
    numbers = pa.array([Decimal(35), None], pa.decimal128(9, 0))
    wanted = pa.decimal128(38, 37)
    with pytest.raises(pa.ArrowInvalid):
        cast_exactly(numbers, wanted)
    with pytest.raises(pa.ArrowInvalid):
        cast_table(pa.table({"x": numbers}), pa.schema([("x", wanted)]))
    fitting = cast_exactly(pa.chunked_array([numbers]), pa.decimal128(38, 36))
    assert fitting.to_pylist() == [Decimal(35), None]


def test_g01_decimals_of_256_bits_do_not_wrap():
    numbers = pa.array([Decimal(10**40), None], pa.decimal256(76, 0))
    with pytest.raises(pa.ArrowInvalid):
        cast_exactly(numbers, pa.decimal128(38, 38))
    small = pa.array([Decimal(0), None], pa.decimal256(76, 0))
    assert cast_exactly(small, pa.decimal128(38, 38)).to_pylist() == [Decimal(0), None]
    assert cast_exactly(pa.chunked_array([small]), pa.decimal128(38, 38)).null_count == 1


def test_a_table_becomes_a_schema_by_name():
    table = pa.table({"b": pa.array(["350000000", "1.5"]), "a": pa.array([1, 2], pa.int8())})
    schema = pa.schema([("a", pa.int64()), ("b", pa.decimal128(18, 4))])
    assert cast_table(table, schema).to_pydict() == {
        "a": [1, 2],
        "b": [Decimal(350000000), Decimal("1.5")],
    }
    with pytest.raises(pa.ArrowInvalid):
        cast_table(table, pa.schema([("b", pa.decimal128(38, 30))]))
    with pytest.raises(pa.ArrowNotImplementedError):
        cast_table(pa.table({"x": [1.5]}), pa.schema([("x", pa.decimal128(9, 2))]))
    empty = pa.table({"b": pa.chunked_array([], pa.string())})
    assert cast_table(empty, pa.schema([("b", pa.decimal128(9, 2))])).num_rows == 0
