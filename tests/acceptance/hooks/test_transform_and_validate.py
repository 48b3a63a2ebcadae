"""What rules may do to the rows of others, and what their mistakes cost: only their records."""

from __future__ import annotations

import pytest

SOURCE = """
ONE = "arrow pandas nothing inplace filtered left_out violating raising exiting recursing losing"
ONE += " inventing no_record extra missing wrong_type unknown_table number text_list checked"
ONE += " bad_check alien_check nothing_said"
WIDE = (Column("id", INT, True), Column("name", TEXT))
SMALL = Column("amount", ColumnType("int16"))
MONEY = Column("amount", ColumnType.parse("decimal(7,2)"))

@hookimpl
def streams():
    found = [Stream(f"src.{name}", (table(name),)) for name in ONE.split()]
    found.append(Stream("src.small", (table("small", SMALL),)))
    found.append(Stream("src.money", (table("money", MONEY),)))
    found.append(Stream("src.bare", (table("bare"),)))
    for name in ("fan", "unfanned", "fan_checked"):
        tables = (table(f"{name}_people", key=()), table(f"{name}_tags", key=()))
        found.append(Stream(f"src.{name}", tables, record=WIDE))
    return found

@hookimpl
def extract(stream):
    if stream.name in ("src.small", "src.money"):
        yield frame(amount=list(range(6)))
    elif stream.name == "src.bare":
        yield Frame(frame().table)
    else:
        yield frame("abc")
        yield frame("def", start=4)
"""

RULES = """
def change(data, column, value):
    return data.set_column(data.column_names.index(column), column, value)

def fan(batch):
    people = batch.table
    tags = batch.table.slice(0, 5)
    return {people_of(batch): people, people_of(batch, "tags"): pa.concat_tables([tags, tags])}

def people_of(batch, end="people"):
    return batch.stream.name.removeprefix("src.") + "_" + end

def numbered(batch, *ids):
    pairs = zip(batch.table["id"].to_pylist(), batch.table["_record"].to_pylist())
    return tuple(record for number, record in pairs if number in ids)

def pandas(batch):
    frame = batch.frame
    frame["name"] = frame["name"].str.upper()
    return frame

def inplace(batch):
    frame = batch.frame
    frame["name"] = "changed"

def violating(batch):
    found = [Violation(record, "violating", "name", "rules.no_b", "is b")
             for record in numbered(batch, 2)]
    found += [Violation(record, "violating", "name", "rules.odd", "is c", "warning")
              for record in numbered(batch, 3)]
    return Transformed(violations=tuple(found))

def failing(batch, error):
    if 3 in batch.table["id"].to_pylist():
        raise error
    return change(batch.table, "name", pc.utf8_upper(batch.table["name"]))

def small(batch):
    amount = pc.multiply(batch.table["amount"], 10_000)
    return change(batch.table, "amount", amount)

DO = {
    "arrow": lambda b: change(b.table, "name", pc.utf8_upper(b.table["name"])),
    "pandas": pandas,
    "nothing": lambda b: None,
    "inplace": inplace,
    "fan": fan,
    "fan_checked": fan,
    "filtered": lambda b: Transformed(filtered={"rules.even": numbered(b, 2, 4, 6)}),
    "left_out": lambda b: Transformed(b.table.slice(1), filtered={"rules.first": (0,)}),
    "violating": violating,
    "raising": lambda b: failing(b, ValueError("holds CANARY-VALUE")),
    "exiting": lambda b: failing(b, SystemExit(0)),
    "recursing": lambda b: failing(b, RecursionError()),
    "losing": lambda b: b.table.slice(1),
    "inventing": lambda b: pa.concat_tables(
        [b.table, change(b.table.slice(0, 1), "_record", pa.array([9], pa.int32()))]
    ),
    "no_record": lambda b: b.table.drop_columns(["_record"]),
    "extra": lambda b: b.table.append_column("colour", b.table["name"]),
    "missing": lambda b: b.table.drop_columns(["name"]),
    "wrong_type": lambda b: change(b.table, "name", b.table["id"]),
    "unknown_table": lambda b: {"elsewhere": b.table},
    "number": lambda b: 3,
    "text_list": lambda b: ["a"],
    "small": small,
    "money": lambda b: change(b.table, "amount", b.table["amount"]),
}

@hookimpl
def transform(stream, table, batch):
    return DO.get(stream.name.removeprefix("src."), lambda b: None)(batch)

@hookimpl
def validate(stream, table, batch):
    records = dict(zip(batch.table["id"].to_pylist(), batch.table["_record"].to_pylist()))
    if table == "checked":
        return [
            Violation(records[2], table, "name", "rules.no_b", "is b"),
            Violation(records[2], table, "id", "rules.even", "is even"),
            Violation(records[3], table, "name", "rules.odd", "is c", "warning"),
        ]
    if table == "fan_checked_tags":
        return [Violation(records[2], table, "name", "rules.no_b", "is b")]
    if table == "bad_check":
        return ["a text"]
    if table == "alien_check":
        return [Violation(999, table, None, "rules.x", "nobody")]
"""


@pytest.fixture(scope="module")
def ran(shared_project):
    shared_project.install("src", SOURCE)
    shared_project.install("rules", RULES)
    return shared_project, shared_project.migrate("run", "--json", "--log-level", "debug")


def names(project, table):
    return "".join(row[0] for row in project.query(f'SELECT name FROM "{table}" ORDER BY id, name'))


GOOD = {
    "arrow": ("ABCDEF", (6, 6, 0, 0)),
    "pandas": ("ABCDEF", (6, 6, 0, 0)),
    "nothing": ("abcdef", (6, 6, 0, 0)),
    "inplace": ("abcdef", (6, 6, 0, 0)),
    "filtered": ("ace", (6, 3, 0, 3)),
    "left_out": ("bcdef", (6, 5, 0, 1)),
    "violating": ("acdef", (6, 5, 1, 0)),
    "checked": ("acdef", (6, 5, 1, 0)),
    "raising": ("ABDEF", (6, 5, 1, 0)),
    "exiting": ("ABDEF", (6, 5, 1, 0)),
    "recursing": ("ABDEF", (6, 5, 1, 0)),
    "bare": ("abcdef", (6, 6, 0, 0)),
    "money": ("abcdef", (6, 6, 0, 0)),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_record_is_where_the_rule_put_it(ran, name):
    project, result = ran
    text, counts = GOOD[name]
    assert names(project, name) == text
    assert result.counts(f"src.{name}") == counts
    assert result.verdicts()[name] == "MATCH"


ENTRIES = {
    "violating": ("page:2", "rules.no_b", "name", "2,b"),
    "checked": ("page:2", "rules.no_b", "name", "2,b"),
    "raising": ("page:3", "rules.transform", None, "3,c"),
    "exiting": ("page:3", "rules.transform", None, "3,c"),
    "recursing": ("page:3", "rules.transform", None, "3,c"),
    "fan_checked": ("page:2", "rules.no_b", "name", "2,b"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_the_record_that_breaks_a_rule_is_alone_in_quarantine(ran, name):
    project, _ = ran
    assert project.quarantine(f"src.{name}") == [ENTRIES[name]]


def test_a_value_that_no_longer_fits_is_quarantined_by_the_type(ran):
    project, result = ran
    assert result.counts("src.small") == (6, 4, 2, 0)
    assert project.query("SELECT id, amount FROM small ORDER BY id") == [
        (1, 0),
        (2, 10_000),
        (3, 20_000),
        (4, 30_000),
    ]
    assert [entry[:3] for entry in project.quarantine("src.small")] == [
        ("page:5", "core.type", "amount"),
        ("page:6", "core.type", "amount"),
    ]


def test_integers_become_money_exactly(ran):
    project, _ = ran
    assert project.query("SELECT amount FROM money WHERE id = 4") == [("3",)]


def test_one_record_becomes_rows_of_two_tables(ran):
    project, result = ran
    assert result.counts("src.fan") == (6, 6, 0, 0)
    assert names(project, "fan_people") == "abcdef"
    assert names(project, "fan_tags") == "aabbccddee"


def test_a_violation_in_one_table_takes_the_record_out_of_all(ran):
    project, result = ran
    assert result.counts("src.fan_checked") == (6, 5, 1, 0)
    assert names(project, "fan_checked_people") == "acdef"
    assert names(project, "fan_checked_tags") == "aaccddee"


def test_a_warning_is_counted_and_its_record_loaded(ran):
    _, result = ran
    warned = {item["stream"]: item["warnings"] for item in result.json["streams"]}
    assert {name: count for name, count in warned.items() if count} == {
        "src.checked": 1,
        "src.violating": 1,
    }


CONTRACT = {
    "losing": "transform lost records without naming a rule",
    "inventing": "transform made records up",
    "no_record": "without the one column _record",
    "extra": "colour is not declared",
    "missing": "name is missing",
    "wrong_type": "column name does not have the declared type",
    "unknown_table": "'elsewhere'",
    "number": "it is a int",
    "text_list": "it is a list",
    "unfanned": "no transform made tables",
    "bad_check": "it is a str",
    "alien_check": "record 999",
}


@pytest.mark.parametrize("name", CONTRACT)
def test_a_broken_contract_costs_its_stream_and_is_named(ran, name):
    project, result = ran
    found = [
        item
        for item in result.json["problems"]
        if f"src.{name}," in f"{item['where']}," or f"src.{name}:" in item["where"]
    ]
    assert len(found) == 1, result.json["problems"]
    assert found[0]["exit_code"] == 4
    assert CONTRACT[name] in f"{found[0]['what']} {found[0]['why']}"
    assert any(CONTRACT[name] in line for line in result.errors)
    table = f"{name}_people" if name == "unfanned" else name
    assert result.verdicts()[table] == "UNKNOWN"
    assert project.query(f"SELECT count(*) FROM {table}") == [(0,)]


def test_the_run_ends_with_the_plugins_exit_code_and_a_balance(ran):
    project, result = ran
    assert result.code == 4
    assert len(result.json["problems"]) == len(CONTRACT)
    assert "CANARY-VALUE" not in result.out + result.err
    project.assert_balanced()


@pytest.mark.parametrize("order, expected", [("one,two", "a12"), ("two,one", "a21")])
def test_transforms_are_folded_in_the_order_of_the_plugins(project, order, expected):
    project.install(
        "src",
        """
        @hookimpl
        def streams(): return [Stream("src.s", (table("s"),))]
        @hookimpl
        def extract(): yield frame("a")
        """,
    )
    for name, end in (("one", "1"), ("two", "2")):
        project.install(
            name,
            f"""
            @hookimpl
            def transform(batch):
                frame = batch.frame
                frame["name"] = frame["name"] + "{end}"
                return frame
            """,
        )
    assert project.migrate("run", "--plugins", f"src,{order}").code == 0
    assert project.query("SELECT name FROM s") == [(expected,)]
