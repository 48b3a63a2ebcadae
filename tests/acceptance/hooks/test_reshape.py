"""Plugins that add, change and drop columns and tables of a stream that is not their own."""

from __future__ import annotations

import pytest

SOURCE = """
@hookimpl
def streams():
    return [Stream("src.s", (table("s", Column("note", TEXT)),), bookmark=None)]

@hookimpl
def partitions(stream):
    assert [one.name for one in stream.tables] == ["s"], stream.tables
    return [Partition(f"p{n}", f"digest {n}", {"n": n}) for n in (0, 1)]

@hookimpl
def extract(stream, partition):
    assert stream.tables[0].names == ("id", "name", "note"), stream.tables
    yield frame(start=1 + 6 * partition.bounds["n"], note=["x"] * 6)

@hookimpl
def count(stream):
    assert stream.tables[0].names == ("id", "name", "note"), stream.tables
"""

# Adds a column, changes the type of one, drops one, and adds a table.
RESHAPE = """
from dataclasses import replace

@hookimpl
def reshape(stream):
    if stream.name != "src.s":
        return None
    (s,) = stream.tables
    columns = (Column("id", INT, required=True), Column("name", INT), Column("size", INT))
    initials = Table("initials", (Column("initial", TEXT),), ("initial",))
    return replace(stream, tables=(replace(s, columns=columns), initials))

@hookimpl
def transform(stream, table, batch):
    assert [one.name for one in stream.tables] == ["s", "initials"]
    if table != "s":
        return None
    rows = batch.table
    points = pa.array([ord(name) for name in rows["name"].to_pylist()])
    rows = rows.append_column("size", pa.array([1] * rows.num_rows))
    rows = rows.set_column(rows.column_names.index("name"), "name", points)
    initials = pa.table({"initial": ["i"] * rows.num_rows, "_record": rows["_record"]})
    return {"s": rows, "initials": initials}
"""

AFTER = """
@hookimpl
def transform(table, batch):
    if table == "s":
        assert batch.table["name"].type == pa.int64(), batch.table.schema
        assert "note" in batch.table.column_names
"""


def test_a_stream_is_reshaped_and_proven_and_its_owner_never_sees_it(anywhere):
    anywhere.install("src", SOURCE)
    anywhere.install("shape", RESHAPE)
    anywhere.install("after", AFTER)
    result = anywhere.migrate("run", "--json", "--workers", "2").matched()
    assert result.counts("src.s") == (12, 12, 0, 0)
    assert result.verdicts() == {"s": "MATCH", "initials": "MATCH"}
    rows = anywhere.query("SELECT id, name, size FROM s ORDER BY id")
    assert rows[0] == (1, ord("a"), 1)
    assert len(rows) == 12
    assert anywhere.query("SELECT initial FROM initials") == [("i",)]
    anywhere.execute("UPDATE s SET size = 2 WHERE id = 5")
    proof = anywhere.migrate("reconcile", "--json")
    assert proof.code == 8
    [difference] = proof.json["differences"]
    assert (difference["key"], difference["columns"]) == ({"id": "5"}, ["size"])
    anywhere.migrate("reconcile", "--repair").ended(0)
    assert anywhere.query("SELECT size FROM s WHERE id = 5") == [(1,)]


def test_only_a_plugin_that_reshapes_a_stream_counts_in_its_plan(project):
    def plan():
        project.migrate("run", "--json", "--target", f"sqlite:///{project.folder}/t.db").ended(0)
        query = f"SELECT plan_id FROM {project.ledger('partition')}"
        found = {one for (one,) in project.query(query, f"sqlite:///{project.folder}/t.db")}
        (project.folder / "t.db").unlink()
        return found

    project.install("src", SOURCE)
    plain = plan()
    project.install("idle", "@hookimpl\ndef reshape(stream): return None\n")
    assert plan() == plain
    project.install(
        "drop",
        """
        from dataclasses import replace
        @hookimpl
        def reshape(stream):
            (s,) = stream.tables
            return replace(stream, tables=(replace(s, columns=s.columns[:2]),))
        """,
    )
    assert plan() != plain


REPLACED = "from dataclasses import replace\n@hookimpl\ndef reshape(stream):\n    return "
TABLE = "replace(stream, tables=(replace(stream.tables[0], {}),))"

REFUSED = {
    "key_column": (TABLE.format("columns=COLUMNS[1:]"), "id"),
    "key": (TABLE.format("key=()"), "drops the key column id of table s"),
    "key_changed": (TABLE.format("key=('name',)"), "drops the key column id of table s"),
    "scope": (TABLE.format("scope=(('name', 'x'),)"), "changes the scope of table s"),
    "name": ("replace(stream, name='src.t')", "changes the stream's name"),
    "tenant": ("replace(stream, tenant='t')", "changes the stream's tenant"),
    "lands": ("replace(stream, lands=True, overlap=3)", "changes the stream's lands, overlap"),
    "none": ("replace(stream, tables=())", "leaves no table"),
    "twice": ("replace(stream, tables=stream.tables * 2)", "has the table s twice"),
    "type": ("stream.tables", "gave a tuple, and no Stream"),
    "bad_name": (TABLE.format("name='S'"), "'S'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_reshape_that_cannot_be_loaded_is_one_line_and_exit_4(project, name):
    code, why = REFUSED[name]
    project.install("src", SOURCE)
    project.install("shape", REPLACED + code)
    result = project.migrate("run")
    assert result.code == 4
    [line] = result.errors
    assert "plugin shape, hook reshape, stream src.s" in line
    assert why in line
    assert not (project.folder / "m.db").exists()


def test_a_bookmark_stays_where_it_is(project):
    project.install(
        "src",
        SOURCE.replace("bookmark=None", "bookmark='seen'").replace(
            'Column("note", TEXT)', 'Column("note", TEXT), Column("seen", INT)'
        ),
    )
    project.install("shape", REPLACED + TABLE.format("columns=COLUMNS"))
    result = project.migrate("run")
    assert result.code == 4
    assert "drops the bookmark seen of table s" in result.err


UNFILLED = {
    "column": (
        TABLE.format("columns=(*stream.tables[0].columns, Column('more', TEXT))"),
        "more is missing",
    ),
    "renamed_table": (TABLE.format("name='t'"), "records have rows in s alone, which is dropped"),
}


@pytest.mark.parametrize("name", UNFILLED)
def test_what_no_transform_fills_is_an_error_and_never_a_null(project, name):
    code, why = UNFILLED[name]
    project.install("src", SOURCE)
    project.install("shape", REPLACED + code)
    result = project.migrate("run", "--json")
    assert result.code == 4
    assert why in result.err
    assert "plugin shape, hook reshape, stream src.s" in result.err
    assert set(result.verdicts().values()) == {"UNKNOWN"}


def test_a_value_that_does_not_fit_its_new_type_costs_one_record(project):
    project.install("src", SOURCE.replace("start=1 +", "start=32765 +"))
    project.install(
        "shape",
        REPLACED
        + TABLE.format(
            "columns=(Column('id', ColumnType('int16'), True), *stream.tables[0].columns[1:])"
        ),
    )
    result = project.migrate("run", "--json")
    assert result.counts("src.s") == (12, 3, 9, 0)
    assert {rule for _, rule, _, _ in project.quarantine("src.s")} == {"core.type"}
    project.assert_balanced()
