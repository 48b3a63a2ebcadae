"""Tables that are inherited, partitioned, restored, rebuilt or altered."""

from __future__ import annotations

from ..entries import (
    BETWEEN,
    CLOSING,
    LANDED,
    LEDGER,
    MATCH,
    MISMATCH,
    POSTGRESQL,
    QUICK,
    RUN,
    SOURCE,
    SQLITE,
    TOUCHED,
    UNKNOWN,
    Entry,
    everywhere,
    on_targets,
    postgresql,
)

WHO = "the quick form asks who wrote the rows, not what is in them"
FRESH = (
    "CREATE TABLE fresh (LIKE orders INCLUDING ALL)",
    "INSERT INTO fresh SELECT * FROM orders",
    "DROP TABLE orders",
    "ALTER TABLE fresh RENAME TO orders",
)
NO_QUICK = (LEDGER, LANDED, SOURCE, BETWEEN, RUN, CLOSING)
REWRITTEN = "where no row has a transaction of ours, the table was restored or rewritten"
ALTERED = "columns that were altered since say nothing of who wrote their values"


def _rebuilt(site, more="", rows=""):
    """The table dropped and made again in SQLite, as its definition is."""
    ((sql,),) = site.query("SELECT sql FROM sqlite_master WHERE name = 'orders'")
    site.execute(
        "CREATE TABLE aside AS SELECT * FROM orders",
        "DROP TABLE orders",
        sql + more,
        f"INSERT INTO orders SELECT * FROM aside {rows}",
        "DROP TABLE aside",
    )


ENTRIES = [
    Entry(
        "child-with-rows",
        "a table that inherits from the loaded one gets rows of its own",
        postgresql(
            "CREATE TABLE child () INHERITS (orders)",
            "INSERT INTO child SELECT * FROM ONLY orders WHERE id < 10",
        ),
        MATCH,
        is_sampled=True,
    ),
    Entry(
        "row-moved-to-a-child",
        "a row moves from the table into one that inherits from it, so that a SELECT shows it",
        postgresql(
            "CREATE TABLE child () INHERITS (orders)",
            "INSERT INTO child SELECT * FROM ONLY orders WHERE id = 7",
            "DELETE FROM ONLY orders WHERE id = 7",
        ),
        MISMATCH,
        rows=("orders 7 missing",),
    ),
    Entry(
        "table-becomes-a-child",
        "the loaded table is made to inherit from an empty one",
        postgresql("CREATE TABLE above (id integer)", "ALTER TABLE orders INHERIT above"),
        MATCH,
        but={QUICK: UNKNOWN},
        why_but=ALTERED,
    ),
    Entry(
        "table-becomes-partitioned",
        "the table is put as a partition under a new one that takes its name",
        postgresql(
            "ALTER TABLE orders RENAME TO first",
            "CREATE TABLE orders (LIKE first INCLUDING DEFAULTS) PARTITION BY RANGE (id)",
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
            "ALTER TABLE orders ATTACH PARTITION first FOR VALUES FROM (0) TO (100000)",
        ),
        MATCH,
        says="dropped and made again",
        but={QUICK: UNKNOWN},
        why_but="a partitioned table has no transaction ids of its own",
    ),
    Entry(
        "partition-detached",
        "of a table that was partitioned since, the half with the newer rows is detached",
        postgresql(
            "ALTER TABLE orders RENAME TO source",
            "CREATE TABLE orders (LIKE source INCLUDING DEFAULTS) PARTITION BY RANGE (id)",
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
            "CREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (998)",
            "CREATE TABLE high PARTITION OF orders FOR VALUES FROM (998) TO (100000)",
            "INSERT INTO orders SELECT * FROM source",
            "ALTER TABLE orders DETACH PARTITION high",
        ),
        MISMATCH,
        rows=("orders 1000 missing", "orders 998 missing", "orders 999 missing"),
        but={QUICK: UNKNOWN},
        why_but="a partitioned table has no transaction ids of its own",
    ),
    Entry(
        "restored-with-the-same-rows",
        "the table is dropped and restored from a backup with the same rows",
        {POSTGRESQL: FRESH, SQLITE: _rebuilt},
        MATCH,
        but={QUICK: UNKNOWN},
        why_but=REWRITTEN,
    ),
    Entry(
        "restored-with-yesterdays-rows",
        "the table is dropped and restored from a backup of yesterday",
        {
            POSTGRESQL: (*FRESH, "DELETE FROM orders WHERE id = 1000"),
            SQLITE: lambda site: _rebuilt(site, rows="WHERE id < 1000"),
        },
        MISMATCH,
        rows=("orders 1000 missing",),
        but={QUICK: UNKNOWN},
        why_but=REWRITTEN,
    ),
    Entry(
        "emptied-and-filled-again",
        "the table is emptied and filled again with the rows that it had",
        on_targets(
            "CREATE TABLE aside AS SELECT * FROM notes",
            "DELETE FROM notes",
            "INSERT INTO notes SELECT * FROM aside",
        ),
        MATCH,
        but={QUICK: UNKNOWN},
        why_but=REWRITTEN,
    ),
    Entry(
        "truncated-and-half-filled",
        "a TRUNCATE and a COPY of a dump that was cut leave the first rows",
        postgresql(
            "CREATE TABLE aside AS SELECT * FROM orders WHERE id < 1000",
            "TRUNCATE orders",
            "INSERT INTO orders SELECT * FROM aside",
        ),
        MISMATCH,
        rows=("orders 1000 missing",),
        but={QUICK: UNKNOWN},
        why_but=REWRITTEN,
    ),
    Entry(
        "vacuum-full",
        "VACUUM FULL gives the table another file",
        postgresql("VACUUM FULL orders"),
        MATCH,
    ),
    Entry(
        "cluster",
        "CLUSTER puts the rows into another order",
        postgresql("CLUSTER orders USING orders_pkey"),
        MATCH,
    ),
    Entry(
        "reindexed-and-analysed",
        "somebody rebuilds the indexes and the statistics",
        {POSTGRESQL: ("REINDEX TABLE orders", "ANALYZE"), SQLITE: ("REINDEX orders", "ANALYZE")},
        MATCH,
    ),
    Entry(
        "amount-narrowed",
        "the type of the amount is made narrower, and its cents are rounded away",
        postgresql("ALTER TABLE orders ALTER total TYPE numeric(12,0)"),
        MISMATCH,
        says="column total is numeric(12,0)",
        but={QUICK: f"{TOUCHED}|{UNKNOWN}"},
        why_but=ALTERED,
    ),
    Entry(
        "text-padded",
        "a text becomes one of fixed length, padded with blanks",
        postgresql("ALTER TABLE orders ALTER name TYPE char(20)"),
        MISMATCH,
        says="column name is character(20)",
        but={QUICK: f"{TOUCHED}|{UNKNOWN}"},
        why_but=ALTERED,
    ),
    Entry(
        "zone-dropped",
        "an instant becomes a local time",
        postgresql("ALTER TABLE orders ALTER changed TYPE timestamp"),
        MISMATCH,
        says="column changed is timestamp without time zone",
        but={QUICK: f"{TOUCHED}|{UNKNOWN}", BETWEEN: MATCH},
        why_but="columns that were altered say nothing of who wrote them; between compares values,"
        " and a local time of a database counts as UTC",
    ),
    Entry(
        "column-dropped",
        "somebody drops a column",
        everywhere("ALTER TABLE orders DROP COLUMN raw"),
        MISMATCH,
        says="column raw is missing",
    ),
    Entry(
        "column-renamed",
        "somebody renames a column",
        everywhere("ALTER TABLE orders RENAME COLUMN raw TO bare"),
        MISMATCH,
        says="column raw is missing",
    ),
    Entry(
        "column-dropped-and-made-again",
        "somebody drops a column and makes it again, empty",
        on_targets(
            "ALTER TABLE orders DROP COLUMN currency", "ALTER TABLE orders ADD currency TEXT"
        ),
        MISMATCH,
        but={QUICK: UNKNOWN},
        why_but=ALTERED,
    ),
    Entry(
        "column-made-again-and-filled",
        "somebody drops a column, makes it again and fills it with what it held",
        on_targets(
            "CREATE TABLE aside AS SELECT id, name FROM orders",
            "ALTER TABLE orders DROP COLUMN name",
            "ALTER TABLE orders ADD name TEXT",
            "UPDATE orders SET name = (SELECT name FROM aside WHERE aside.id = orders.id)",
        ),
        MATCH,
        but={QUICK: UNKNOWN},
        why_but=REWRITTEN,
    ),
    Entry(
        "column-generated",
        "a column becomes one that the database computes, a cent too much",
        postgresql(
            "ALTER TABLE orders DROP COLUMN total",
            "ALTER TABLE orders ADD total numeric(12,2) GENERATED ALWAYS AS (id + 0.26) STORED",
        ),
        MISMATCH,
        but={QUICK: f"{TOUCHED}|{UNKNOWN}"},
        why_but=ALTERED,
    ),
    Entry(
        "column-added",
        "somebody adds a column with a default",
        on_targets("ALTER TABLE orders ADD COLUMN extra integer DEFAULT 5"),
        MATCH,
        but={BETWEEN: MISMATCH},
        why_but="between says of a column that only one side has it",
    ),
    Entry(
        "default-and-check-added",
        "somebody gives a column a default and the table a check",
        postgresql(
            "ALTER TABLE orders ALTER name SET DEFAULT 'x'",
            "ALTER TABLE orders ADD CHECK (id > 0)",
        ),
        MATCH,
        but={QUICK: UNKNOWN},
        why_but=ALTERED,
    ),
    Entry(
        "key-dropped",
        "somebody drops the key, so that rows can come twice from now on",
        postgresql("ALTER TABLE orders DROP CONSTRAINT orders_pkey"),
        MISMATCH,
        says="no longer refuses a second row",
        forms=(LEDGER, LANDED, SOURCE, CLOSING),
    ),
    Entry(
        "index-on-an-unqualified-function",
        "an index on an expression calls a function that only the role's own path finds",
        postgresql(
            "CREATE FUNCTION inner_word(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
            "CREATE FUNCTION word(text) RETURNS text IMMUTABLE LANGUAGE sql"
            " AS 'SELECT inner_word($1)'",
            "CREATE INDEX ON orders (word(name))",
        ),
        MATCH,
        forms=(LEDGER, LANDED, SOURCE, CLOSING),
        says="own search_path",
    ),
    Entry(
        "unlogged",
        "somebody makes the table one that is lost in a crash, which rewrites it",
        postgresql("ALTER TABLE orders SET UNLOGGED"),
        MATCH,
        but={QUICK: f"{TOUCHED}|UNTOUCHED|{UNKNOWN}"},
        why_but=WHO,
    ),
]
