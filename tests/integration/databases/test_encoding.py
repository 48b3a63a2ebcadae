"""Encoding C1 in the databases' words: the nasty rows, and every way to tamper with a cell."""

from __future__ import annotations

import json
import re
import sqlite3
from decimal import Decimal
from itertools import pairwise

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from messy_migration.databases.postgresql import copy as postgresql_copy
from messy_migration.databases.postgresql import encoding as postgresql_c1
from messy_migration.databases.sqlite import encoding as sqlite_c1
from messy_migration.databases.sqlite import scan as sqlite_rows
from messy_migration.errors import TargetError
from messy_migration.fingerprint.json import canonical_json
from messy_migration.fingerprint.rows import fields, fingerprint, fingerprint_texts, row_texts
from messy_migration.model import Column, ColumnType, Table
from messy_migration.testing.nasty_rows import nasty

ROWS = 20_000
UUID = "01234567-89ab-cdef-0123-456789abcdef"


def names_of(table):
    return ", ".join(f'"{name}"' for name in table.names)


def one_column(kind, values, name="x"):
    column = Column(name, ColumnType.parse(kind))
    data = pa.table({name: pa.array(values, column.type.arrow)})
    return Table("cells", (column,)), data


@pytest.fixture
def postgres(postgres_url):
    url = postgres_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def load_postgres(connection, table, data):
    declared = [f'"{one.name}" {postgresql_copy.column_type(one)}' for one in table.columns]
    connection.execute(f'CREATE TABLE "{table.name}" ({", ".join(declared)})')
    statement = f'COPY "{table.name}" ({names_of(table)}) FROM STDIN (FORMAT BINARY)'
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for chunk in postgresql_copy.encode(data, table.columns):
                copy.write(chunk)
        assert cursor.rowcount == data.num_rows


def in_postgres(connection, table):
    statement = postgresql_c1.aggregate(table, "t", f'"{table.name}" AS t')
    return postgresql_c1.to_fingerprint(*connection.execute(statement).fetchone())


@pytest.fixture
def sqlite():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    sqlite_c1.register(connection)
    yield connection
    connection.close()


def load_sqlite(connection, table, data):
    declared = [f'"{one.name}" {sqlite_c1.column_type(one)}' for one in table.columns]
    connection.execute(f'CREATE TABLE "{table.name}" ({", ".join(declared)})')
    marks = ", ".join("?" * len(table.columns))
    rows = sqlite_c1.storage(data, table.columns)
    connection.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', rows)


def in_sqlite(connection, table):
    statement = f'SELECT CAST({sqlite_c1.row_text(table)} AS BLOB) FROM "{table.name}"'
    return fingerprint_texts(row[0] for row in connection.execute(statement))


def storable(table, data):
    bad = sqlite_c1.unstorable(data, table.columns)
    leave = np.unique(np.concatenate([np.array(places) for places in bad.values()]))
    return data.take(pa.array(np.setdiff1d(np.arange(data.num_rows), leave)))


def changed(values):
    """Each value once, as two neighbours of which no two are equal."""
    return list(pairwise(values))


MUTATIONS = [
    ("text", ["a", "a ", "A", "", None, "~", "é", "e\u0301", "a|b"]),
    ("int16", [0, 1, -1, None, 32_767]),
    ("int32", [0, -1, 2**31 - 1, None]),
    ("int64", [0, 1, 2**63 - 1, -(2**63), None]),
    ("bool", [True, False, None, True]),
    ("float64", [0.0, 5e-324, 0.1, 0.1 + 2**-56, float("inf"), None, 1e300]),
    ("decimal(38,10)", ["0", "0.0000000001", "-0.0000000001", "10", "1", None, "100"]),
    ("decimal(12,2)", ["1.50", "1.51", "-1.50", None, "0"]),
    ("date", [0, 1, -1, None, 2_932_896]),
    ("timestamp", [0, 1, -1, 1_000_000, None]),
    ("uuid", [UUID, UUID[:-1] + "0", None, UUID]),
    ("json", ['{"a": 1}', '{"a": 1.0}', '{"a": "1"}', "null", None, "[]"]),
    ("bytes", [b"", b"\0", b"\0\0", None, b"~"]),
]  # fmt: skip
CHANGES = [
    pytest.param(kind, one, other, id=f"{kind}-{place}")
    for kind, values in MUTATIONS
    for place, (one, other) in enumerate(changed(values))
]


def typed(kind, value):
    return Decimal(value) if kind.startswith("decimal") and value is not None else value


def test_nasty_rows_are_equal_in_postgres(postgres):
    table, data = nasty(ROWS, seed=1)
    load_postgres(postgres, table, data)
    expected = [field.to_pylist() for field in fields(data, table.columns)]
    found = postgres.execute(
        f"SELECT {', '.join(postgresql_c1.fields(table))} FROM nasty ORDER BY id"
    ).fetchall()
    for column, here, there in zip(table.columns, expected, zip(*found, strict=True), strict=True):
        assert list(there) == here, column.name
    assert in_postgres(postgres, table) == fingerprint(data, table.columns)


def test_nasty_rows_are_equal_in_sqlite(sqlite):
    table, data = nasty(ROWS, seed=1)
    kept = storable(table, data)
    assert ROWS * 0.9 < kept.num_rows < ROWS
    load_sqlite(sqlite, table, kept)
    expected = [field.to_pylist() for field in fields(kept, table.columns)]
    found = sqlite.execute(f"SELECT {', '.join(sqlite_c1.fields(table))} FROM nasty").fetchall()
    for column, here, there in zip(table.columns, expected, zip(*found, strict=True), strict=True):
        assert list(there) == here, column.name
    assert in_sqlite(sqlite, table) == fingerprint(kept, table.columns)


@pytest.mark.parametrize(
    "setting",
    [
        "extra_float_digits = -15", "bytea_output = 'escape'", "DateStyle = 'German, DMY'",
        "TimeZone = 'Pacific/Auckland'", "client_encoding = 'LATIN1'",
        "IntervalStyle = 'sql_standard'",
        "standard_conforming_strings = off", "enable_seqscan = off", "lc_numeric = 'C'",
    ],
)  # fmt: skip
def test_no_session_setting_changes_the_fingerprint_in_postgres(postgres, setting):
    table, data = nasty(600, seed=2)
    load_postgres(postgres, table, data)
    postgres.execute(f"SET {setting}")
    assert in_postgres(postgres, table) == fingerprint(data, table.columns)


@pytest.mark.parametrize("kind, one, other", CHANGES)
def test_a_changed_cell_is_seen(postgres_server_database, sqlite, kind, one, other):
    table, data = one_column(kind, [typed(kind, one)] * 3)
    target, after = one_column(kind, [typed(kind, one), typed(kind, other), typed(kind, one)])
    before = fingerprint(data, table.columns)
    postgres_server_database.execute("DROP TABLE IF EXISTS cells")
    load_postgres(postgres_server_database, target, after)
    load_sqlite(sqlite, target, after)
    for found in (in_postgres(postgres_server_database, table), in_sqlite(sqlite, table)):
        assert found == fingerprint(after, table.columns)
        assert found.lanes != before.lanes


@pytest.fixture(scope="module")
def postgres_server_database(postgres_server):
    with (
        postgres_server.database() as url,
        psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection,
    ):
        yield connection


def test_postgres_hashes_a_row_once_and_in_parallel(postgres):
    table, data = nasty(2_000, seed=7)
    load_postgres(postgres, table, data)
    for setting in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        postgres.execute(f"SET {setting} = 0")
    statement = postgresql_c1.aggregate(table, "t", '"nasty" AS t')
    plan = [row[0] for row in postgres.execute(f"EXPLAIN (VERBOSE) {statement}").fetchall()]
    place = next(i for i, line in enumerate(plan) if "Parallel Seq Scan" in line)
    # The scan hands the finished hash up; without the fence it would hand up the columns.
    assert plan[place + 1].strip().startswith("Output: sha256(")
    assert plan[place + 1].count("sha256(") == 1
    assert in_postgres(postgres, table) == fingerprint(data, table.columns)


def test_a_nan_with_other_bits_is_equal_in_postgres(postgres):
    table, data = one_column("float64", np.array([0xFFF8000000000001], np.uint64).view(np.float64))
    load_postgres(postgres, table, data)
    sent = postgres.execute("SELECT encode(float8send(x), 'hex') FROM cells").fetchone()
    assert sent == ("fff8000000000001",)
    assert in_postgres(postgres, table) == fingerprint(data, table.columns)


def test_what_only_postgres_can_hold_does_not_stop_the_scan(postgres):
    kinds = {"n": "decimal(38,2)", "d": "date", "t": "timestamp"}
    table = Table("odd", tuple(Column(n, ColumnType.parse(k)) for n, k in kinds.items()))
    postgres.execute("CREATE TABLE odd (n numeric, d date, t timestamptz)")
    values = ["'NaN'", "'Infinity'", "1.50"], ["'infinity'", "'-infinity'", "'4713-01-01 BC'"]
    for number, day in zip(*values, strict=True):
        postgres.execute(f"INSERT INTO odd VALUES ({number}, {day}, {day})")
    found = postgres.execute(f"SELECT {', '.join(postgresql_c1.fields(table))} FROM odd").fetchall()
    assert [row[0] for row in found] == ["NaN", "Infinity", "1.5"]
    assert found[0][1:] == ("7fffffff", "7fffffffffffffff")
    assert found[1][1:] == ("80000000", "8000000000000000")
    assert in_postgres(postgres, table).rows == 3


def test_a_table_of_many_columns_has_a_row_text(postgres, sqlite):
    count = 1_200
    columns = tuple(Column(f"c{i}", ColumnType("int32")) for i in range(count))
    table = Table("wide", columns)
    data = pa.table({one.name: pa.array([i, None], pa.int32()) for i, one in enumerate(columns)})
    load_postgres(postgres, table, data)
    load_sqlite(sqlite, table, data)
    assert in_postgres(postgres, table) == fingerprint(data, columns)
    assert in_sqlite(sqlite, table) == fingerprint(data, columns)


def test_an_empty_table_has_the_empty_fingerprint(postgres, sqlite):
    table, data = nasty(0, seed=1)
    load_postgres(postgres, table, data)
    load_sqlite(sqlite, table, data)
    assert in_postgres(postgres, table) == fingerprint(data, table.columns)
    assert in_sqlite(sqlite, table) == fingerprint(data, table.columns)


def test_the_canonical_json_is_the_text_of_a_jsonb(postgres):
    _, data = nasty(600, seed=4)
    texts = [text for text in data.column("document").to_pylist() if text is not None]
    raw = [json.dumps(json.loads(text), indent=2) for text in texts]
    raw += [
        '{"b":1,"a":2,"c":3,"aa":4}',
        "[1E400,-0,-0.0,0e5,0e-5,1.500e1,1.0e-400]",
        r'"\u007f\/"',
    ]
    for text in raw:
        stored = postgres.execute("SELECT (%s::text)::jsonb::text", (text,)).fetchone()
        assert stored == (canonical_json(text),)


def test_copy_carries_columns_that_are_not_declared(postgres):
    table, data = one_column("uuid", [UUID, None])
    wider = data.append_column("place", pa.array([7, 8], pa.int32()))
    postgres.execute("CREATE TABLE cells (x uuid, place integer)")
    with postgres.cursor() as cursor, cursor.copy("COPY cells FROM STDIN (FORMAT BINARY)") as copy:
        for chunk in postgresql_copy.encode(wider, table.columns):
            copy.write(chunk)
    found = postgres.execute("SELECT x::text, place FROM cells ORDER BY place").fetchall()
    assert found == [(UUID, 7), (None, 8)]


@pytest.mark.parametrize("text", ["", "x" * 36, "01234567-89AB-CDEF-0123-456789ABCDEF", "é" * 18])
def test_a_uuid_that_is_none_is_refused_without_being_shown(text):
    table, data = one_column("uuid", [UUID, text])
    with pytest.raises(TargetError) as caught:
        list(postgresql_copy.encode(data, table.columns))
    assert "column x" in str(caught.value)
    assert not text or text not in str(caught.value)


def test_an_instant_outside_postgres_is_refused():
    table, data = one_column("timestamp", [-(2**63)])
    with pytest.raises(TargetError, match="does not fit PostgreSQL"):
        list(postgresql_copy.encode(data, table.columns))


TAMPERED = [
    ("int32", "'1'"), ("int32", "1.0"), ("int32", "'~'"), ("int32", "x'31'"), ("int32", "1.5"),
    ("bool", "'true'"), ("bool", "2"), ("float64", "1"), ("float64", "'3ff0000000000000'"),
    ("decimal(12,2)", "'~'"), ("decimal(12,2)", "'1.50'"), ("decimal(12,2)", "'1|2'"),
    ("decimal(12,2)", "1.5"), ("decimal(12,2)", "1"), ("decimal(12,2)", "'1e0'"),
    ("decimal(12,2)", "''"), ("decimal(12,2)", "' 1'"), ("decimal(12,2)", "'1' || char(0)"),
    ("decimal(12,2)", "x'31'"), ("decimal(12,2)", "CAST(x'31ff' AS TEXT)"),
    ("date", "'now'"), ("date", "'2023-02-30'"), ("date", "'2023-01-01 '"), ("date", "2460000.5"),
    ("date", "'2023-01-01' || char(0) || 'x'"), ("date", "'2023-1-1'"), ("date", "'~'"),
    ("date", "'2023-01-01T00:00:00'"), ("date", "'12:00'"), ("date", "''"),
    ("date", "x'323032332d30312d3031'"),
    ("timestamp", "'2023-01-01T00:00:00Z'"), ("timestamp", "'2023-01-01 00:00:00.000000Z'"),
    ("timestamp", "'2023-01-01T00:00:00.-00001Z'"), ("timestamp", "'2023-01-01T00:00:00.+00001Z'"),
    ("timestamp", "'2023-01-01T24:00:00.000000Z'"), ("timestamp", "'2023-02-30T00:00:00.000000Z'"),
    ("timestamp", "'2023-01-01T00:00:60.000000Z'"), ("timestamp", "'2023-01-01T00:00:00.0000001Z'"),
    ("timestamp", "'2023-01-01T00:00:00.000000z'"), ("timestamp", "'now'"), ("timestamp", "0"),
    ("timestamp", "'2023-01-01T00:00:00.000000Z' || char(0)"), ("timestamp", "'~'"),
    ("uuid", "'~'"), ("uuid", "x'30'"), ("uuid", "'0|0'"), ("json", "1"), ("json", "x'7b7d'"),
    ("bytes", "'00'"), ("bytes", "0"), ("bytes", "'~'"), ("text", "1"), ("text", "x'61'"),
    ("text", "1.5"),
]  # fmt: skip
LEGAL = {
    "int32": r"~|0|-?[1-9]\d*",
    "bool": "~|0|1",
    "float64": "~|[0-9a-f]{16}",
    "decimal(12,2)": r"~|-?(?!0\Z)(0|[1-9]\d*)(\.\d?[1-9])?|0",
    "date": "~|[0-9a-f]{8}",
    "timestamp": "~|[0-9a-f]{16}",
    "uuid": "~|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "json": r"~|\d+:.*",
    "bytes": r"~|\d+:[0-9a-f]*",
    "text": r"~|\d+:.*",
}


@pytest.mark.parametrize("kind, stored", TAMPERED)
@pytest.mark.parametrize("collation", ["BINARY", "NOCASE", "RTRIM"])
def test_a_cell_that_is_not_stored_as_declared_has_no_legal_field(sqlite, kind, stored, collation):
    table, _ = one_column(kind, [])
    # No affinity, so that SQLite stores what it is given.
    sqlite.execute(f"CREATE TABLE cells (x BLOB COLLATE {collation})")
    sqlite.execute(f"INSERT INTO cells VALUES ({stored})")
    statement = f"SELECT CAST({sqlite_c1.row_text(table)} AS BLOB) FROM cells"
    field = sqlite.execute(statement).fetchone()[0].decode(errors="replace")
    assert not re.fullmatch(LEGAL[kind], field, re.DOTALL), field
    assert "|" not in field
    if kind in sqlite_rows.KINDS:
        assert sqlite_rows.fingerprint(sqlite, table, "cells t") is None


@pytest.mark.parametrize("kind", ["date", "timestamp"])
def test_days_and_instants_encoded_in_arrow_are_those_of_the_database(sqlite, kind):
    whole, data = nasty(3_000, seed=3)
    names = [column.name for column in whole.columns if column.type.kind in ("text", kind)]
    table = Table("some", tuple(whole.column(name) for name in names))
    load_sqlite(sqlite, table, data.select(names))
    expected = fingerprint(data, table.columns)
    assert sqlite_rows.fingerprint(sqlite, table, "some t") == expected
    assert in_sqlite(sqlite, table) == expected
    (moment,) = (column.name for column in table.columns if column.type.kind == kind)
    sqlite.execute(f"UPDATE some SET {moment} = 'now' WHERE rowid = 2900")
    assert sqlite_rows.fingerprint(sqlite, table, "some t") is None


def test_a_bad_cell_cannot_pass_for_two_fields(sqlite):
    kinds = {"a": "decimal(12,2)", "b": "text"}
    table = Table("cells", tuple(Column(n, ColumnType.parse(k)) for n, k in kinds.items()))
    honest = pa.table({"a": pa.array([1], pa.decimal128(12, 2)), "b": ["a|3:bcd"]})
    assert row_texts(honest, table.columns).to_pylist() == [b"1|7:a|3:bcd"]
    sqlite.execute("CREATE TABLE cells (a TEXT, b TEXT)")
    sqlite.execute("INSERT INTO cells VALUES ('1|7:a', 'bcd')")
    assert in_sqlite(sqlite, table).lanes != fingerprint(honest, table.columns).lanes


def test_text_with_nul_is_exact_in_sqlite(sqlite):
    table, data = one_column("text", ["a\0b", "a", "a\0", "\0"])
    load_sqlite(sqlite, table, data)
    assert in_sqlite(sqlite, table) == fingerprint(data, table.columns)


def test_text_that_is_no_utf8_neither_raises_nor_matches(sqlite):
    table, data = one_column("text", ["\ufffd"])
    sqlite.execute("CREATE TABLE cells (x TEXT)")
    sqlite.execute("INSERT INTO cells VALUES (CAST(x'ff' AS TEXT))")
    assert in_sqlite(sqlite, table).lanes != fingerprint(data, table.columns).lanes


def test_sqlite_names_what_it_cannot_store(sqlite):
    kinds = {"f": "float64", "d": "date", "t": "timestamp", "n": "text"}
    table = Table("cells", tuple(Column(n, ColumnType.parse(k)) for n, k in kinds.items()))
    first, last = -719_162, 2_932_896
    day = 86_400_000_000
    start, end = first * day, (last + 1) * day
    cells = {
        "f": [1.0, float("nan"), None, float("inf"), float("nan")],
        "d": [first - 1, first, last, last + 1, None],
        "t": [start, start - 1, end, end - 1, None],
        "n": ["a", "b", "c", None, "e"],
    }
    data = pa.table(cells, schema=table.arrow_schema())
    found = sqlite_c1.unstorable(data, table.columns)
    assert found == {"f": [1, 4], "d": [0, 3], "t": [1, 2]}
    assert sqlite_c1.unstorable(data.slice(2, 1).drop_columns("t"), table.columns[:2]) == {}
    load_sqlite(sqlite, table, data)
    assert in_sqlite(sqlite, table).lanes != fingerprint(data, table.columns).lanes


def test_sqlite_storage_carries_columns_that_are_not_declared():
    table, data = one_column("decimal(38,10)", [None])
    wider = data.append_column("place", pa.array([7], pa.int32()))
    assert list(sqlite_c1.storage(wider, table.columns)) == [(None, 7)]
