"""MariaDB and DuckDB, which are held against another database with no ledger between."""

from __future__ import annotations

from ..entries import (
    BETWEEN,
    DUCKDB,
    ERROR_6,
    MARIADB,
    MATCH,
    MISMATCH,
    UNKNOWN,
    Entry,
    duckdb,
    mariadb,
)

CHANGE = "UPDATE orders SET total = 9 WHERE id = 7"
MODES = (
    "", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "PIPES_AS_CONCAT", "PAD_CHAR_TO_FULL_LENGTH",
    "HIGH_NOT_PRECEDENCE", "IGNORE_SPACE", "NO_UNSIGNED_SUBTRACTION", "ORACLE", "MSSQL",
    "ALLOW_INVALID_DATES", "TIME_ROUND_FRACTIONAL", "EMPTY_STRING_IS_NULL",
    "SIMULTANEOUS_ASSIGNMENT",
)  # fmt: skip
SETTINGS = {
    "time_zone": "'+13:00'",
    "sql_select_limit": "4",
    "character_set_server": "latin1",
    "collation_connection": "utf8mb4_general_ci",
    "character_set_results": "latin1",
    "div_precision_increment": "0",
    "group_concat_max_len": "4",
    "lc_time_names": "'de_DE'",
    "optimizer_switch": "'derived_merge=off'",
    "tx_isolation": "'READ-UNCOMMITTED'",
    "old_mode": "''",
    "sql_safe_updates": "1",
    "init_connect": "'SET sql_mode = \"\"'",
    "updatable_views_with_limit": "0",
    "default_week_format": "3",
    "sql_quote_show_create": "0",
}


def globally(name, value, *more):
    """Set something for every session that begins from now on; taken back at the end."""

    def act(site):
        ((before,),) = site.query(f"SELECT @@global.{name}")
        quoted = before if isinstance(before, int) else f"'{before}'"
        site.held.callback(site.execute, f"SET GLOBAL {name} = {quoted}")
        site.execute(*more)
        site.execute(f"SET GLOBAL {name} = {value}")

    return act


def _as_of_before(site):
    """A versioned table that shows every new session what it held before the change."""
    site.held.callback(site.execute, "SET GLOBAL system_versioning_asof = DEFAULT")
    site.execute("ALTER TABLE orders ADD SYSTEM VERSIONING")
    ((moment,),) = site.query("SELECT NOW(6)")
    site.execute("DO SLEEP(0.01)", CHANGE, f"SET GLOBAL system_versioning_asof = '{moment}'")


def _view(kind):
    column = "CASE id WHEN 7 THEN 7.25 ELSE total END AS total"
    return (
        CHANGE,
        "ALTER TABLE orders RENAME TO kept",
        (
            f"CREATE VIEW orders AS SELECT id, name, {column}, currency, changed, weight, born,"
            " token, paid, doc, raw FROM kept"
        ),
    )


MACROS = {
    "sha256(x)": "'same'", "lower(x)": "'same'", "hex(x)": "'same'", "encode(x)": "'same'",
    "sum(x)": "7", "count(x)": "7", "octet_length(x)": "7", "strlen(x)": "7", "epoch_us(x)": "7",
    "substr(a, b)": "'same'", "rtrim(a, b)": "'same'", "concat_ws(a, b)": "'same'",
    "lpad(a, b, c)": "'same'", "current_database()": "'another'", "current_schema()": "'another'",
    "version()": "'another'", "isnan(x)": "true",
    '"||"(a, b)': "'same'", '"+"(a, b)': "99", '"&"(a, b)': "99",
}  # fmt: skip

ENTRIES = [
    *(
        Entry(
            f"sql-mode-{mode or 'none'}",
            f"the server of MariaDB gives every session the mode {mode or 'of nothing'}",
            {MARIADB: globally("sql_mode", f"'{mode}'")},
            MATCH,
        )
        for mode in MODES
    ),
    Entry(
        "all-modes-and-a-change",
        "with the strangest modes of MariaDB set somebody changes an amount",
        {MARIADB: globally("sql_mode", "'ORACLE,PAD_CHAR_TO_FULL_LENGTH'", CHANGE)},
        MISMATCH,
        rows=("orders 7 total",),
    ),
    *(
        Entry(
            f"global-{name}",
            f"the server of MariaDB gives every session {name} = {value}",
            {MARIADB: globally(name, value)},
            MATCH,
        )
        for name, value in SETTINGS.items()
    ),
    Entry(
        "limit-and-a-change",
        "a limit of four rows a statement is set in MariaDB, and the last row is changed",
        {MARIADB: globally("sql_select_limit", "4", "UPDATE orders SET total = 9 WHERE id = 1000")},
        MISMATCH,
        rows=("orders 1000 total",),
        is_sampled=True,
    ),
    Entry(
        "joins-too-big",
        "the server of MariaDB refuses every statement that reads more than one row",
        {
            MARIADB: lambda site: [
                globally(*one)(site) for one in (("sql_big_selects", "0"), ("max_join_size", "1"))
            ]
        },
        UNKNOWN,
        but={BETWEEN: ERROR_6},
        why_but="not even the list of tables can be read",
    ),
    Entry(
        "rows-as-of-before",
        "somebody changes a versioned table of MariaDB, and lets every session see it as of before",
        {MARIADB: _as_of_before},
        MISMATCH,
        rows=("orders 7 total",),
    ),
    Entry(
        "functions-of-the-same-name",
        "somebody makes functions in the database of MariaDB that are named like its own",
        mariadb(
            "CREATE FUNCTION sha2(a LONGTEXT, b INT) RETURNS TEXT DETERMINISTIC RETURN 'same'",
            "CREATE FUNCTION `hex`(a LONGTEXT) RETURNS TEXT DETERMINISTIC RETURN 'same'",
            "CREATE FUNCTION `concat_ws`(a TEXT, b LONGTEXT) RETURNS TEXT DETERMINISTIC"
            " RETURN 'same'",
        ),
        MATCH,
    ),
    Entry(
        "view-in-the-place-of-the-table",
        "a view that shows the old amount takes the place of the table",
        {MARIADB: _view(MARIADB), DUCKDB: _view(DUCKDB)},
        MISMATCH,
    ),
    Entry(
        "collation-folds-case",
        "a text column of MariaDB gets a collation that folds case, and a text is changed to"
        " capitals",
        mariadb(
            "ALTER TABLE orders MODIFY name LONGTEXT COLLATE utf8mb4_general_ci",
            "UPDATE orders SET name = UPPER(name) WHERE id = 6",
        ),
        MISMATCH,
        rows=("orders 6 name",),
    ),
    Entry(
        "another-character-set",
        "a text column of MariaDB is stored in UTF-16 from now on",
        mariadb("ALTER TABLE orders MODIFY name LONGTEXT CHARACTER SET utf16"),
        MATCH,
    ),
    Entry(
        "macros",
        "somebody keeps twenty macros in the file of DuckDB that are named like its own functions",
        duckdb(*(f"CREATE MACRO {name} AS {gives}" for name, gives in MACROS.items())),
        MATCH,
        is_sampled=True,
    ),
    Entry(
        "macros-and-a-change",
        "with these macros in the file of DuckDB an amount is changed",
        duckdb(CHANGE, *(f"CREATE MACRO {name} AS {gives}" for name, gives in MACROS.items())),
        MISMATCH,
        rows=("orders 7 total",),
    ),
    Entry(
        "schema-of-duckdb",
        "another schema of the file of DuckDB holds tables of the same names",
        duckdb("CREATE SCHEMA s", "CREATE TABLE s.orders AS SELECT * FROM orders LIMIT 3"),
        MATCH,
    ),
    Entry(
        "types-of-duckdb",
        "somebody makes types in the file of DuckDB that are named like its own",
        duckdb("CREATE TYPE int_of_theirs AS INTEGER", "CREATE TYPE mood AS ENUM ('a', 'b')"),
        MATCH,
    ),
    Entry(
        "indexed-in-duckdb",
        "somebody adds indexes to the file of DuckDB and writes it anew",
        duckdb("CREATE INDEX i ON orders (total)", "CHECKPOINT"),
        MATCH,
    ),
]
