"""SQLite: what can be done to a file, to its pages, and to the words of its schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ..entries import (
    BETWEEN,
    CLOSING,
    LANDED,
    LEDGER,
    MATCH,
    MISMATCH,
    POSTGRESQL,
    REFUSED,
    RUN,
    SOURCE,
    SQLITE,
    Entry,
    sqlite,
)
from .tables import _rebuilt

COLUMNS = "id, name, total, currency, changed, weight, born, token, paid, doc, raw"
WIDE = "pad varchar(2000)"
EXTRA = (
    f"INSERT INTO orders ({COLUMNS}) SELECT 6666, name, total, currency, changed, weight, born,"
    " token, paid, doc, raw FROM orders WHERE id = 9"
)


def _schema(site, *statements):
    """Edit the words of the schema behind SQLite's back."""
    with closing(sqlite3.connect(site.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)
        version = connection.execute("PRAGMA schema_version").fetchone()[0]
        connection.execute(f"PRAGMA schema_version = {version + 1}")


def _index_lacks(site, columns, where):
    """An index that lacks the rows that a condition leaves out, and does not know it."""
    site.execute(f"CREATE INDEX lacking ON orders ({columns}) WHERE {where}")
    _schema(
        site,
        f"UPDATE sqlite_master SET sql = 'CREATE INDEX lacking ON orders ({columns})'"
        " WHERE name = 'lacking'",
    )


def _index_hides_a_row(site):
    """Every column of ours is in the index, and a wide one of theirs makes it worth reading."""
    if site.kind == POSTGRESQL:
        site.execute(
            "ALTER TABLE orders ADD COLUMN pad text",
            "ALTER TABLE orders ALTER pad SET STORAGE PLAIN",
            EXTRA,
            "UPDATE orders SET pad = repeat('x', 4000)",
            f"CREATE INDEX lacking ON orders (id) INCLUDE ({COLUMNS[4:]}) WHERE id < 6666",
            "UPDATE pg_index SET indpred = NULL WHERE indexrelid = 'lacking'::regclass",
            "VACUUM ANALYZE orders",
            site.spelled("ALTER DATABASE $database SET enable_seqscan = off"),
            # Else the server compiles each statement that it calls expensive now.
            site.spelled("ALTER DATABASE $database SET jit = off"),
        )
        return
    site.execute(f"ALTER TABLE orders ADD COLUMN {WIDE}", EXTRA)
    _index_lacks(site, COLUMNS, "id < 6666")


def _index_hides_a_change(site):
    plain = f"CREATE INDEX lacking ON orders ({COLUMNS})"
    renamed = "UPDATE sqlite_master SET sql = '{}' WHERE name = 'lacking'"
    site.execute(f"ALTER TABLE orders ADD COLUMN {WIDE}", plain)
    # While the index says that it has no such row, a change of it leaves the entry as it is.
    _schema(site, renamed.format(f"{plain} WHERE id <> 7"))
    site.execute("UPDATE orders SET total = '9' WHERE id = 7")
    _schema(site, renamed.format(plain))


def _other_pages(site):
    with closing(sqlite3.connect(site.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA page_size = 512")
        connection.execute("VACUUM")
        assert connection.execute("PRAGMA page_size").fetchone() == (512,)
        connection.execute("PRAGMA journal_mode = WAL")


def _attached(site):
    """A program that has attached a file with a table of the same name, and goes on."""
    other = site.folder / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE orders (id integer)")
        connection.commit()
    connection = sqlite3.connect(site.path, isolation_level=None)
    site.held.callback(connection.close)
    connection.execute(f"ATTACH '{other}' AS other")
    connection.execute("CREATE TEMP TABLE notes (id integer)")


def _log_lost(site):
    """A change that is only in the log, and the log is deleted."""
    with closing(sqlite3.connect(site.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection = sqlite3.connect(site.path, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("UPDATE orders SET total = '9' WHERE id = 7")
    file = site.path.read_bytes()
    connection.close()
    for name in ("-wal", "-shm"):
        Path(f"{site.path}{name}").unlink(missing_ok=True)
    site.path.write_bytes(file)


def _pages_swapped(site):
    """The table's name leads to the pages of a copy in which an amount is another."""
    site.execute(
        f"CREATE TABLE copy_of ({COLUMNS.replace('id,', 'id INTEGER PRIMARY KEY,', 1)})",
        "INSERT INTO copy_of SELECT * FROM orders",
        "UPDATE copy_of SET total = '9' WHERE id = 7",
    )
    _schema(
        site,
        "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master"
        " WHERE name = 'copy_of') WHERE name = 'orders'",
        "DELETE FROM sqlite_master WHERE name = 'copy_of'",
    )


ENTRIES = [
    Entry(
        "other-page-size",
        "somebody gives the file another page size and packs it",
        {SQLITE: _other_pages},
        MATCH,
    ),
    Entry("vacuum", "somebody packs the file", sqlite("VACUUM"), MATCH),
    Entry(
        "journal-without-log",
        "somebody switches the file from its log to a rollback journal",
        sqlite("PRAGMA journal_mode = DELETE"),
        MATCH,
    ),
    Entry(
        "numbers-in-the-header",
        "somebody writes another user version and application id into the file",
        sqlite("PRAGMA user_version = 77", "PRAGMA application_id = 99"),
        MATCH,
    ),
    Entry(
        "another-file-attached",
        "another program has attached a file with a table of the same name",
        {SQLITE: _attached},
        MATCH,
    ),
    Entry(
        "log-lost-with-a-change",
        "somebody changes an amount, and the log that alone holds the change is lost",
        {SQLITE: _log_lost},
        MATCH,
        forms=(LEDGER, LANDED, SOURCE, BETWEEN, RUN),
    ),
    Entry(
        "index-hides-a-row",
        "a row is added, and an index over every column lacks its entry",
        {POSTGRESQL: _index_hides_a_row, SQLITE: _index_hides_a_row},
        MISMATCH,
        rows=("orders 6666 extra",),
        forms=(LEDGER, LANDED, SOURCE, CLOSING, RUN),
        but={RUN: f"{REFUSED}|{MISMATCH}"},
        why_but="a run on PostgreSQL may find it at its end only",
        is_sampled=True,
    ),
    Entry(
        "index-hides-a-change",
        "an amount is changed, and an index over every column still holds the old one",
        {SQLITE: _index_hides_a_change},
        MISMATCH,
        rows=("orders 7 total",),
        forms=(LEDGER, LANDED, SOURCE, CLOSING, RUN),
    ),
    Entry(
        "index-lacks-half",
        "an index lacks half of its entries, and every row is right",
        {SQLITE: lambda site: _index_lacks(site, "currency, total", "id <= 500")},
        MATCH,
        forms=(LEDGER, LANDED, SOURCE, BETWEEN, CLOSING),
    ),
    Entry(
        "pages-swapped",
        "the table's name is made to lead to the pages of a copy with another amount",
        {SQLITE: _pages_swapped},
        MISMATCH,
        rows=("orders 7 total",),
    ),
    Entry(
        "without-rowid",
        "somebody rebuilds the table without row numbers",
        {SQLITE: lambda site: _rebuilt(site, " WITHOUT ROWID")},
        MATCH,
    ),
    Entry(
        "stored-as-numbers",
        "another program stores an amount as a floating-point number in place of its text",
        sqlite("UPDATE orders SET total = 7.25 WHERE id = 7"),
        MATCH,
        forms=(BETWEEN,),
    ),
    Entry(
        "key-as-text",
        "a cell of a number column holds a text that no number is",
        sqlite("UPDATE orders SET weight = 'about one' WHERE id = 7"),
        MISMATCH,
        rows=("orders 7 weight",),
    ),
]
