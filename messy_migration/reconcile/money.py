"""Totals of money per currency: what the receipts add up to, and what the target holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Connection

from messy_migration.databases.dialect import Reader
from messy_migration.databases.money import of_source
from messy_migration.databases.naming import scoped
from messy_migration.model import Table, Totals
from messy_migration.reconcile.verdict import Money, TableVerdict


def with_money(
    connection: Connection,
    reader: Reader,
    table: Table,
    verdict: TableVerdict,
    expected: Totals | None,
) -> TableVerdict:
    """The verdict with the totals of its table; a total that differs is a MISMATCH.

    Args:
        connection: in the snapshot in which the rows were read.
        reader: of the database.
        table: with its amounts.
        verdict: of the rows.
        expected: what the receipts add up to, or None if some keep no totals.
    """
    actual = of_source(connection, reader, table, scoped(connection, reader, table))
    pairs = sorted({*actual, *(expected or {})})
    money = tuple(
        Money(
            column,
            currency,
            None if expected is None else expected.get((column, currency), Decimal(0)),
            actual.get((column, currency), Decimal(0)),
        )
        for column, currency in pairs
    )
    money = tuple(item for item in money if item.currency or item.actual or item.expected)
    wrong = [item for item in money if item.expected not in (None, item.actual)]
    if wrong and verdict.verdict == "MATCH":
        why = "; ".join(f"{item.column}: {text(item)}" for item in wrong)
        return replace(verdict, money=money, verdict="MISMATCH", reason=f"money differs: {why}")
    return replace(verdict, money=money)


def text(item: Money) -> str:
    """`EUR 512,340.50 = 512,340.50`, as the verdict says it."""
    currency = item.currency or "no currency"
    places = max(2, *(_places(total) for total in (item.actual, item.expected or item.actual)))
    if item.expected is None:
        return f"{currency} {item.actual:,.{places}f} (receipts keep no total)"
    sign = "=" if item.expected == item.actual else "<>"
    return f"{currency} {item.expected:,.{places}f} {sign} {item.actual:,.{places}f}"


def _places(total: Decimal) -> int:
    """Digits after the point, but the zeros at the end."""
    fraction = f"{total:f}".partition(".")[2]
    return len(fraction.rstrip("0"))


def summed(verdicts: Iterable[TableVerdict]) -> list[tuple[str, Money]]:
    """(table.column, total) over all scopes of a table."""
    found: dict[tuple[str, str, str], Money] = {}
    for verdict in verdicts:
        for item in verdict.money:
            key = (verdict.table, item.column, item.currency)
            before = found.get(key)
            if before is None:
                found[key] = item
                continue
            expected = None
            if before.expected is not None and item.expected is not None:
                expected = before.expected + item.expected
            found[key] = replace(item, actual=before.actual + item.actual, expected=expected)
    return [(f"{table}.{column}", money) for (table, column, _), money in found.items()]
