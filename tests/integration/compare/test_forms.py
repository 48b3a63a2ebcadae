"""Values of two databases that are the same, or not, whatever their types make of their form."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import duckdb
import psycopg
import pymysql
import pytest
from sqlalchemy import make_url

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, Request


@pytest.fixture
def sides(two_postgres, mariadb_url, tmp_path):
    """A function: a kind of database and statements -> the URL of one that ran them."""

    def make(kind, *statements):
        if kind == "mariadb":
            _in_mariadb(mariadb_url, statements)
            return mariadb_url
        if kind == "duckdb":
            with duckdb.connect(str(tmp_path / "side.duckdb")) as connection:
                for statement in statements:
                    connection.execute(statement)
            return f"duckdb:///{tmp_path / 'side.duckdb'}"
        if kind == "sqlite":
            with closing(sqlite3.connect(tmp_path / "side.db")) as connection:
                for statement in statements:
                    connection.execute(statement)
                connection.commit()
            return f"sqlite:///{tmp_path / 'side.db'}"
        url = getattr(two_postgres, kind).url
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)
        return url

    return make


def _in_mariadb(url, statements):
    parts = make_url(url)
    with (
        pymysql.connect(
            host=parts.host, port=parts.port, user=parts.username, password=parts.password,
            database=parts.database, charset="utf8mb4", autocommit=True,
        ) as connection,
        connection.cursor() as cursor,
    ):  # fmt: skip
        cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES'")
        for statement in statements:
            cursor.execute(statement)


def compared(left, right):
    """The verdict of the one table, its differences in short, and how it was compared."""
    result = api.compare(Request(), left, right, CompareOptions(), Budget(show_values=True))
    (table,) = result.tables
    differences = table.findings.differences if table.findings else ()
    return (
        table.verdict,
        [(one.kind, dict(one.key), one.columns, dict(one.rules)) for one in differences],
        dict(table.pair.compared_as),
    )


def table(kind, values):
    rows = ", ".join(f"({number}, {value})" for number, value in enumerate(values, 1))
    return f"CREATE TABLE t (id integer PRIMARY KEY, x {kind})", f"INSERT INTO t VALUES {rows}"


TOKEN = "0197f3c2-89ab-7def-8123-456789abcdef"
TIMES = ["'10:11:12.5'", "'00:00:00'", "'23:59:59.999999'", "'10:20:30.100000'", "NULL"]
LONG, NUMBERS = 'x: \\"' * 50_000, ", ".join(map(str, range(50_000)))
LOOKALIKES = r"""'["\\u0000", "a\\", "\ud83d\ude00", "e999999", ":"]'"""
SAME = {
    "g16 time of MariaDB": (("mariadb", "TIME(6)", TIMES), ("left", "time", TIMES)),
    "g16 whole seconds": (("mariadb", "TIME", TIMES[1:2]), ("left", "time(3)", TIMES[1:2])),
    "g16 time of DuckDB": (("duckdb", "TIME", TIMES), ("left", "time", TIMES)),
    "g16 time of SQLite": (("sqlite", "TIME", [TIMES[3], *TIMES[1:]]),
                           ("left", "time", [TIMES[3], *TIMES[1:]])),
    "g16 bits": (("mariadb", "BIT(5)", ["b'101'", "b'0'", "NULL"]),
                 ("left", "bit(5)", ["B'00101'", "B'00000'", "NULL"])),
    "g16 uuid in capitals": (("left", "text", [f"'{TOKEN.upper()}'", "NULL"]),
                             ("right", "uuid", [f"'{TOKEN}'", "NULL"])),
    "g16 uuid in MariaDB": (("mariadb", "VARCHAR(40)", [f"'{TOKEN.upper()}'"]),
                            ("left", "uuid", [f"'{TOKEN}'"])),
    "g16 uuid of MariaDB": (("mariadb", "UUID", [f"'{TOKEN}'"]),
                            ("left", "varchar(40)", [f"'{TOKEN.upper()}'"])),
    "g16 uuid in DuckDB": (("duckdb", "VARCHAR", [f"'{TOKEN.upper()}'"]),
                           ("left", "uuid", [f"'{TOKEN}'"])),
    "g16 uuid of SQLite": (("sqlite", "UUID", [f"'{TOKEN.upper()}'"]),
                           ("left", "text", [f"'{TOKEN}'"])),
    "g16 json of MariaDB": (("mariadb", "JSON", ["'{\"b\":1,  \"a\":[1.50]}'", "NULL"]),
                            ("left", "jsonb", ["'{\"a\":[1.50],\"b\":1}'", "NULL"])),
    "g16 json in a text": (("duckdb", "VARCHAR", ["'{\"b\":1,  \"a\":2}'"]),
                           ("left", "jsonb", ["'{\"a\":2,\"b\":1}'"])),
    "g16 a boolean": (("mariadb", "TINYINT(1)", ["1", "0", "NULL"]),
                      ("left", "boolean", ["true", "false", "NULL"])),
    "g03 json as it is written": (("left", "json", ["'{\"b\":1,  \"a\":2}'", "'[1]'", "NULL"]),
                                  ("right", "jsonb", ["'{\"a\":2,\"b\":1}'", "'[1]'", "NULL"])),
    "g03 strings that look like names": (
        ("left", "json", [r"""'{"a":"\":,\"b\":", "b:":1}'""", LOOKALIKES]),
        ("right", "jsonb", [r"""'{"b:":1, "a":"\":,\"b\":"}'""", LOOKALIKES])),
    "g03 long documents": (
        ("left", "json", [f"""'{{"b":"{LONG}",  "a":[{NUMBERS}]}}'"""]),
        ("right", "jsonb", [f"""'{{"a":[{NUMBERS}],"b":"{LONG}"}}'"""])),
    "g03 the same text twice": (("left", "json", ["'{\"a\":1,\"a\":2}'", r"""'"\u0000"'"""]),
                                ("right", "json", ["'{\"a\":1,\"a\":2}'", r"""'"\u0000"'"""])),
    "g03 the same text elsewhere": (("mariadb", "JSON", ["'{\"a\":1,\"a\":2}'"]),
                                    ("left", "json", ["'{\"a\":1,\"a\":2}'"])),
    "numbers out of range": (("left", "json", ["'1e400'", "'1e-400'", "'-0.0'"]),
                             ("right", "jsonb", ["'1e400'", "'1e-400'", "'-0.0'"])),
    "a zero with a sign": (("left", "real", ["'-0'", "0.5"]), ("right", "numeric", ["0", "0.5"])),
    "no number": (("left", "double precision", ["'NaN'", "'Infinity'"]),
                  ("right", "numeric", ["'NaN'", "'Infinity'"])),
    "the padding of a char": (("left", "char(10)", ["'ab'", "''"]),
                              ("right", "text", ["'ab'", "''"])),
    "an instant of whole seconds": (
        ("left", "timestamptz(0)", ["'2024-04-06 14:30:00+00'", "'2024-04-06 13:30:00+00'"]),
        ("mariadb", "DATETIME(6)", ["'2024-04-06 14:30:00'", "'2024-04-06 13:30:00'"])),
    "a real of MariaDB": (("mariadb", "FLOAT", ["0.1", "-0.0"]), ("left", "real", ["0.1", "0"])),
    "a day in another era": (("left", "date", ["'0044-03-15 BC'"]),
                             ("right", "timestamp", ["'0044-03-15 BC'"])),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_values_that_are_the_same_match(sides, name):
    left, right = (sides(kind, *table(*what)) for kind, *what in SAME[name])
    assert compared(left, right)[:2] == ("MATCH", [])


OTHER = {
    "g02 30 February": (
        ("mariadb", "DATE", ["'2024-02-30'", "'2024-03-01'"]),
        ("left", "date", ["'2024-03-01'", "'2024-03-01'"]), "no date",
    ),
    "g02 a moment of 29 February": (
        ("mariadb", "DATETIME(6)", ["'2023-02-29 10:00:00'", "NULL"]),
        ("left", "timestamptz", ["'2023-03-01 10:00:00+00'", "NULL"]), "no timestamp",
    ),
    "g02 a day as a moment": (
        ("mariadb", "DATE", ["'2024-04-31'", "NULL"]),
        ("left", "timestamp", ["'2024-05-01'", "NULL"]), "no timestamp",
    ),
    "g02 the year 0": (
        ("mariadb", "DATE", ["'0000-01-01'", "NULL"]),
        ("left", "date", ["'0001-01-02 BC'", "NULL"]), "no date",
    ),
    "g02 a zero date and NULL": (
        ("mariadb", "DATE", ["'0000-00-00'", "NULL"]), ("left", "date", ["NULL", "NULL"]), "null",
    ),
    "g02 30 February in a file": (
        ("sqlite", "DATE", ["'2024-02-30'", "NULL"]),
        ("left", "date", ["'2024-03-01'", "NULL"]), "no date",
    ),
    "g02 a moment in a file": (
        ("sqlite", "DATETIME", ["'2024-02-30 10:00:00'", "NULL"]),
        ("left", "timestamptz", ["'2024-03-01 10:00:00+00'", "NULL"]), "no timestamp",
    ),
    "g03 one name twice": (
        ("left", "json", ["'{\"b\":1,\"a\":2}'", "'{}'"]),
        ("right", "json", ["'{\"a\":7,\"b\":1,\"a\":2}'", "'{}'"]), "one name twice",
    ),
    "g03 a name twice beside a jsonb": (
        ("left", "json", ["'{\"a\":7,\"b\":1,\"a\":2}'", "'{}'"]),
        ("right", "jsonb", ["'{\"b\":1,\"a\":2}'", "'{}'"]), "one name twice",
    ),
    "g03 a name twice under an escape": (
        ("left", "json", [r"""'{"\u0061":7,"a":2}'""", "'{}'"]),
        ("right", "jsonb", ["'{\"a\":2}'", "'{}'"]), "one name twice",
    ),
    "g03 a name twice in MariaDB": (
        ("mariadb", "JSON", ["'{\"a\":7,\"a\":2}'", "'{}'"]),
        ("left", "jsonb", ["'{\"a\":2}'", "'{}'"]), "one name twice",
    ),
    "g03 a name twice in DuckDB": (
        ("duckdb", "JSON", ["'{\"a\":7,\"a\":2}'", "'{}'"]),
        ("left", "jsonb", ["'{\"a\":2}'", "'{}'"]), "one name twice",
    ),
    "g03 a name twice in a file": (
        ("sqlite", "JSON", ["'{\"a\":7,\"a\":2}'", "'{}'"]),
        ("left", "jsonb", ["'{\"a\":2}'", "'{}'"]), "one name twice",
    ),
    "a fraction of a second": (
        ("left", "timestamptz(0)", ["'2024-01-01 00:00:01+00'", "NULL"]),
        ("right", "timestamptz", ["'2024-01-01 00:00:01.4+00'", "NULL"]), "cut to seconds",
    ),
    "g24 U+0000": (
        ("left", "json", [r"""'["\u0000"]'""", "'{}'"]),
        ("right", "jsonb", ["'[\"\"]'", "'{}'"]), "no document",
    ),
    "g24 half a pair": (
        ("left", "json", [r"""'["\ud83d\ud83d\ude00"]'""", "'{}'"]),
        ("right", "jsonb", ["'[\"\"]'", "'{}'"]), "no document",
    ),
    "g24 a number that no numeric holds": (
        ("left", "json", ["'1e200000'", "'{}'"]),
        ("right", "jsonb", ["'1'", "'{}'"]), "no document",
    ),
    "g24 a day that only one side has": (
        ("left", "date", ["'0044-03-15 BC'", "NULL"]),
        ("sqlite", "DATE", ["'0044-03-15'", "NULL"]), "",
    ),
    "g16 two for true": (
        ("mariadb", "TINYINT(1)", ["2", "0"]), ("left", "boolean", ["false", "false"]), "",
    ),
    "g16 another time": (
        ("mariadb", "TIME(6)", ["'10:11:12.500001'", "NULL"]),
        ("left", "time", ["'10:11:12.5'", "NULL"]), "",
    ),
    "g16 another uuid": (
        ("left", "text", [f"'{TOKEN.upper()[:-1]}E'", "NULL"]),
        ("right", "uuid", [f"'{TOKEN}'", "NULL"]), "",
    ),
    "g16 no uuid": (
        ("left", "text", [f"' {TOKEN}'", "NULL"]),
        ("right", "uuid", [f"'{TOKEN}'", "NULL"]), "trim",
    ),
    "digits without end": (
        ("left", "numeric", ["repeat('9', 131072)::numeric", "0.10"]),
        ("right", "numeric(12,2)", ["5", "0.1"]), "",
    ),
    "single precision": (
        ("left", "real", ["0.1", "0.5"]), ("right", "double precision", ["0.1", "0.5"]), "single",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_one_value_that_is_another_is_named_with_its_key(sides, name):
    *both, rule = OTHER[name]
    left, right = (sides(kind, *table(*what)) for kind, *what in both)
    verdict, differences, _ = compared(left, right)
    assert verdict == "MISMATCH"
    ((kind, key, columns, rules),) = differences
    assert (kind, key, columns) == ("changed", {"id": "1"}, ("x",))
    assert rule in rules["x"]


def test_g16_what_is_stored_is_what_is_shown(sides):
    left = sides("mariadb", *table("TINYINT(1)", ["2"]))
    right = sides("left", *table("boolean", ["false"]))
    result = api.compare(Request(), left, right, CompareOptions(), Budget(show_values=True))
    (difference,) = result.tables[0].findings.differences
    assert "2" in str(difference)
    assert "'false'" in str(difference)


def test_g02_a_day_that_is_none_is_shown_as_it_is_stored(sides):
    left = sides("mariadb", *table("DATE", ["'2024-02-30'"]))
    right = sides("left", *table("date", ["'2024-03-01'"]))
    result = api.compare(Request(), left, right, CompareOptions(), Budget(show_values=True))
    (difference,) = result.tables[0].findings.differences
    assert "2024-02-30 (no date)" in str(difference)


def test_g03_how_documents_are_compared_is_said(sides):
    left = sides("left", *table("json", ["'{}'"]))
    right = sides("right", *table("jsonb", ["'{}'"]))
    assert "one name twice as its text" in compared(left, right)[2]["x"]
