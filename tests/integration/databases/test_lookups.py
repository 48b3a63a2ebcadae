"""Nothing in the SQL that reaches a server is left to the search path."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, Request
from messy_migration.testing.servers import postgres

from .lookups import logged, lookups


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("SELECT 1 FROM t", "table t"),
        ("INSERT INTO t SELECT 1", "table t"),
        ("DELETE FROM ONLY t", "table t"),
        ("TABLE t", "table t"),
        ("COPY t FROM STDIN", "table t"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", "table t"),
        ("LOCK TABLE t", "table t"),
        ("SELECT count(*)", "function count"),
        ("SELECT 1 FROM unnest('{}'::pg_catalog.int4[])", "function unnest"),
        ("SELECT pg_catalog.sum(length('a')) OVER ()", "function length"),
        ("SELECT $1::text", "type text"),
        ("SELECT CAST($1 AS jsonb)", "type jsonb"),
        ("CREATE TABLE s.t (a uuid)", "type uuid"),
        ("SELECT '{}'::_int4", "type _int4"),
        ("SELECT a = b", "operator ="),
        ("SELECT a || b", "operator ||"),
        ("SELECT - a", "operator -"),
        ("SELECT a LIKE 'x'", "operator ~~"),
        ("SELECT a = ANY (b)", "operator ="),
        ("SELECT (a, b) < (1, 2)", "operator <"),
        ("SELECT a IN (1, 2)", "IN"),
        ("SELECT a IN (SELECT 1)", "IN or ANY of a query"),
        ("SELECT a = ANY (SELECT 1)", "IN or ANY of a query"),
        ("SELECT a BETWEEN 1 AND 2", "BETWEEN"),
        ("SELECT a NOT BETWEEN SYMMETRIC 1 AND 2", "BETWEEN"),
        ("SELECT a IS DISTINCT FROM b", "IS DISTINCT FROM"),
        ("SELECT a IS NOT DISTINCT FROM b", "IS NOT DISTINCT FROM"),
        ("SELECT nullif(a, b)", "NULLIF"),
        ("SELECT CASE a WHEN 1 THEN 2 END", "CASE x WHEN"),
        ("SELECT 1 FROM s.a JOIN s.b USING (x)", "USING"),
        ("SELECT 1 FROM s.a NATURAL JOIN s.b", "NATURAL"),
        ('SELECT a COLLATE "C"', "collation C"),
        ("SELECT 1 FROM s.a TABLESAMPLE system (1)", "sampling system"),
        ("SELECT 1 ORDER BY a USING <", "ORDER BY USING"),
        ("SELECT 't'::pg_catalog.regclass", "regclass of t"),
        ("CREATE INDEX ON s.t (a text_ops)", "operator class text_ops"),
        ("CREATE TABLE s.t (a integer CHECK (a > 0))", "operator >"),
        ("WITH c AS (SELECT 1 FROM c2) SELECT 1 FROM c", "table c2"),
        ("SELECT 1; SELECT lower('A')", "function lower"),
        ("SELECT a FROM s.t WHERE x = %(x)s", "operator ="),
    ],
)
def test_each_construct_is_seen(statement, what):
    assert lookups(statement) == [what]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_catalog.count(*) FROM ONLY s.t AS t WHERE t.a OPERATOR(pg_catalog.=) 1",
        "SELECT a OPERATOR(x.=) ANY ('{1}'::pg_catalog.int8[]), (a, b) OPERATOR(s.<) (1, 2)",
        "WITH c AS (SELECT 1) SELECT coalesce(a, b), greatest(1, 2) FROM c WHERE a IS NULL",
        "SELECT a::integer, 'x' COLLATE pg_catalog.\"C\" FROM s.t GROUP BY 1 ORDER BY 1",
        "SELECT x AT TIME ZONE 'UTC' FROM s.t",
        "CREATE TABLE s.t (id BIGSERIAL NOT NULL, a timestamp with time zone)",
        "DELETE FROM s.t t USING s.u u WHERE t.a OPERATOR(pg_catalog.=) u.a",
    ],
)
def test_what_names_all_in_full_is_not_blamed(statement):
    assert lookups(statement) == []


@pytest.fixture(scope="module")
def telling_server():
    """A server of its own, whose log has every statement."""
    with postgres.server("local", log_statement="all", log_line_prefix="%d %a|") as running:
        yield running


SOURCE = [
    """CREATE TABLE people (id integer PRIMARY KEY, name varchar(40), born date,
        changed timestamptz NOT NULL)""",
    """CREATE TABLE bills (region text, id bigint, person integer NOT NULL REFERENCES people (id),
        total numeric(12,2), currency text, paid boolean, weight float8, token uuid, doc jsonb,
        raw bytea, at timestamp, PRIMARY KEY (region, id))""",
    "CREATE TABLE notes (line text)",
    """INSERT INTO people SELECT g, 'name ' || g, '2000-01-01'::date + g,
        '2024-01-01'::timestamptz + g * interval '1 s' FROM generate_series(1, 300) AS g""",
    """INSERT INTO bills SELECT 'r' || g % 3, g, 1 + g % 300, g / 8.0, 'EUR', g % 2 = 0, g / 7.0,
        gen_random_uuid(), jsonb_build_object('n', g), decode(to_hex(4096 + g), 'hex'),
        '2024-01-01'::timestamp + g * interval '1 s' FROM generate_series(1, 900) AS g""",
    "INSERT INTO notes VALUES ('a'), ('a'), ('b')",
]
CSV = """
table = "sales"
key = ["id"]
bookmark = "changed"
[amounts]
total = "currency"
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = [""]
[columns]
id = { type = "int32", required = true }
total = { type = "decimal(12,2)" }
currency = { type = "text" }
changed = { type = "timestamp" }
"""


@pytest.fixture
def moved(telling_server, tmp_path):
    """A folder, a source and a target; what is done with them stands in the server's log."""
    with telling_server.database() as source, telling_server.database() as target:
        execute(source, *SOURCE)
        (tmp_path / "sales.toml").write_text(CSV)
        plain = make_url(source).set(drivername="postgresql").render_as_string(hide_password=False)
        (tmp_path / "migrate.toml").write_text(
            f'[profiles.default]\nplugins = ["sql", "files"]\ntarget = "{target}"\nworkers = 2\n'
            f'batch_records = 200\n[sql]\nurl = "{plain}"\n'
            'tables.people.bookmark = "changed"\n'
            '[files.streams.sales]\npath = "sales*.csv"\nschema = "sales.toml"\n'
        )
        yield tmp_path, source, target


def execute(url, *statements):
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    # Without a name of its own, so that its statements are not taken for ours.
    with psycopg.connect(plain, application_name="") as connection:
        for statement in statements:
            connection.execute(statement)


def sales(folder, name, *rows):
    (folder / name).write_text("\n".join(["id,total,currency,changed", *rows]) + "\n")


def test_g05_all_that_reaches_a_server_is_named_in_full(moved, telling_server):
    folder, source, target = moved
    request = Request(config=folder / "migrate.toml")
    lines = [f"{n},{n}.50,EUR,2024-01-01T00:00:{n % 60:02}Z" for n in range(1, 500)]
    # A key that comes twice, and one that comes twice with other content.
    sales(folder, "sales1.csv", *lines, lines[3], "5,9.99,EUR,2024-01-01T00:00:05Z")
    first = api.run(request)
    assert (first.verdict, first.exit_code) == ("MATCH", 0), first.problems
    execute(
        source,
        "UPDATE people SET name = 'other', changed = '2030-01-01' WHERE id < 50",
        "INSERT INTO bills (region, id, person) VALUES ('r9', 5000, 7)",
    )
    sales(folder, "sales2.csv", "7,1.00,NZD,2025-01-01T00:00:00Z", "x,1.00,EUR,", "9000,2,EUR,")
    assert api.run(request).verdict == "MATCH", "the second run"
    execute(
        target, "UPDATE people SET name = 'wrong' WHERE id = 3", "DELETE FROM bills WHERE id = 9"
    )
    execute(target, "INSERT INTO notes VALUES ('c')")
    for asked in (
        api.ReconcileOptions(quick=True),
        api.ReconcileOptions(),
        api.ReconcileOptions(against="landed", probe=True),
        api.ReconcileOptions(against="source", show_values=True),
        api.ReconcileOptions(repair="all"),
    ):
        api.reconcile(request, options=asked)
    last = api.reconcile(request)
    assert last.verdict == "MATCH", last
    api.compare(Request(), source, target, CompareOptions(), Budget(seconds=60))
    api.status(request)
    api.plan(request)
    problems = statements_that_look_up(telling_server, source, target)
    assert not problems, "\n".join(f"{what}: {text}" for text, what in problems)


def statements_that_look_up(server, *urls):
    names = {make_url(url).database for url in urls}
    log = (server.cluster.home / "log").read_text()
    found = {text: program for name, program, text in logged(log) if name in names}
    ours = {text for text, program in found.items() if program != "[unknown]"}
    assert len(ours) > 100
    problems = ((text, lookups(text, checks=False)) for text in sorted(ours))
    return [(text, problem) for text, problem in problems if problem]
