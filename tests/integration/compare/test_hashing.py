"""PostgreSQL's own hashes of values: equal where C1 fields are, and nowhere else."""

from __future__ import annotations

import secrets
from collections import defaultdict
from contextlib import contextmanager

import pytest
from sqlalchemy import make_url

from messy_migration.compare import matching as tables
from messy_migration.compare.matching import CompareOptions, Side
from messy_migration.databases import convert
from messy_migration.databases.ddl import create_table
from messy_migration.databases.open import open_database, open_target
from messy_migration.databases.postgresql.sketch import PostgreSQLScans
from messy_migration.databases.sketch import Cells, Hashing, View
from messy_migration.model import Table
from messy_migration.testing.nasty_rows import nasty

EVERYTHING = Cells(frozenset({0}), 1)


def folding(highs, lows):
    """Numbers of 64 bits, of which many have halves with the same exclusive or."""
    for high in highs:
        for low in lows:
            unsigned = high << 32 | (high ^ low)
            yield unsigned - 2**64 if unsigned >> 63 else unsigned


LOWS = [0, 1, 2**31, 2**32 - 1, 0x89AB_CDEF]
LONG = [str(number) for number in folding([*LOWS, 0x0123_4567], LOWS)]
INSTANTS = [f"2000-01-01 00:00:00+00|{number} microseconds" for number in folding(range(9), LOWS)]
NUMBERS = ["0", "1", "-1", "10", "10000", "-10000", "127", "32767"]
DECIMALS = [
    "0", "-0", "0.00", "1", "1.0", "1.000", "-1", "-1.00", "10", "10000", "1e4", "1e64", "1e60",
    "1e-4", "-1e-4", "1e127", "NaN", "Infinity", "-Infinity", "12345678901234567890.123456789",
]  # fmt: skip
FLOATS = [
    "0", "-0", "1", "-1", "0.1", "0.10000000000000002", "1e300", "5e-324", "-5e-324", "NaN",
    "Infinity", "-Infinity", "10000", "1e15", "1e16",
]  # fmt: skip
TEXTS = ["", " ", "x", "X", "x|", "~", "é", "e\u0301", "0", "-0", "NaN", "null", "a" * 5_000]
DOCUMENTS = ['{"a": 1}', '{"a":1.0}', '{"a": 1.00}', "null", "1", "1.0", "-0", '"1"', "[]", '""']
DAYS = ["1999-12-31", "2000-01-01", "2000-01-02", "infinity", "-infinity", "0001-01-01"]
TOKENS = ["01234567-89ab-cdef-0123-456789abcdef", "89abcdef-0123-4567-0123-456789abcdef"]
BYTES = [r"\x", r"\x00", r"\x0000", r"\x7e", r"\x30", r"\xff"]
# Type on the left, type on the right, values of both; NULL is with all of them.
PAIRS = [
    ("smallint", "smallint", NUMBERS),
    ("smallint", "integer", NUMBERS),
    ("integer", "integer", [*NUMBERS, "2147483647", "-2147483648"]),
    ("integer", "bigint", [*NUMBERS, "2147483647", "-2147483648"]),
    ("bigint", "bigint", [*NUMBERS, *LONG]),
    ("bigint", "numeric", [*NUMBERS, *LONG]),
    ("boolean", "boolean", ["0", "1"]),
    ("boolean", "integer", ["0", "1"]),
    ("integer", "double precision", NUMBERS),
    ("numeric", "numeric", DECIMALS),
    ("numeric(30,2)", "numeric", ["0", "1.50", "-1.50", "10000", "150", "NaN"]),
    ("double precision", "double precision", FLOATS),
    ("double precision", "numeric", FLOATS),
    ("real", "double precision", ["0", "-0", "0.5", "-0.5", "NaN", "Infinity", "1e30"]),
    ("text", "text", TEXTS),
    ("varchar(5000)", "text", TEXTS),
    ("char(9)", "varchar(9)", ["", " ", "x", "X", "x ", "~", "é"]),
    ("uuid", "uuid", TOKENS),
    ("uuid", "text", TOKENS),
    ("json", "jsonb", DOCUMENTS),
    ("bytea", "bytea", BYTES),
    ("date", "date", DAYS),
    ("date", "timestamptz", DAYS),
    ("timestamp", "timestamptz", [*INSTANTS, *DAYS]),
    ("timestamptz", "timestamptz", [*INSTANTS, *DAYS]),
    ("time", "time(3)", ["00:00:00", "01:11:34.967296", "24:00:00"]),
    ("inet", "text", ["10.0.0.1/32", "10.0.0.0/8"]),
    ("int[]", "int[]", ["{}", "{NULL}", "{0}", "{{0}}"]),
]


def filling(kind, values):
    """Inserts numbered values of a type, each as it is cast there."""
    for number, value in enumerate(values):
        shifted = value.split("|") if "|" in value and "micro" in value else [value]
        literal = "'" + shifted[0].replace("'", "''") + "'"
        cast = f"{literal}::integer::boolean::{kind}" if kind == "boolean" else f"{literal}::{kind}"
        if len(shifted) > 1:
            cast = f"({literal}::{kind} + interval '{shifted[1]}')"
        yield f"INSERT INTO t VALUES ({number}, {cast})"


@contextmanager
def snapshot(side):
    database = open_database(make_url(side.url), "mm:test")
    with database.reader.reading(database.engine) as connection:
        convert.set_session(connection, "postgresql")
        yield Side(connection, database.reader)


def seen(two, name="t"):
    """Both views of a table, each with its side."""
    with snapshot(two.left) as left, snapshot(two.right) as right:
        (pair,) = tables.pairs(left, right, CompareOptions(tables=(name,)))
    return list(zip((two.left, two.right), pair.views, strict=True))


def only(view, place):
    """One column of a view, which is its key."""
    column = view.table.columns[place]
    return View(Table(view.table.name, (column,), (column.name,)), view.source)


def rows(side, view, hashing):
    return list(PostgreSQLScans().rows(side.connection, view, hashing, EVERYTHING))


def assert_alike(found):
    """Lanes and the number of the key are equal where fields are, and only there."""
    hashes = defaultdict(set)
    for row in found:
        hashes[row.fields].add((row.lane0, row.lane1, row.key))
    assert {len(one) for one in hashes.values()} == {1}
    for lane in (0, 1):
        assert len({next(iter(one))[lane] for one in hashes.values()}) == len(hashes)


@pytest.fixture
def hashing():
    return Hashing(secrets.randbits(63))


@pytest.mark.parametrize("left, right, values", PAIRS, ids=lambda value: str(value)[:16])
def test_values_of_two_types_hash_alike_where_they_are_alike(
    two_postgres, hashing, left, right, values
):
    for side, kind in ((two_postgres.left, left), (two_postgres.right, right)):
        side.run(f"CREATE TABLE t (id integer, x {kind})", *filling(kind, values))
        side.run("INSERT INTO t VALUES (-1, NULL)")
        if kind == "double precision" and "NaN" in values:
            # Arithmetic gives a NaN of other bits than the word does.
            side.run("INSERT INTO t VALUES (-2, 'Infinity'::float8 - 'Infinity')")
    found = []
    for side, view in seen(two_postgres):
        with snapshot(side) as opened:
            found += rows(opened, only(view, 1), hashing)
    assert len(found) > 2 * len(values)
    assert_alike(found)


def test_nasty_values_and_rows_hash_alike_where_they_are_alike(two_postgres, hashing):
    table, data = nasty(1_500, seed=8)
    for side in (two_postgres.left, two_postgres.right):
        target = open_target(make_url(side.url), "mm:load")
        with target.engine.begin() as connection:
            create_table(connection, target.dialect, table)
            target.dialect.insert(connection, table, data)
        target.engine.dispose()
    (left, view), (right, other) = seen(two_postgres, "nasty")
    with snapshot(left) as ours, snapshot(right) as theirs:
        for place in range(len(table.columns)):
            found = rows(ours, only(view, place), hashing)
            found += rows(theirs, only(other, place), hashing)
            assert len(found) == 2 * data.num_rows
            assert_alike(found)
        whole = rows(ours, view, hashing), rows(theirs, other, hashing)
    assert_alike([*whole[0], *whole[1]])
    assert sorted(whole[0], key=lambda row: row.key) == sorted(whole[1], key=lambda row: row.key)
    assert two_postgres.only().verdict == "MATCH"


def test_a_lane_has_all_of_its_64_bits(two_postgres, hashing):
    # Of 32 bits about ten pairs would be alike.
    two_postgres.run("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 300000) AS g")
    (left, view), _ = seen(two_postgres)
    with snapshot(left) as opened:
        found = rows(opened, view, hashing)
    assert len({row.lane0 for row in found}) == len({row.lane1 for row in found}) == 300_000


# Two cells of each kind; those of 64 bits fold to the same 32.
CELLS = {
    "integer": ("1", "2"), "bigint": ("0", "4294967297"), "smallint": ("1", "-1"),
    "boolean": ("true", "false"), "numeric": ("1", "-1"), "double precision": ("0", "1"),
    "text": ("''", "NULL"), "uuid": tuple(f"'{token}'" for token in TOKENS),
    "date": ("'2000-01-01'", "'2000-01-02'"), "bytea": (r"'\x00'", r"'\x0000'"),
    "timestamptz": ("'2000-01-01'", "'2000-01-01'::timestamptz + interval '4294.967297 s'"),
    "jsonb": ("'1.0'", "'1.00'"),
}  # fmt: skip


def test_a_cell_exchanged_between_two_rows_is_named_in_both(two_postgres, listed):
    columns = {f"c{place}": kind for place, kind in enumerate(CELLS)}
    two_postgres.run(
        "CREATE TABLE t (id integer PRIMARY KEY, "
        + ", ".join(f"{name} {kind}" for name, kind in columns.items())
        + ")",
        *(
            f"INSERT INTO t SELECT g, {', '.join(cells[place] for cells in CELLS.values())}"
            f" FROM generate_series({place}, 99, 2) AS g"
            for place in (0, 1)
        ),
    )
    assert two_postgres.only().verdict == "MATCH"
    for name, kind in columns.items():
        for turned in (1, 0):
            two_postgres.right.run(
                *(
                    f"UPDATE t SET {name} = {CELLS[kind][place ^ turned]} WHERE id = {40 + place}"
                    for place in (0, 1)
                )
            )
            wanted = [("changed", {"id": str(key)}, (name,), 1) for key in (40, 41)]
            found = two_postgres.only()
            assert (listed(found) if turned else found.verdict) == (wanted if turned else "MATCH")


def test_exchanges_that_a_hash_of_a_record_misses_are_seen(two_postgres, listed):
    # That is a sum of hashes times powers of 31, modulo 2^64, and the product of x - 1, x^2 - 1,
    # x^4 - 1, ... x^128 - 1 is a multiple of 2^64 at x = 31.
    names = [f"b{place}" for place in range(256)]
    two_postgres.run(f"CREATE TABLE t (id integer PRIMARY KEY, {' boolean, '.join(names)} boolean)")
    for side, one in ((two_postgres.left, 0), (two_postgres.right, 1)):
        bits = ", ".join(str(place.bit_count() % 2 == one) for place in range(len(names)))
        side.run(f"INSERT INTO t VALUES (1, {bits})")
    assert listed(two_postgres.only()) == [("changed", {"id": "1"}, tuple(names), 1)]


@pytest.mark.parametrize("place", [1, 11, 12, 1_599])
def test_one_cell_is_seen_in_the_widest_table_there_is(two_postgres, listed, place):
    names = [f"n{number}" for number in range(1, 1_600)]
    two_postgres.run(
        f"CREATE TABLE t (id integer PRIMARY KEY, {' integer, '.join(names)} integer)",
        "INSERT INTO t (id) SELECT generate_series(1, 9)",
    )
    assert two_postgres.only().verdict == "MATCH"
    two_postgres.right.run(f"UPDATE t SET n{place} = 0 WHERE id = 7")
    assert listed(two_postgres.only()) == [("changed", {"id": "7"}, (f"n{place}",), 1)]


def test_keys_of_other_types_on_either_side_name_their_rows(two_postgres, listed):
    two_postgres.left.run("CREATE TABLE t (a integer, b varchar(9), n integer, PRIMARY KEY (a, b))")
    two_postgres.right.run("CREATE TABLE t (a bigint, b text, n smallint, PRIMARY KEY (b, a))")
    two_postgres.run("INSERT INTO t SELECT g % 7, 'k' || g, g FROM generate_series(1, 5000) AS g")
    assert two_postgres.only().verdict == "MATCH"
    two_postgres.right.run("UPDATE t SET n = 0 WHERE b = 'k17'", "DELETE FROM t WHERE b = 'k18'")
    assert listed(two_postgres.only()) == [
        ("changed", {"a": "3", "b": "k17"}, ("n",), 1),
        ("missing", {"a": "4", "b": "k18"}, (), 1),
    ]


@contextmanager
def another_hash(side):
    """A server whose hash of a text is another one."""
    side.run(
        "ALTER FUNCTION pg_catalog.hashtextextended(text, bigint) RENAME TO hidden",
        "SET LOCAL allow_system_table_mods = on",
        "CREATE FUNCTION pg_catalog.hashtextextended(text, bigint) RETURNS bigint"
        " LANGUAGE SQL IMMUTABLE AS 'SELECT 7::bigint'",
    )
    try:
        yield
    finally:
        side.run(
            "DROP FUNCTION pg_catalog.hashtextextended(text, bigint)",
            "ALTER FUNCTION pg_catalog.hidden(text, bigint) RENAME TO hashtextextended",
        )


def test_where_servers_do_not_hash_alike_it_is_sha_256(two_postgres, listed):
    two_postgres.run(
        "CREATE TABLE t (id integer PRIMARY KEY, x text)",
        "INSERT INTO t SELECT g, 'x' || g FROM generate_series(1, 500) AS g",
    )
    assert len({two_postgres.only().left for _ in range(2)}) == 2
    with another_hash(two_postgres.right):
        same = [two_postgres.only() for _ in range(2)]
        assert same[0].left == same[0].right == same[1].left
        assert same[0].verdict == "MATCH"
        two_postgres.right.run("UPDATE t SET x = '' WHERE id = 8")
        assert listed(two_postgres.only()) == [("changed", {"id": "8"}, ("x",), 1)]
