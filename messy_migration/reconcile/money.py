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
    money = tuple(amount for amount in money if amount.currency or amount.actual or amount.expected)
    wrong = [amount for amount in money if amount.expected not in (None, amount.actual)]
    if wrong and verdict.verdict == "MATCH":
        why = "; ".join(f"{amount.column}: {text(amount)}" for amount in wrong)
        return replace(verdict, money=money, verdict="MISMATCH", reason=f"money differs: {why}")
    return replace(verdict, money=money)


def text(money: Money) -> str:
    """`EUR 512,340.50 = 512,340.50`, as the verdict says it."""
    currency = money.currency or "no currency"
    decimals = max(2, *(_places(total) for total in (money.actual, money.expected or money.actual)))
    if money.expected is None:
        return f"{currency} {money.actual:,.{decimals}f} (receipts keep no total)"
    sign = "=" if money.expected == money.actual else "<>"
    return f"{currency} {money.expected:,.{decimals}f} {sign} {money.actual:,.{decimals}f}"


def _places(total: Decimal) -> int:
    """Digits after the point, but the zeros at the end."""
    fraction = f"{total:f}".partition(".")[2]
    return len(fraction.rstrip("0"))


def summed(verdicts: Iterable[TableVerdict]) -> list[tuple[str, Money]]:
    """(table.column, total) over all scopes of a table."""
    amounts: dict[tuple[str, str, str], Money] = {}
    for verdict in verdicts:
        for amount in verdict.money:
            key = (verdict.table, amount.column, amount.currency)
            before = amounts.get(key)
            if before is None:
                amounts[key] = amount
                continue
            expected = None
            if before.expected is not None and amount.expected is not None:
                expected = before.expected + amount.expected
            amounts[key] = replace(amount, actual=before.actual + amount.actual, expected=expected)
    return [(f"{table}.{column}", money) for (table, column, _), money in amounts.items()]
