"""What comes off the wire is what the server holds, to the last digit, or it is refused."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

KINDS = {
    "small": "smallint",
    "whole": "integer",
    "big": "bigint",
    "flag": "boolean",
    "half": "real",
    "double": "double precision",
    "money": "numeric(12,2)",
    "tiny": "numeric(18,18)",
    "huge": "numeric(38,4)",
    "free": "numeric",
    "words": "text",
    "padded": "char(5)",
    "short": "varchar(20)",
    "day": "date",
    "at": "timestamptz",
    "local": "timestamp",
    "u": "uuid",
    "doc": "jsonb",
    "plain_doc": "json",
    "raw": "bytea",
}
ROW = {
    "small": -32768,
    "whole": 2**31 - 1,
    "big": -(2**63),
    "flag": False,
    "half": 0.5,
    "double": 5e-324,
    "money": Decimal("-9999999999.99"),
    "tiny": Decimal("0.999999999999999999"),
    "huge": Decimal("-1234567890123456789012345678901234.5678"),
    "free": Decimal("0.100000000000000000"),
    "words": "'; DROP TABLE \u00e4 \U0001f600",
    "padded": "ab",
    "short": "",
    "day": date(1, 1, 1),
    "at": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    "local": datetime(1969, 12, 31, 23, 59, 59, 1, UTC),
    "u": "00112233-4455-6677-8899-aabbccddeeff",
    "doc": '{"a": 1.50, "bb": null}',
    "plain_doc": '{"b":1,  "b":2}',
    "raw": b"\x00\xff",
}


def create(base, columns=KINDS):
    spelled = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    base.run(f"CREATE TABLE t (id integer PRIMARY KEY, {spelled})")


def test_every_type_arrives_exactly(postgres, open_plugin):
    create(postgres)
    marks = ", ".join("%s" for _ in ROW)
    text = {**ROW, "local": "1969-12-31 23:59:59.000001", "half": "0.5"}
    postgres.run(
        ("INSERT INTO t VALUES (1, " + marks + ")", list(text.values())),
        "INSERT INTO t (id) VALUES (2)",
    )
    plugin = open_plugin(postgres)
    one, two = plugin.extract(plugin.streams()["t"]).rows
    assert one == {"id": 1, **ROW}
    assert two == {"id": 2, **dict.fromkeys(ROW)}


def test_decimals_of_every_size_equal_what_the_server_prints(postgres, open_plugin):
    columns = {f"d{p}_{s}": f"numeric({p},{s})" for p, s in SIZES}
    create(postgres, columns)
    values = ", ".join(
        f"trunc((random() - 0.5)::numeric * power(10::numeric, i % {p - s + 1}), {s})"
        if p > s
        else f"trunc((random() - 0.5)::numeric, {s})"
        for p, s in SIZES
    )
    postgres.run(f"INSERT INTO t SELECT i, {values} FROM generate_series(1, 3000) i")
    plugin = open_plugin(postgres)
    got = plugin.extract(plugin.streams()["t"])
    assert got.rejected == []
    assert sorted(got.columns("id", *columns)) == postgres.rows("SELECT * FROM t ORDER BY id")


SIZES = [(1, 0), (4, 4), (5, 3), (9, 0), (12, 2), (17, 9), (18, 0), (18, 7), (19, 2), (38, 20)]


@pytest.mark.parametrize(
    "kind, value, words",
    [
        ("timestamptz", "infinity", "at: infinity is no moment"),
        ("timestamptz", "-infinity", "infinity"),
        ("timestamp", "0044-03-15 12:00:00 BC", "the year is outside"),
        ("timestamptz", "20000-01-01 00:00:00+00", "the year is outside"),
        ("date", "infinity", "infinity is no moment"),
        ("date", "0001-01-01 BC", "the year is outside"),
        ("numeric(12,2)", "NaN", "NaN is no decimal"),
        ("numeric", "Infinity", "Infinity is no decimal"),
        ("numeric", "NaN", "NaN is no decimal"),
        ("numeric", "1e20", "does not fit"),
        ("numeric", "0.1234567890123456789", "does not fit"),
    ],
)
def test_what_has_no_exact_place_is_refused_with_its_row(postgres, open_plugin, kind, value, words):
    create(postgres, {"at": kind, "name": "text"})
    postgres.run(
        "INSERT INTO t VALUES (1, NULL, 'before'), (3, NULL, 'after')",
        ("INSERT INTO t VALUES (2, %s, 'it')", [value]),
    )
    plugin = open_plugin(postgres)
    got = plugin.extract(plugin.streams()["t"])
    assert got.columns("id", "name") == [(1, "before"), (3, "after")]
    (refused,) = got.rejected
    assert words in refused.reason
    assert (refused.rule, refused.column) == ("sql.value", "at")
    raw = json.loads(refused.raw)
    assert (raw["id"], raw["name"]) == ("2", "it")


@pytest.mark.parametrize("declared", ["decimal(10,1)", "decimal(4,2)", "decimal(20,1)"])
def test_a_declared_narrower_type_refuses_what_it_would_round(postgres, open_plugin, declared):
    create(postgres, {"price": "numeric(12,2)"})
    postgres.run("INSERT INTO t VALUES (1, 12.30), (2, 123.45)")
    plugin = open_plugin({"url": postgres.url, "tables": {"t": {"types": {"price": declared}}}})
    got = plugin.extract(plugin.streams()["t"])
    assert got.columns("id", "price") == [(1, Decimal("12.30"))]
    assert "without rounding" in got.rejected[0].reason


def test_a_type_that_we_have_not_can_be_read_as_text(postgres, open_plugin):
    create(postgres, {"tags": "text[]", "how": "interval", "secret": "point"})
    postgres.run("INSERT INTO t VALUES (1, ARRAY['a','b c'], '1 day 02:00', '(1,2)')")
    plugin = open_plugin(
        {
            "url": postgres.url,
            "leave_out": ["*.secret"],
            "tables": {"t": {"types": {"tags": "text", "how": "text"}}},
        }
    )
    stream = plugin.streams()["t"]
    assert stream.deny == ("secret",)
    assert plugin.extract(stream).columns("id", "tags", "how") == [
        (1, '{a,"b c"}', "1 day 02:00:00")
    ]


def test_text_of_a_database_without_an_encoding_is_refused_where_it_is_no_utf_8(
    postgres_server, postgres, open_plugin
):
    name = f"mm_ascii_{secrets.token_hex(4)}"
    postgres.run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        other = type(postgres)(f"{postgres.url.rpartition('/')[0]}/{name}")
        create(other, {"name": "text"})
        other.run(
            r"INSERT INTO t VALUES (1, 'fine'), (2, E'\xff'), (3, E'caf\xc3\xa9')",
        )
        plugin = open_plugin(other)
        got = plugin.extract(plugin.streams()["t"])
        plugin.release()
        assert got.columns("id", "name") == [(1, "fine"), (3, "café")]
        assert "no UTF-8" in got.rejected[0].reason
    finally:
        postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


def test_many_rows_come_in_chunks_and_none_is_lost(postgres, open_plugin):
    create(postgres, {"name": "text"})
    postgres.run("INSERT INTO t SELECT i, repeat('x', i % 90) FROM generate_series(1, 20001) i")
    plugin = open_plugin(postgres)
    got = plugin.extract(plugin.streams()["t"])
    there = postgres.rows("SELECT id, name FROM t ORDER BY id")
    assert sorted(got.columns("id", "name")) == there


def test_reading_needs_no_pandas(postgres):
    """Its import costs a worker more than some hundred thousand rows do."""
    create(postgres)
    marks = ", ".join("%s" for _ in ROW)
    text = {**ROW, "local": "1969-12-31 23:59:59.000001"}
    postgres.run(
        ("INSERT INTO t VALUES (1, " + marks + ")", list(text.values())),
        "INSERT INTO t (id) VALUES (2)",
    )
    code = (
        "import sys, messy_migration_sql as sql;"
        "settings = sql.settings_model().model_validate({'url': sys.argv[1]});"
        "stream, = sql.streams(settings);"
        "found = sql.partitions(stream, None, None, 1000, settings);"
        "frames = list(sql.extract(stream, found[0], settings));"
        "sql.release(settings);"
        "print(frames[0].table.num_rows, 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, postgres.plain], capture_output=True, text=True, check=False
    )
    assert done.stdout == "2 False\n", done.stderr
