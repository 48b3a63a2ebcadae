"""Rows that the user's own table refuses: each costs itself and no other."""

from __future__ import annotations

import contextlib
import functools

import pytest

ROWS = 12


def csv(changes):
    rows = {number: f"name{number}" for number in range(1, ROWS + 1)} | changes
    return "id,name\n" + "".join(f"{number},{name}\n" for number, name in rows.items())


_TRIGGER = """
CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF NEW.name = 'refuse me' THEN RAISE check_violation USING MESSAGE = NEW.name; END IF;
RETURN NEW; END $$;
CREATE TRIGGER picky BEFORE INSERT ON with_trigger FOR EACH ROW EXECUTE FUNCTION picky()
"""
_PARTITION = "CREATE TABLE low PARTITION OF with_partition FOR VALUES FROM (0) TO (12)"
_ALL_BUT_ONE = dict.fromkeys(range(1, ROWS), "")

# id -> (columns of the user's table, changed rows, refused ids, SQL of Postgres only)
CONSTRAINTS = {
    "with_check": ("name text CHECK (length(name) < 20)", {5: "n" * 25}, [5], ""),
    "with_unique": ("name text UNIQUE", {9: "name3"}, [9], ""),
    "with_uniques": ("name text UNIQUE", {2: "name1", 11: "name1"}, [2, 11], ""),
    "with_not_null": ("name text NOT NULL", {7: ""}, [7], ""),
    "with_parent": ("name text REFERENCES parents", _ALL_BUT_ONE, [12], ""),
    "with_trigger": ("name text", {4: "refuse me"}, [4], _TRIGGER),
    "with_partition": ("name text) PARTITION BY RANGE (id", {}, [12], _PARTITION),
}
BY_DIALECT = {
    "sqlite": {name: case for name, case in CONSTRAINTS.items() if not case[-1]},
    "postgresql": CONSTRAINTS,
}


@pytest.fixture(scope="module")
def refusing(request, shared_project):
    """A function: dialect -> a project whose tables each refuse some row, and its one run."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def run(dialect):
            project = shared_project()
            if dialect == "postgresql":
                server = request.getfixturevalue("postgres_server")
                project.target = stack.enter_context(server.database())
            integer = "integer" if dialect == "sqlite" else "bigint"
            project.execute("CREATE TABLE parents (name text PRIMARY KEY)")
            for name, (columns, changes, _, more) in BY_DIALECT[dialect].items():
                project.stream(name, csv(changes))
                project.execute(f"CREATE TABLE {name} (id {integer} PRIMARY KEY, {columns})")
                if more:
                    project.execute(more)
            project.configure("quarantine_limit = 100")
            return project, project.migrate_apart("run", "--json")

        yield run


@pytest.mark.parametrize(
    "dialect, name",
    [(dialect, name) for dialect, cases in BY_DIALECT.items() for name in cases],
)
def test_a_row_that_the_table_refuses_is_quarantined_alone(refusing, dialect, name):
    project, result = refusing(dialect)
    _, _, refused, _ = CONSTRAINTS[name]
    assert result.code == 0, result.err
    assert result.table(name)["verdict"] == "MATCH"
    found = project.quarantine(f"files.{name}")
    assert [place for place, *_ in found] == [f"{name}_1.csv:{number + 1}" for number in refused]
    assert {rule for _, rule, *_ in found} == {"core.target"}
    assert [payload.partition(",")[0] for *_, payload in found] == [str(n) for n in refused]
    ids = [row[0] for row in project.query(f"SELECT id FROM {name} ORDER BY id")]
    assert ids == [number for number in range(1, ROWS + 1) if number not in refused]
    project.assert_balanced()


def test_refused_rows_are_taken_once_the_table_allows_them_in_a_new_file(project):
    project.stream("shop", csv({5: "n" * 25}))
    project.configure("quarantine_limit = 100")
    project.execute("CREATE TABLE shop (id integer PRIMARY KEY, name text CHECK (length(name)<20))")
    assert project.migrate("run").code == 0
    project.write("shop_2.csv", "id,name\n5,short\n")
    result = project.migrate("run", "--json")
    assert result.code == 0
    assert project.query("SELECT name FROM shop WHERE id = 5") == [("short",)]
    assert result.table("shop")["actual_rows"] == ROWS
