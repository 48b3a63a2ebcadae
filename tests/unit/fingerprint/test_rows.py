"""Encoding C1 on the Arrow side: injective, fixed, independent of order and of batches."""

from __future__ import annotations

import hashlib
import math
import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messy_migration.fingerprint.rows import (
    fields,
    fingerprint,
    fingerprint_texts,
    format_id,
    row_hashes,
    row_texts,
    total,
)
from messy_migration.model import Column, ColumnType, Fingerprint, Table
from messy_migration.testing.nasty_rows import nasty

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = {
    "text": TEXT | st.text("|~:01a", max_size=8),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "float64": st.floats(),
    "decimal(38,12)": st.decimals(-(10**20), 10**20, places=12),
    "decimal(9,0)": st.decimals(-(10**8), 10**8, places=0),
    "decimal(5,2)": st.decimals(-999, 999, places=2),
    "date": st.dates(),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "uuid": st.uuids().map(str),
    "json": TEXT,
    "bytes": st.binary(max_size=8) | st.binary(max_size=300),
}
KINDS = tuple(VALUES)
COLUMNS = tuple(Column(f"c{i}", ColumnType.parse(kind)) for i, kind in enumerate(KINDS))
ROW = st.tuples(*(st.none() | VALUES[kind] for kind in KINDS))


def data_of(rows, columns=COLUMNS):
    cells = [[row[i] for row in rows] for i in range(len(columns))]
    arrays = [pa.array(cell, one.type.arrow) for cell, one in zip(cells, columns, strict=True)]
    return pa.Table.from_arrays(arrays, names=[one.name for one in columns])


def column_of(kind, values):
    column = Column("x", ColumnType.parse(kind))
    return pa.table({"x": pa.array(values, column.type.arrow)}), [column]


def take_field(kind, rest):
    """The value of the first field of a row text, and what follows it."""
    if rest[:1] == b"~":
        return None, rest[1:]
    if kind in ("text", "json", "bytes"):
        size, _, rest = rest.partition(b":")
        length = int(size) * (2 if kind == "bytes" else 1)
        value, rest = rest[:length], rest[length:]
        return (bytes.fromhex(value.decode()) if kind == "bytes" else value.decode()), rest
    value, bar, rest = rest.partition(b"|")
    return read_plain(kind, value.decode()), bar + rest


def read_plain(kind, text):
    if kind == "date":
        return date(2000, 1, 1) + timedelta(days=struct.unpack(">i", bytes.fromhex(text))[0])
    if kind == "timestamp":
        return EPOCH + timedelta(microseconds=struct.unpack(">q", bytes.fromhex(text))[0])
    if kind == "float64":
        return struct.unpack(">d", bytes.fromhex(text))[0]
    if kind == "bool":
        return {"0": False, "1": True}[text]
    reader = {"int": int, "dec": Decimal}.get(kind[:3], str)
    return reader(text)


def decode(text):
    row = []
    for place, kind in enumerate(KINDS):
        assert place == 0 or text[:1] == b"|"
        value, text = take_field(kind, text[1:] if place else text)
        row.append(value)
    assert text == b""
    return tuple(row)


def is_same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return one == other


@settings(max_examples=200, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=4))
def test_a_row_text_can_be_read_back_so_no_two_rows_share_one(rows):
    texts = row_texts(data_of(rows), COLUMNS).to_pylist()
    for row, text in zip(rows, texts, strict=True):
        assert all(map(is_same, decode(text), row))


def test_every_nasty_row_can_be_told_from_every_other():
    table, data = nasty(2_000, seed=3)
    assert len(set(row_texts(data.drop_columns("id"), table.columns[1:]).to_pylist())) > 1_990
    assert len(set(row_texts(data, table.columns).to_pylist())) == 2_000


@pytest.mark.parametrize(
    "kind, value, field",
    [
        ("text", "", "0:"),
        ("text", "~", "1:~"),
        ("text", "é|", "3:é|"),
        ("int16", -32_768, "-32768"),
        ("int64", 2**63 - 1, "9223372036854775807"),
        ("bool", True, "1"),
        ("bool", False, "0"),
        ("float64", 1.0, "3ff0000000000000"),
        ("float64", -0.0, "0000000000000000"),
        ("float64", 5e-324, "0000000000000001"),
        ("float64", -math.inf, "fff0000000000000"),
        ("float64", math.nan, "7ff8000000000000"),
        ("float64", struct.unpack(">d", b"\xff\xf8\0\0\0\0\0\1")[0], "7ff8000000000000"),
        ("decimal(5,2)", Decimal("1.50"), "1.5"),
        ("decimal(5,2)", Decimal("100.00"), "100"),
        ("decimal(5,2)", Decimal("-0.00"), "0"),
        ("decimal(5,0)", Decimal(100), "100"),
        ("decimal(5,0)", Decimal(0), "0"),
        ("decimal(20,7)", Decimal(0), "0"),
        ("decimal(20,7)", Decimal("-0.0000001"), "-0.0000001"),
        ("decimal(20,7)", Decimal(-10), "-10"),
        ("decimal(38,38)", Decimal("1E-38"), "0." + "0" * 37 + "1"),
        ("date", date(2000, 1, 1), "00000000"),
        ("date", date(1999, 12, 31), "ffffffff"),
        ("date", date(1, 1, 1), "fff4dbf9"),
        ("timestamp", EPOCH, "0000000000000000"),
        ("timestamp", EPOCH - timedelta(microseconds=1), "ffffffffffffffff"),
        ("uuid", "0123-", "0123-"),
        ("json", '{"a": 1}', '8:{"a": 1}'),
        ("bytes", b"", "0:"),
        ("bytes", b"\x00\xffA", "3:00ff41"),
        ("text", None, "~"),
        ("decimal(20,7)", None, "~"),
        ("float64", None, "~"),
        ("bytes", None, "~"),
    ],
)
def test_golden_fields(kind, value, field):
    # Beside other values, with an offset, as a slice of a batch has it.
    data, columns = column_of(kind, [None, value, value, None])
    found = fields(data.slice(1), columns)[0].to_pylist()
    assert found == [field, field, "~"]


def test_golden_row():
    row = (
        "a|b", -1, 2, -3, True, 0.5, Decimal("1.250000000000"), Decimal(70), Decimal("-0.50"),
        date(2024, 2, 29), datetime(2024, 2, 29, 12, 30, 0, 1, UTC),
        "01234567-89ab-cdef-0123-456789abcdef", '{"a": [1, null]}', b"\x00\xff",
    )  # fmt: skip
    data = data_of([row])
    text = (
        b"3:a|b|-1|2|-3|1|3fe0000000000000|1.25|70|-0.5|00002279|0002b5832fc1e201"
        b'|01234567-89ab-cdef-0123-456789abcdef|16:{"a": [1, null]}|2:00ff'
    )
    assert row_texts(data, COLUMNS).to_pylist() == [text]
    assert fingerprint(data, COLUMNS) == Fingerprint.of(1, "d927f1c5d6c8bfae8cfb365efa01fdd2")
    assert format_id(Table("t", COLUMNS)) == "b164bcf5fffde42e"


def test_a_signalling_nan_is_a_nan_like_any_other():
    bits = np.array([0x7FF0000000000001, 0xFFF0000000000001], np.uint64)
    data, columns = column_of("float64", bits.view(np.float64))
    assert fields(data, columns)[0].to_pylist() == ["7ff8000000000000"] * 2


def test_a_fingerprint_is_the_sum_of_sha256_words():
    digests = [hashlib.sha256(text).digest() for text in (b"1|~", b"2|1:a", b"1|~")]
    sums = [sum(int.from_bytes(one[i : i + 8]) for one in digests) % 2**64 for i in (0, 8)]
    columns = (Column("a", ColumnType("int32")), Column("b", ColumnType("text")))
    data = data_of([(1, None), (2, "a"), (1, None)], columns)
    assert fingerprint(data, columns) == Fingerprint(3, *sums)
    assert fingerprint_texts([b"1|~", b"2|1:a", b"1|~"]) == Fingerprint(3, *sums)


def test_order_and_batches_do_not_matter_but_multiplicity_does():
    table, data = nasty(3_000, seed=5)
    whole = fingerprint(data, table.columns)
    shuffled = data.take(pa.array(np.random.default_rng(1).permutation(3_000)))
    parts = pa.concat_tables([shuffled.slice(i, 7) for i in range(0, 3_000, 7)])
    assert fingerprint(parts, table.columns) == whole
    assert fingerprint_texts(row_texts(parts.combine_chunks(), table.columns).to_pylist()) == whole
    twice = pa.concat_tables([data, data.slice(0, 2)])
    assert fingerprint(twice, table.columns).lanes != whole.lanes


def test_rows_removed_cancel_rows_added():
    table, data = nasty(500, seed=6)
    hashes = row_hashes(row_texts(data, table.columns))
    assert hashes.shape == (500, 2)
    removed = total(hashes[:200], sign=-1)
    assert removed.rows == -200
    assert total(hashes) + removed == fingerprint(data.slice(200), table.columns)
    assert total(hashes) + total(hashes, sign=-1) == Fingerprint()


def test_no_rows_have_the_empty_fingerprint():
    table, data = nasty(0, seed=1)
    assert fingerprint(data, table.columns) == Fingerprint()
    assert fingerprint_texts([]) == Fingerprint()
    assert row_texts(data, table.columns).to_pylist() == []
    assert [len(field) for field in fields(data, table.columns)] == [0] * len(table.columns)


def test_a_column_that_comes_as_another_type_is_cast_or_refused():
    columns = [Column("x", ColumnType("int32"))]
    wide = pa.table({"x": pa.array([1, None], pa.int64())})
    assert fields(wide, columns)[0].to_pylist() == ["1", "~"]
    with pytest.raises(pa.ArrowInvalid):
        fields(pa.table({"x": pa.array([2**40])}), columns)


def test_swapped_cells_of_equal_length_are_seen():
    columns = (Column("a", ColumnType("text")), Column("b", ColumnType("text")))
    straight = data_of([("ann", "bob"), ("cid", "dan")], columns)
    crossed = data_of([("ann", "dan"), ("cid", "bob")], columns)
    assert fingerprint(straight, columns).lanes != fingerprint(crossed, columns).lanes


def test_the_format_id_depends_on_order_names_and_types_only():
    one, two = Column("a", ColumnType("text")), Column("b", ColumnType("int32"))
    base = format_id(Table("t", (one, two)))
    assert base == format_id(Table("other", (one, two), key=("a",)))
    others = [
        (two, one),
        (one,),
        (one, Column("c", ColumnType("int32"))),
        (one, Column("b", ColumnType("int64"))),
    ]
    ids = {format_id(Table("t", columns)) for columns in others}
    assert len(ids | {base}) == 5
    assert format_id(Table("t", (Column("a", ColumnType("decimal", 9, 2)),))) != format_id(
        Table("t", (Column("a", ColumnType("decimal", 9, 3)),))
    )
