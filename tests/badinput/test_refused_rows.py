"""Rows that the user's own table refuses, and what must never be read in any output."""

from __future__ import annotations

import pytest

ROWS = 12
CANARY = "canary.person@example.org"
SECRET = "Canary-Pw-7781"


def csv(changes):
    rows = {number: f"name{number}" for number in range(1, ROWS + 1)} | changes
    return "id,name\n" + "".join(f"{number},{name}\n" for number, name in rows.items())


_TRIGGER = """
CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF NEW.name = 'refuse me' THEN RAISE check_violation USING MESSAGE = NEW.name; END IF;
RETURN NEW; END $$;
CREATE TRIGGER picky BEFORE INSERT ON shop FOR EACH ROW EXECUTE FUNCTION picky()
"""
_PARENTS = "CREATE TABLE parents (name text PRIMARY KEY)"

# id -> (columns of the user's table, changed rows, refused ids, more of the user's SQL)
CONSTRAINTS = {
    "check": ("name text CHECK (length(name) < 20)", {5: "n" * 25}, [5], ""),
    "unique": ("name text UNIQUE", {9: "name3"}, [9], ""),
    "unique-twice": ("name text UNIQUE", {2: "name1", 11: "name1"}, [2, 11], ""),
    "not-null": ("name text NOT NULL", {7: ""}, [7], ""),
    "foreign-key": ("name text REFERENCES parents", dict.fromkeys(range(1, ROWS), ""), [12], ""),
    "trigger": ("name text", {4: "refuse me"}, [4], _TRIGGER),
    "D20-partition": (
        "name text) PARTITION BY RANGE (id",
        {},
        [12],
        "CREATE TABLE low PARTITION OF shop FOR VALUES FROM (0) TO (12)",
    ),
}
CASES = [
    pytest.param(dialect, *case, id=f"{name}-{dialect}")
    for name, case in CONSTRAINTS.items()
    for dialect in ("sqlite", "postgresql")
    if dialect == "postgresql" or not case[-1]
]


@pytest.mark.parametrize("dialect, column, changes, refused, more", CASES)
def test_a_row_that_the_table_refuses_is_quarantined_alone(
    project, request, dialect, column, changes, refused, more
):
    if dialect == "postgresql":
        project.target = request.getfixturevalue("postgres_url")
    project.stream("shop", csv(changes))
    project.configure("quarantine_limit = 100")
    integer = "integer" if dialect == "sqlite" else "bigint"
    project.query(_PARENTS)
    project.query(f"CREATE TABLE shop (id {integer} PRIMARY KEY, {column})")
    if more:
        project.query(more)
    result = project.migrate("run", "--json")
    assert result.code == 0, result.err
    assert result.json["verdict"] == "MATCH"
    found = project.quarantine()
    assert [place for place, *_ in found] == [f"shop_1.csv:{number + 1}" for number in refused]
    assert {rule for _, rule, *_ in found} == {"core.target"}
    assert [payload.partition(",")[0] for *_, payload in found] == [str(n) for n in refused]
    ids = [row[0] for row in project.query("SELECT id FROM shop ORDER BY id")]
    assert ids == [number for number in range(1, ROWS + 1) if number not in refused]
    project.assert_balanced()


def test_refused_rows_are_taken_once_the_table_allows_them_in_a_new_file(project):
    project.stream("shop", csv({5: "n" * 25}))
    project.configure("quarantine_limit = 100")
    project.query("CREATE TABLE shop (id integer PRIMARY KEY, name text CHECK (length(name)<20))")
    assert project.migrate("run").code == 0
    project.write("shop_2.csv", "id,name\n5,short\n")
    result = project.migrate("run", "--json")
    assert result.code == 0
    assert project.query("SELECT name FROM shop WHERE id = 5") == [("short",)]
    assert result.table("shop")["actual_rows"] == ROWS


def test_no_row_value_and_no_secret_is_in_any_output(anywhere):
    anywhere.stream("shop", csv({3: CANARY, 4: CANARY, 6: f"{CANARY},x"}))
    anywhere.stream("typed", f"id,name\n1,a\n{CANARY},b\n")
    anywhere.stream("key", f"id,name\n{CANARY},a\n{CANARY},b\n", columns=KEYED)
    integer = "integer" if anywhere.target.startswith("sqlite") else "bigint"
    anywhere.query(
        f"CREATE TABLE shop (id {integer} PRIMARY KEY, name text UNIQUE,"
        " CHECK (name NOT LIKE '%@%' OR id = 3))"
    )
    if anywhere.target.startswith("sqlite"):
        anywhere.write(".env", f"FILES__STREAMS__SHOP__SCHEMA=shop.toml\nUNUSED_TOKEN={SECRET}\n")
    outputs = []
    for argv in (["run"], ["run", "--json"], ["run", "--debug"], ["reconcile"], ["status"]):
        result = anywhere.migrate(*argv, "--log-level", "debug")
        outputs += [result.out, result.err]
    outputs += [file.read_text() for file in anywhere.path.glob("migration-*.json")]
    for output in outputs:
        assert CANARY not in output
        assert "canary.person" not in output
        assert SECRET not in output


KEYED = 'id = { type = "text" }\nname = { type = "text" }'
