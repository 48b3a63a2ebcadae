"""A source that gains and loses tables and columns between two runs, and a target that follows."""

from __future__ import annotations

import pytest

FIRST = (
    "CREATE TABLE c (id integer PRIMARY KEY, n integer, changed timestamp NOT NULL)",
    *(f"INSERT INTO c VALUES ({n}, {n}, '2024-01-{n:02d}')" for n in range(1, 21)),
    "CREATE TABLE d (id integer PRIMARY KEY, n integer)",
    "INSERT INTO d VALUES (1, 1)",
)
SAME = [("postgresql", "postgresql"), ("sqlite", "sqlite")]


@pytest.fixture
def loaded(make_base, project):
    """A function that loads the first rows: `loaded(kind of source, kind of target)`."""

    def load(kinds=("postgresql", "postgresql"), section=""):
        source, target = map(make_base, kinds)
        source.run(*FIRST)
        project.configure(
            f'url = "{source.plain}"\ntables.c.bookmark = "changed"\n{section}', target
        )
        project.run().matched()
        return source, target

    return load


def against_source(project, *more):
    return project.migrate("reconcile", "--json", "--against", "source", *more)


def verdicts(result):
    return {table["table"]: table["verdict"] for table in result.json["tables"]}


def reason(result, table):
    return result.table(table)["reason"]


@pytest.mark.parametrize("kinds", SAME, ids="-".join)
def test_g51_what_the_source_has_and_nobody_carried_is_named(loaded, project, kinds):
    source, _ = loaded(kinds)
    assert against_source(project, "--strict").code == 0
    source.run("ALTER TABLE c ADD COLUMN extra text DEFAULT 'web'", "CREATE TABLE e (id integer)")
    result = against_source(project)
    assert (result.code, result.json["verdict"]) == (8, "UNKNOWN")
    assert verdicts(result) == {"c": "UNKNOWN", "d": "MATCH", "e": "UNKNOWN"}
    assert "the column extra, which no run carried" in reason(result, "c")
    assert "no run ever loaded it" in reason(result, "e")
    text = project.migrate("reconcile", "--against", "source").text
    assert "extra" in text
    assert "no run ever loaded it" in text


def test_g51_a_new_database_among_several_is_named_with_its_tenant(make_base, project):
    one, two, target = (make_base("postgresql") for _ in range(3))
    one.run(*FIRST)
    two.run(*FIRST)
    section = f'tenant_column = "shop"\ndatabases.auckland.url = "{one.plain}"\n'
    project.configure(section, target)
    project.run().matched()
    project.configure(f'{section}databases.vienna.url = "{two.plain}"', target)
    result = against_source(project)
    assert result.json["verdict"] == "UNKNOWN"
    unloaded = [
        (table["stream"], table["verdict"])
        for table in result.json["tables"]
        if "no run ever loaded it" in (table["reason"] or "")
    ]
    assert sorted(unloaded) == [("sql.c@vienna", "UNKNOWN"), ("sql.d@vienna", "UNKNOWN")]


@pytest.mark.parametrize("kinds", SAME, ids="-".join)
def test_what_is_left_out_on_purpose_is_listed_and_no_doubt(loaded, project, kinds):
    source, _ = loaded(kinds, 'leave_out = ["c.n"]\nexclude = ["d"]')
    result = against_source(project, "--strict")
    assert (result.code, result.json["verdict"]) == (0, "MATCH")
    notes = " | ".join(result.json["notes"])
    assert "sql.c: left out on purpose: n" in notes
    assert "sql: left out on purpose: table d" in notes
    source.run("CREATE TABLE f (id integer)")
    assert against_source(project).json["verdict"] == "UNKNOWN"


def test_a_stream_that_no_run_selected_is_left_out_on_purpose(make_base, project):
    source, target = make_base("postgresql"), make_base("postgresql")
    source.run(*FIRST)
    project.configure(f'url = "{source.plain}"', target)
    project.run("--select", "sql.c").matched()
    result = against_source(project)
    assert (result.code, verdicts(result)) == (0, {"c": "MATCH"})
    assert "sql.d: left out on purpose: no run selected it" in result.json["notes"]
    project.run().matched()
    source.run("CREATE TABLE e (id integer)")
    assert verdicts(against_source(project))["e"] == "UNKNOWN"


@pytest.mark.parametrize("kinds", SAME, ids="-".join)
def test_g52_a_column_that_came_on_both_sides_is_read_for_every_row(loaded, project, kinds):
    source, target = loaded(kinds)
    source.run("ALTER TABLE c ADD COLUMN extra text DEFAULT 'web'")
    target.run("ALTER TABLE c ADD COLUMN extra text")
    plan = project.migrate("plan")
    assert "sql.c: c.extra is new or has another type, so all of it is read again" in plan.text
    result = project.run().matched()
    assert result.table("c")["updated"] == 20
    assert target.rows("SELECT DISTINCT extra FROM c") == [("web",)]
    assert "the column extra came after rows were loaded" in " ".join(result.json["allowed"])
    strict = project.migrate("reconcile", "--json", "--strict")
    assert (strict.code, strict.json["verdict"]) == (8, "MATCH")
    assert against_source(project, "--strict").code == 0
    assert project.run().matched().table("c")["updated"] == 0
    assert "read again" not in project.migrate("plan").text


def test_g52_a_run_that_is_killed_after_it_met_the_column_reads_every_row_later(loaded, project):
    source, target = loaded()
    source.run("ALTER TABLE c ADD COLUMN extra text DEFAULT 'web'")
    target.run(
        "ALTER TABLE c ADD COLUMN extra text",
        """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '58030'; END $$""",
        "CREATE TRIGGER fails BEFORE INSERT OR UPDATE ON c EXECUTE FUNCTION fail()",
    )
    assert project.run().code != 0
    assert target.rows("SELECT DISTINCT extra FROM c") == [(None,)]
    target.run("DROP TRIGGER fails ON c")
    project.run().matched()
    assert target.rows("SELECT DISTINCT extra FROM c") == [("web",)]


def test_g52_a_row_that_the_source_lost_meanwhile_is_expected_as_it_stood_and_said(loaded, project):
    source, target = loaded()
    source.run("ALTER TABLE c ADD COLUMN extra text DEFAULT 'web'", "DELETE FROM c WHERE id = 7")
    target.run("ALTER TABLE c ADD COLUMN extra text DEFAULT 'by hand'")
    result = project.run().matched()
    assert target.rows("SELECT id FROM c WHERE extra <> 'web'") == [(7,)]
    assert result.json["allowed"] != []


def test_g53_a_wider_number_goes_on_and_one_table_that_does_not_fit_stops_no_other(loaded, project):
    source, target = loaded()
    source.run(
        "ALTER TABLE c ALTER COLUMN n TYPE bigint",
        "UPDATE c SET n = 5000000000, changed = '2024-02-01' WHERE id = 3",
        "INSERT INTO d VALUES (2, 2)",
    )
    statement = 'ALTER TABLE "public"."c" ALTER COLUMN "n" TYPE bigint'
    plan = project.migrate("plan")
    assert plan.code == 6
    assert f"Next: `{statement}`" in plan.text
    result = project.run()
    assert (result.code, result.json["status"]) == (6, "incomplete")
    assert verdicts(result) == {"c": "UNKNOWN", "d": "MATCH"}
    assert result.table("d")["actual_rows"] == 2
    assert result.json["problems"][0]["next"] == f"`{statement}`"
    target.run(statement)
    proof = project.migrate("reconcile", "--json")
    assert verdicts(proof) == {"c": "MATCH", "d": "MATCH"}
    result = project.run().matched()
    assert target.rows("SELECT n FROM c WHERE id = 3") == [(5000000000,)]
    assert result.table("c")["updated"] == 1
    assert result.json["allowed"] == []


def test_g53_a_type_that_loses_something_is_no_advice(loaded, project):
    source, _ = loaded()
    source.run("ALTER TABLE c ALTER COLUMN n TYPE text")
    result = project.run()
    assert (result.code, verdicts(result)["d"]) == (6, "MATCH")
    assert "change the schema file or the table" in result.json["problems"][0]["next"]


def test_a_table_that_does_not_fit_stops_what_depends_on_it(make_base, project):
    source, target = make_base("postgresql"), make_base("postgresql")
    source.run(
        "CREATE TABLE parent (id integer PRIMARY KEY)",
        "CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent (id))",
        "CREATE TABLE other (id integer PRIMARY KEY)",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO child VALUES (1, 1)",
        "INSERT INTO other VALUES (1)",
    )
    target.run("CREATE TABLE parent (id text PRIMARY KEY)")
    project.configure(f'url = "{source.plain}"', target)
    result = project.run()
    assert (result.code, result.json["verdict"]) == (6, "UNKNOWN")
    assert result.table("other")["verdict"] == "MATCH"
    assert target.rows("SELECT * FROM child") == []
    target.run("DROP TABLE parent")
    project.run().matched()


@pytest.mark.parametrize("kinds", SAME, ids="-".join)
def test_g64_what_the_source_no_longer_has_is_said(loaded, project, kinds):
    source, target = loaded(kinds)
    source.run("ALTER TABLE c DROP COLUMN n", "DROP TABLE d")
    result = against_source(project)
    assert verdicts(result) == {"c": "UNKNOWN", "d": "UNKNOWN"}
    assert "no longer has the column n" in reason(result, "c")
    assert "no longer offers the stream" in reason(result, "d")
    result = project.run().matched()
    assert "the column n went from the source" in " ".join(result.json["allowed"])
    target.run("UPDATE c SET n = -1 WHERE id = 5")
    for form in ((), ("--against", "source")):
        strict = project.migrate("reconcile", "--json", "--strict", *form)
        assert strict.code == 8
        assert "nothing is held against what the target has there" in strict.text


def test_g66_a_value_that_the_loaded_type_cannot_hold_is_a_row_that_differs(make_base, project):
    source, target = make_base("postgresql"), make_base("postgresql")
    source.run(
        "CREATE TABLE p (id integer PRIMARY KEY, price numeric(6,2), size smallint, note text)",
        "INSERT INTO p SELECT n, n + 0.25, n, 'x' FROM generate_series(1, 9) AS n",
    )
    project.configure(f'url = "{source.plain}"', target)
    project.run().matched()
    source.run(
        "ALTER TABLE p ALTER COLUMN price TYPE numeric(8,4), ALTER COLUMN size TYPE bigint",
        "UPDATE p SET price = 1.2345 WHERE id = 3",
        "UPDATE p SET size = 70000 WHERE id = 5",
    )
    result = against_source(project)
    assert (result.code, result.json["verdict"]) == (8, "MISMATCH")
    differing = {
        difference["key"]["id"]: difference["columns"] for difference in result.json["differences"]
    }
    assert differing == {"3": ["price"], "5": ["size"]}


def test_g69_a_row_that_the_target_refused_is_read_again_when_it_may_be_stored(loaded, project):
    source, target = loaded()
    target.run("ALTER TABLE c ADD CONSTRAINT small CHECK (n < 100)")
    source.run(
        "INSERT INTO c VALUES (21, 500, '2024-02-01'), (22, 22, '2024-02-02')",
        "UPDATE c SET n = 99, changed = '2024-02-03' WHERE id = 4",
    )
    result = project.run("--since", "2024-01-20T00:00:00Z")
    assert result.stream("sql.c")["quarantined"] == 1
    result = project.run()
    assert result.stream("sql.c")["quarantined"] == 1
    assert target.rows("SELECT id FROM c WHERE id > 20") == [(22,)]
    target.run("ALTER TABLE c DROP CONSTRAINT small")
    source.run("INSERT INTO c VALUES (23, 23, '2024-03-01')")
    result = project.run().matched()
    assert result.stream("sql.c")["quarantined"] == 0
    assert target.rows("SELECT id, n FROM c WHERE id > 20 ORDER BY id") == [
        (21, 500),
        (22, 22),
        (23, 23),
    ]
    # All of it is loaded, so that the next run goes on from there.
    assert project.run().matched().stream("sql.c")["extracted"] < 23
