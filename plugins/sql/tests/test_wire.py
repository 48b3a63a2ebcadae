"""Fields of a binary COPY that no server should send, or that few columns hold."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from messy_migration.model import ColumnType
from messy_migration_sql.readable import readable
from messy_migration_sql.wire import Chunk

POSITIVE, NEGATIVE = 0x0000, 0x4000


def numeric(groups, weight, sign=POSITIVE, scale=0):
    return struct.pack(f">HhHH{len(groups)}h", len(groups), weight, sign, scale, *groups)


def chunk(field, kind):
    row = struct.pack(">hi", 1, len(field)) + field
    return Chunk(bytearray(row), [len(row)], [ColumnType.parse(kind)])


def test_groups_that_fit_alone_but_not_together_are_refused():
    # 99 and 30,000 fit six digits; together they are 1,020,000.
    ((array,), refused) = chunk(numeric([99, 30_000], 1), "decimal(6,0)").columns()
    assert array.to_pylist() == [None]
    (problem,) = refused
    assert "without rounding" in problem.reason
    ((array,), refused) = chunk(numeric([99, 9_999], 1), "decimal(6,0)").columns()
    assert (array.to_pylist(), refused) == ([Decimal(999_999)], [])


@pytest.mark.parametrize("count", [17, 32_767, 32_768])
def test_a_numeric_of_very_many_digits_is_refused_and_never_zero(count):
    ((array,), refused) = chunk(numeric([9_999] * count, count - 1), "decimal(18,2)").columns()
    assert array.to_pylist() == [None]
    assert len(refused) == 1


@pytest.mark.parametrize(
    "groups, weight, scale, text",
    [
        ([1], 0, 0, "1"), ([], 0, 2, "0.00"), ([5000], -1, 1, "0.5"),
        ([5], -3, 12, "0.000000000005"),
        ([12, 3400], 0, 2, "12.34"), ([1], 2, 0, "100000000"),
        ([1, *([0] * 9), 1234], 9, 4, "1" + "0" * 36 + ".1234"),
        ([9999] * 32_768, 32_767, 0, "9" * 131_072),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sign", [POSITIVE, NEGATIVE])
def test_g24_a_numeric_of_any_size_is_written_to_its_last_digit(groups, weight, scale, text, sign):
    found = readable(numeric(groups, weight, sign, scale), "numeric")
    assert found == ("-" if sign else "") + text


@pytest.mark.parametrize(
    "days, text",
    [
        (0, "2000-01-01"), (59, "2000-02-29"), (-730_119, "0001-01-01"),
        (-730_120, "0001-12-31 BC"),
        (-746_117, "0044-03-15 BC"), (2_921_939, "9999-12-31"), (2_921_940, "10000-01-01"),
        (-2_451_545, "4714-11-24 BC"), (2**31 - 1, "infinity"), (-(2**31), "-infinity"),
    ],
)  # fmt: skip
def test_g24_a_day_of_any_year_is_written_as_the_server_writes_it(days, text):
    assert readable(struct.pack(">i", days), "date") == text


def test_g24_an_instant_before_the_year_1_is_written_as_the_server_writes_it():
    moment = -746_117 * 86_400_000_000 + 3_600_000_001
    written = readable(struct.pack(">q", moment), "timestamptz")
    assert written == "0044-03-15 01:00:00.000001+00:00 BC"


def test_days_of_python_are_written_as_python_does():
    for days in range(-730_119, 2_921_939, 997):
        day = date(2000, 1, 1) + timedelta(days)
        assert readable(struct.pack(">i", days), "date") == str(day)
        moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days, microseconds=days % 86_400_000)
        since = days * 86_400_000_000 + days % 86_400_000
        assert readable(struct.pack(">q", since), "timestamptz") == str(moment)
