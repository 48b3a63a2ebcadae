"""Streams that share tables, wait for each other or write their rows themselves."""

from __future__ import annotations

import pytest

SCOPED = """
COLUMNS = (Column("source", TEXT, True), Column("id", INT, True), Column("name", TEXT))

def orders(source, scope):
    return Table("orders", COLUMNS, ("source", "id"), (("source", scope),))

@hookimpl
def streams():
    return [
        Stream("src.orders", (orders("x", "x"),), tenant="x"),
        Stream("src.orders", (orders("y", "y'--"),), tenant="y"),
        Stream("src.more", (orders("z", "z"),)),
    ]

@hookimpl
def partitions(stream):
    return [Partition(f"p{n}", f"{stream.label} {n}", {"n": n}) for n in (0, 1)]

@hookimpl
def extract(stream, partition):
    start = 1 + 6 * partition.bounds["n"]
    [(_, scope)] = stream.tables[0].scope
    sources = [scope] * 6
    if stream.tenant == "y" and start == 1:
        sources[2] = "x"
    yield frame(start=start, place=stream.label, source=sources)
"""


def test_streams_that_share_a_table_are_proven_each_in_its_own_scope(anywhere):
    anywhere.install("src", SCOPED)
    result = anywhere.migrate("run", "--json")
    assert result.code == 0, result.err
    tables = result.json["tables"]
    assert [(item["scope"]["source"], item["actual_rows"]) for item in tables] == [
        ("x", 12),
        ("y'--", 11),
        ("z", 12),
    ]
    assert {item["verdict"] for item in tables} == {"MATCH"}
    assert result.counts("src.orders", "y") == (12, 11, 1, 0)
    [(place, rule, column, _)] = anywhere.quarantine("src.orders")
    assert (place, rule, column) == ("src.orders@y:3", "core.scope", "source")
    anywhere.execute("UPDATE orders SET name = 'z' WHERE source = 'y''--' AND id = 4")
    proof = anywhere.migrate("reconcile", "--json")
    assert proof.code == 8
    assert [item["verdict"] for item in proof.json["tables"]] == ["MATCH", "MISMATCH", "MATCH"]
    [difference] = proof.json["differences"]
    assert difference["kind"] == "changed"
    assert difference["key"] == {"source": "y'--", "id": "4"}
    assert difference["columns"] == ["name"]
    anywhere.assert_balanced()


def test_two_streams_with_one_table_and_one_scope_are_refused(project):
    project.install(
        "src",
        """
        @hookimpl
        def streams():
            return [Stream("src.one", (table("t"),)), Stream("src.two", (table("t"),))]
        @hookimpl
        def extract(): yield frame()
        """,
    )
    result = project.migrate("run")
    assert result.code == 3
    assert "src.one and src.two" in result.errors[0]
    assert not (project.folder / "m.db").exists()


FAMILY = """
@hookimpl
def streams():
    grandchild = Stream("src.c", (table("c"),), depends_on=("src.b",))
    child = Stream("src.b", (table("b"),), depends_on=("src.a",))
    return [grandchild, child, Stream("src.a", (table("a"),))]

@hookimpl
def partitions(stream):
    return [Partition(str(n), f"{stream.name} {n}", {"n": n}) for n in range(3)]

@hookimpl
def extract(partition):
    yield frame("ab", start=1 + 2 * partition.bounds["n"])
"""


def test_parents_are_finished_before_children_begin(anywhere):
    anywhere.install("src", FAMILY)
    integer = "integer" if anywhere.target.startswith("sqlite") else "bigint"
    anywhere.execute(f"CREATE TABLE a (id {integer} PRIMARY KEY, name text)")
    for name, parent in (("b", "a"), ("c", "b")):
        anywhere.execute(
            f"CREATE TABLE {name} (id {integer} PRIMARY KEY REFERENCES {parent}, name text)"
        )
    result = anywhere.migrate("run", "--json", "--workers", "2")
    assert result.code == 0, result.err
    assert result.json["quarantine"] == []
    assert result.verdicts() == {"a": "MATCH", "b": "MATCH", "c": "MATCH"}


def test_streams_that_depend_on_each_other_in_a_circle_are_exit_4(project):
    project.install("src", FAMILY.replace('(table("a"),))', '(table("a"),), depends_on=["src.c"])'))
    result = project.migrate("run")
    assert result.code == 4
    assert "in a circle" in result.errors[0]


def test_a_stream_without_partitions_is_one_partition(project):
    project.install(
        "src",
        """
        @hookimpl
        def streams(): return [Stream("src.s", (table("s"),)), Stream("src.none", (table("n"),))]
        @hookimpl
        def extract(stream): return iter([frame()] if stream.name == "src.s" else [])
        """,
    )
    result = project.migrate("run", "--json")
    assert result.code == 0, result.err
    assert result.counts("src.s") == (6, 6, 0, 0)
    assert result.counts("src.none") == (0, 0, 0, 0)
    assert result.verdicts() == {"n": "MATCH", "s": "MATCH"}
    again = project.migrate("run", "--json")
    assert again.code == 0
    assert [item["actual_rows"] for item in again.json["tables"]] == [0, 6]
    assert {item["inserted"] + item["updated"] for item in again.json["tables"]} == {0}


LOADED = """
@hookimpl
def streams():
    names = ("taken", "core", "counted", "lying", "raising", "nonsense", "committing")
    return [Stream(f"src.{name}", (table(name),)) for name in names]

@hookimpl
def extract(): yield frame()

def write(connection, table, data):
    from sqlalchemy import text
    statement = text(f"INSERT INTO {table} (id, name) VALUES (:id, :name)")
    connection.execute(statement, data.select(["id", "name"]).to_pylist())

@hookimpl
def load(stream, table, batch, connection):
    if table == "core":
        return None
    if table == "raising":
        raise ValueError("CANARY-VALUE")
    if table == "nonsense":
        return 6
    if table != "lying":
        write(connection, table, batch.table)
    return LoadCounts(len(batch.table))
"""


@pytest.fixture(scope="module")
def loaded(shared_project):
    shared_project.install("src", LOADED)
    return shared_project, shared_project.migrate("run", "--json")


def test_a_plugin_may_write_the_rows_of_a_table_itself(loaded):
    project, result = loaded
    assert result.verdicts()["taken"] == "MATCH"
    assert result.verdicts()["core"] == "MATCH"
    assert project.query("SELECT name FROM taken ORDER BY id") == [(name,) for name in "abcdef"]
    assert result.counts("src.taken") == (6, 6, 0, 0)


def test_a_load_hook_that_only_says_that_it_wrote_is_found_out(loaded):
    _, result = loaded
    assert result.verdicts()["lying"] == "MISMATCH"
    assert result.code == 8


@pytest.mark.parametrize("name, words", [("raising", "ValueError"), ("nonsense", "LoadCounts")])
def test_a_load_hook_that_fails_writes_nothing_and_is_named(loaded, name, words):
    project, result = loaded
    assert result.verdicts()[name] == "UNKNOWN"
    assert project.query(f"SELECT count(*) FROM {name}") == [(0,)]
    [problem] = [p for p in result.json["problems"] if words in p["what"] + p["why"]]
    assert problem["exit_code"] == 4
    assert "CANARY-VALUE" not in result.out + result.err


def test_postgres_rows_of_a_load_hook_are_proven_too(project, postgres_url):
    project.target = postgres_url
    project.install("src", LOADED)
    result = project.migrate("run", "--json", "--select", "src.taken,src.core")
    assert result.code == 0, result.err
    assert result.verdicts() == {"core": "MATCH", "taken": "MATCH"}
