"""Whatever a role or a database has set, a comparison reads every row, in the server's words."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, Request
from messy_migration.databases.postgresql import pins

from ..hostile import TRACES, hostile

ROLE = "mm_session_reader"


@pytest.fixture
def reader(two_postgres):
    """Two equal tables of 1,000 rows; the right one is read by a role that owns nothing."""
    two = two_postgres
    two.run("CREATE TABLE t (id integer PRIMARY KEY, name varchar(20), amount numeric)")
    two.run("INSERT INTO t SELECT g, 'name ' || g, g / 8.0 FROM generate_series(1, 1000) AS g")
    two.right.run(
        f"DROP ROLE IF EXISTS {ROLE}",
        f"CREATE ROLE {ROLE} LOGIN PASSWORD 'throw-away'",
        f"GRANT USAGE ON SCHEMA public TO {ROLE}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}",
    )
    yield two
    two.right.run(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


def compare(two):
    right = make_url(two.right.url).set(username=ROLE, password="throw-away")
    return api.compare(
        Request(),
        two.left.url,
        right.render_as_string(hide_password=False),
        CompareOptions(),
        Budget(),
    )


def only(result):
    (found,) = result.tables
    return found.verdict, found.reason


def database(side):
    return f'"{make_url(side.url).database}"'


def test_g04_a_policy_that_hides_half_of_the_rows_is_unknown_and_says_why(reader):
    reader.left.run("DELETE FROM t WHERE id > 500")
    reader.right.run(
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY half ON t USING (id <= 500)",
    )
    result = compare(reader)
    verdict, reason = only(result)
    assert (result.verdict, result.exit_code, verdict) == ("UNKNOWN", 8, "UNKNOWN")
    assert "row-level security policy" in reason
    assert "right side" in reason


def test_g04_a_role_that_no_policy_applies_to_is_not_stopped(reader):
    reader.right.run(
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY half ON t USING (id <= 500)",
        f"ALTER ROLE {ROLE} BYPASSRLS",
    )
    assert only(compare(reader)) == ("MATCH", "")


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("no_such_setting", "this server has no setting"),
        # Only a superuser may set it.
        ("zero_damaged_pages", "this role may not set"),
    ],
)
def test_g04_where_row_security_cannot_be_set_nothing_is_proven(reader, monkeypatch, setting, why):
    monkeypatch.setattr(pins, "ROW_SECURITY", setting)
    result = compare(reader)
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    assert why in only(result)[1]


SETTINGS = {
    "quote_all_identifiers": "on",
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "America/St_Johns",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "row_security": "on",
    "xmlbinary": "hex",
    "lc_monetary": "en_US.UTF-8",
    "search_path": "elsewhere",
}
COLUMNS = (
    "id integer PRIMARY KEY, a text, b date, c timestamptz, d float8, e bytea, f interval,"
    " g uuid, h jsonb, i numeric, j boolean, k time, l money, m timestamp, n real"
)
ROW = (
    r"1, 'a\b', '2024-02-29', '2024-03-10 02:30:00.123456+00', 0.1::float8 + 0.2, '\x00ff5c',"
    " '1 mon 2 days 03:04:05.6', '01234567-89ab-cdef-0123-456789abcdef', '{\"a\": 1.0}', 1.50,"
    " true, '23:59:59.999999', '12.34', '2024-01-01', 1.1"
)


def test_g16_settings_of_a_database_change_no_value_and_no_type(two_postgres):
    two = two_postgres
    two.run(f"CREATE TABLE t ({COLUMNS})", f"INSERT INTO t VALUES ({ROW})")
    name = database(two.right)
    try:
        for setting, value in SETTINGS.items():
            if setting not in ("search_path", "lc_monetary"):
                two.right.run(f"ALTER DATABASE {name} SET {setting} = '{value}'")
        found = two.only()
        assert (found.verdict, found.reason) == ("MATCH", "")
        assert len(found.pair.columns) == 15
        two.right.run("UPDATE t SET f = f + interval '1 us'")
        found = two.only()
        assert [item.columns for item in found.findings.differences] == [("f",)]
    finally:
        two.right.run(f"ALTER DATABASE {name} RESET ALL")


def test_g05_a_hostile_schema_before_pg_catalog_stands_in_for_nothing(reader):
    """Twenty functions, operators, types and casts that each leave a trace if they run."""
    reader.right.run(*hostile(ROLE))
    reader.right.run(f"ALTER ROLE {ROLE} SET search_path = public, pg_catalog")
    reader.right.run("UPDATE t SET amount = 0 WHERE id = 7")
    (found,) = compare(reader).tables
    assert [dict(item.key) for item in found.findings.differences] == [{"id": "7"}]
    assert found.findings.differences[0].columns == ("amount",)
    with reader.right.connected() as connection:
        assert connection.execute(TRACES).fetchone() == (0,)


def test_g12_a_row_that_moved_between_a_table_and_its_child_is_found(two_postgres):
    two = two_postgres
    two.run(
        "CREATE TABLE animal (id integer PRIMARY KEY, name text)",
        "CREATE TABLE dog (PRIMARY KEY (id)) INHERITS (animal)",
        "INSERT INTO animal VALUES (1, 'cat'), (2, 'cow')",
        "INSERT INTO dog VALUES (3, 'rex')",
    )
    assert two.compare().verdict == "MATCH"
    two.right.run("DELETE FROM animal WHERE id = 2", "INSERT INTO dog VALUES (2, 'cow')")
    verdicts = {item.pair.label: item for item in two.compare().tables}
    assert {name: item.verdict for name, item in verdicts.items()} == {
        "animal": "MISMATCH",
        "dog": "MISMATCH",
    }
    assert verdicts["animal"].left.rows == 2
    assert verdicts["animal"].right.rows == 1


def test_g12_a_partitioned_table_is_read_whole(two_postgres):
    two = two_postgres
    two.left.run("CREATE TABLE t (id integer, v text)")
    two.right.run(
        "CREATE TABLE t (id integer, v text) PARTITION BY RANGE (id)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10) PARTITION BY LIST (v)",
        "CREATE TABLE t11 PARTITION OF t1 FOR VALUES IN ('a')",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20)",
    )
    two.run("INSERT INTO t VALUES (1, 'a'), (12, 'b')")
    (found,) = two.compare().tables
    assert (found.verdict, found.right.rows) == ("MATCH", 2)


@pytest.mark.parametrize("schema", ["public", "extensions"])
def test_extensions_in_any_schema_and_indexes_that_name_them_badly(two_postgres, schema):
    two = two_postgres
    two.run(
        "DROP SCHEMA IF EXISTS extensions CASCADE",
        "CREATE SCHEMA IF NOT EXISTS extensions",
        f"CREATE EXTENSION citext SCHEMA {schema}",
        f"CREATE EXTENSION unaccent SCHEMA {schema}",
        f"SET search_path = public, {schema};"
        "CREATE TABLE t (email citext PRIMARY KEY, name text);"
        "INSERT INTO t VALUES ('Zoe@x.org', 'Zoë'), ('ada@x.org', 'Ada');"
        # Its body is read when it is inlined, along the path of whoever plans.
        "CREATE FUNCTION plain(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT unaccent($1)';"
        "CREATE INDEX ON t (plain(name))",
    )
    name = database(two.right)
    try:
        for side in (two.left, two.right):
            side.run(f"ALTER DATABASE {database(side)} SET search_path = public, {schema}")
        found = two.only()
        assert found.verdict == "MATCH"
        assert "own search_path" in found.reason
        assert "t" in found.reason
        two.right.run("UPDATE t SET email = 'ZOE@x.org' WHERE name = 'Zoë'")
        found = two.only()
        assert (found.verdict, found.findings.total) == ("MISMATCH", 2)
    finally:
        for side in (two.left, two.right):
            side.run(f"ALTER DATABASE {database(side)} RESET ALL")
        two.run("DROP SCHEMA extensions CASCADE")
    assert name
