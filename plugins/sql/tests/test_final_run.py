"""`migrate run --final`: foreign keys that the database keeps, and the source asked once more."""

from __future__ import annotations

import pytest

from messy_migration import api
from messy_migration.testing.project import fresh_logging
from messy_migration.workspace import Request

SHOP = (
    "CREATE TABLE customers (id integer PRIMARY KEY, name text)",
    """CREATE TABLE orders (id integer PRIMARY KEY, customer integer REFERENCES customers (id),
        note text)""",
    "INSERT INTO customers VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO orders VALUES (1, 1, 'x'), (2, 2, 'y'), (3, NULL, 'z')",
)
KEPT = """SELECT conrelid::regclass::text, confrelid::regclass::text, convalidated
    FROM pg_constraint WHERE contype = 'f'"""


@pytest.fixture
def shop(make_base, project):
    """A function that fills a source: `shop(kind of both)` gives (source, target)."""

    def fill(kind="postgresql", *before):
        source, target = make_base(kind), make_base(kind)
        source.run(*SHOP)
        if before:
            target.run(*before)
        project.configure(f'url = "{source.plain}"', target)
        return source, target

    return fill


class Meanwhile(api.Silent):
    """Somebody writes to the source while the target is read back."""

    def __init__(self, source, *statements):
        self.source, self.statements = source, statements

    def proving(self):
        self.source.run(*self.statements)


def final(project, observer=None):
    request = Request(config=project.folder / "migrate.toml")
    with fresh_logging():
        return api.run(request, observer, api.RunOptions(final=True))


def test_foreign_keys_are_kept_by_the_database_and_every_value_is_the_source_s(shop, project):
    _, target = shop()
    result = project.run("--final").matched()
    assert target.rows(KEPT) == [("orders", "customers", True)]
    assert result.json["final"]["verdict"] == "MATCH"
    assert result.json["final"]["against"] == "source"
    again = project.run("--final").matched()
    assert target.rows(KEPT) == [("orders", "customers", True)]
    assert again.json["verdict"] == "MATCH"
    text = project.migrate("run", "--final").out
    assert "held against the source as it is now:" in text
    assert text.count("MATCH") > 2


def test_a_later_row_without_a_parent_is_refused_where_the_key_is_kept(shop, project):
    source, target = shop()
    project.run("--final").matched()
    source.run(
        "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey",
        "INSERT INTO orders VALUES (4, 9, 'no such customer'), (5, 1, 'ok')",
    )
    project.run()
    assert target.rows("SELECT id FROM orders WHERE id > 3") == [(5,)]


@pytest.mark.parametrize(
    "kind, statement",
    [
        ("postgresql", "INSERT INTO customers VALUES (3, 'c')"),
        ("postgresql", "DELETE FROM orders WHERE id = 3"),
        ("sqlite", "UPDATE customers SET name = 'other' WHERE id = 2"),
    ],
)
def test_a_source_that_moves_is_no_final_one(shop, project, kind, statement):
    source, _ = shop(kind)
    result = final(project, Meanwhile(source, statement))
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    assert result.problems[-1].what == "the target is not what its source is now"


def test_a_table_that_comes_meanwhile_is_not_final(shop, project):
    source, _ = shop()
    result = final(project, Meanwhile(source, "CREATE TABLE late (id integer)"))
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)


def test_rows_that_miss_their_parents_are_told_and_the_key_is_not_kept(shop, project):
    source, target = shop()
    source.run(
        "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey",
        "ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers (id) NOT VALID",
        "ALTER TABLE orders DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "INSERT INTO orders VALUES (4, 9, 'no such customer')",
    )
    result = project.run("--final")
    assert result.code == 8
    assert "final" not in result.json
    assert target.rows(KEPT) == []


def test_a_table_of_somebody_else_is_not_altered_and_the_statement_is_said(shop, project):
    _, target = shop("postgresql", "CREATE TABLE customers (id integer PRIMARY KEY, name text)")
    result = project.run("--final").matched()
    assert target.rows(KEPT) == []
    assert (
        'ALTER TABLE "public"."orders" ADD FOREIGN KEY ("customer")'
        ' REFERENCES "public"."customers" ("id")'
    ) in result.err


def test_where_no_key_comes_later_the_proof_alone_holds_it(shop, project):
    shop("sqlite")
    result = project.run("--final").matched()
    assert "not kept by the database" in result.err


def test_a_final_run_reads_everything(shop, project):
    shop()
    for choice in (["--select", "sql.orders"], ["--since", "2024-01-01"]):
        result = project.migrate("run", "--final", *choice)
        assert result.code == 2
        assert "a final run reads everything" in result.err
