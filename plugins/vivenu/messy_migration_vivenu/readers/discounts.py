"""The discounts of one order: which coupon, which other reason, and how much."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from messy_migration_ticketing import Record, enum, identifier, listed, mapping, money, text
from messy_migration_vivenu.context import Context
from messy_migration_vivenu.readers.common import Document, extra
from messy_migration_vivenu.words import DISCOUNT_CATEGORY

_READ = ("_id", "discountId", "absoluteDiscountValue")


def discounts(
    document: Document, order: dict[str, Any], order_id: str, out: Record, context: Context
) -> Decimal | None:
    """Add a row for each discount of an order; their sum without vouchers, None if unknown.

    A coupon that was applied and has no amount gets a row without one. A discount that is
    there several times (once an item) is one row with the sum.
    """
    codes = _codes(document)
    rows: dict[str, dict[str, Any]] = {}
    total: Decimal | None = None
    about = mapping(document.get("appliedDiscountInfo"), "amount")
    for position, entry in enumerate(listed(about.get("discounts"), "amount")):
        terms = mapping(entry, "amount")
        category = enum(terms.get("category"), "coupon_id", DISCOUNT_CATEGORY)
        amount = money(terms.get("absoluteDiscountValue"), "amount")
        named = identifier(terms.get("discountId"), "coupon_id")
        own = named or identifier(terms.get("_id"), "source_id") or f"discount/{position}"
        if amount is not None and category != "voucher":
            total = (total or Decimal(0)) + amount
        is_coupon = category == "coupon" or (category is None and named in codes)
        row = rows.setdefault(own, _row(named if is_coupon else None, codes, context))
        if amount is not None:
            row["amount"] = (row["amount"] or Decimal(0)) + amount
        row["extra"] = extra(terms, _READ)
    for coupon in codes:
        rows.setdefault(coupon, _row(coupon, codes, context))
    for own, row in rows.items():
        source_id = f"{order_id}/{own}"
        keys = {"id": context.uid("order_discounts", source_id), "source_id": source_id}
        out.add("order_discounts", {**order, **keys, "order_id": order["id"], **row})
    return total


def _codes(document: Document) -> dict[str, str | None]:
    """Coupon -> its code; a code without a coupon stands for itself."""
    codes: dict[str, str | None] = {}
    for entry in listed(document.get("appliedCoupons"), "coupon_id"):
        coupon = mapping(entry, "coupon_id")
        coupon_id = identifier(coupon.get("_id"), "coupon_id")
        if coupon_id is not None:
            codes[coupon_id] = text(coupon.get("code"), "code")
    return codes


def _row(coupon: str | None, codes: dict[str, str | None], context: Context) -> dict[str, Any]:
    return {
        "coupon_id": context.uid("coupons", coupon),
        "code": None if coupon is None else codes.get(coupon),
        "amount": None,
        "extra": {},
    }
