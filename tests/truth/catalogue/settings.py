"""What a role or a database has set changes no verdict, and hides no change."""

from __future__ import annotations

from ..entries import (
    BETWEEN,
    ERROR_6,
    LANDED,
    LEDGER,
    MATCH,
    MISMATCH,
    QUICK,
    RUN,
    SOURCE,
    UNKNOWN,
    Entry,
    postgresql,
)

SETTINGS = {
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "America/St_Johns",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "row_security": "on",
    "gin_fuzzy_search_limit": "1",
    "lc_monetary": "C",
    "xmlbinary": "hex",
    "array_nulls": "off",
    "backslash_quote": "on",
    "escape_string_warning": "off",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "enable_seqscan": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "from_collapse_limit": "1",
    "session_replication_role": "replica",
    "synchronize_seqscans": "off",
    "client_min_messages": "debug1",
    "default_table_access_method": "heap",
    "constraint_exclusion": "on",
    "check_function_bodies": "off",
    "work_mem": "64kB",
    "role": "none",
}


def _set(name, value):
    return f"ALTER DATABASE $database SET {name} = '{value}'"


BEFORE = (LEDGER, LANDED, SOURCE, QUICK, BETWEEN, RUN)
"""A session that has begun keeps the settings that it began with."""
ALL = tuple(_set(name, value) for name, value in SETTINGS.items() if name != "role")

ENTRIES = [
    *(
        Entry(
            f"setting-{name}",
            f"the owner of the database sets {name} to {value}",
            postgresql(_set(name, value)),
            MATCH,
            forms=(LEDGER, SOURCE, QUICK, BETWEEN, RUN),
        )
        for name, value in SETTINGS.items()
    ),
    Entry(
        "all-settings-and-a-change",
        "with all of these set, one cell is changed",
        postgresql(*ALL, "UPDATE orders SET raw = decode('00', 'hex') WHERE id = 7"),
        MISMATCH,
        rows=("orders 7 raw",),
        is_sampled=True,
    ),
    Entry(
        "settings-of-the-role",
        "the role that proves has settings of its own in this database",
        postgresql(
            *(
                f"ALTER ROLE $guest IN DATABASE $database SET {name} = '{SETTINGS[name]}'"
                for name in ("DateStyle", "TimeZone", "row_security", "bytea_output")
            )
        ),
        MATCH,
        as_guest=True,
    ),
    Entry(
        "path-leads-elsewhere",
        "the database sends every name to a schema in which there is nothing",
        postgresql("CREATE SCHEMA elsewhere", _set("search_path", "elsewhere")),
        UNKNOWN,
        says="public.orders",
        forms=BEFORE,
        but={BETWEEN: MISMATCH},
        why_but="between has no ledger that knows where the table was: by that path there is none",
    ),
    Entry(
        "path-begins-with-another-schema",
        "the database looks names up in another schema first, in which there is nothing",
        postgresql(
            "CREATE SCHEMA elsewhere",
            "ALTER DATABASE $database SET search_path = elsewhere, public",
        ),
        MATCH,
        forms=(LEDGER, LANDED, SOURCE, QUICK, RUN),
    ),
    Entry(
        "read-only-by-default",
        "the owner of the database makes every transaction read-only by default",
        postgresql(_set("default_transaction_read_only", "on")),
        MATCH,
        but={RUN: ERROR_6},
        forms=BEFORE,
        why_but="a run has to write, and says that it cannot",
    ),
    Entry(
        "damaged-pages-are-hidden",
        "the owner of the database lets the server pass over damaged pages in silence",
        postgresql(_set("zero_damaged_pages", "on")),
        UNKNOWN,
        says="zero_damaged_pages",
        forms=BEFORE,
        but={RUN: f"{UNKNOWN}|REFUSED"},
        why_but="a run finds out where it begins to prove",
    ),
]
