"""An order in the making, before its records are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from messy_migration_vivenu.sandbox.catalogue import Offer, Show
from messy_migration_vivenu.sandbox.values import Record


@dataclass
class Line:
    """A line of an order: so many tickets of one offer."""

    offer: Offer
    amount: int
    cents: int
    item: Record


@dataclass
class Draft:
    """An order in the making."""

    show: Show
    created: int
    updated: int
    status: str
    payment: str
    customer: Record | None
    lines: list[Line]
    order: Record = field(default_factory=dict)
