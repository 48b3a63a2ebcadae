"""What somebody else changes in the target is found and named: table, key and column."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from ..acceptance.generated import Data
from ..acceptance.site import KINDS, sites

CHANGED = "UPDATE flights SET note = 'other', tail = 'N1' WHERE flight = 5"
ADDED = (
    "INSERT INTO flights SELECT day, carrier, 999999, origin, fare, departed, tail, note"
    " FROM flights WHERE flight = 9"
)
BLANKS = (
    "UPDATE flights SET tail = CASE tail WHEN 'x' THEN 'x ' ELSE 'x' END WHERE flight IN (0, 3)"
)
EMPTY = (
    "UPDATE flights SET tail = CASE WHEN tail IS NULL THEN '' ELSE NULL END WHERE flight IN (1, 2)"
)
SWAPPED = (
    "UPDATE flights SET note = CASE flight WHEN 8 THEN '{1}' ELSE '{0}' END WHERE flight IN (8, 10)"
)
KEYED = {
    "a changed row": (CHANGED, {5: ("changed", "tail note")}),
    "a deleted row": ("DELETE FROM flights WHERE flight = 7", {7: ("missing", "")}),
    "an added row": (ADDED, {999_999: ("extra", "")}),
    "swapped cells": (SWAPPED, {8: ("changed", "note"), 10: ("changed", "note")}),
    "a blank at the end": (BLANKS, {0: ("changed", "tail"), 3: ("changed", "tail")}),
    "empty text and NULL": (EMPTY, {1: ("changed", "tail"), 2: ("changed", "tail")}),
}


@pytest.fixture(params=KINDS)
def site(request, tmp_path_factory):
    """A small folder and an empty target."""
    with sites(request, tmp_path_factory)(request.param, Data()) as made:
        yield made


@pytest.fixture(scope="module", params=KINDS)
def loaded(request, tmp_path_factory):
    """A target that one run has filled; tests that change it put it right again."""
    with sites(request, tmp_path_factory)(request.param, Data()) as made:
        made.first = made.run().matched()
        yield made


@pytest.fixture(autouse=True)
def put_right(request):
    """Undo, by hand, what a test did to the tables of the shared target."""
    if "loaded" not in request.fixturenames:
        yield
        return
    site = request.getfixturevalue("loaded")
    tables = ("flights", "sales")
    site.execute(*(f"CREATE TABLE kept_{name} AS SELECT * FROM {name}" for name in tables))
    yield
    for name in tables:
        site.execute(f"DELETE FROM {name}", f"INSERT INTO {name} SELECT * FROM kept_{name}")
        site.execute(f"DROP TABLE kept_{name}")


def keys(site):
    """Flight number -> the whole key as a reconciliation writes it."""
    return {
        row[2]: {"day": str(row[0]), "carrier": row[1], "flight": str(row[2]), "origin": row[3]}
        for row in site.data.rows("flights")
    }


@pytest.mark.parametrize("change", KEYED)
def test_reconcile_names_table_key_and_column_of(loaded, change):
    statement, wanted = KEYED[change]
    notes = {row[2]: row[7] for row in loaded.data.rows("flights")}
    assert len(notes[8]) == len(notes[10])
    assert notes[8] != notes[10]
    assert loaded.execute(statement.format(notes[8], notes[10])) == [len(wanted)]
    result = loaded.reconcile()
    assert (result.code, result.json["verdict"]) == (8, "MISMATCH")
    assert result.table("flights")["verdict"] == "MISMATCH"
    assert result.table("sales")["verdict"] == "MATCH"
    names = keys(loaded)
    names[999_999] = {**names[9], "flight": "999999"}
    # The rules that could explain a change, and who made it, are the business of other tests.
    found = [
        {name: value for name, value in item.items() if name not in ("rules", "writer")}
        for item in result.json["differences"]
    ]
    assert found == [
        {
            "table": "flights",
            "key": names[flight],
            "kind": kind,
            "columns": columns.split(),
            "rows": 1,
        }
        for flight, (kind, columns) in sorted(wanted.items(), key=lambda item: str(names[item[0]]))
    ]
    assert result.json["located"][0]["note"] == ""


def test_reconcile_tells_people_the_key_and_the_column(loaded):
    loaded.execute("UPDATE flights SET tail = 'x ' WHERE flight = 0")
    result = loaded.migrate("reconcile")
    assert result.code == 8
    assert "\x1b" not in result.out + result.err, "colours on a pipe"
    key = ", ".join(f"{name}={value}" for name, value in keys(loaded)[0].items())
    named = next(line for line in result.out.splitlines() if line.startswith("changed"))
    assert " ".join(named.split()) == f"changed flights {key} tail (trim) 1"
    assert result.out.splitlines()[-1].startswith("MISMATCH  flights")


@pytest.mark.parametrize("change", ["deleted", "added", "a blank more", "swapped"])
def test_without_a_key_whole_rows_are_named_with_their_multiplicity(loaded, change):
    rows = loaded.data.rows("sales")
    repeated = next(row for row in rows if rows.count(row) > 1)
    times = rows.count(repeated)
    bare = [row for row in rows if row[1] == "x" and rows.count(row) == 1]
    one, other = bare[:2]
    assert one[4] != other[4]
    here = "WHERE invoice = '{}'"
    statements, wanted, columns = {
        "deleted": (["DELETE FROM sales " + here.format(repeated[0])], {"missing": [times]}, []),
        "added": (
            ["INSERT INTO sales SELECT * FROM sales " + here.format(repeated[0])],
            {"extra": [times]},
            [],
        ),
        "a blank more": (
            ["UPDATE sales SET description = 'x ' " + here.format(one[0])],
            {"missing": [1], "extra": [1]},
            ["description"],
        ),
        "swapped": (
            [
                f"UPDATE sales SET price = {other[4]} " + here.format(one[0]),
                f"UPDATE sales SET price = {one[4]} " + here.format(other[0]),
            ],
            {"missing": [1, 1], "extra": [1, 1]},
            None,
        ),
    }[change]
    loaded.execute(*statements)
    result = loaded.reconcile()
    assert result.code == 8
    assert result.table("flights")["verdict"] == "MATCH"
    found = defaultdict(list)
    for item in result.json["differences"]:
        assert (item["table"], item["key"]) == ("sales", {})
        assert columns is None or item["columns"] == columns
        found[item["kind"]].append(item["rows"])
    assert found == wanted


def test_a_run_on_a_changed_target_stops_and_says_what_to_do(loaded):
    receipts = f"SELECT count(*) FROM {loaded.ledger('receipt')}"
    before = loaded.query(receipts)
    loaded.execute(CHANGED)
    result = loaded.migrate("run")
    assert result.code == 8
    error = result.err.splitlines()[-1]
    assert error.startswith("error: ")
    assert "table flights" in error
    assert "migrate reconcile" in error
    assert "--accept-foreign" in error
    assert loaded.query(receipts) == before


def test_what_was_put_right_is_a_match_again(loaded):
    loaded.run().matched()


def test_an_adopted_change_is_a_receipt_with_its_reason_and_matches_from_then_on(site):
    site.run().matched()
    site.execute(CHANGED, "DELETE FROM sales WHERE invoice = '500000'")
    adopted = site.run("--accept-foreign", "corrected by the box office").matched()
    reasons = f"SELECT reason FROM {site.ledger('receipt')} WHERE kind = 'foreign'"
    assert site.query(reasons) == [("corrected by the box office",)] * 2
    evidence = (site.folder / adopted.json["report"]).read_text(encoding="utf-8")
    assert "corrected by the box office" in json.dumps(json.loads(evidence))
    assert site.run().matched().fingerprints == adopted.fingerprints
    # It is the adopted state that counts: what changes after it is found again.
    site.execute("UPDATE flights SET note = 'again' WHERE flight = 11")
    result = site.reconcile()
    assert result.code == 8
    named = [item["key"]["flight"] for item in result.json["differences"]]
    assert "11" in named


TRIGGERS = {
    "sqlite": [
        """CREATE TRIGGER trim_tail AFTER INSERT ON flights BEGIN
           UPDATE flights SET tail = rtrim(tail) WHERE rowid = NEW.rowid; END"""
    ],
    "postgresql": [
        """CREATE FUNCTION trim_tail() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN NEW.tail := rtrim(NEW.tail); RETURN NEW; END $$""",
        """CREATE TRIGGER trim_tail BEFORE INSERT ON flights
           FOR EACH ROW EXECUTE FUNCTION trim_tail()""",
    ],
}


def test_a_trigger_that_trims_a_column_fails_the_run_itself_and_is_named(site):
    tables = site.migrate("plan", "--json").json["tables"]
    if site.kind == "sqlite":
        (site.folder / "target.db").touch()
    site.execute(*(item["ddl"] for item in tables), *TRIGGERS[site.kind])
    result = site.run()
    assert (result.code, result.json["verdict"]) == (8, "MISMATCH")
    trimmed = {
        row[2] for row in site.data.rows("flights") if row[6] is not None and row[6].endswith(" ")
    }
    assert trimmed, "there is nothing to trim"
    found = [item for item in result.json["differences"] if item["table"] == "flights"]
    assert found
    assert {(item["kind"], *item["columns"]) for item in found} == {("changed", "tail")}
    assert {int(item["key"]["flight"]) for item in found} <= trimmed
    located = {item["table"]: item for item in result.json["located"]}
    assert located["flights"]["columns"] == {"tail": len(trimmed)}
    assert result.table("sales")["verdict"] == "MATCH"
