"""A source computes the same fingerprint of a partition as the worker computes of its frames."""

from __future__ import annotations

import importlib.util
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

import messy_migration_sql as plugin
from messy_migration.errors import SourceError
from messy_migration.fingerprint.rows import fields, fingerprint
from messy_migration.model import Fingerprint, Frame, Rejected
from messy_migration_sql import cells, sqlite, wire

POSTGRES = """CREATE TABLE t (id bigint PRIMARY KEY, small smallint, n int, yes bool, r real,
    f double precision, price numeric(12,2), huge numeric(38,10), free numeric, ch char(6),
    v varchar(40), body text, day date, at timestamp, zoned timestamptz, u uuid, doc jsonb,
    raw json, data bytea, mood mood, span interval, tags text[], addr inet, "Odd ""Name%" text)"""
TYPES = 'types = {span = "text", tags = "text", addr = "text"}'
VALUES = {
    "small": ["-32768", "32767", "0", "NULL"],
    "n": ["-2147483648", "2147483647", "NULL"],
    "yes": ["true", "false", "NULL"],
    "r": ["0.1", "'NaN'", "'-Infinity'", "'-0'", "1e-40", "NULL"],
    "f": ["0.1", "5e-324", "1.7976931348623157e308", "'-0'", "'NaN'", "'Infinity'", "NULL"],
    "price": ["0", "-0.10", "9999999999.99", "'NaN'", "100", "NULL"],
    "huge": ["1e27", "-1234567890123456789012345678.0123456789", "0.0000000001", "'NaN'", "NULL"],
    "free": ["1.50", "1e19", "-1e-18", "1e-19", "1e20", "'Infinity'", "'NaN'", "NULL"],
    "ch": ["''", "'a'", "'ü  '", "'|~'", "NULL"],
    "v": ["''", "'~'", "'a|b'", "'O''Hara \\ % {x}'", "'\U0001f600'", "E'x\\ny'", "NULL"],
    "body": ["repeat('ü', 2000)", "' '", "'<null>'", "'~|1:x'", "NULL"],
    "day": ["'2024-02-29'", "'0001-01-01'", "'9999-12-31'", "'10000-01-01'", "'infinity'",
            "'0044-03-15 BC'", "NULL"],
    "at": ["'2024-02-29 23:59:59.999999'", "'0001-01-01'", "'9999-12-31 23:59:59.999999'",
           "'-infinity'", "'10000-01-01'", "NULL"],
    "zoned": ["'2024-03-31 01:30:00+05:45'", "'1999-12-31 23:59:59.999999+00'", "'infinity'",
              "NULL"],
    "u": ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "NULL"],
    "doc": ["""'{"b": 1.50, "a": [null, "ü"], "a": 2}'""", "'1e3'", "NULL"],
    "raw": ["""'{"b":1.50,  "a": 1, "a": 2}'""", "NULL"],
    "data": ["'\\x'", "'\\x00ff7c'", "NULL"],
    "mood": ["'happy'", "'so | so'", "NULL"],
    "span": ["'1 mon -3 days 04:05:06.7'", "NULL"],
    "tags": ["ARRAY['a', NULL, 'b,\"c']", "'{}'", "NULL"],
    "addr": ["'10.0.0.0/8'", "NULL"],
    '"Odd ""Name%"': ["'x'", "NULL"],
}  # fmt: skip


def frames_of(stream, partition, settings):
    """What is extracted: its fingerprint, its rows as C1 fields, and the rejected records."""
    found, rows, rejected = Fingerprint(), [], 0
    columns = stream.tables[0].columns
    for item in plugin.extract(stream, partition, settings):
        if isinstance(item, Frame):
            found += fingerprint(item.table, columns)
            table = item.table.combine_chunks().to_batches()
            for batch in table:
                cells = [field.to_pylist() for field in fields(batch, columns)]
                rows += list(zip(*cells, strict=True))
        else:
            assert isinstance(item, Rejected)
            rejected += 1
    return found, rows, rejected


def held(opened, stream, **options):
    """Both fingerprints of every partition; they are asked for after its rows, as a worker does."""
    taken = []
    for partition in opened.partitions(stream, **options):
        read, rows, rejected = frames_of(stream, partition, opened.settings)
        source = plugin.source_fingerprint(stream, partition, opened.settings)
        there = [tuple(row) for row in plugin.source_rows(stream, partition, opened.settings)]
        assert source == read
        assert sorted(there) == sorted(rows)
        taken.append((read, rejected))
    return taken


def nasty(base):
    base.run("CREATE TYPE mood AS ENUM ('happy', 'so | so')", POSTGRES)
    number = 0
    for column, values in VALUES.items():
        for value in values:
            number += 1
            base.pending.append(f"INSERT INTO t (id, {column}) VALUES ({number}, {value})")
    base.flush()
    return number


def test_every_kind_of_postgres_value_has_the_source_fingerprint_of_its_frame(
    postgres, open_plugin
):
    number = nasty(postgres)
    opened = open_plugin({"url": postgres.plain, "tables": {"t": {"types": {
        "span": "text", "tags": "text", "addr": "text"}, "rename": {"n": "amount"}}}})  # fmt: skip
    ((read, rejected),) = held(opened, opened.streams()["t"])
    # NaN of three numerics, what is too large, small or infinite, and days outside of 1 to 9999.
    assert rejected == 12
    assert read.rows == number - rejected


def test_ranges_and_deltas_of_both_kinds_are_fingerprinted_as_they_are_cut(source, open_plugin):
    source.run("CREATE TABLE t (id integer PRIMARY KEY, name varchar(9), changed timestamp)")
    for n in range(1, 4001):
        changed = f"2024-01-{1 + n % 28:02d} 10:11:12.000013"
        source.pending.append(f"INSERT INTO t VALUES ({n * 3}, 'n{n % 7}', '{changed}')")
    source.flush()
    if source.kind == "postgresql":
        source.run("ANALYZE t")
    opened = open_plugin({"url": source.plain, "tables": {"t": {"bookmark": "changed"}}})
    stream = opened.streams()["t"]
    taken = held(opened, stream, records=500)
    assert len(taken) > 4
    assert sum(read.rows for read, _ in taken) == 4000
    since = datetime(2024, 1, 20, tzinfo=UTC)
    assert 500 < sum(read.rows for read, _ in held(opened, stream, since=since)) < 2000


LITE = {
    "i": ("INTEGER", [0, -1, 2**63 - 1, -(2**63), 1.5, "x", b"1", None]),
    "small": ("smallint", [2**40, None]),
    "yes": ("BOOLEAN", [0, 1, 2, "t", None]),
    "f": ("REAL", [0.1, -0.0, 5e-324, 1e300, float("inf"), "x", None]),
    "price": ("NUMERIC(12,2)", [1, 1.5, 0.1, -2.25, "1.50", "abc", 1e11, 0.001, b"1", None]),
    "huge": ("DECIMAL(38,10)", ["12345678901234567890.0123456789", 2**62, 1e20, None]),
    "body": ("TEXT", ["", "~", "a|b", "ü", "a\0b", "O'Hara", 12, b"\xff", None]),
    "day": ("DATE", ["2024-02-29", "2024-02-30", "0001-01-01", "9999-12-31",
                     "2024-01-31 00:00:00", "2024-01-31 00:00:01", 5, None]),
    "at": ("TIMESTAMP", ["2024-02-29", "2024-02-29 23:59:59", "2024-02-29T23:59:59.123456Z",
                         "2024-02-29 23:59", "2024-02-29 23:59:59.1+05:45", "noon", 1.5, None]),
    "u": ("UUID", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                   b"0123456789abcdef", "no", None]),
    "doc": ("JSON", ['{"b": 1,  "a": 2}', "no JSON", None]),
    "data": ("BLOB", [b"", b"\x00\xff|", "text", None]),
}  # fmt: skip


def test_every_kind_of_sqlite_value_has_the_source_fingerprint_of_its_frame(lite, open_plugin):
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in LITE.items())
    lite.run(f'CREATE TABLE t (id INTEGER PRIMARY KEY, {columns}, "Odd ""Name" TEXT)')
    number = 0
    for name, (_, values) in LITE.items():
        for value in values:
            number += 1
            lite.pending.append((f"INSERT INTO t (id, {name}) VALUES (?, ?)", (number, value)))
    lite.pending.append("INSERT INTO t (id, body) VALUES (999, CAST(x'61ff' AS TEXT))")
    lite.pending.append("INSERT INTO t (id, at) VALUES (1000, CAST(x'61ff' AS TEXT))")
    lite.flush()
    opened = open_plugin(lite)
    ((read, rejected),) = held(opened, opened.streams()["t"])
    assert read.rows + rejected == number + 2
    assert rejected > 15


def test_the_tenants_column_is_part_of_it(make_base, tmp_path, open_plugin):
    for kind in ("sqlite", "postgresql"):
        base = make_base(kind)
        base.run("CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
        section = {"tenant_column": "shop", "databases": {"oslo": {"url": base.plain}}}
        opened = open_plugin(section)
        ((read, _),) = held(opened, opened.streams()["t"])
        assert read.rows == 2


def test_a_wide_table_is_encoded_in_both_kinds(source, open_plugin):
    names = [f"c{n}" for n in range(400)]
    columns = ", ".join(f"{name} integer" for name in names)
    source.run(
        f"CREATE TABLE t (id integer PRIMARY KEY, {columns})",
        f"INSERT INTO t VALUES (1, {', '.join(str(n) for n in range(400))})",
    )
    opened = open_plugin(source)
    ((read, _),) = held(opened, opened.streams()["t"])
    assert read.rows == 1


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_says_nothing(postgres_server, open_plugin, encoding):
    url = postgres_server.url.replace("postgresql+psycopg://", "postgresql://")
    name = f"other_{encoding.lower()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'"
            " LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    there = url.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(there, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    opened = open_plugin({"url": there})
    stream = opened.streams()["t"]
    (partition,) = opened.partitions(stream)
    assert plugin.source_fingerprint(stream, partition, opened.settings) is None


def test_a_file_that_was_written_to_meanwhile_is_refused(lite, open_plugin):
    lite.run("CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    opened = open_plugin(lite)
    stream = opened.streams()["t"]
    (partition,) = opened.partitions(stream)
    with closing(sqlite3.connect(lite.path)) as connection:
        connection.execute("INSERT INTO t VALUES (2)")
        connection.commit()
    with pytest.raises(SourceError, match="written to"):
        plugin.source_fingerprint(stream, partition, opened.settings)


LOSSES = ["sign", "cent", "text", "unicode", "trim", "null", "instant", "doubled", "exchanged"]


def broken():
    """The readers of `broken/sitecustomize.py`, without putting one in."""
    place = Path(__file__).with_name("broken") / "sitecustomize.py"
    spec = importlib.util.spec_from_file_location("broken_readers", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_between_the_source_and_the_frame_is_seen(source, open_plugin, monkeypatch, loss):
    """The number of rows is right, so that no count can tell."""
    source.run(
        "CREATE TABLE t (id bigint PRIMARY KEY, n integer, price numeric(9,2), note text,"
        " at timestamp)"
    )
    mark = "?" if source.kind == "sqlite" else "%s"
    for number in range(1, 301):
        row = (number, number, f"{-number}.25", f" é{number} ", "2024-02-29 01:02:03.000004")
        source.pending.append((f"INSERT INTO t VALUES ({', '.join([mark] * 5)})", row))
    source.flush()
    types = {"n": "int32"} if source.kind == "sqlite" else {}
    opened = open_plugin({"url": source.plain, "tables": {"t": {"types": types}}})
    stream = opened.streams()["t"]
    ((read, _),) = held(opened, stream)
    variants = broken()
    _, patch = (variants._columns if source.kind == "postgresql" else variants._cells)(
        variants.CHANGES[loss]()
    )
    if source.kind == "postgresql":
        monkeypatch.setattr(wire.Chunk, "columns", wire.Chunk.columns)
        patch(wire)
    else:
        monkeypatch.setattr(cells, "to_array", cells.to_array)
        patch(cells)
        monkeypatch.setattr(sqlite, "to_array", cells.to_array)
    (partition,) = opened.partitions(stream)
    altered, _, rejected = frames_of(stream, partition, opened.settings)
    assert (altered.rows, rejected) == (read.rows, 0)
    assert plugin.source_fingerprint(stream, partition, opened.settings) == read
    assert altered != read
