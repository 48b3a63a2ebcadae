"""Another role makes names that run, or are read, in the place of ours."""

from __future__ import annotations

from ...integration.hostile import FUNCTIONS, OPERATORS, hostile
from ..entries import (
    BETWEEN,
    CLOSING,
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

AS_GUEST = "SET ROLE $guest"
"""Who owns nothing, and may create in `public`."""
PATH = "ALTER DATABASE $database SET search_path = public, pg_catalog"
NOT_CALLED = ("SELECT is_called FROM public.trace", False)
AGGREGATES = (
    (
        "CREATE FUNCTION public.step(numeric, numeric) RETURNS numeric LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_catalog.nextval('public.trace'); RETURN 0; END$$"
    ),
    *(
        f"CREATE AGGREGATE public.{name}(numeric) (SFUNC = public.step, STYPE = numeric)"
        for name in ("sum", "max", "min", "bit_xor")
    ),
    (
        "CREATE FUNCTION public.one(bigint) RETURNS bigint LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_catalog.nextval('public.trace'); RETURN 0; END$$"
    ),
    "CREATE AGGREGATE public.count(*) (SFUNC = public.one, STYPE = bigint, INITCOND = 0)",
)
TABLES = tuple(
    f"CREATE TABLE public.{name} (oid oid)"
    for name in ("pg_class", "pg_namespace", "pg_attribute", "pg_index", "pg_proc", "pg_type")
)
ELSEWHERE = 'CREATE SCHEMA "postgres"'
HERE = (LEDGER, LANDED, SOURCE, QUICK, RUN, CLOSING)


def _all(path=PATH):
    return (AS_GUEST, *hostile("PUBLIC"), *AGGREGATES, "RESET ROLE", path)


def _only(number):
    """One of the twenty, with the sequence that would tell of a call."""
    statements = list(hostile("PUBLIC"))
    made = [sql for sql in statements[2:] if "operator_" not in sql]
    pairs = [sql for sql in statements if "operator_" in sql]
    grouped = [(sql,) for sql in made[: len(FUNCTIONS)]]
    grouped += list(zip(pairs[::2], pairs[1::2], strict=True))
    grouped += [(made[len(FUNCTIONS)],), tuple(made[len(FUNCTIONS) + 1 :])]
    return (AS_GUEST, *statements[:2], *grouped[number], "RESET ROLE", PATH)


NAMES = [*FUNCTIONS, *(f"operator {sign}" for sign in OPERATORS), "domain text", "a cast"]

ENTRIES = [
    *(
        Entry(
            f"shadow-{place}",
            f"a role that owns nothing makes its own {name} in public",
            postgresql(*_only(place)),
            MATCH,
            forms=(LEDGER, LANDED, BETWEEN, RUN),
            after=NOT_CALLED,
        )
        for place, name in enumerate(NAMES)
    ),
    Entry(
        "shadow-all",
        "a role that owns nothing makes all of these in public, and aggregates too",
        postgresql(*_all()),
        MATCH,
        after=NOT_CALLED,
        is_sampled=True,
    ),
    Entry(
        "shadow-all-and-a-change",
        "with all of these in public somebody changes an amount",
        postgresql(*_all(), "UPDATE public.orders SET total = 9 WHERE id OPERATOR(pg_catalog.=) 7"),
        MISMATCH,
        rows=("orders 7 total",),
        after=NOT_CALLED,
    ),
    Entry(
        "shadow-catalogue",
        "a role that owns nothing makes empty tables in public named like those of the catalogue",
        postgresql(AS_GUEST, *TABLES, "RESET ROLE", PATH),
        MATCH,
    ),
    Entry(
        "schema-of-the-role",
        "a schema named like the role appears, with an equal table of the same name in it",
        postgresql(ELSEWHERE, 'CREATE TABLE "postgres".orders AS TABLE public.orders'),
        UNKNOWN,
        says="was public.orders, is postgres.orders",
        forms=HERE,
    ),
    Entry(
        "schema-of-the-role-hides-harm",
        "an equal table appears in the role's own schema, and the loaded one is emptied",
        postgresql(
            ELSEWHERE,
            'CREATE TABLE "postgres".orders AS TABLE public.orders',
            "DELETE FROM public.orders",
        ),
        UNKNOWN,
        says="was public.orders, is postgres.orders",
        forms=HERE,
    ),
    Entry(
        "table-moved-to-another-schema",
        "somebody moves the table to another schema that is on the path",
        postgresql(
            "CREATE SCHEMA elsewhere",
            "ALTER TABLE orders SET SCHEMA elsewhere",
            "ALTER DATABASE $database SET search_path = public, elsewhere",
        ),
        UNKNOWN,
        says="is elsewhere.orders",
        forms=HERE,
        but={CLOSING: MISMATCH},
        why_but="by the path that the run began with the table is gone",
    ),
    Entry(
        "ledger-of-the-same-name",
        "a schema on the path holds tables named like those of the ledger",
        postgresql(
            "CREATE TABLE public.receipt AS TABLE messy_migration.receipt",
            "DELETE FROM public.receipt",
            "CREATE TABLE public.chain (ordinal integer)",
        ),
        MATCH,
    ),
    Entry(
        "domain-over-the-type",
        "the type of a column becomes a domain over the one it had",
        postgresql(
            "CREATE DOMAIN public.money_of_ours AS numeric(12,2)",
            "ALTER TABLE orders ALTER total TYPE public.money_of_ours",
        ),
        MISMATCH,
        says="column total is public.money_of_ours",
        forms=(LEDGER, LANDED, SOURCE, RUN, CLOSING),
    ),
    Entry(
        "type-of-the-same-name",
        "the type of a column becomes one of somebody's own that is named numeric",
        postgresql(
            'CREATE DOMAIN public."numeric" AS pg_catalog.float8',
            'ALTER TABLE orders ALTER total TYPE public."numeric"',
        ),
        MISMATCH,
        says="public.",
        forms=(LEDGER, LANDED, SOURCE, RUN, CLOSING),
    ),
    Entry(
        "collation-that-folds",
        "a column gets a collation under which texts that differ are equal",
        postgresql(
            "CREATE COLLATION folds (provider = icu, locale = 'und-u-ks-level2',"
            " deterministic = false)",
            "ALTER TABLE orders ALTER name TYPE text COLLATE folds",
        ),
        MATCH,
        forms=(LEDGER, LANDED, SOURCE, BETWEEN, RUN, CLOSING),
    ),
    Entry(
        "collation-that-folds-and-a-change",
        "under such a collation a text is changed to one that it calls equal",
        postgresql(
            "CREATE COLLATION folds (provider = icu, locale = 'und-u-ks-level2',"
            " deterministic = false)",
            "ALTER TABLE orders ALTER name TYPE text COLLATE folds",
            "UPDATE orders SET name = upper(name) WHERE id = 6",
        ),
        MISMATCH,
        rows=("orders 6 name",),
        forms=(LEDGER, LANDED, SOURCE, BETWEEN, RUN, CLOSING),
    ),
]
