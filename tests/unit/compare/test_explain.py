"""The rule that could explain a difference is the one a person would name."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from messy_migration.compare.explain import OTHER, rule, swapped
from messy_migration.fingerprint.rows import fields
from messy_migration.model import Column, ColumnType


def field(kind, value):
    """The C1 field of a value; bytes are a field already."""
    if isinstance(value, bytes):
        return value
    column = Column("x", ColumnType.parse(kind))
    data = pa.table({"x": pa.array([value], column.type.arrow)})
    return fields(data, [column])[0].to_pylist()[0].encode()


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CASES = [
    ("text", None, "", "null or empty"),
    ("text", None, "x", "null on one side"),
    ("int32", 1, None, "null on one side"),
    ("text", "", "x", "empty on one side"),
    ("text", "", "  ", "trim"),
    ("text", "abc", "abc  ", "trim"),
    ("text", "a\nb", "a\r\nb", "line ends"),
    ("text", "a b", "a  b", "blanks"),
    ("text", "\u00e9", "e\u0301", "Unicode form"),
    ("text", "Oslo", "OSLO", "case"),
    ("text", "straße", "STRASSE", "case"),
    ("text", "00123", "123", "leading zeros"),
    ("text", "true", "1", "boolean spelling"),
    ("text", "N", "false", "boolean spelling"),
    ("text", "0.0", "-0.0", "sign of zero"),
    ("text", "1.50", "1.5", "scale only"),
    ("text", "1e3", "1000", "number spelling"),
    ("text", "Jürgen", "JÃ¼rgen", "wrong encoding"),
    ("text", "日本", "æ—¥æœ¬", "wrong encoding"),
    ("text", "Jürgen", "J?rgen", "characters lost"),
    ("text", "ﬁn", "fin", "compatible Unicode form"),
    ("text", "Zoë", "Zoe", "accents"),
    ("text", "03/04/2024", "04/03/2024", "day and month exchanged"),
    ("text", "a long text", "a long", "cut off"),
    ("text", "Smith", "NULL", "a word for null"),
    ("text", "Smith", "Jones", OTHER),
    ("decimal(12,4)", Decimal("1.2345"), Decimal("1.23"), "rounding to 2 digits"),
    ("decimal(12,4)", Decimal("1.2350"), Decimal("1.24"), "rounding to 2 digits"),
    ("decimal(12,4)", Decimal("1.2389"), Decimal("1.23"), "cut to 2 digits"),
    ("decimal(12,4)", Decimal("1.6"), Decimal(2), "rounding to 0 digits"),
    ("decimal(12,4)", Decimal("-5.1"), Decimal("5.1"), "sign"),
    ("decimal(12,4)", Decimal("12.34"), Decimal(1234), "decimal point moved by 2"),
    ("decimal(38,18)", Decimal("0.1"), Decimal("0.100000000000000006"), "rounding to 1 digit"),
    ("decimal(12,4)", Decimal(5), Decimal(7), OTHER),
    ("int64", 5, -5, "sign"),
    ("int64", 5, 50, "decimal point moved by 1"),
    ("int64", 5, 6, OTHER),
    ("float64", 0.1, 0.10000000000000002, "float noise"),
    ("float64", 0.1, 0.10000000149011612, "single precision"),
    ("float64", 1.2345, 1.23, "rounding to 2 digits"),
    ("float64", 1.5, float("inf"), OTHER),
    ("float64", 1.5, 2.75, OTHER),
    ("bool", True, False, "true and false exchanged"),
    ("timestamp", at("2024-03-01T10:00:00"), at("2024-03-01T12:00:00"), "shifted by 2 hours"),
    (
        "timestamp",
        at("2024-03-01T10:00:00"),
        at("2024-03-01T15:30:00"),
        "shifted by 5 hours 30 minutes",
    ),
    ("timestamp", at("2024-03-01T10:00:00"), at("2024-03-01T10:07:00"), "shifted by 7 minutes"),
    ("timestamp", at("2024-03-01T10:00:00.123456"), at("2024-03-01T10:00:00"), "cut to seconds"),
    (
        "timestamp",
        at("2024-03-01T10:00:00.999999"),
        at("2024-03-01T10:00:01"),
        "rounding to seconds",
    ),
    (
        "timestamp",
        at("2024-03-01T10:00:00.123456"),
        at("2024-03-01T10:00:00.123"),
        "cut to milliseconds",
    ),
    ("timestamp", at("2024-03-04T10:00:00"), at("2024-04-03T10:00:00"), "day and month exchanged"),
    ("timestamp", at("2024-03-04T10:01:02"), at("2024-03-04T00:00:00"), "time of day lost"),
    ("timestamp", at("2024-03-04T10:01:02"), at("2020-01-01T00:00:07"), OTHER),
    ("date", date(2024, 3, 4), date(2024, 4, 3), "day and month exchanged"),
    ("date", date(2024, 3, 4), date(2024, 3, 5), "shifted by 1 day"),
    ("date", date(2024, 3, 4), date(2028, 3, 5), "shifted by 4 years"),
    ("date", date(2024, 3, 4), date(2010, 7, 9), OTHER),
    ("int64", 7, b"!text:" + b"007".hex().encode(), "leading zeros"),
    ("bool", True, b"!text:" + b"Yes".hex().encode(), "boolean spelling"),
    ("int64", 7, b"!text:", "null or empty"),
    ("int64", 7, b"!real:7.5", "stored as real, which is no int64"),
    ("bytes", b"1:00", b"1:01", OTHER),
    ("uuid", b"01234567-89ab-cdef-0123-456789abcdef", b"~", "null on one side"),
]


@pytest.mark.parametrize("kind, left, right, expected", CASES)
def test_a_difference_has_its_rule_whichever_side_it_is_on(kind, left, right, expected):
    type_ = ColumnType.parse(kind)
    here, there = field(kind, left), field(kind, right)
    assert rule(type_, here, there) == expected
    assert rule(type_, there, here) == expected


def test_values_that_changed_places_within_a_row_are_seen():
    left, right = (b"1", b"2:ab", b"2:cd", b"~"), (b"1", b"2:cd", b"2:ab", b"~")
    assert swapped(left, right, [1, 2]) == {1: 2, 2: 1}
    assert swapped(left, (b"1", b"2:cd", b"2:xx", b"~"), [1, 2]) == {}
