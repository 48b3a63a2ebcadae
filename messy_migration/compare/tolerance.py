"""How far two values may be apart and still count as equal, where a column declares it.

Only the forms of a reconciliation that compare values know of it; a fingerprint does not.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from decimal import Decimal

from messy_migration.fingerprint.rows import NULL
from messy_migration.model import Column, Table

_NULL = NULL.encode()


def tolerances(table: Table) -> Mapping[int, Column]:
    """Place -> column, for those that declare a tolerance."""
    return {index: column for index, column in enumerate(table.columns) if column.tolerance}


def is_within(column: Column, one: bytes, other: bytes) -> bool:
    """Are two C1 fields of a column no further apart than it tolerates?"""
    if _NULL in (one, other):
        return one == other
    left, right = number(column, one), number(column, other)
    if left is None or right is None:
        return False
    return abs(left - right) <= column.tolerance_value


def number(column: Column, cell: bytes) -> Decimal | None:
    """A C1 field as a number: of an instant its microseconds; None for what is none."""
    text = cell.decode("utf-8", "replace")
    kind = column.type.kind
    try:
        if kind == "float64":
            value = Decimal(struct.unpack(">d", bytes.fromhex(text))[0])
        elif kind == "timestamp":
            value = Decimal(signed(text, 64))
        elif kind == "date":
            value = Decimal(signed(text, 32))
        else:
            value = Decimal(text)
    except (ValueError, ArithmeticError, struct.error):
        return None
    return value if value.is_finite() else None


def signed(text: str, bits: int) -> int:
    """A hexadecimal two's complement number."""
    value = int(text, 16)
    return value - (1 << bits) if value >> (bits - 1) else value
