"""What is read of tables that somebody else made."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from messy_migration.errors import SourceError
from messy_migration.model import ForeignKey, Table
from messy_migration.reflection.tables import column_type, reflect, table_names

TYPES = [
    ("postgresql", "smallint", "int16"),
    ("postgresql", "character varying(20)", "text"),
    ("postgresql", "character(3)", "text"),
    ("postgresql", "public.citext", "text"),
    ("postgresql", "double precision", "float64"),
    ("postgresql", "numeric(12,2)", "decimal(12,2)"),
    ("postgresql", "numeric(38,0)", "decimal(38,0)"),
    ("postgresql", "numeric(39,2)", None),
    ("postgresql", "numeric(3,5)", "decimal(5,5)"),
    ("postgresql", "numeric(5,-2)", "decimal(7,0)"),
    ("postgresql", "numeric", "decimal(38,18)"),
    ("postgresql", "timestamp(3) with time zone", "timestamp"),
    ("postgresql", "timestamp without time zone", "timestamp"),
    ("postgresql", "time without time zone", None),
    ("postgresql", "interval day to second(3)", None),
    ("postgresql", "integer[]", None),
    ("postgresql", "public.citext[]", None),
    ("postgresql", "money", None),
    ("postgresql", "bit(1)", None),
    ("postgresql", "point", None),
    ("postgresql", "int4range", None),
    ("mysql", "tinyint(1)", "bool"),
    ("mysql", "tinyint(4)", "int16"),
    ("mysql", "tinyint(1) unsigned", "int16"),
    ("mysql", "int(10) unsigned zerofill", "int64"),
    ("mysql", "bigint(20) unsigned", "decimal(20,0)"),
    ("mysql", "decimal(12,2) unsigned", "decimal(12,2)"),
    ("mysql", "decimal(65,30)", None),
    ("mysql", "datetime(6)", "timestamp"),
    ("mysql", "time(6)", None),
    ("mysql", "json", "json"),
    ("mysql", "enum('a','b(c)')", "text"),
    ("mysql", "set('a','b')", None),
    ("mysql", "varbinary(16)", "bytes"),
    ("mysql", "geometry", None),
    ("duckdb", "HUGEINT", "decimal(38,0)"),
    ("duckdb", "DECIMAL(18,3)", "decimal(18,3)"),
    ("duckdb", "TIMESTAMP WITH TIME ZONE", "timestamp"),
    ("duckdb", "TIMESTAMP_NS", None),
    ("duckdb", "ENUM('a', 'b')", "text"),
    ("duckdb", "STRUCT(a INTEGER)", None),
    ("duckdb", "VARCHAR[]", None),
    ("sqlite", "UNSIGNED BIG INT", "int64"),
    ("sqlite", "int(11)", "int64"),
    ("sqlite", "NATIVE CHARACTER(70)", "text"),
    ("sqlite", "nvarchar(40)", "text"),
    ("sqlite", "LONGTEXT", "text"),
    ("sqlite", "VARYING CHARACTER (255)", "text"),
    ("sqlite", "DOUBLE PRECISION", "float64"),
    ("sqlite", "DECIMAL (10, 2)", "decimal(10,2)"),
    ("sqlite", "NUMERIC", "decimal(38,18)"),
    ("sqlite", "DATETIME", "timestamp"),
    ("sqlite", "BOOLEAN", "bool"),
    ("sqlite", "POINT", None),
    ("sqlite", "INTERVAL", None),
    ("sqlite", "decimal(what)", None),
    ("sqlite", "", None),
]

PARENT = 'CREATE TABLE "Order Details" ("Id X" integer NOT NULL, other integer, note text)'


@pytest.mark.parametrize("kind, spelled, ours", TYPES)
def test_a_type_is_ours_or_none(kind, spelled, ours):
    found = column_type(kind, spelled)
    assert (str(found) if found else None) == ours


def run(url, *statements):
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    return engine


def found(engine, name, schema=None):
    with engine.connect() as connection:
        return reflect(connection, name, schema)


def kinds(table: Table) -> dict[str, str]:
    return {column.name: str(column.type) for column in table.columns}


def test_columns_of_every_kind_in_postgres(postgres_url):
    engine = run(
        postgres_url,
        "CREATE SCHEMA app",
        "CREATE TYPE app.mood AS ENUM ('ok', 'bad')",
        "CREATE DOMAIN app.cents AS numeric(12,2) NOT NULL",
        "CREATE DOMAIN app.price AS app.cents CHECK (VALUE >= 0)",
        "CREATE TABLE app.t (id bigint PRIMARY KEY, gone int, price app.price, mood app.mood,"
        " moods app.mood[], at timestamptz NOT NULL, local timestamp(0), day date, how interval,"
        " j json, b jsonb, u uuid, raw bytea, free numeric, r real, flag boolean)",
        "ALTER TABLE app.t DROP COLUMN gone",
    )
    reflected = found(engine, "t", "app")
    assert kinds(reflected.table) == {
        "id": "int64",
        "price": "decimal(12,2)",
        "mood": "text",
        "at": "timestamp",
        "local": "timestamp",
        "day": "date",
        "j": "json",
        "b": "json",
        "u": "uuid",
        "raw": "bytes",
        "free": "decimal(38,18)",
        "r": "float64",
        "flag": "bool",
    }
    assert dict(reflected.unsupported) == {"moods": "app.mood[]", "how": "interval"}
    assert reflected.types["price"] == "numeric(12,2)"
    assert [one.name for one in reflected.table.columns if one.required] == ["id", "price", "at"]
    with engine.connect() as connection:
        assert table_names(connection, "app") == ["t"]
        assert table_names(connection) == []


def test_columns_of_every_kind_in_sqlite(tmp_path):
    engine = run(
        f"sqlite:///{tmp_path / 's.db'}",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name NVARCHAR(40) NOT NULL, price DECIMAL(10,2),"
        " at DATETIME, free, shape POINT, twice INT GENERATED ALWAYS AS (id * 2))",
        "CREATE TABLE messy_migration_runs (id INTEGER)",
        "CREATE VIEW v AS SELECT 1",
    )
    reflected = found(engine, "t")
    assert kinds(reflected.table) == {
        "id": "int64",
        "name": "text",
        "price": "decimal(10,2)",
        "at": "timestamp",
        "twice": "int64",
    }
    assert dict(reflected.unsupported) == {"free": "", "shape": "POINT"}
    assert reflected.table.key == ("id",)
    assert reflected.table.column("id").required
    with engine.connect() as connection:
        assert table_names(connection) == ["t"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 's.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.mark.parametrize(
    "constraints, key",
    [
        ([], ()),
        (['CREATE UNIQUE INDEX i ON "Order Details" (other)'], ()),
        (['CREATE UNIQUE INDEX i ON "Order Details" ("Id X")'], ("Id X",)),
        (['CREATE UNIQUE INDEX i ON "Order Details" ("Id X") WHERE other > 1'], ()),
        (['CREATE UNIQUE INDEX i ON "Order Details" (("Id X" + 1))'], ()),
        (['CREATE INDEX i ON "Order Details" ("Id X")'], ()),
    ],
)
def test_a_unique_key_is_a_key_only_if_it_holds_for_all_rows(url, constraints, key):
    engine = run(url, PARENT, *constraints)
    assert found(engine, "Order Details").table.key == key


def test_the_primary_key_wins_and_keeps_its_order(url):
    engine = run(
        url,
        "CREATE TABLE t (a integer NOT NULL UNIQUE, b integer, c integer, PRIMARY KEY (c, b))",
    )
    assert found(engine, "t").table.key == ("c", "b")


def test_foreign_keys_name_parent_and_columns(url):
    engine = run(
        url,
        'CREATE TABLE "P" ("A" integer PRIMARY KEY)',
        'CREATE TABLE c (id integer PRIMARY KEY, p integer REFERENCES "P" ("A"),'
        " up integer REFERENCES c (id))",
    )
    keys = set(found(engine, "c").table.foreign_keys)
    assert keys == {ForeignKey(("p",), "P", ("A",)), ForeignKey(("up",), "c", ("id",))}


def test_sqlite_knows_a_parent_in_any_case(tmp_path):
    engine = run(
        f"sqlite:///{tmp_path / 's.db'}",
        "CREATE TABLE Parents (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (p INTEGER REFERENCES PARENTS)",
    )
    assert found(engine, "c").table.foreign_keys == (ForeignKey(("p",), "Parents", ("id",)),)


def test_included_columns_are_not_of_the_key(postgres_url):
    engine = run(
        postgres_url,
        "CREATE TABLE t (a int NOT NULL, b int NOT NULL)",
        "CREATE UNIQUE INDEX i ON t (a) INCLUDE (b)",
    )
    assert found(engine, "t").table.key == ("a",)


def test_partitions_are_read_through_their_parent(postgres_url):
    engine = run(
        postgres_url,
        "CREATE TABLE t (a int) PARTITION BY RANGE (a)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE SCHEMA other",
        "CREATE TABLE other.p (id int PRIMARY KEY)",
        "CREATE TABLE c (id int REFERENCES other.p (id))",
    )
    with engine.connect() as connection:
        assert table_names(connection) == ["c", "t"]
    assert found(engine, "c").table.foreign_keys == ()


@pytest.mark.parametrize(
    "statement, words",
    [
        ("CREATE TABLE other (id integer)", "no such table"),
        ("CREATE TABLE t (how interval)", "no column.*how is interval"),
    ],
)
def test_what_cannot_be_described_is_refused(url, statement, words):
    engine = run(url, statement)
    with pytest.raises(SourceError, match=f"(?i){words}"):
        found(engine, "t")
