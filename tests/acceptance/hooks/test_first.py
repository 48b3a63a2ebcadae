"""Tables in which the first row of a key stays, and no record is lost for the others."""

from __future__ import annotations

import pytest

# Every partition has the people of the same four companies, each with other words for them.
SHOP = """
RECORD_OF = (Column("id", INT, required=True), Column("company", TEXT), Column("motto", TEXT))

@hookimpl
def streams():
    companies = Table("companies", (Column("company", TEXT, True), Column("motto", TEXT)),
        ("company",), conflict="first")
    people = Table("people", (Column("id", INT, True), Column("company", TEXT)), ("id",),
        foreign_keys=(ForeignKey(("company",), "companies", ("company",)),))
    return [Stream("src.people", (companies, people), record=RECORD_OF)]

@hookimpl
def partitions():
    return [Partition(f"p{n}", f"digest {n}", {"n": n}) for n in range(8)]

@hookimpl
def extract(partition):
    n = partition.bounds["n"]
    if n == 0 and os.path.exists("closed"):
        raise RuntimeError("the first partition is not to be had")
    ids = range(20 * n, 20 * n + 20)
    yield Frame(pa.table({
        "id": list(ids),
        "company": [f"c{id % 4}" for id in ids],
        # Within a partition too: the first of each has the smallest number.
        "motto": [f"motto {id // 4}" for id in ids],
    }))

@hookimpl
def transform(table, batch):
    if table is None:
        rows = batch.table
        return {"companies": rows.select(["company", "motto", "_record"]),
                "people": rows.select(["id", "company", "_record"])}
"""
FIRST = [(f"c{n}", "motto 0") for n in range(4)]
COMPANIES = "SELECT company, motto FROM companies ORDER BY company"


def leftovers(project):
    """Tables of ours that should be gone when a run is over."""
    if project.target.startswith("sqlite"):
        query = "SELECT name FROM sqlite_master WHERE name LIKE 'mm\\_%' ESCAPE '\\'"
    else:
        query = "SELECT relname FROM pg_class WHERE relname LIKE 'mm\\_%'"
    return project.query(query)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_differing_row_of_a_dimension_costs_no_record(anywhere, workers):
    anywhere.install("src", SHOP)
    anywhere.configure("quarantine_limit = 0\nbatch_records = 7")
    result = anywhere.migrate("run", "--json", "--workers", workers).matched()
    assert result.counts("src.people") == (160, 160, 0, 0)
    assert anywhere.query(COMPANIES) == FIRST
    assert anywhere.query("SELECT count(*) FROM people") == [(160,)]
    assert result.table("companies")["losses"] == {"core.first": 156}
    assert leftovers(anywhere) == []
    anywhere.assert_balanced()
    proof = anywhere.migrate("reconcile")
    assert proof.code == 0
    assert "156 rows differ from the first of their key and were left out" in proof.out
    assert anywhere.migrate("reconcile", "--strict").code == 8
    anywhere.execute("UPDATE companies SET motto = 'x' WHERE company = 'c2'")
    proof = anywhere.migrate("reconcile", "--json")
    [difference] = proof.json["differences"]
    assert (difference["key"], difference["columns"]) == ({"company": "c2"}, ["motto"])
    anywhere.migrate("reconcile", "--repair").ended(0)
    assert anywhere.query(COMPANIES) == FIRST
    anywhere.migrate("reconcile", "--against", "source").ended(0)


def test_what_comes_first_in_the_plan_wins_though_it_is_loaded_last(anywhere):
    anywhere.install("src", SHOP)
    closed = anywhere.write("closed", "")
    broken = anywhere.migrate("run", "--json")
    assert broken.code == 4
    assert [motto for _, motto in anywhere.query(COMPANIES)] != [motto for _, motto in FIRST]
    assert leftovers(anywhere)
    closed.unlink()
    resumed = anywhere.migrate("run", "--json").matched()
    assert resumed.json["resumed"]
    assert anywhere.query(COMPANIES) == FIRST
    assert resumed.table("companies")["losses"] == {"core.first": 156}
    assert resumed.table("companies")["updated"] == 4
    assert leftovers(anywhere) == []
    anywhere.migrate("reconcile", "--json").matched()


KILLED = """
import signal
import messy_migration.run.first as first

def dying(*args, **kwargs):
    settled = original(*args, **kwargs)
    if os.path.exists("deadly"):
        os.kill(os.getpid(), signal.SIGKILL)
    return settled

original, first.settle = first.settle, dying
"""


def test_a_run_that_is_killed_while_it_settles_ends_like_any_other(anywhere):
    anywhere.install("src", SHOP + KILLED)
    closed, deadly = anywhere.write("closed", ""), anywhere.write("deadly", "")
    anywhere.migrate_apart("run", "--json").ended(4)
    closed.unlink()
    assert anywhere.migrate_apart("run", "--json").code == -9
    assert anywhere.query(COMPANIES) != FIRST
    deadly.unlink()
    anywhere.migrate("run", "--json").matched()
    assert anywhere.query(COMPANIES) == FIRST
    anywhere.migrate("reconcile", "--json").matched()
    anywhere.assert_balanced()


FILED = """
from pathlib import Path

@hookimpl
def streams():
    return [Stream("src.s", (Table("s", COLUMNS, ("id",), conflict="first"),))]

@hookimpl
def partitions():
    return [
        Partition(name, "digest " + Path("in", name).read_text(), {"name": name})
        for name in sorted(os.listdir("in"))]

@hookimpl
def extract(partition):
    rows = [line.split(",") for line in Path("in", partition.bounds["name"]).read_text().split()]
    yield Frame(pa.table({"id": [int(one) for one, _ in rows], "name": [two for _, two in rows]}))
"""


def filed(project, **files):
    (project.folder / "in").mkdir(exist_ok=True)
    for name, text in files.items():
        (project.folder / "in" / name).write_text(text)


def rows(project):
    return project.query("SELECT id, name FROM s ORDER BY id")


def test_a_record_that_is_one_row_is_filtered_under_a_rule_of_its_own(anywhere):
    anywhere.install("src", FILED)
    filed(anywhere, a="1,a 2,b 1,a 1,x", b="2,y 3,c")
    result = anywhere.migrate("run", "--json").matched()
    assert rows(anywhere) == [(1, "a"), (2, "b"), (3, "c")]
    assert result.counts("src.s") == (6, 3, 0, 3)
    assert result.stream("src.s")["filters"] == {"core.duplicate": 1, "core.first": 2}
    anywhere.assert_balanced()


def test_across_runs_the_row_in_the_table_stays(anywhere):
    anywhere.install("src", FILED)
    filed(anywhere, b="1,a 2,b")
    anywhere.migrate("run", "--json").matched()
    filed(anywhere, a="1,x 2,b 4,d 4,e")
    second = anywhere.migrate("run", "--json").matched()
    assert rows(anywhere) == [(1, "a"), (2, "b"), (4, "d")]
    assert second.counts("src.s") == (4, 2, 0, 2)
    assert second.stream("src.s")["filters"] == {"core.first": 2}
    assert leftovers(anywhere) == []
    anywhere.execute("DELETE FROM s WHERE id = 1")
    proof = anywhere.migrate("reconcile", "--json")
    assert [one["key"] for one in proof.json["differences"]] == [{"id": "1"}]
    anywhere.migrate("reconcile", "--repair").ended(0)
    assert rows(anywhere)[0] == (1, "a")


def test_rows_that_were_there_before_the_first_run_stay(anywhere):
    integer = "integer" if anywhere.target.startswith("sqlite") else "bigint"
    anywhere.execute(
        f"CREATE TABLE s (id {integer} PRIMARY KEY, name text)", "INSERT INTO s VALUES (1, 'old')"
    )
    anywhere.install("src", FILED)
    filed(anywhere, a="1,a 2,b", b="2,c 1,old")
    result = anywhere.migrate("run", "--json").matched()
    assert rows(anywhere) == [(1, "old"), (2, "b")]
    assert result.stream("src.s")["filters"] == {"core.first": 2}
    assert result.counts("src.s") == (4, 2, 0, 2)


RECORD = FILED.replace(
    'Table("s", COLUMNS, ("id",), conflict="first"),)',
    'Table("s", COLUMNS + (Column("at", INT),), ("id",), conflict=CONFLICT),), bookmark="at"',
).replace(
    '"name": [two for _, two in rows]',
    '"name": [two for _, two in rows], "at": [ord(two) for _, two in rows]',
)


@pytest.mark.parametrize("conflict, quarantined", [("", 0), ("newest", 0), ("record", 2)])
def test_a_stream_with_a_bookmark_may_say_that_an_older_row_is_a_bad_record(
    anywhere, conflict, quarantined
):
    anywhere.install("src", RECORD.replace("CONFLICT", repr(conflict)))
    anywhere.configure("quarantine_limit = 100")
    filed(anywhere, a="1,b 1,a 2,a", b="2,c 3,a 3,a")
    result = anywhere.migrate("run", "--json").matched()
    assert rows(anywhere) == [(1, "b"), (2, "c"), (3, "a")]
    assert result.counts("src.s")[2] == quarantined
    anywhere.assert_balanced()


REFUSED = {
    "unknown": ('("id",), conflict="last"', "'last' is no way to settle a conflict"),
    "no_key": ('(), conflict="first"', "'first' settles conflicts of a key, and there is none"),
    "no_bookmark": ('("id",), conflict="newest"', "has no bookmark by which"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_conflict_that_cannot_be_settled_is_exit_3(project, name):
    code, why = REFUSED[name]
    project.install("src", FILED.replace('("id",), conflict="first"', code))
    result = project.migrate("run")
    assert result.code == 3
    assert why in result.err


def test_a_stub_of_a_row_that_stays_for_ever_is_refused(project):
    stub = '("company",), stub=(("company", "=company"),)),))'
    project.install("src", SHOP.replace('("company",)),))', stub))
    result = project.migrate("run")
    assert result.code == 3
    assert "stubs of companies would stay for ever" in result.err
