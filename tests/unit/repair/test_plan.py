"""What a repair would do to one difference: put, remove, or leave with a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from messy_migration.compare.findings import Difference
from messy_migration.compare.values import Compared, Unequal
from messy_migration.model import Fingerprint, Stream
from messy_migration.reconcile.verdict import TableVerdict
from messy_migration.repair import plan as planning
from messy_migration.repair.plan import Todo

from ..sqlite_site import site_in, state_of, table_of

TABLE = table_of("t", {"id": "int32", "v": "text", "at": "int32"}, ("id",))
STATE, AGELESS = state_of(TABLE, bookmark="at"), state_of(TABLE)
NEWER = "rows are newer than what was loaded"
LISTED = "extra rows are only listed"
OTHERS = "rows were written by others since the load"
GONE = "rows are gone, and no database keeps who deleted them"
UNTOLD = "nobody can tell who wrote the rows"
SHARED = "rows share a key with another row"


def row(number, v="a", at=0):
    age = b"~" if at is None else str(at).encode()
    return str(number).encode(), f"{len(v)}:{v}".encode(), age


def extra(at=0, **more):
    return Unequal("extra", None, row(1, "x", at), **more)


def changed(mine=5, there=5):
    return Unequal("changed", row(1, "a", mine), row(1, "x", there))


MISSING = Unequal("missing", row(1), None)


def sorted_out(item, wish="all", newest=None, state=STATE, writer="load"):
    """put, remove, or why it is kept, and how many rows that is."""
    todo = Todo(state)
    compared = Compared(newest=None if newest is None else Decimal(newest))
    planning._sort(todo, item, compared, wish, writer)
    assert len(todo.put) + len(todo.remove) + len(todo.kept) == 1
    if todo.kept:
        return next(iter(todo.kept.items()))
    return "put" if todo.put == [item] else "remove"


@pytest.mark.parametrize("wish", ["differing", "corrupted", "all"])
def test_what_is_missing_or_older_than_what_was_loaded_is_put(wish):
    if wish != "corrupted":
        assert sorted_out(MISSING, wish, newest=9, writer="") == "put"
    assert sorted_out(changed(5, 5), wish, newest=9) == "put"
    assert sorted_out(changed(5, 4), wish, newest=9) == "put"
    assert sorted_out(changed(5, None), wish, newest=9) == "put"
    # The row itself is judged, not the table: something newer was loaded of another key.
    assert sorted_out(changed(5, 6), wish, newest=9) == (NEWER, 1)
    assert sorted_out(changed(None, 1), wish, newest=9) == (NEWER, 1)
    assert sorted_out(changed(5, 6), wish, newest=9, state=AGELESS) == "put"


@pytest.mark.parametrize(
    "at, newest, done",
    [
        (3, 9, "remove"),
        (9, 9, "remove"),
        (10, 9, (NEWER, 1)),
        (None, 9, "remove"),
        (None, None, "remove"),
        (1, None, (NEWER, 1)),
        (-5, -3, "remove"),
        (-2, -3, (NEWER, 1)),
    ],
)
def test_an_extra_row_is_removed_unless_it_is_newer_than_all_that_was_loaded(at, newest, done):
    assert sorted_out(extra(at), "all", newest) == done
    assert sorted_out(extra(at), "all", newest, AGELESS) == "remove"


def test_extra_rows_are_removed_by_those_alone_who_want_all():
    for wish in ("differing", "corrupted"):
        assert sorted_out(extra(), wish, 9) == (LISTED, 1)
        assert sorted_out(extra(count=3), wish, 9) == (LISTED, 3)


def test_rows_of_others_stay_where_only_damage_is_repaired():
    assert sorted_out(changed(5, 5), "corrupted", 9, writer="others") == (OTHERS, 1)
    assert sorted_out(changed(5, 5), "differing", 9, writer="others") == "put"
    assert sorted_out(changed(5, 5), "all", 9, writer="others") == "put"
    assert sorted_out(extra(3), "all", 9, writer="others") == "remove"


def test_g57_what_nobody_can_tell_from_damage_stays_where_only_damage_is_repaired():
    assert sorted_out(MISSING, "corrupted", 9, writer="") == (GONE, 1)
    assert sorted_out(Unequal("missing", row(1), None, 4), "corrupted", 9, writer="") == (GONE, 4)
    assert sorted_out(changed(5, 5), "corrupted", 9, writer="") == (UNTOLD, 1)


@pytest.mark.parametrize("wish", ["differing", "corrupted", "all"])
def test_of_rows_that_share_a_key_none_is_touched(wish):
    assert sorted_out(extra(3, is_doubled=True), wish, 9) == (SHARED, 1)


def test_rows_are_counted_by_kind_as_often_as_they_are_meant():
    todo = Todo(
        STATE, [MISSING, Unequal("missing", row(2), None, 3), changed()], [extra(count=2)],
        Counter({LISTED: 9}),
    )  # fmt: skip
    assert {kind: todo.count(kind) for kind in ("missing", "changed", "extra")} == {
        "missing": 4,
        "changed": 1,
        "extra": 2,
    }


SUM = Fingerprint(2, 5, 7)


def todo_of(compared, *, word="MISMATCH", tmp_path, wish="all", actual=SUM):
    before = TableVerdict("t", (), "shop.s", SUM, actual, "MISMATCH", "before")
    after = TableVerdict("t", (), "shop.s", SUM, actual, word, "after" if word != "MATCH" else "")
    workspace = SimpleNamespace(target=site_in(tmp_path).target, ledger=None)
    return planning._todo(workspace, None, STATE, before, after, compared, wish)


def comparison(*rows, expected=SUM, total=None):
    found = Compared(expected=expected, rows=list(rows), newest=Decimal(9))
    found.total = sum(item.count for item in rows) if total is None else total
    found.differences = [Difference("t", (), item.kind, ()) for item in rows]
    return found


def test_a_repair_deals_with_every_difference(tmp_path):
    item = extra(3)
    todo = todo_of(comparison(MISSING, item, changed(5, 6)), tmp_path=tmp_path)
    assert (todo.put, todo.remove, todo.kept, todo.problem) == ([MISSING], [item], {NEWER: 1}, "")


@pytest.mark.parametrize(
    "compared, word, problem",
    [
        (None, "MISMATCH", "after"),
        (None, "MATCH", "before"),
        (comparison(MISSING), "UNKNOWN", "after"),
        (comparison(), "MATCH", ""),
        (comparison(expected=Fingerprint(), total=0), "MATCH", ""),
        (comparison(MISSING, expected=Fingerprint(2, 5, 8)), "MISMATCH", "does not give the rows"),
        (comparison(MISSING, total=2), "MISMATCH", "2 rows differ: load the table again"),
    ],
)
def test_where_it_cannot_be_sure_it_does_nothing_and_says_why(tmp_path, compared, word, problem):
    todo = todo_of(compared, word=word, tmp_path=tmp_path)
    assert (todo.put, todo.remove, dict(todo.kept)) == ([], [], {})
    assert problem in todo.problem
    assert bool(problem) == bool(todo.problem)


def test_where_the_database_knows_its_writers_rows_of_others_are_told_apart(tmp_path, monkeypatch):
    marks = iter(["others", "load"])

    def drift(_connection, _reader, table, _known, found):
        assert (table, found.total) == (TABLE, 2)
        marked = tuple(replace(item, writer=next(marks)) for item in found.differences)
        return None, replace(found, differences=marked)

    monkeypatch.setattr(planning.xmin, "are_known", lambda _: True)
    monkeypatch.setattr(planning.transactions, "of_table", lambda *_: ())
    monkeypatch.setattr(planning, "drift", drift)
    other = Unequal("missing", row(2), None)
    todo = todo_of(comparison(MISSING, other), tmp_path=tmp_path, wish="corrupted")
    assert (todo.put, dict(todo.kept)) == ([other], {OTHERS: 1})


def test_equal_rows_that_are_listed_once_are_counted_as_often_as_they_differ(tmp_path):
    item = Unequal("missing", row(1), None, 2)
    todo = todo_of(comparison(item), tmp_path=tmp_path)
    assert (todo.put, todo.problem) == ([item], "")


def test_tables_of_parents_come_before_those_of_children():
    names = ("lines", "orders", "people", "unknown")
    tables = {name: table_of(name, {"id": "int32"}, ("id",)) for name in names}
    streams = [
        Stream("shop.lines", (tables["lines"],), depends_on=("shop.orders",)),
        Stream("shop.orders", (tables["people"], tables["orders"])),
    ]
    workspace = SimpleNamespace(streams=lambda: streams)
    states = [state_of(tables[name]) for name in ("unknown", "lines", "orders", "people")]
    ordered = planning._in_order(workspace, states)
    assert [state.table.name for state in ordered] == ["people", "orders", "lines", "unknown"]
