"""GET /transactions: an order, its lines, its discounts and what was asked of the buyer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from messy_migration_ticketing import (
    Bad,
    Record,
    amount_of,
    at,
    currency,
    enum,
    identifier,
    instant,
    listed,
    mapping,
    money,
    percent,
    required,
    text,
)
from messy_migration_vivenu.context import Context
from messy_migration_vivenu.readers.common import Document, custom_fields, extra, identity, key
from messy_migration_vivenu.readers.discounts import discounts
from messy_migration_vivenu.readers.events import type_id
from messy_migration_vivenu.words import ADDITIONAL_ITEM, ORDER_STATUS, PAYMENT_STATUS, TEST_REASON

CENT = Decimal("0.01")
"""The smallest difference between a total and its parts that is worth a warning."""

_READ = (
    "tid", "eventId", "customerId", "status", "paymentStatus", "paymentInfo", "paymentMethod",
    "currency", "regularPrice", "realPrice", "innerCharge", "outerCharge", "paymentCharge",
    "taxRate", "prename", "lastname", "email", "phone", "street", "line2", "postal", "city",
    "state", "country", "underShop", "createdAt", "extraFields", "tickets", "products",
    "additionalItems", "appliedCoupons", "appliedDiscountInfo", "historyEntries",
)  # fmt: skip
# A voucher's code is as good as money, documents and places are traces of people.
_IGNORED = (
    "history", "ticketMailSend", "orderMailSend", "locationCenter", "identification", "vouchers",
    "redeemedVouchers", "invoiceVersion",
)  # fmt: skip
_ITEM_READ = (
    "_id", "itemId", "type", "name", "amount", "price", "netPrice", "taxRate", "triggeredBy",
    "bundleInfo", "ticketTypeId",
)  # fmt: skip
_ITEM_IGNORED = ("triggeredAutomations", "taxInfo")


def read(document: dict[str, Any], out: Record, context: Context) -> None:
    """An order with all that belongs to it; Bad if any of it cannot be read."""
    source_id = key(document)
    order = identity("orders", source_id, document, context)
    order["is_test"] = _is_test(document, context)
    total = required(money(document.get("realPrice"), "total_amount"), "total_amount")
    vouchers = mapping(document.get("redeemedVouchers"), "voucher_amount")
    voucher = money(vouchers.get("totalRedeemedAmount"), "voucher_amount")
    with at("order_discounts"):
        discount = discounts(document, order, source_id, out, context)
    fee = money(document.get("outerCharge"), "fee_on_top")
    event = identifier(document.get("eventId"), "event_id")
    customer = identifier(document.get("customerId"), "customer_id")
    status, cancelled = _status(document)
    out.add(
        "orders",
        {
            **order,
            "order_number": text(document.get("tid"), "order_number"),
            "event_id": context.uid("events", event),
            "customer_id": context.uid("customers", customer),
            "status": status,
            **_payment(document),
            "currency": currency(document.get("currency"), "currency", context.currency),
            "gross_amount": money(document.get("regularPrice"), "gross_amount"),
            "total_amount": total,
            "discount_amount": discount,
            "fee_inside": money(document.get("innerCharge"), "fee_inside"),
            "fee_on_top": fee,
            "payment_fee": money(document.get("paymentCharge"), "payment_fee"),
            "voucher_amount": voucher,
            "tax_rate": percent(document.get("taxRate"), "tax_rate"),
            **_buyer(document),
            "channel": _channel(document),
            "shop_source_id": identifier(document.get("underShop"), "shop_source_id"),
            "ordered_at": required(instant(document.get("createdAt"), "ordered_at"), "ordered_at"),
            "cancelled_at": cancelled,
            "extra": extra(document, _READ, _IGNORED),
        },
    )
    with at("order_items"):
        lines = list(_items(document, order, source_id, event, context))
    for line in lines:
        out.add("order_items", line)
    parts = sum((line["line_total"] for line in lines), Decimal(0))
    delta = total - (parts + (fee or 0) - (discount or 0) - (voucher or 0))
    if lines and abs(delta) >= CENT:
        why = f"it differs from lines + fee - discounts - vouchers by {delta.normalize():f}"
        out.warn("orders", "total_amount", "total", why)
    custom_fields(order, document, out)


def _is_test(document: Document, context: Context) -> bool:
    if document.get("cancellationReason") == TEST_REASON:
        return True
    shop = identifier(document.get("underShop"), "shop_source_id")
    names = (text(document.get(name), "is_test") for name in ("name", "lastname"))
    return context.is_test_shop(shop) or context.is_test_name(*names)


def _status(document: Document) -> tuple[str, datetime | None]:
    """The status, and when the order was cancelled as a whole."""
    status = required(enum(document.get("status"), "status", ORDER_STATUS), "status")
    cancelled: list[datetime] = []
    for entry in listed(document.get("historyEntries"), "cancelled_at"):
        step = mapping(entry, "cancelled_at")
        if step.get("type") == "partial.canceled" and status == "completed":
            status = "partially_cancelled"
        if step.get("type") in ("canceled", "pos.canceled"):
            moment = instant(step.get("date"), "cancelled_at")
            cancelled += [moment] if moment else []
    return status, max(cancelled, default=None)


def _payment(document: Document) -> dict[str, str | None]:
    about = mapping(document.get("paymentInfo"), "payment_method")
    status = enum(document.get("paymentStatus"), "payment_status", PAYMENT_STATUS)
    method = text(about.get("method"), "payment_method")
    return {
        # The documented default is AWAITING.
        "payment_status": status or PAYMENT_STATUS["AWAITING"],
        "payment_method": method or text(document.get("paymentMethod"), "payment_method"),
    }


def _buyer(document: Document) -> dict[str, str | None]:
    fields = {
        "buyer_first_name": "prename",
        "buyer_last_name": "lastname",
        "buyer_email": "email",
        "buyer_phone": "phone",
        "billing_street": "street",
        "billing_line2": "line2",
        "billing_postal_code": "postal",
        "billing_city": "city",
        "billing_region": "state",
        "billing_country": "country",
    }
    return {column: text(document.get(name), column) for column, name in fields.items()}


def _channel(document: Document) -> str | None:
    words = (text(document.get(name), "channel") for name in ("origin", "salesChannelId", "posId"))
    return next((word for word in words if word), None)


def _items(
    document: Document, order: dict[str, Any], order_id: str, event: str | None, context: Context
) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    default_rate = percent(document.get("taxRate"), "tax_rate")
    for field, kind in (("tickets", "ticket"), ("products", "product"), ("additionalItems", "")):
        for position, entry in enumerate(listed(document.get(field), "source_id")):
            bought = mapping(entry, "source_id")
            own = identifier(bought.get("_id") or bought.get("itemId"), "source_id")
            # An id that comes twice in one order would make one line of two.
            part = own if own and own not in seen else f"{kind or 'additional'}/{position}"
            seen.add(part)
            source_id = f"{order_id}/{part}"
            yield {
                **order,
                "id": context.uid("order_items", source_id),
                "source_id": source_id,
                "order_id": order["id"],
                "event_id": context.uid("events", event),
                **_line(bought, kind, event, default_rate, context),
            }


def _line(
    entry: Document, kind: str, event: str | None, default_rate: Decimal | None, context: Context
) -> dict[str, Any]:
    if not kind:
        kind = required(enum(entry.get("type"), "kind", ADDITIONAL_ITEM), "kind")
    quantity = amount_of(entry.get("amount"), "quantity")
    if kind in ("ticket", "product"):
        quantity = required(quantity, "quantity")
    quantity = 1 if quantity is None else quantity
    if not 1 <= quantity < 1 << 31:
        raise Bad("quantity", "quantity", "the quantity is less than 1, or absurd")
    price = required(money(entry.get("price"), "unit_price"), "unit_price")
    ticket_type = identifier(entry.get("ticketTypeId"), "ticket_type_id")
    rate = percent(entry.get("taxRate"), "tax_rate")
    bundle = mapping(entry.get("bundleInfo"), "bundle_source_id")
    return {
        "kind": kind,
        "ticket_type_id": context.uid("ticket_types", type_id(event, ticket_type)),
        "name": text(entry.get("name"), "name"),
        "quantity": quantity,
        "unit_price": price,
        "unit_net_price": money(entry.get("netPrice"), "unit_net_price"),
        "line_total": money(quantity * price, "line_total"),
        "tax_rate": default_rate if rate is None else rate,
        "parent_item_source_ids": listed(entry.get("triggeredBy"), "parent_item_source_ids"),
        "bundle_source_id": identifier(bundle.get("bundleId"), "bundle_source_id"),
        # The slot is a wall clock without a day; the day is the event's, another record's.
        "extra": extra(entry, _ITEM_READ, _ITEM_IGNORED),
    }
