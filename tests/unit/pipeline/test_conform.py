"""What a hook may return for each declared type, what is refused, and what costs one record."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest

from messy_migration.errors import PluginError
from messy_migration.model import RECORD, Batch, Column, ColumnType, Partition, Stream, Table
from messy_migration.pipeline.conform import as_table, conform

UTC_MICRO = pa.timestamp("us", "UTC")
INSTANT = datetime(2020, 5, 17, 12, 30, tzinfo=UTC)
UUID = "01234567-89ab-cdef-0123-456789abcdef"

ACCEPTED = [
    *((kind, arrow, ["{}"]) for kind in ("text", "json") for arrow in
      (pa.string(), pa.large_string(), pa.string_view())),
    ("uuid", pa.large_string(), [UUID]),
    *(("bytes", arrow, [b"ab"]) for arrow in
      (pa.binary(), pa.large_binary(), pa.binary(2), pa.binary_view())),
    ("bool", pa.bool_(), [True]),
    *((kind, arrow, [7]) for kind in ("int16", "int32", "int64") for arrow in
      (pa.int8(), pa.uint8(), pa.int16(), pa.int32(), pa.int64(), pa.uint64(), pa.float64())),
    *(("float64", arrow, [7.0]) for arrow in (pa.float32(), pa.float64(), pa.int64())),
    *(("decimal(12,2)", arrow, [Decimal("7.00")]) for arrow in
      (pa.decimal128(12, 2), pa.decimal128(38, 2), pa.decimal128(20, 4), pa.decimal256(50, 3),
       pa.decimal128(5, 0))),
    *(("decimal(12,2)", arrow, [7]) for arrow in
      (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint64())),
    ("decimal(38,30)", pa.int64(), [7]),
    ("date", pa.date32(), [date(2020, 5, 17)]),
    ("date", pa.date64(), [date(2020, 5, 17)]),
    *(("timestamp", pa.timestamp(unit, zone), [INSTANT]) for unit in ("s", "ms", "us", "ns")
      for zone in ("UTC", "Europe/Oslo", "+02:00")),
]  # fmt: skip
REFUSED = [
    *(("text", arrow) for arrow in (pa.int64(), pa.binary(), pa.bool_(), pa.date32())),
    ("uuid", pa.binary(16)),
    ("json", pa.list_(pa.int64())),
    ("json", pa.struct([("a", pa.int64())])),
    ("bytes", pa.string()),
    *(("bool", arrow) for arrow in (pa.int8(), pa.string())),
    *(("int64", arrow) for arrow in (pa.string(), pa.bool_(), pa.decimal128(5, 0))),
    *(("float64", arrow) for arrow in (pa.string(), pa.decimal128(5, 2))),
    *(("decimal(12,2)", arrow) for arrow in (pa.float16(), pa.float32(), pa.float64())),
    ("decimal(12,2)", pa.string()),
    *(("date", arrow) for arrow in (pa.string(), UTC_MICRO, pa.timestamp("us"), pa.int32())),
    *(("timestamp", arrow) for arrow in (pa.timestamp("us"), pa.date32(), pa.int64(), pa.string())),
]  # fmt: skip


def frame(array, **more):
    records = pa.array(range(len(array)), pa.int32())
    return pa.table({"x": array, **more, RECORD: records})


def conformed(kind, array):
    data, violations = conform(frame(array), (Column("x", ColumnType.parse(kind)),), "t", "here")
    return data.column("x"), violations


@pytest.mark.parametrize(
    "kind, arrow, values", [pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in ACCEPTED]
)
def test_types_that_can_be_meant_become_the_declared_type(kind, arrow, values):
    array = pa.array([*values, None], arrow)
    wanted = ColumnType.parse(kind).arrow
    for given in (array, array.slice(1), array.slice(0, 0)):
        data, violations = conformed(kind, given)
        assert data.type == wanted
        assert violations == []
    assert conformed(kind, array)[0].to_pylist() == pa.array([*values, None], wanted).to_pylist()


@pytest.mark.parametrize(
    "kind, arrow", [pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in REFUSED]
)
def test_types_that_cannot_be_meant_are_refused_by_name_even_when_empty(kind, arrow):
    with pytest.raises(PluginError, match="column x does not have the declared type") as caught:
        conformed(kind, pa.array([], arrow))
    assert str(arrow) in caught.value.why
    assert kind in caught.value.why
    assert "table t" in caught.value.where


@pytest.mark.parametrize("kind", ["text", "int64", "decimal(12,2)", "timestamp", "bytes", "uuid"])
def test_a_column_of_nothing_but_nulls_fits_every_type(kind):
    data, violations = conformed(kind, pa.nulls(3))
    assert data.type == ColumnType.parse(kind).arrow
    assert (data.null_count, violations) == (3, [])


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_dictionary_becomes_its_values(kind):
    data, violations = conformed(kind, pa.array(["1", None, "1"]).dictionary_encode())
    assert (data.to_pylist(), violations) == (["1", None, "1"], [])


def test_a_dictionary_of_a_wrong_type_is_refused():
    with pytest.raises(PluginError, match="declared type"):
        conformed("decimal(12,2)", pa.array([1.5]).dictionary_encode())


@pytest.mark.parametrize(
    "kind, array, kept",
    [
        ("int16", pa.array([1, 40_000, None, -40_000]), [1, None, None, None]),
        ("int32", pa.array([1.0, 1.5, float("nan"), 2.0]), [1, None, None, 2]),
        ("int64", pa.array([2**64 - 1, 5, 2**63, 6], pa.uint64()), [None, 5, None, 6]),
        ("float64", pa.array([2**53 + 1, 1, 2, 3]), [None, 1.0, 2.0, 3.0]),
        (
            "decimal(5,2)",
            pa.array([Decimal("1.005"), Decimal("1.500"), Decimal("1000.000"), None]),
            [None, Decimal("1.50"), None, None],
        ),
        (
            "decimal(5,2)",
            pa.array([999, 1000, -1000, -999]),
            [Decimal("999.00"), None, None, Decimal("-999.00")],
        ),
    ],
)
def test_a_value_that_does_not_fit_costs_its_own_record_only(kind, array, kept):
    data, violations = conformed(kind, array)
    assert data.type == ColumnType.parse(kind).arrow
    assert data.to_pylist() == kept
    wrong = [
        place
        for place, (before, after) in enumerate(zip(array.to_pylist(), kept, strict=True))
        if before is not None and after is None
    ]
    assert [item.record for item in violations] == wrong
    assert {(item.rule, item.column, item.severity) for item in violations} == {
        ("core.type", "x", "error")
    }


def test_nanoseconds_are_not_cut_off_in_silence():
    data, violations = conformed("timestamp", pa.array([1_000, 1_001], pa.timestamp("ns", "UTC")))
    assert data.cast(pa.int64()).to_pylist() == [1, None]
    assert [item.record for item in violations] == [1]


def test_a_misfit_beside_an_instant_that_python_cannot_hold():
    seconds = pa.array([5 * 10**11, 10**13, 0], pa.timestamp("s", "UTC"))
    data, violations = conformed("timestamp", seconds)
    assert data.cast(pa.int64()).to_pylist() == [5 * 10**17, None, 0]
    assert [item.record for item in violations] == [1]


def test_violations_hold_no_value():
    _, violations = conformed("int16", pa.array([123_456_789]))
    assert "123" not in violations[0].message


def test_columns_come_out_in_declared_order_with_the_record_column_last():
    columns = (Column("b", ColumnType("int64")), Column("a", ColumnType("text")))
    given = pa.table({RECORD: pa.array([4, 9], pa.int64()), "a": ["x", "y"], "b": [1, 2]})
    data, _ = conform(given, columns, "t", "here")
    assert data.schema == pa.schema([("b", pa.int64()), ("a", pa.string()), (RECORD, pa.int32())])
    assert data.column(RECORD).to_pylist() == [4, 9]


def test_missing_and_surplus_columns_are_all_named():
    columns = tuple(Column(name, ColumnType("text")) for name in "abc")
    given = pa.table({"a": ["x"], "d": ["y"], RECORD: pa.array([0], pa.int32())})
    with pytest.raises(PluginError) as caught:
        conform(given, columns, "t", "here")
    assert caught.value.why == "b is missing; c is missing; d is not declared"


def test_a_column_that_is_there_twice_is_refused():
    given = pa.Table.from_arrays(
        [pa.array(["x"]), pa.array(["y"]), pa.array([0], pa.int32())], ["a", "a", RECORD]
    )
    with pytest.raises(PluginError, match="there twice"):
        conform(given, (Column("a", ColumnType("text")),), "t", "here")


@pytest.mark.parametrize("records", [[None], ["one"], [1.5], [2**40]])
def test_record_numbers_that_are_none_are_refused(records):
    given = pa.table({"x": ["a"], RECORD: records})
    with pytest.raises(PluginError, match=RECORD):
        conform(given, (Column("x", ColumnType("text")),), "t", "here")


def test_a_pandas_frame_comes_back_as_it_went():
    kinds = {"money": "decimal(12,2)", "at": "timestamp", "name": "text", "count": "int32"}
    kinds |= {"flag": "bool", "raw": "bytes", "day": "date"}
    columns = tuple(Column(name, ColumnType.parse(kind)) for name, kind in kinds.items())
    table = Table("t", columns)
    rows = {
        "money": [Decimal("1.50"), None],
        "at": [None, INSTANT],
        "name": ["", None],
        "count": [None, 7],
        "flag": [True, None],
        "raw": [b"\0", None],
        "day": [date(1, 1, 1), None],
    }
    given = pa.table(rows, schema=table.arrow_schema()).append_column(
        RECORD, pa.array([0, 1], pa.int32())
    )
    batch = Batch(Stream("a.b", (table,)), Partition("p", "d"), 0, given)
    data, violations = conform(as_table(batch.frame, "here"), columns, "t", "here")
    assert data.equals(given)
    assert violations == []
    data, violations = conform(as_table(batch.frame[0:0], "here"), columns, "t", "here")
    assert (data.num_rows, violations) == (0, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.assign(money=[Decimal("1.5"), None]),
        lambda frame: frame.assign(money=frame["money"] * 1),
        lambda frame: frame.assign(name=["a", None]),
        lambda frame: frame.assign(name=None),
        lambda frame: frame.assign(at=frame["at"].dt.tz_convert("Europe/Oslo")),
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.astype({RECORD: "int64"}),
    ],
    ids=["objects", "arithmetic", "str", "constant", "zone", "order", "record"],
)
def test_the_usual_drift_of_pandas_is_put_right(change):
    kinds = {"money": "decimal(12,2)", "at": "timestamp", "name": "text"}
    columns = tuple(Column(name, ColumnType.parse(kind)) for name, kind in kinds.items())
    table = Table("t", columns)
    given = pa.table(
        {"money": [Decimal("1.50"), None], "at": [INSTANT, None], "name": ["a", None]},
        schema=table.arrow_schema(),
    ).append_column(RECORD, pa.array([0, 1], pa.int32()))
    batch = Batch(Stream("a.b", (table,)), Partition("p", "d"), 0, given)
    data, violations = conform(as_table(change(batch.frame), "here"), columns, "t", "here")
    assert violations == []
    assert data.schema == given.schema
    assert sorted(data.column(RECORD).to_pylist()) == [0, 1]


@pytest.mark.parametrize(
    "returned, message",
    [
        (["a"], "no frame"),
        (pd.Series(["a"]), "no frame"),
        (pa.table({"x": ["a"]}), RECORD),
        (pd.DataFrame({"x": ["a"]}), RECORD),
        (pd.DataFrame({"x": ["a", 1], RECORD: [0, 1]}), "cannot hold"),
        (pd.DataFrame({"x": [2**70], RECORD: [0]}), "cannot hold"),
        (pd.DataFrame([["a", "b", 0]], columns=["x", "x", RECORD]), "cannot hold"),
    ],
    ids=["list", "series", "table", "frame", "mixed", "huge", "doubled"],
)
def test_what_is_no_frame_with_records_is_refused(returned, message):
    with pytest.raises(PluginError, match=message):
        as_table(returned, "plugin shop, transform")


def test_a_surplus_column_alone_is_refused_and_not_dropped():
    given = pa.table({"a": ["x"], "d": ["y"], RECORD: pa.array([0], pa.int32())})
    with pytest.raises(PluginError) as caught:
        conform(given, (Column("a", ColumnType("text")),), "t", "here")
    assert caught.value.why == "d is not declared"
