"""What receipts say beside counts: totals of money, and values that declared losses changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Context, Decimal, Inexact, localcontext

from sqlalchemy import Connection, select

from messy_migration.ledger.tables import Ledger, legible
from messy_migration.model import Table, Totals

_EXACT = Context(prec=100, traps=[Inexact])


def text_of(totals: Totals) -> str:
    """Totals as the ledger writes them: column -> currency -> plain number."""
    written: dict[str, dict[str, str]] = {}
    for (column, currency), total in sorted(totals.items()):
        written.setdefault(column, {})[currency] = f"{total:f}"
    return json.dumps(written)


def losses(connection: Connection, ledger: Ledger, table: Table) -> dict[str, int]:
    """Values of a table that declared losses changed, by "column rule", over all runs.

    Raises:
        TargetError: the ledger was edited by hand.
    """
    part = ledger.receipt_table
    query = select(part.c.losses).where(
        part.c.table_name == table.name, part.c.scope == _scope(table), part.c.losses.is_not(None)
    )
    counts: dict[str, int] = {}
    with legible("table receipt_table"):
        for text in connection.execute(query).scalars():
            for name, count in json.loads(text).items():
                counts[name] = counts.get(name, 0) + int(count)
    return counts


def _scope(table: Table) -> str:
    return json.dumps([list(pair) for pair in table.scope])


def expected(connection: Connection, ledger: Ledger, table: Table) -> Totals | None:
    """The totals that the receipts of all runs add up to; None if some receipt keeps none.

    Raises:
        TargetError: the ledger was edited by hand.
    """
    part = ledger.receipt_table
    query = select(part.c.amounts, part.c.net_rows, part.c.net_lanes).where(
        part.c.table_name == table.name, part.c.scope == _scope(table)
    )
    columns = [column for column, _ in table.amounts]
    totals: dict[tuple[str, str], Decimal] = {}
    with legible("table receipt_table"), localcontext(_EXACT):
        for text, rows, lanes in connection.execute(query):
            kept: Mapping[str, Mapping[str, str]] = json.loads(text) if text else {}
            if (rows or lanes.strip("0")) and not kept.keys() >= set(columns):
                return None
            for column in columns:
                for currency, total in kept.get(column, {}).items():
                    key = (column, currency)
                    totals[key] = totals.get(key, Decimal(0)) + Decimal(total)
    return totals
