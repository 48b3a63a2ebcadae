"""What a plugin may declare, and the arithmetic of fingerprints."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messy_migration.errors import ConfigurationError
from messy_migration.model import (
    RECORD,
    Batch,
    Column,
    ColumnType,
    Fingerprint,
    Partition,
    Stream,
    Table,
)

LANE = 2**64
lanes = st.integers(0, LANE - 1)
fingerprints = st.builds(Fingerprint, st.integers(-(2**40), 2**40), lanes, lanes)

ARROW = {
    "text": pa.string(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "float64": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "uuid": pa.string(),
    "json": pa.string(),
    "bytes": pa.binary(),
    "decimal(12,2)": pa.decimal128(12, 2),
    "decimal(38,38)": pa.decimal128(38, 38),
    "decimal(1,0)": pa.decimal128(1, 0),
}


def column(name, kind="text"):
    return Column(name, ColumnType.parse(kind))


@pytest.mark.parametrize("text", ARROW)
def test_every_type_is_read_back_from_its_own_text(text):
    kind = ColumnType.parse(text)
    assert str(kind) == text
    assert ColumnType.parse(str(kind)) == kind
    assert kind.arrow == ARROW[text]


@pytest.mark.parametrize("text", [" int32 ", "decimal( 12 , 2 )"])
def test_blanks_in_a_type_mean_nothing(text):
    assert str(ColumnType.parse(text)) == text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "int",
        "INT32",
        "text(5,1)",
        "int32(1,1)",
        "decimal",
        "decimal(5)",
        "decimal(0,0)",
        "decimal(39,2)",
        "decimal(2,3)",
        "decimal(-1,0)",
        "varchar",
        "timestamp\nint32",
    ],
)
def test_what_is_no_type_is_refused_with_the_types_there_are(text):
    with pytest.raises(ConfigurationError, match=r"text, int16|decimal"):
        ColumnType.parse(text)


@pytest.mark.parametrize(
    "name", ["", "Upper", "1st", 'quo"te', "sp ace", "semi;colon", "é", "new\n", "a" * 64]
)
def test_a_stream_may_not_write_a_name_that_would_need_quoting(name):
    with pytest.raises(ConfigurationError, match="not usable"):
        Stream("shop.orders", (Table(name, (column("a"),)),))
    with pytest.raises(ConfigurationError, match="not usable"):
        Stream("shop.orders", (Table("t", (column(name),)),))


@pytest.mark.parametrize("name", ["Order Details", 'quo"te', "é", "pg_thing", "a" * 64])
def test_a_table_of_another_database_may_have_any_name(name):
    assert Table(name, (column(name),)).names == (name,)


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_no_database_takes_for_a_name_is_refused(name):
    with pytest.raises(ConfigurationError, match="is no name"):
        Table(name, (column("a"),))
    with pytest.raises(ConfigurationError, match="is no name"):
        Table("t", (column(name),))


@pytest.mark.parametrize("name", ["pg_thing", "sqlite_thing", "messy_migration_runs"])
def test_a_stream_may_not_write_a_table_of_the_database_or_the_ledger(name):
    with pytest.raises(ConfigurationError, match="belongs to"):
        Stream("shop.orders", (Table(name, (column("a"),)),))


@pytest.mark.parametrize("name", [RECORD, "_position", "_raw"])
def test_a_stream_may_not_write_a_column_of_ours(name):
    with pytest.raises(ConfigurationError, match="name of ours"):
        Stream("shop.orders", (Table("t", (column(name),)),))


def test_a_name_of_63_letters_is_the_longest():
    stream = Stream("shop.orders", (Table("t" * 63, (column("c" * 63),)),))
    assert stream.tables[0].names == ("c" * 63,)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (((),), "no columns"),
        (((column("a"), column("a")),), "twice"),
        (((column("a"),), ("b",)), "no column"),
        (((column("a"),), (), (("b", "x"),)), "no column"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        Table("t", *arguments)


def test_the_arrow_schema_of_a_table_has_its_columns_in_order_and_no_record():
    table = Table("t", (column("b", "decimal(5,1)"), column("a", "timestamp")))
    assert table.arrow_schema() == pa.schema(
        [("b", pa.decimal128(5, 1)), ("a", pa.timestamp("us", "UTC"))]
    )
    assert table.column("a").type.kind == "timestamp"
    with pytest.raises(KeyError):
        table.column("c")


def test_a_stream_belongs_to_the_plugin_before_the_dot_and_shows_its_tenant():
    table = Table("t", (column("a"),))
    assert Stream("shop.orders", (table,)).plugin == "shop"
    assert Stream("shop.orders", (table,)).label == "shop.orders"
    stream = Stream("shop.orders", (table,), tenant="oslo")
    assert stream.label == "shop.orders@oslo"
    assert stream.table("t") is table
    with pytest.raises(KeyError):
        stream.table("u")


def test_streams_and_partitions_survive_the_way_between_processes():
    table = Table("t", (column("a", "int64"), column("m", "decimal(5,2)")), key=("a",))
    stream = Stream("shop.orders", (table,), tenant="oslo", bookmark="a")
    assert pickle.loads(pickle.dumps(stream)) == stream
    partition = Partition("file", "digest", {"from": 1, "to": [2, None]}, 7)
    assert pickle.loads(pickle.dumps(partition)) == partition


def test_a_batch_as_a_pandas_frame_keeps_money_instants_and_nulls():
    schema = pa.schema([("m", pa.decimal128(12, 2)), ("t", pa.timestamp("us", "UTC"))])
    data = pa.table({"m": ["1.50", None], "t": [None, 1]}, schema=None).cast(schema)
    table = Table("t", (column("m", "decimal(12,2)"), column("t", "timestamp")))
    batch = Batch(Stream("a.b", (table,)), Partition("p", "d"), 0, data)
    assert pa.Table.from_pandas(batch.frame, preserve_index=False).equals(data)


@given(fingerprints, fingerprints, fingerprints)
def test_fingerprints_add_in_any_order_and_grouping(a, b, c):
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Fingerprint() == a


@given(fingerprints, fingerprints)
def test_what_is_added_can_be_taken_away_again(a, b):
    assert a + b - b == a
    assert a - a == Fingerprint()
    assert a - b == Fingerprint() - (b - a)


@given(fingerprints, fingerprints)
def test_lanes_stay_within_64_bits_and_survive_their_text(a, b):
    for found in (a, a + b, a - b):
        assert 0 <= found.lane0 < LANE
        assert 0 <= found.lane1 < LANE
        assert len(found.lanes) == 32
        assert Fingerprint.of(found.rows, found.lanes) == found
