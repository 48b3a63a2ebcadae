"""How each kind of database gives a column as a type that another database has it in.

A conversion is exact, or it is not offered: whoever compares refuses the column by name.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection

from messy_migration.databases.postgresql import documents
from messy_migration.databases.sqlite import convert as sqlite_reading
from messy_migration.model import ColumnType

__all__ = ["TYPELESS", "column", "set_session"]

TYPELESS = ("sqlite",)
"""Kinds of databases in which a declared type binds nobody, so that each value is looked at."""

_INTEGERS = ("int16", "int32", "int64")
_UUID = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"


def set_session(connection: Connection, kind: str) -> None:
    """Set up a connection for the expressions of `column`."""
    raw = connection.connection.driver_connection
    if kind == "sqlite" and raw is not None:
        sqlite_reading.register(raw)
        connection.exec_driver_sql("PRAGMA query_only = ON")
    if kind == "postgresql":
        # An interval as other kinds of databases can write it too. And to compile the expression
        # of a row takes longer than to compute a million of them.
        connection.exec_driver_sql("SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL jit = off")


def column(
    kind: str, x: str, own: ColumnType | None, spelled: str, shared: ColumnType, beside: str = ""
) -> str | None:
    """A column as an SQL expression of the shared type; None if it cannot become that exactly.

    Args:
        kind: of the database, as its dialect is named.
        x: the column, quoted.
        own: its type as reflected, or None if that is none of ours.
        spelled: its type as the database spells it.
        shared: the type that both sides share.
        beside: what the other side has: the kind of its type, or its word for a type that is
            none of ours.
    """
    is_text = shared.kind == "text"
    if kind == "sqlite":
        return sqlite_reading.column(x, own.kind if own else "", shared, beside if is_text else "")
    if is_text and beside == "uuid" and own and own.kind == "text":
        return _uuid_in_text(kind, x)
    if kind == "postgresql":
        return _postgresql(x, own.kind if own else "", spelled, shared.kind)
    if kind in ("mysql", "mariadb"):
        return _mysql(x, own.kind if own else "", spelled, shared.kind)
    return _duckdb(x, own.kind if own else "", shared.kind)


def _uuid_in_text(kind: str, x: str) -> str:
    """Write each text that spells a uuid in the canonical form; leave other texts alone."""
    text, matches = {
        "postgresql": (
            f"{x}::pg_catalog.text",
            f"({x}::pg_catalog.text) OPERATOR(pg_catalog.~) '{_UUID}'",
        ),
        "duckdb": (f"{x}::VARCHAR", f"system.main.regexp_full_match({x}::VARCHAR, '{_UUID}')"),
    }.get(kind, (f"CAST({x} AS CHAR)", f"CAST({x} AS CHAR) REGEXP '{_UUID}'"))
    lower = {"postgresql": "pg_catalog.lower", "duckdb": "system.main.lower"}.get(kind, "lower")
    return f"CASE WHEN {matches} THEN {lower}({text}) ELSE {text} END"


def _same(own: str, shared: str) -> bool:
    """A column that needs no expression of its own."""
    return bool(own) and (own == shared or {own, shared} <= {*_INTEGERS, "decimal"})


def _mysql(x: str, own: str, spelled: str, shared: str) -> str | None:
    if _same(own, shared) or (own, shared) == ("text", "json"):
        return x
    if (own, shared) == ("bool", "int64"):
        return f"CAST({x} AS SIGNED)"
    if (own, shared) == ("date", "timestamp"):
        return f"CAST({x} AS DATETIME(6))"
    if shared != "text":
        return None
    if re.fullmatch(r"time(?:\(\d\))?", spelled):
        # The server writes as many digits of a second as the column has.
        digits = f"TRIM(TRAILING '0' FROM CAST({x} AS CHAR))"
        point = f"INSTR(CAST({x} AS CHAR), '.')"
        return f"IF({point} > 0, TRIM(TRAILING '.' FROM {digits}), CAST({x} AS CHAR))"
    bits = re.fullmatch(r"bit(?:\((\d+)\))?", spelled)
    if bits:
        # As text the server gives the bytes, other databases the digits.
        return f"LPAD(BIN({x} + 0), {bits[1] or 1}, '0')"
    return f"CAST({x} AS CHAR)"


def _duckdb(x: str, own: str, shared: str) -> str | None:
    if _same(own, shared) or (own, shared) == ("text", "json"):
        return x
    if (own, shared) == ("bool", "int64"):
        return f"CAST({x} AS BIGINT)"
    if (own, shared) == ("date", "timestamp"):
        return f"CAST({x} AS TIMESTAMP)"
    return f"CAST({x} AS VARCHAR)" if shared == "text" else None


def _postgresql(x: str, own: str, spelled: str, shared: str) -> str | None:
    if shared == "timestamp" and own in ("date", "timestamp"):
        if spelled.endswith("with time zone"):
            return x
        return f"pg_catalog.timezone('UTC', {x}::timestamp without time zone)"
    if (own, shared, spelled) == ("json", "json", "json"):
        return documents.comparable(x)
    if own == shared and own != "text":
        return x
    if shared == "text":
        return f"{x}::pg_catalog.text"
    if shared in _INTEGERS:
        return {"bool": f"{x}::pg_catalog.int4", **dict.fromkeys(_INTEGERS, x)}.get(own)
    if shared == "decimal":
        # Through the shortest text that gives the same float again.
        number = {
            **dict.fromkeys(_INTEGERS, x),
            "float64": f"{x}::pg_catalog.text::pg_catalog.numeric",
        }
        return {**number, "bool": f"{x}::pg_catalog.int4"}.get(own)
    return None
