"""Every type: what it takes, what it refuses, and that neighbours do not matter."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messy_migration.model import ColumnType
from messy_migration_files.convert import convert
from messy_migration_files.schema import SourceColumn

BAD = object()
LONG_AGO = datetime(1890, 1, 1)  # noqa: DTZ001
FAR_AHEAD = datetime(2100, 1, 1)  # noqa: DTZ001


def one(text: str | None, kind: str, **options: Any) -> Any:
    return many([text], kind, **options)[0]


def many(texts: list[str | None], kind: str, **options: Any) -> list[Any]:
    column = SourceColumn("c", "c", ColumnType.parse(kind), **options)
    converted = convert(pa.array(texts, pa.string()), column)
    assert converted.values.type == column.type.arrow
    values = converted.values.to_pylist()
    for row, reason in converted.faults.items():
        assert values[row] is None
        assert reason.startswith("c is ")
        values[row] = BAD
    return values


INTEGERS = [
    ("0", 0), ("-0", 0), ("007", 7), ("-12", -12), ("2147483647", 2147483647),
    ("-2147483648", -2147483648), ("0" * 60 + "5", 5),
]  # fmt: skip
NO_INTEGERS = [
    "", " 1", "1 ", "+1", "1.0", "1e5", "0x10", "2147483648", "-2147483649", "--1", "-", "1-2",
    "1,234", "\u0663", "NA", "1_000", "9" * 400,
]  # fmt: skip


@pytest.mark.parametrize("text, value", INTEGERS)
def test_integers_that_are_taken(text: str, value: int):
    assert one(text, "int32") == value


@pytest.mark.parametrize("text", NO_INTEGERS)
def test_f10_f12_integers_that_are_refused(text: str):
    assert one(text, "int32") is BAD


def test_f11_large_identifiers_are_exact():
    assert one("9007199254740993", "int64") == 9007199254740993
    assert one("9223372036854775807", "int64") == 2**63 - 1
    assert one("9223372036854775808", "int64") is BAD
    assert one("12345678901234567890", "text") == "12345678901234567890"


@pytest.mark.parametrize(
    "text, value",
    [("1.25", "1.25"), ("-0", "0"), (".5", "0.5"), ("5.", "5"), ("001.20", "1.2"),
     ("999.99", "999.99"), ("1.2500000", "1.25"), ("1." + "0" * 60, "1"), ("0" * 60 + "1", "1")],
)  # fmt: skip
def test_decimals_that_are_taken(text: str, value: str):
    assert one(text, "decimal(5,2)") == Decimal(value)


@pytest.mark.parametrize(
    "text", ["1.255", "1000", "1e2", "+1", "", ".", "-", "1,5", "1.2.3", " 1", "nan", "(5)", "5-"]
)
def test_f12_decimals_are_never_rounded_nor_guessed(text: str):
    assert one(text, "decimal(5,2)") is BAD


def test_decimal_of_38_digits_is_exact():
    text = "-" + "9" * 20 + "." + "9" * 18
    assert one(text, "decimal(38,18)") == Decimal(text)


@pytest.mark.parametrize(
    "text, value", [("1.5", 1.5), ("-1e-3", -0.001), ("1E+5", 1e5), ("7", 7.0)]
)
def test_floats_that_are_taken(text: str, value: float):
    assert one(text, "float64") == value


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e999", "+1", "", "0x1p3", "1_0", "1e", "e5"]
)
def test_floats_that_are_refused(text: str):
    assert one(text, "float64") is BAD


def test_bools_are_the_declared_words():
    assert many(["true", "false", "True", "", None], "bool") == [True, False, BAD, BAD, None]
    words = {"true": ("Y", "yes"), "false": ("N",)}
    assert many(["Y", "yes", "N", "true"], "bool", **words) == [True, True, False, BAD]


@pytest.mark.parametrize(
    "text", ["2023-02-29", "2024-02-30", "2024-13-01", "2024-00-10", "2024-1-32", "0000-01-01",
             "24-01-01", "2024-01-01 ", "2024/01/01", "\u0662\u0660\u0662\u0664-01-01"],
)  # fmt: skip
def test_dates_that_no_calendar_has(text: str):
    assert one(text, "date") is BAD


def test_dates_by_pattern():
    assert many(["2024-02-29", "2024-2-9"], "date") == [date(2024, 2, 29), date(2024, 2, 9)]
    assert one("01/02/2024", "date", pattern="%d/%m/%Y") == date(2024, 2, 1)
    assert one("31/02/2024", "date", pattern="%d/%m/%Y") is BAD
    assert one("1 Mar 2024", "date", pattern="%d %b %Y") == date(2024, 3, 1)
    assert one("2024060", "date", pattern="%Y%j") == date(2024, 2, 29)
    assert one("2023366", "date", pattern="%Y%j") is BAD
    assert one("Fri 01 March 2024", "date", pattern="%a %d %B %Y") == date(2024, 3, 1)
    assert one("Mon 01 March 2024", "date", pattern="%a %d %B %Y") is BAD


NOON = datetime(2024, 7, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2024-07-01T12:00:00Z", "2024-07-01 14:00:00+02:00", "2024-07-01T12:00:00.000Z",
             "2024-07-01T12:00:00.000000+0000", "2024-07-01 06:30:00.0-05:30"],
)  # fmt: skip
def test_timestamps_of_iso_8601(text: str):
    assert one(text, "timestamp") == NOON


@pytest.mark.parametrize(
    "text", ["2024-07-01T12:00:00", "2024-07-01", "2024-07-01T24:00:00Z", "2024-07-01T12:60:00Z",
             "2024-07-01T12:00:60Z", "2024-07-01T12:00:00+24:00", "0001-01-01T00:00:00+01:00",
             "9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.9-00:01",
             "2024-02-31T12:00:00Z", "2024-07-01T12:00:00z", "1719835200"],
)  # fmt: skip
def test_timestamps_that_are_no_instants(text: str):
    assert one(text, "timestamp") is BAD


def test_timestamp_by_pattern_and_zone():
    options = {"pattern": "%d.%m.%Y %H:%M", "timezone": "Europe/Berlin"}
    assert one("01.07.2024 14:00", "timestamp", **options) == NOON
    assert one("1.7.2024 14:00", "timestamp", **options) == NOON
    options = {"pattern": "%m/%d/%Y %I:%M:%S.%f %p", "timezone": "UTC"}
    assert one("07/01/2024 12:00:00.5 PM", "timestamp", **options) == NOON.replace(
        microsecond=500000
    )
    assert one("07/01/2024 12:00:00.5 AM", "timestamp", **options).hour == 0


def test_local_time_that_comes_twice_or_never():
    zone = {"timezone": "Europe/London"}
    twice, never, fine = "2024-10-27 01:30:00", "2024-03-31 01:30:00", "2024-03-31 02:00:00"
    column = SourceColumn("c", "c", ColumnType.parse("timestamp"), **zone)
    converted = convert(pa.array([twice, never, fine]), column)
    assert converted.faults == {
        0: "c is a local time that comes twice in Europe/London",
        1: "c is a local time that is skipped in Europe/London",
    }
    assert converted.values.to_pylist()[2] == datetime(2024, 3, 31, 1, 0, tzinfo=UTC)
    assert one(twice, "timestamp", **zone, ambiguous="earliest") == datetime(
        2024, 10, 27, 0, 30, tzinfo=UTC
    )
    assert one(twice, "timestamp", **zone, ambiguous="latest") == datetime(
        2024, 10, 27, 1, 30, tzinfo=UTC
    )
    assert one(never, "timestamp", **zone, ambiguous="earliest") == datetime(
        2024, 3, 31, 0, 30, tzinfo=UTC
    )
    assert one(never, "timestamp", **zone, ambiguous="latest") == datetime(
        2024, 3, 31, 1, 30, tzinfo=UTC
    )


@settings(max_examples=200, deadline=None)
@given(
    moments=st.lists(st.datetimes(LONG_AGO, FAR_AHEAD), min_size=1, max_size=20),
    zone=st.sampled_from(
        ["Europe/London", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"]
    ),
)
def test_local_times_agree_with_zoneinfo(moments: list[datetime], zone: str):
    texts = [f"{moment:%Y-%m-%d %H:%M:%S.%f}" for moment in moments]
    got = many(texts, "timestamp", timezone=zone, ambiguous="earliest")
    for moment, instant in zip(moments, got, strict=True):
        readings = [
            (moment - moment.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset()).replace(
                tzinfo=UTC
            )
            for fold in (0, 1)
        ]
        assert instant == min(readings)


CHANGES = ["2024-10-27 00:30:00", "2024-10-27 01:30:00", "2024-10-27 02:00:00",
           "2024-03-31 00:59:59", "2024-03-31 01:30:00", "2024-03-31 02:00:00"]  # fmt: skip
ZONED = [None, "2024-07-01T12:00:00Z", "2024-07-01 14:00:00+02:00", "2024-02-30T00:00:00Z",
         "9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59Z"]  # fmt: skip


@pytest.mark.parametrize("ambiguous", [None, "earliest", "latest"])
def test_a_local_time_means_the_same_beside_any_other_text(ambiguous: str | None):
    zone = {"timezone": "Europe/London", "ambiguous": ambiguous}
    column = SourceColumn("c", "c", ColumnType.parse("timestamp"), **zone)

    @settings(max_examples=200, deadline=None)
    @given(texts=st.lists(st.sampled_from([*CHANGES, *ZONED]), min_size=1, max_size=8))
    def check(texts: list[str | None]) -> None:
        alone = [convert(pa.array([text], pa.string()), column) for text in texts]
        together = convert(pa.array(texts, pa.string()), column)
        assert together.values.to_pylist() == [item.values[0].as_py() for item in alone]
        faults = {row: item.faults[0] for row, item in enumerate(alone) if item.faults}
        assert together.faults == faults

    check()


def test_a_fault_beside_a_zoned_text_is_the_fault_of_its_own_row():
    column = SourceColumn("c", "c", ColumnType.parse("timestamp"), timezone="Europe/London")
    converted = convert(pa.array(["2024-07-01T12:00:00Z", "2024-10-27 01:30:00"]), column)
    assert converted.values.to_pylist() == [NOON, None]
    assert converted.faults == {1: "c is a local time that comes twice in Europe/London"}


def test_uuid():
    text = "3F2504E0-4F89-11D3-9A0C-0305E82C3301"
    assert one(text, "uuid") == text.lower()
    for bad in (
        "",
        text[:-1],
        "{" + text + "}",
        text.replace("-", ""),
        text + "\n",
        text[:-1] + "G",
    ):
        assert one(bad, "uuid") is BAD


@pytest.mark.parametrize("text", ['{"b": 1, "a": [null, 2.50]}', "1", '"x"', r'"\ud83d\ude00"'])
def test_json_stays_as_it_is_written(text: str):
    assert one(text, "json") == text


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[Infinity]", '{"a": 1, "a": 2}', "1e999", r'"\ud800"', "[" * 100_000, "'x'"],
)
def test_json_that_is_none(text: str):
    assert one(text, "json") is BAD


def test_bytes():
    assert many(["00ff", "0", "zz", "00 ff", ""], "bytes", encoding="hex") == [
        b"\0\xff", BAD, BAD, BAD, b"",
    ]  # fmt: skip
    assert many(["AP8=", "AP8", "AP 8="], "bytes", encoding="base64") == [b"\0\xff", BAD, BAD]


@pytest.mark.parametrize(
    "text", [" padded ", "NA", "NULL", "nan", "", "=cmd|'x'!A0", "e\u0301", "00501"]
)
def test_f09_f10_f15_text_stays_as_it_is(text: str):
    assert one(text, "text") == text


@pytest.mark.parametrize(
    "kind, alphabet",
    [("int16", "019-+ x."), ("int64", "0189-+"), ("decimal(4,2)", "0129.-+e"),
     ("float64", "019.-+eE"), ("date", "0123-"), ("timestamp", "0123-:TZ+. ")],
)  # fmt: skip
def test_a_cell_means_the_same_whatever_its_neighbours(kind: str, alphabet: str):
    pieces = st.text(alphabet, max_size=12)
    if kind in ("date", "timestamp"):
        pieces |= st.from_regex(
            re.compile(
                r"20[0-3][0-9]-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5]0:[0-5]0(\.[0-9]{3})?Z)?"
            ),
            fullmatch=True,
        )

    @settings(max_examples=300, deadline=None)
    @given(texts=st.lists(pieces | st.none(), min_size=1, max_size=12))
    def check(texts: list[str | None]) -> None:
        alone = [one(text, kind) for text in texts]
        assert many(texts, kind) == alone
        # A neighbour that fits nothing sends the whole column down the slow way.
        assert many([*texts, "9" * 60, "\u00e9"], kind)[: len(texts)] == alone

    check()


PLAIN = [
    "2024-02-29T23:59:59Z", "2023-02-29 00:00:00Z", "2024-07-01T24:00:00Z", "0000-01-01T00:00:00Z",
    "0001-01-01 00:00:00Z", "9999-12-31T23:59:59.999999Z", "2024-07-01T12:00:60Z",
    "2024-07-01t12:00:00Z", "2024-07-01T12:00:00z", "2024-07-01T12:00:00.5+00Z",
    "2024-07-01T12:00:00.123Z", "2024-07-01 12:00:00,123Z", "+024-07-01T12:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_a_column_that_arrow_reads_alone_means_what_the_patterns_say(text: str):
    """A neighbour of another form makes the whole column go the longer way."""
    alone = one(text, "timestamp")
    assert [alone, NOON] == many([text, "2024-07-01T14:00:00+02:00"], "timestamp")
    day = one(text[:10], "date")
    assert [day, BAD] == many([text[:10], "2024-07-01 "], "date")


def test_nulls_in_a_column_that_arrow_reads_alone():
    assert many([None, "2024-07-01T12:00:00Z", None], "timestamp") == [None, NOON, None]
    assert many([None, None], "timestamp") == [None, None]
    assert many([None, "t", None], "bool", true=("t",), false=("f",)) == [None, True, None]
