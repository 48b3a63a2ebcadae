"""Rules of the unified schema, for the `validate` hook of every source that fills it.

Errors: `ticketing.required` (a row that is no stub lacks what it needs), `ticketing.quantity`.
Warnings: `ticketing.period` (the end is before the start), `ticketing.range` (a placeholder
rather than a price or a capacity).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from messy_migration.model import RECORD, Batch, Violation
from messy_migration_ticketing.schema import FIELDS, needed

ABSURD_PRICE = Decimal(9_999_999)
"""In currencies with cents; a price from here on is taken for a placeholder."""
ABSURD_CAPACITY = 10_000_000

_PERIODS = {
    "events": (("starts_at", "ends_at"), ("sale_starts_at", "sale_ends_at")),
    "coupons": (("valid_from", "valid_until"),),
}
_PRICES = {"ticket_types": ("price",), "order_items": ("unit_price",), "tickets": ("price",)}
_PLACEHOLDER = "it looks like a placeholder"
_CAPACITIES = {"events": ("capacity",), "ticket_types": ("capacity",)}


def check(table: str, batch: Batch) -> list[Violation]:
    """What the rows of one table break; nothing for a table that is not of this schema."""
    if table not in FIELDS or not batch.table.num_rows:
        return []
    data = batch.table
    return [*_required(table, data), *_quantity(table, data), *_odd(table, data)]


def _required(table: str, data: pa.Table) -> Iterator[Violation]:
    for column in needed(table):
        missing: Any = pc.is_null(data.column(column))
        if "is_stub" in data.column_names:
            missing = pc.and_not(missing, data.column("is_stub"))
        yield from _found(data, table, column, missing, "required", "the value is missing")


def _quantity(table: str, data: pa.Table) -> Iterator[Violation]:
    if table == "order_items":
        wrong = pc.less(data.column("quantity"), pa.scalar(1))
        yield from _found(data, table, "quantity", wrong, "quantity", "it is less than 1")


def _odd(table: str, data: pa.Table) -> Iterator[Violation]:
    for start, end in _PERIODS.get(table, ()):
        wrong = pc.less(data.column(end), data.column(start))
        yield from _found(data, table, end, wrong, "period", f"it is before {start}", "warning")
    for column in _PRICES.get(table, ()):
        wrong = pc.greater_equal(data.column(column), pa.scalar(ABSURD_PRICE))
        yield from _found(data, table, column, wrong, "range", _PLACEHOLDER, "warning")
    for column in _CAPACITIES.get(table, ()):
        wrong = pc.greater_equal(data.column(column), pa.scalar(ABSURD_CAPACITY))
        yield from _found(data, table, column, wrong, "range", _PLACEHOLDER, "warning")


def _found(
    data: pa.Table,
    table: str,
    column: str,
    mask: Any,
    rule: str,
    message: str,
    severity: Literal["error", "warning"] = "error",
) -> Iterator[Violation]:
    flags = pc.fill_null(mask, False).to_numpy()  # noqa: FBT003 - pyarrow takes it by position
    for index in np.flatnonzero(flags):
        record = data.column(RECORD)[int(index)].as_py()
        yield Violation(record, table, column, f"ticketing.{rule}", message, severity)
