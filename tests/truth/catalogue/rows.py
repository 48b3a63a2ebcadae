"""Rows that another program changes, adds, removes, or writes again as they were."""

from __future__ import annotations

from ..entries import (
    MATCH,
    MISMATCH,
    POSTGRESQL,
    QUICK,
    SQLITE,
    TOUCHED,
    UNKNOWN,
    Entry,
    everywhere,
    on_targets,
)

WHO = "the quick form asks who wrote the rows, not what is in them"
COPIED = "name, total, currency, changed, weight, born, token, paid, doc, raw FROM orders WHERE"


def _each_by_the_least(site):
    """One cell of each column, each in a row of its own."""
    times = "changed + interval '1 microsecond'"
    document, flag = "jsonb_set(doc, '{v}', '1.00')", "NOT paid"
    token, raw = "overlay(token::text placing 'f' from 36)::uuid", "set_byte(raw, 0, 1)"
    if site.kind == SQLITE:
        times, flag = "substr(changed, 1, 25) || '0Z'", "1 - paid"
        document = "replace(doc, '1.0', '1.00')"
        token, raw = "substr(token, 1, 35) || 'f'", "x'01ff5c03f1'"
    changes = {
        "name": "name || ' '", "total": "total + 0.01", "currency": "lower(currency)",
        "changed": times, "weight": "weight * (1 + 4.5e-16)", "token": token,
        "born": "'2024-01-31'", "paid": flag, "doc": document, "raw": raw,
    }  # fmt: skip
    if site.kind == SQLITE:
        changes["total"] = "'109.26'"
    site.execute(
        *(
            f"UPDATE orders SET {name} = {value} WHERE id = {101 + place}"
            for place, (name, value) in enumerate(sorted(changes.items()))
        )
    )


LEAST = ("born", "changed", "currency", "doc", "name", "paid", "raw", "token", "total", "weight")

ENTRIES = [
    Entry(
        "amount-changed",
        "another program changes one amount",
        everywhere("UPDATE orders SET total = 9 WHERE id = 7"),
        MISMATCH,
        rows=("orders 7 total",),
        is_sampled=True,
    ),
    Entry(
        "row-deleted",
        "another program deletes one row",
        everywhere("DELETE FROM orders WHERE id = 7"),
        MISMATCH,
        rows=("orders 7 missing",),
    ),
    Entry(
        "row-added",
        "another program adds one row",
        everywhere(f"INSERT INTO orders SELECT 6666, {COPIED} id = 9"),
        MISMATCH,
        rows=("orders 6666 extra",),
    ),
    Entry(
        "key-moved",
        "another program gives a row another key",
        everywhere("UPDATE orders SET id = 7777 WHERE id = 7"),
        MISMATCH,
        rows=("orders 7 missing", "orders 7777 extra"),
    ),
    Entry(
        "amounts-swapped",
        "another program swaps two amounts of one currency, so that every total stays as it was",
        everywhere(
            "UPDATE orders SET total = CASE id WHEN 8 THEN 10.25 ELSE 8.25 END WHERE id IN (8, 10)"
        ),
        MISMATCH,
        rows=("orders 10 total", "orders 8 total"),
    ),
    Entry(
        "empty-becomes-null",
        "another program makes NULL of an empty text",
        everywhere("UPDATE orders SET name = NULL WHERE id = 11"),
        MISMATCH,
        rows=("orders 11 name",),
    ),
    Entry(
        "each-column-by-the-least",
        "another program changes a cell of each column by the least that its type can hold",
        {POSTGRESQL: _each_by_the_least, SQLITE: _each_by_the_least},
        MISMATCH,
        rows=tuple(f"orders {101 + place} {name}" for place, name in enumerate(LEAST)),
    ),
    Entry(
        "one-of-three-equal-rows-lost",
        "another program deletes one of three equal rows of a table without a key",
        {
            POSTGRESQL: ("DELETE FROM notes WHERE ctid = (SELECT max(ctid) FROM notes)",),
            SQLITE: ("DELETE FROM notes WHERE rowid = (SELECT max(rowid) FROM notes)",),
            "mariadb": ("DELETE FROM notes WHERE body = 'note 3' LIMIT 1",),
            "duckdb": ("DELETE FROM notes WHERE rowid = (SELECT max(rowid) FROM notes)",),
        },
        MISMATCH,
        rows=("notes - missing",),
    ),
    Entry(
        "one-note-for-another",
        "another program turns one of three equal rows into a second one of another row",
        {
            POSTGRESQL: (
                (
                    "UPDATE notes SET order_id = 4, body = 'note 4'"
                    " WHERE ctid = (SELECT max(ctid) FROM notes)"
                ),
            ),
            SQLITE: (
                (
                    "UPDATE notes SET order_id = 4, body = 'note 4'"
                    " WHERE rowid = (SELECT max(rowid) FROM notes)"
                ),
            ),
            "mariadb": (
                "UPDATE notes SET order_id = 4, body = 'note 4' WHERE order_id = 3 LIMIT 1",
            ),
        },
        MISMATCH,
        rows=("notes - extra", "notes - missing"),
    ),
    Entry(
        "all-rows-gone",
        "another program empties a table",
        everywhere("DELETE FROM notes"),
        MISMATCH,
    ),
    Entry(
        "table-gone",
        "another program drops a table",
        everywhere("DROP TABLE notes"),
        MISMATCH,
        but={QUICK: UNKNOWN},
        why_but="without the table nobody can say who wrote its rows",
    ),
    Entry(
        "same-value-written",
        "another program writes a row again with the values that it has",
        everywhere("UPDATE orders SET total = total WHERE id = 7"),
        MATCH,
        but={QUICK: TOUCHED},
        why_but=WHO,
    ),
    Entry(
        "row-there-and-back",
        "another program deletes a row and puts it back as it was",
        on_targets(
            "CREATE TABLE aside AS SELECT * FROM orders WHERE id = 7",
            "DELETE FROM orders WHERE id = 7",
            "INSERT INTO orders SELECT * FROM aside",
        ),
        MATCH,
        but={QUICK: TOUCHED},
        why_but=WHO,
    ),
    Entry(
        "row-come-and-gone",
        "another program adds a row and deletes it again",
        everywhere(
            f"INSERT INTO orders SELECT 6666, {COPIED} id = 9", "DELETE FROM orders WHERE id = 6666"
        ),
        MATCH,
    ),
    Entry(
        "another-table-changed",
        "another program makes a table of its own and fills it",
        everywhere("CREATE TABLE theirs (id integer)", "INSERT INTO theirs VALUES (1)"),
        MATCH,
    ),
]
