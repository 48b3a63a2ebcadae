"""What a transaction of ours sets for itself, so that no setting of a role or a database bends it.

Names are safe by being qualified; this is the second wall. All is set for the length of one
transaction, never by startup options and never for a session: those stay behind a pooler, where
other programs meet them. What was set is read back in the same statement.

A transaction that only reads and proves also turns row security off, so that the server refuses
where a policy would hide rows, and looks nothing up but in `pg_catalog`. One that writes keeps
the role's path and its row security, because triggers of the target rely on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from messy_migration.databases.naming import literal
from messy_migration.errors import TargetError

PROVES = "messy_migration_proves"
"""Execution option of a connection whose transactions read and prove, and never write."""

ALWAYS: Mapping[str, str] = {
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmloption": "content",
    "xmlbinary": "base64",
    "array_nulls": "on",
    "gin_fuzzy_search_limit": "0",
}
"""Settings that change what a statement means, or how a value is written."""

PATH = "pg_catalog, pg_temp"
PROOF: Mapping[str, str] = {
    "lc_monetary": "C",
    "search_path": PATH,
    # An index that was damaged lacks rows; a proof reads them from the table.
    "enable_indexonlyscan": "off",
}
"""What a transaction that proves sets beside `ALWAYS`."""
ROW_SECURITY = "row_security"
"""The setting by which a policy that hides rows becomes an error."""

PLACES = "messy_migration_places"
"""Where a connection keeps what it has learnt of tables; a proof learns it anew."""

_DAMAGED = ("zero_damaged_pages", "ignore_checksum_failure")
_SCHEMAS, _PATH_THEN, _LOOSE = (
    f"messy_migration_{word}" for word in ("schemas", "path", "unguarded")
)


def pin(connection: Connection) -> None:
    """Set what has to be set at the beginning of a transaction.

    Raises:
        TargetError: the server says of a setting that it is another than we set.
    """
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    if not options.get(PROVES):
        _set(connection, ALWAYS)
        return
    connection.info.pop(PLACES, None)
    pins = {**ALWAYS, **PROOF}
    try:
        refusal = _set(connection, pins, ROW_SECURITY)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", "") != "42501":
            raise
        # The server has ended the transaction; a new one begins with the next statement.
        raw: Any = connection.connection.driver_connection
        raw.rollback()
        _set(connection, pins)
        refusal = "this role may not set row_security"
    connection.info[_LOOSE] = refusal


def _set(connection: Connection, pins: Mapping[str, str], guard: str = "") -> str:
    """Set them; why the guard against policies could not be set, or empty."""
    calls = [
        f"pg_catalog.set_config({literal(name)}, {literal(value)}, true)"
        for name, value in pins.items()
    ]
    if guard:
        calls.append(
            f"CASE WHEN pg_catalog.current_setting({literal(guard)}, true) IS NOT NULL"
            f" THEN pg_catalog.set_config({literal(guard)}, 'off', true) END"
        )
        calls += [f"pg_catalog.current_setting({literal(name)}, true)" for name in _DAMAGED]
    # What the path was is asked before it is set: the list is computed from left to right.
    schemas, path, *values = connection.exec_driver_sql(
        "SELECT pg_catalog.current_schemas(false), pg_catalog.current_setting('search_path'), "
        + ", ".join(calls)
    ).one()
    connection.info[_SCHEMAS] = tuple(schemas)
    connection.info[_PATH_THEN] = str(path)
    for (name, value), actual in zip(pins.items(), values, strict=False):
        if actual != value:
            raise TargetError(
                "a setting of the session does not stay as it was set",
                name,
                f"it was set to {value!r} and is {actual!r}",
                "connect to the server itself, without a program between",
            )
    rest = values[len(pins) :]
    if not guard:
        return ""
    if rest[0] != "off":
        return "this server has no setting row_security"
    damaged = [name for name, word in zip(_DAMAGED, rest[1:], strict=True) if word == "on"]
    return f"{' and '.join(damaged)} hides damaged rows" if damaged else ""


def schemas(connection: Connection) -> tuple[str, ...]:
    """The schemas of the role's own path that are there, in order, of the last transaction."""
    schemas_on_path: tuple[str, ...] = connection.info.get(_SCHEMAS, ())
    return schemas_on_path


def refuse_unguarded(connection: Connection, table: str) -> None:
    """Read no table for a proof where rows of it may be hidden without a word.

    Raises:
        TargetError: this session cannot be kept from that.
    """
    why = connection.info.get(_LOOSE) if connection.get_execution_options().get(PROVES) else None
    if why:
        raise TargetError(
            "it cannot be ruled out that rows are hidden",
            f"table {table}",
            why,
            "use a role that sees all rows, on a server that says so",
        )


@contextmanager
def own_path(connection: Connection) -> Iterator[None]:
    """Plan under the role's own path; a savepoint of the caller brings the other one back."""
    path = literal(connection.info[_PATH_THEN])
    connection.exec_driver_sql(f"SELECT pg_catalog.set_config('search_path', {path}, true)")
    yield
    connection.exec_driver_sql(f"SELECT pg_catalog.set_config('search_path', '{PATH}', true)")


_OTHER_PLANS = ("enable_hashagg", "enable_hashjoin", "enable_seqscan")


@contextmanager
def planned_otherwise(connection: Connection) -> Iterator[None]:
    """Plan without what is planned most often, and by one process, until the block ends.

    After an error the transaction, or the savepoint of the caller, takes it back.
    """
    names = (*_OTHER_PLANS, "max_parallel_workers_per_gather")
    asked = ", ".join(f"pg_catalog.current_setting({literal(name)})" for name in names)
    before = connection.exec_driver_sql(f"SELECT {asked}").one()
    _plan_by(connection, {**dict.fromkeys(_OTHER_PLANS, "off"), names[-1]: "0"})
    yield
    _plan_by(connection, dict(zip(names, before, strict=True)))


def _plan_by(connection: Connection, pins: Mapping[str, str]) -> None:
    calls = ", ".join(
        f"pg_catalog.set_config({literal(name)}, {literal(value)}, true)"
        for name, value in pins.items()
    )
    connection.exec_driver_sql(f"SELECT {calls}")
