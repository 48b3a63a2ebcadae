"""Totals of money per currency: of rows in flight, and of rows in a database. Exact."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact, localcontext
from typing import Any

import pyarrow as pa
import pyarrow.compute
from sqlalchemy import Connection

from messy_migration.databases.dialect import Reader
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import quote
from messy_migration.model import Table, Totals

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

_EXACT = Context(prec=100, traps=[Inexact])
_WIDE = 76
_TEXTS = {"mysql": "CHAR", "mariadb": "CHAR", "postgresql": "pg_catalog.text"}


def of_rows(table: Table, data: pa.Table) -> Totals:
    """The totals of rows in flight; a row whose amount is NULL counts nothing."""
    totals = _nothing(table)
    for column, currency in table.amounts:
        kind = table.column(column).type.arrow
        scale = kind.scale if isinstance(kind, pa.Decimal128Type) else 0
        wide = data.column(column).cast(pa.decimal256(_WIDE, scale))
        names = ["amount", "currency"]
        groups = pa.Table.from_arrays([wide, data.column(currency)], names=names)
        summed = groups.group_by("currency", use_threads=False).aggregate([("amount", "sum")])
        for row in summed.to_pylist():
            if row["amount_sum"] is not None:
                totals[column, row["currency"] or ""] = row["amount_sum"]
    return totals


def _nothing(table: Table) -> dict[tuple[str, str], Decimal]:
    """Zero for each amount, so that a receipt says which amounts it knows of."""
    return {(column, ""): Decimal(0) for column, _ in table.amounts}


def of_source(connection: Connection, reader: Reader, table: Table, source: str) -> Totals:
    """The totals of the rows of `source` (a FROM clause, table alias `t`)."""
    totals = _nothing(table)
    text = _TEXTS.get(reader.name, "TEXT")
    for column, currency in table.amounts:
        amount = f"t.{quote(column)}"
        # SQLite would add as floats, so each value is fetched once, with how often it is there.
        is_adding = reader.name != "sqlite"
        grouped = "" if is_adding else f", {amount}"
        value = f"CAST({reader.spelling.call('sum', amount) if is_adding else amount} AS {text})"
        times = reader.spelling.call("count", amount)
        statement = (
            f"SELECT t.{quote(currency)}, {value}, {times} FROM {source}"
            f" GROUP BY t.{quote(currency)}{grouped}"
        )
        with driver_errors_as_ours(f"table {table.name}"), localcontext(_EXACT):
            for name, cell, count in connection.exec_driver_sql(statement):
                if cell is None or not count:
                    continue
                repeats = 1 if is_adding else int(count)
                key = (column, str(name or ""))
                totals[key] = totals.get(key, Decimal(0)) + Decimal(str(cell)) * repeats
    return totals


def added(one: Totals | None, other: Totals | None) -> Totals | None:
    """The sum of two; not known if one is not."""
    return _merged(one, other, 1)


def less(one: Totals | None, other: Totals | None) -> Totals | None:
    """The difference of two; not known if one is not."""
    return _merged(one, other, -1)


def _merged(one: Totals | None, other: Totals | None, sign: int) -> Totals | None:
    if one is None or other is None:
        return None
    with localcontext(_EXACT):
        totals: Mapping[tuple[str, str], Decimal] = {
            key: one.get(key, Decimal(0)) + sign * other.get(key, Decimal(0))
            for key in {*one, *other}
        }
    return totals
