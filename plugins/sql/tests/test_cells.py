"""A column of SQLite may hold anything; what is exactly of its type comes through."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from messy_migration.model import ColumnType
from messy_migration_sql.cells import to_array

MOMENT = datetime(2024, 2, 29, 23, 59, 59, 120000, UTC)
RIGHT = [
    ("int64", -(2**63), None),
    ("int64", 2**63 - 1, None),
    ("int16", 32767, None),
    ("bool", 1, True),
    ("float64", 0.1, None),
    ("float64", 7, 7.0),
    ("decimal(10,2)", "12.50", Decimal("12.50")),
    ("decimal(10,2)", 12.1, Decimal("12.10")),
    ("decimal(10,2)", -12, Decimal("-12.00")),
    ("decimal(38,18)", "1e-7", Decimal("0.000000100000000000")),
    ("decimal(38,18)", 1e-7, Decimal("0.000000100000000000")),
    ("decimal(10,2)", " 1.5 ", Decimal("1.50")),
    ("text", "", None),
    ("text", "é\U0001f600", None),
    ("bytes", b"", None),
    ("date", "2024-02-29", date(2024, 2, 29)),
    ("date", "2024-02-29 00:00:00", date(2024, 2, 29)),
    ("timestamp", "2024-02-29 23:59:59.12", MOMENT),
    ("timestamp", "2024-02-29T23:59:59.120000000", MOMENT),
    ("timestamp", "2024-02-29T23:59:59.12Z", MOMENT),
    ("timestamp", "2024-03-01 01:59:59.12+02:00", MOMENT),
    ("timestamp", "2024-03-01", datetime(2024, 3, 1, tzinfo=UTC)),
    ("timestamp", "2024-03-01 10:30", datetime(2024, 3, 1, 10, 30, tzinfo=UTC)),
    ("uuid", "00112233-4455-6677-8899-AABBCCDDEEFF", "00112233-4455-6677-8899-aabbccddeeff"),
    ("uuid", bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
    ("json", "{}", None),
]
WRONG = [
    ("int64", "12", "a text"),
    ("int64", 1.0, "a number"),
    ("int64", b"1", "a blob"),
    ("int16", 32768, "does not fit"),
    ("bool", 2, "neither 0 nor 1"),
    ("bool", "true", "neither 0 nor 1"),
    ("float64", "x", "a text"),
    ("float64", 2**53 + 1, "no exact"),
    ("decimal(10,2)", "12.345", "without rounding"),
    ("decimal(10,2)", 0.1 + 0.2, "without rounding"),
    ("decimal(10,2)", "123456789.00", "without rounding"),
    ("decimal(10,2)", "twelve", "no decimal"),
    ("decimal(10,2)", "NaN", "no decimal"),
    ("decimal(10,2)", float("inf"), "a number"),
    ("decimal(10,2)", b"1", "a blob"),
    ("text", 1, "an integer"),
    ("text", b"abc", "a blob"),
    ("text", "\udcff", "no UTF-8"),
    ("bytes", "abc", "a text"),
    ("date", "2024-02-30", "no date"),
    ("date", "2024-02-29 10:00:00", "no date"),
    ("date", 20240229, "an integer"),
    ("date", "29.02.2024", "no date"),
    ("date", "0000-01-01", "no date"),
    ("timestamp", "2024-02-29 23:59:60", "no moment"),
    ("timestamp", "2024-02-29 23:59:59.1234567", "no moment"),
    ("timestamp", 1709251199, "an integer"),
    ("timestamp", 2460370.5, "a number"),
    ("timestamp", "yesterday", "no moment"),
    ("timestamp", "0000-12-31 00:00:00", "no moment"),
    ("timestamp", "0001-01-01 00:00:00+02:00", "no moment"),
    ("uuid", "0011", "no uuid"),
    ("uuid", b"12", "a blob"),
    ("json", b"{}", "a blob"),
    # What Python's own Decimal, int, datetime and UUID would take.
    ("decimal(10,2)", "1_000", "no decimal"),
    ("decimal(10,2)", "\u0663", "no decimal"),
    ("decimal(10,2)", "9" * 131_072, "without rounding"),
    ("decimal(10,2)", "3402823669209384634633746074317682114.57", "without rounding"),
    ("decimal(38,30)", "350000000", "without rounding"),
    ("date", "\u0662\u0660\u0662\u0664-01-01", "no date"),
    ("timestamp", "2024-02-29 23:59:59+24:00", "no moment"),
    ("uuid", "0_112233-4455-6677-8899-aabbccddeeff", "no uuid"),
    ("uuid", "urn:uuid:00112233-4455-6677-8899-aabbccddeeff", "no uuid"),
]


@pytest.mark.parametrize("kind, value, expected", RIGHT)
def test_an_exact_value_arrives(kind, value, expected):
    array, refused = to_array([None, value, None], ColumnType.parse(kind))
    assert refused == []
    assert array.type == ColumnType.parse(kind).arrow
    assert array.to_pylist() == [None, value if expected is None else expected, None]


@pytest.mark.parametrize("kind, value, words", WRONG)
def test_anything_else_is_refused_alone(kind, value, words):
    good = next(item for item in RIGHT if item[0].startswith(kind.partition("(")[0]))
    array, refused = to_array([good[1], value, None], ColumnType.parse(kind))
    ((row, reason),) = refused
    assert row == 1
    assert words in reason
    assert array.to_pylist()[1:] == [None, None]
    assert array.to_pylist()[0] is not None


def test_a_column_without_values_is_one_of_nulls():
    array, refused = to_array([None, None], ColumnType.parse("decimal(5,2)"))
    assert (array.to_pylist(), refused) == ([None, None], [])
