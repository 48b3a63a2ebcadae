"""How each kind of database gives a column as a type that another database has it in.

A conversion is exact, or it is not offered: whoever compares refuses the column by name.
"""

from __future__ import annotations

from sqlalchemy import Connection

from messy_migration.databases.sqlite import convert as sqlite_reading
from messy_migration.model import ColumnType

__all__ = ["TYPELESS", "column", "prepare"]

TYPELESS = ("sqlite",)
"""Kinds of databases in which a declared type binds nobody, so that each value is looked at."""

_INTEGERS = ("int16", "int32", "int64")


def prepare(connection: Connection, kind: str) -> None:
    """Set up a connection for the expressions of `column`."""
    raw = connection.connection.driver_connection
    if kind == "sqlite" and raw is not None:
        sqlite_reading.register(raw)
        connection.exec_driver_sql("PRAGMA query_only = ON")
    if kind == "postgresql":
        settings = (
            # The text of floats, intervals and dates of types that we know by their text only.
            "extra_float_digits = 3",
            "IntervalStyle = 'iso_8601'",
            "DateStyle = 'ISO, YMD'",
            "TimeZone = 'UTC'",
            "bytea_output = 'hex'",
            # To compile the expression of a row takes longer than to compute a million of them.
            "jit = off",
        )
        connection.exec_driver_sql("; ".join(f"SET LOCAL {setting}" for setting in settings))


def column(
    kind: str, x: str, own: ColumnType | None, spelled: str, shared: ColumnType
) -> str | None:
    """A column as an SQL expression of the shared type; None if it cannot become that exactly.

    Args:
        kind: of the database, as its dialect is named.
        x: the column, quoted.
        own: its type as reflected, or None if that is none of ours.
        spelled: its type as the database spells it.
        shared: the type that both sides share.
    """
    if kind == "sqlite":
        return sqlite_reading.column(x, own.kind if own else "", shared)
    if kind == "postgresql":
        return _postgresql(x, own.kind if own else "", spelled, shared.kind)
    if own and (own.kind == shared.kind or {own.kind, shared.kind} <= {*_INTEGERS, "decimal"}):
        return x
    if own and (own.kind, shared.kind) == ("bool", "int64"):
        return f"CAST({x} AS {'SIGNED' if kind in ('mysql', 'mariadb') else 'BIGINT'})"
    if shared.kind == "text":
        return f"CAST({x} AS {'CHAR' if kind in ('mysql', 'mariadb') else 'VARCHAR'})"
    if own and (own.kind, shared.kind) == ("date", "timestamp"):
        return f"CAST({x} AS {'DATETIME(6)' if kind in ('mysql', 'mariadb') else 'TIMESTAMP'})"
    return None


def _postgresql(x: str, own: str, spelled: str, shared: str) -> str | None:
    if shared == "timestamp" and own in ("date", "timestamp"):
        if spelled.endswith("with time zone"):
            return x
        return f"({x}::timestamp AT TIME ZONE 'UTC')"
    if shared == "json":
        return f"{x}::jsonb" if own == "json" else None
    if own == shared and own != "text":
        return x
    if shared == "text":
        return f"{x}::text"
    if shared in _INTEGERS:
        return {"bool": f"{x}::int", **dict.fromkeys(_INTEGERS, x)}.get(own)
    if shared == "decimal":
        # Through the shortest text that gives the same float again.
        number = {**dict.fromkeys(_INTEGERS, x), "float64": f"{x}::text::numeric"}
        return {**number, "bool": f"{x}::int"}.get(own)
    return None
