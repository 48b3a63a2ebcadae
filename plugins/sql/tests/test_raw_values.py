"""A value that is refused keeps its own text in quarantine, and its neighbours are loaded."""

from __future__ import annotations

import json

import pytest

LIMIT = "quarantine_limit = 1.0"


def quarantined(target):
    """id -> rule, column, and the raw value of everything in quarantine."""
    name = "messy_migration.quarantine"
    if target.kind == "sqlite":
        name = name.replace(".", "_")
    found = {}
    for rule, column, payload in target.rows(f"SELECT rule, column_name, payload FROM {name}"):
        record = json.loads(payload)
        (row,) = record.get("t", [record])
        found[int(row["id"])] = (rule, column, row[column])
    return found


def migrated(project, source, target, section=""):
    project.configure(f'url = "{source.plain}"\n{section}', target, LIMIT)
    result = project.run().json
    assert result["verdict"] == "MATCH"
    return result


REFUSED = [
    ("doc", '{"a":"\\u0000"}', "core.json", None),
    ("doc", '["\\ud800"]', "core.json", None),
    ("doc", '{"b":1,  "b":1}', "core.json", None),
    ("doc", "1e10001", "core.json", None),
    ("day", "0044-03-15 BC", "sql.value", None),
    ("day", "infinity", "sql.value", None),
    ("day", "10000-01-01", "sql.value", None),
    ("at", "0044-03-15 00:00:00+00 BC", "sql.value", "0044-03-15 00:00:00+00:00 BC"),
    ("at", "-infinity", "sql.value", None),
    ("price", "NaN", "sql.value", None),
    ("free", "NaN", "sql.value", None),
    ("free", "-Infinity", "sql.value", None),
    ("free", "1" * 40, "sql.value", None),
    ("free", "9" * 131_072, "sql.value", None),
    ("free", "0." + "0" * 20 + "1", "sql.value", None),
    ("few", "9" * 131_072, "sql.value", None),
    ("few", "1.005", "sql.value", None),
]


@pytest.mark.parametrize("target_kind", ["postgresql", "sqlite"])
def test_g24_a_refused_value_of_postgres_is_kept_as_it_is(
    project, postgres, make_base, target_kind
):
    postgres.run(
        "CREATE TABLE t (id integer PRIMARY KEY, doc json, day date, at timestamptz,"
        " price numeric(12,2), free numeric, few numeric)",
        "INSERT INTO t VALUES (1, '{}', '2024-02-29', '2024-02-29 00:00+00', 1.25, 1.25, 7.25)",
        *(
            (f"INSERT INTO t (id, {column}) VALUES (%s, %s)", (n, text))
            for n, (column, text, *_) in enumerate(REFUSED, 2)
        ),
    )
    target = make_base(target_kind)
    migrated(project, postgres, target, '[sql.tables.t]\ntypes = { few = "decimal(18,2)" }')
    ((number, few),) = target.rows("SELECT id, few FROM t")
    assert (number, str(few)) == (1, "7.25")
    assert quarantined(target) == {
        n: (rule, column, shown or text) for n, (column, text, rule, shown) in enumerate(REFUSED, 2)
    }


def test_g24_a_refused_value_of_sqlite_is_kept_as_it_is(project, lite, make_base):
    wrapping = "3402823669209384634633746074317682114.57"
    lite.run(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, day DATE, price TEXT, doc JSON, name TEXT)",
        "INSERT INTO t VALUES (1, NULL, '1.25', NULL, NULL)",
        "INSERT INTO t (id, day) VALUES (2, '2024-02-30')",
        f"INSERT INTO t (id, price) VALUES (3, '{wrapping}')",
        'INSERT INTO t (id, doc) VALUES (4, \'{"a":1,"a":2}\')',
        "INSERT INTO t (id, doc) VALUES (5, '\"\\u0000\"')",
        "INSERT INTO t (id, name) VALUES (6, CAST(X'66FF' AS TEXT))",
    )
    target = make_base("sqlite")
    migrated(project, lite, target, '[sql.tables.t]\ntypes = { price = "decimal(10,2)" }')
    assert target.rows("SELECT id, price FROM t") == [(1, "1.25")]
    found = quarantined(target)
    assert found.pop(6) in (("sql.value", "name", "f\udcff"), ("sql.value", "name", "f\\udcff"))
    assert found == {
        2: ("sql.value", "day", "2024-02-30"),
        3: ("sql.value", "price", wrapping),
        4: ("core.json", "doc", '{"a":1,"a":2}'),
        5: ("core.json", "doc", '"\\u0000"'),
    }
