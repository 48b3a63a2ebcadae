"""A repair is carried out on a database in a file, with the ledger that signs for it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace

import pytest

from messy_migration.compare.values import Unequal
from messy_migration.fingerprint.rows import format_id
from messy_migration.ledger import receipts, schema
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import ledger
from messy_migration.model import Fingerprint
from messy_migration.repair import apply as applying
from messy_migration.repair.apply import carry_out
from messy_migration.repair.plan import Todo

from ..sqlite_site import Site, site_in, state_of, table_of

PEOPLE = table_of("people", {"id": "int32", "name": "text"}, ("id",))
ORDERS = table_of(
    "orders",
    {"id": "int32", "total": "decimal(9,2)", "currency": "text"},
    ("id",),
    amounts=(("total", "currency"),),
)
NOTES = table_of("notes", {"id": "int32", "name": "text"})


@dataclass
class State:
    """What a repair needs of a run."""

    site: Site
    workspace: SimpleNamespace
    run: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(run_id="run"))
    problems: list[Exception] = field(default_factory=list)

    @contextmanager
    def writing(self):
        with self.site.begin() as connection:
            yield connection

    def signature(self):
        return Signature("run", 1, 1, "2026-01-01T00:00:00+00:00")


@pytest.fixture
def state(tmp_path):
    site = site_in(tmp_path)
    with site.begin() as connection:
        schema.upgrade(connection)
    for table in (PEOPLE, ORDERS, NOTES):
        site.create(table)
    return State(site, SimpleNamespace(target=site.target, ledger=ledger("sqlite")))


def fields(table, *row):
    """The C1 fields of a row of numbers and texts."""
    kinds = [column.type.kind for column in table.columns]
    return tuple(
        f"{len(cell)}:{cell}".encode() if kind == "text" else str(cell).encode()
        for kind, cell in zip(kinds, row, strict=True)
    )


def missing(table, *row, count=1):
    return Unequal("missing", fields(table, *row), None, count)


def extra(table, *row, **more):
    return Unequal("extra", None, fields(table, *row), **more)


def changed(table, mine, there):
    return Unequal("changed", fields(table, *mine), fields(table, *there))


def done(state, *todos, stop=None):
    carry_out(state, todos, stop or SimpleNamespace(requested=False))
    return [str(problem) for problem in state.problems]


def signed(state, *columns):
    """Receipts of tables in the order in which they were written."""
    names = ", ".join(columns)
    with state.site.reading() as connection:
        found = connection.exec_driver_sql(
            f"SELECT {names} FROM messy_migration_receipt r JOIN messy_migration_receipt_table t"
            " ON t.batch_id = r.batch_id ORDER BY r.rowid"
        )
        return [tuple(row) for row in found]


def expected(state, table):
    with state.site.reading() as connection:
        sums = receipts.expected(connection, state.workspace.ledger)
    return sums.get((table.name, table.scope, format_id(table)))


def test_missing_rows_are_inserted_changed_ones_restored_and_extra_ones_removed(state):
    state.site.fill(PEOPLE, (2, "wrong"), (3, "extra"), (4, "stays"))
    todo = Todo(
        state_of(PEOPLE),
        [missing(PEOPLE, 1, "ann"), changed(PEOPLE, (2, "bob"), (2, "wrong"))],
        [extra(PEOPLE, 3, "extra")],
    )
    assert done(state, todo) == []
    assert state.site.rows("people") == [(1, "ann"), (2, "bob"), (4, "stays")]
    assert signed(state, "kind", "net_rows", "inserted", "updated") == [
        ("found", -1, 0, 0),
        ("repair", 1, 1, 1),
        ("found", 1, 0, 0),
        ("repair", -1, -1, 0),
    ]
    # What somebody else did and what undoes it add up to nothing.
    assert expected(state, PEOPLE) == Fingerprint()


def test_money_goes_back_with_its_rows(state):
    state.site.fill(ORDERS, (1, Decimal("7.77"), "EUR"), (9, Decimal(100), "NZD"))
    todo = Todo(
        state_of(ORDERS),
        [changed(ORDERS, (1, "1.5", "EUR"), (1, "7.77", "EUR")), missing(ORDERS, 2, "3", "EUR")],
        [extra(ORDERS, 9, "100", "NZD")],
    )
    assert done(state, todo) == []
    assert state.site.rows("orders", "id, currency") == [(1, "EUR"), (2, "EUR")]
    moved = {
        (kind, currency, Decimal(total))
        for kind, text in signed(state, "kind", "amounts")
        for currency, total in json.loads(text)["total"].items()
        if Decimal(total)
    }
    assert moved == {
        ("repair", "EUR", Decimal("-3.27")),
        ("found", "EUR", Decimal("3.27")),
        ("repair", "NZD", Decimal(-100)),
        ("found", "NZD", Decimal(100)),
    }


def test_without_a_key_rows_come_and_go_as_often_as_they_differ(state):
    state.site.fill(NOTES, *[(1, "a")] * 3, (2, "b"))
    todo = Todo(state_of(NOTES), [missing(NOTES, 2, "b", count=2)], [extra(NOTES, 1, "a", count=2)])
    assert done(state, todo) == []
    assert state.site.rows("notes") == [(1, "a"), (2, "b"), (2, "b"), (2, "b")]
    assert signed(state, "kind", "net_rows", "inserted") == [
        ("found", -2, 0),
        ("repair", 2, 2),
        ("found", 2, 0),
        ("repair", -2, -2),
    ]


def test_rows_come_parents_first_and_go_children_first(state):
    state.site.fill(PEOPLE, (8, "extra"))
    state.site.fill(ORDERS, (8, Decimal(1), "EUR"))
    state.site.run(
        "CREATE TABLE happened (what TEXT)",
        *(
            f"CREATE TRIGGER {table}_{act} AFTER {act} ON {table}"
            f" BEGIN INSERT INTO happened VALUES ('{act} {table}'); END"
            for table in ("people", "orders")
            for act in ("INSERT", "DELETE")
        ),
    )
    parents = Todo(state_of(PEOPLE), [missing(PEOPLE, 1, "ann")], [extra(PEOPLE, 8, "extra")])
    children = Todo(
        state_of(ORDERS), [missing(ORDERS, 1, "1", "EUR")], [extra(ORDERS, 8, "1", "EUR")]
    )
    assert done(state, parents, children) == []
    assert [what for (what,) in state.site.rows("happened", "what", "rowid")] == [
        "INSERT people",
        "INSERT orders",
        "DELETE orders",
        "DELETE people",
    ]


def test_an_extra_parent_with_an_extra_child_can_be_removed(state):
    state.site.run(
        "CREATE TABLE lines (id INTEGER PRIMARY KEY, person INTEGER REFERENCES people (id))"
    )
    lines = table_of("lines", {"id": "int32", "person": "int32"}, ("id",))
    state.site.fill(PEOPLE, (8, "extra"))
    state.site.fill(lines, (1, 8))
    todos = [
        Todo(state_of(PEOPLE), [], [extra(PEOPLE, 8, "extra")]),
        Todo(state_of(lines), [], [extra(lines, 1, 8)]),
    ]
    assert done(state, *todos) == []
    assert (state.site.rows("people"), state.site.rows("lines")) == ([], [])


@pytest.mark.parametrize("there", [(1, "meanwhile"), None])
def test_what_changed_since_it_was_looked_at_is_not_overwritten(state, there):
    state.site.fill(PEOPLE, *([there] if there else []), (2, "other"))
    before = state.site.rows("people")
    todo = Todo(state_of(PEOPLE), [changed(PEOPLE, (1, "ann"), (1, "wrong"))])
    (problem,) = done(state, todo)
    assert "changed while they were being repaired" in problem
    assert state.site.rows("people") == before
    assert signed(state, "kind") == []


def test_an_extra_row_that_changed_meanwhile_is_not_removed(state):
    state.site.fill(PEOPLE, (1, "meanwhile"))
    (problem,) = done(state, Todo(state_of(PEOPLE), [], [extra(PEOPLE, 1, "extra")]))
    assert "changed while they were being repaired" in problem
    assert state.site.rows("people") == [(1, "meanwhile")]
    assert signed(state, "kind") == []


def test_of_two_rows_with_one_key_neither_is_removed(state):
    """A plan leaves doubled rows alone; `apply` refuses one by what the target holds."""
    state.site.run("CREATE TABLE doubled (id INTEGER, name TEXT)")
    doubled = table_of("doubled", {"id": "int32", "name": "text"}, ("id",))
    state.site.fill(doubled, (1, "ann"), (1, "ann"))
    (problem,) = done(state, Todo(state_of(doubled), [], [extra(doubled, 1, "ann")]))
    assert "changed while they were being repaired" in problem
    assert state.site.rows("doubled") == [(1, "ann"), (1, "ann")]


def test_a_value_that_is_none_of_its_column_is_left_to_a_person(state):
    item = Unequal("extra", None, (b"!text:61", b"1:a"))
    (problem,) = done(state, Todo(state_of(PEOPLE), [], [item]))
    assert "cannot be removed" in problem


def test_rows_go_in_transactions_of_their_own(state, monkeypatch):
    monkeypatch.setattr(applying, "ROWS", 2)
    todo = Todo(state_of(PEOPLE), [missing(PEOPLE, number, "x") for number in range(5)])
    assert done(state, todo) == []
    assert signed(state, "net_rows", "kind")[1::2] == [(2, "repair"), (2, "repair"), (1, "repair")]
    assert len({name for (name,) in signed(state, "r.batch_id")}) == 6


def test_a_stop_is_heard_between_two_transactions(state, monkeypatch):
    monkeypatch.setattr(applying, "ROWS", 2)
    stop = SimpleNamespace(requested=False)
    real = applying._sign

    def sign(*arguments):
        real(*arguments)
        stop.requested = True

    monkeypatch.setattr(applying, "_sign", sign)
    todo = Todo(state_of(PEOPLE), [missing(PEOPLE, number, "x") for number in range(5)])
    assert done(state, todo, stop=stop) == []
    assert len(state.site.rows("people")) == 2


def test_a_table_that_cannot_be_repaired_stops_at_its_chunk_and_stops_no_other(state, monkeypatch):
    monkeypatch.setattr(applying, "ROWS", 1)
    state.site.fill(PEOPLE, (1, "meanwhile"))
    people = Todo(
        state_of(PEOPLE), [changed(PEOPLE, (1, "a"), (1, "b")), missing(PEOPLE, 2, "bob")]
    )
    orders = Todo(state_of(ORDERS), [missing(ORDERS, 1, "1", "EUR")])
    assert len(done(state, people, orders)) == 1
    assert state.site.rows("people") == [(1, "meanwhile")]
    assert state.site.rows("orders", "id", "1") == [(1,)]
