"""The truth about what is served: what a migration has to find, table by table.

Counted from the records themselves, by no code that the plugin uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from messy_migration_vivenu.sandbox.cases import FILTERED, RULES
from messy_migration_vivenu.sandbox.spoil import Spoilt
from messy_migration_vivenu.sandbox.values import Record, digits

PARENTS = ("events", "ticket_types", "customers", "coupons", "orders", "tickets")


def counts_of(spoilt: Spoilt) -> dict[str, Any]:
    """Records of one collection: extracted, quarantined and filtered by rule."""
    quarantined: Counter[str] = Counter()
    filtered: Counter[str] = Counter()
    for case, count in spoilt.counts.items():
        if case in RULES:
            quarantined[RULES[case]] += count
        if case in FILTERED:
            filtered[FILTERED[case]] += count
    return {
        "extracted": len(spoilt.entries),
        "quarantined": dict(quarantined),
        "filtered": dict(filtered),
        "cases": dict(spoilt.counts),
    }


def tables_of(spoilt: Mapping[str, Spoilt]) -> dict[str, Any]:
    """Rows per target table from good records, and stubs for the parents that they miss."""
    good = {name: stream.good for name, stream in spoilt.items()}
    orders, tickets = good["orders"], good["tickets"]
    rows = {name: len(records) for name, records in good.items()}
    rows["ticket_types"] = sum(len(event.get("tickets", ())) for event in good["events"])
    rows["order_items"] = sum(len(_lines(order)) for order in orders)
    rows["order_discounts"] = sum(len(order.get("appliedCoupons", ())) for order in orders)
    owners = [*good["customers"], *orders, *tickets]
    rows["custom_field_values"] = sum(_answers(owner) for owner in owners)
    missing = _missing(good)
    return {
        name: {"rows": count, "stubs": len(missing.get(name, ()))} for name, count in rows.items()
    }


def money_of(spoilt: Mapping[str, Spoilt]) -> dict[str, str]:
    """`table.column` -> the sum over the good records, in major units."""
    orders, tickets = spoilt["orders"].good, spoilt["tickets"].good
    sums = {
        "orders.total_amount": sum((_exact(order["realPrice"]) for order in orders), Decimal()),
        "orders.gross_amount": sum((_exact(order["regularPrice"]) for order in orders), Decimal()),
        "order_items.line_total": sum(
            (_total(line) for order in orders for line in _lines(order)), Decimal()
        ),
        "order_discounts.amount": sum(
            (
                _exact(entry["absoluteDiscountValue"])
                for order in orders
                for entry in _discounts(order)
            ),
            Decimal(),
        ),
        "tickets.price": sum((_exact(ticket["realPrice"]) for ticket in tickets), Decimal()),
    }
    return {name: f"{total:.2f}" for name, total in sums.items()}


def _lines(order: Record) -> list[Record]:
    return [*order["tickets"], *order["products"], *order.get("additionalItems", ())]


def _discounts(order: Record) -> list[Record]:
    discounts: list[Record] = order.get("appliedDiscountInfo", {}).get("discounts", [])
    return discounts


def _total(line: Record) -> Decimal:
    return _exact(line["price"]) * int(line.get("amount", 1))


def _exact(value: str) -> Decimal:
    return Decimal(digits(value))


def _answers(owner: Record) -> int:
    """Custom fields that say something."""
    return sum(value not in (None, "") for value in owner.get("extraFields", {}).values())


def _missing(good: Mapping[str, list[Record]]) -> dict[str, set[str]]:
    there: dict[str, set[str]] = {
        name: {record["_id"] for record in records} for name, records in good.items()
    }
    there["ticket_types"] = {
        f"{event['_id']}/{kind['_id']}"
        for event in good["events"]
        for kind in event.get("tickets", ())
    }
    parents_of: dict[str, set[str | None]] = {name: set() for name in PARENTS}
    for event in good["events"]:
        parents_of["events"].add(event.get("rootId"))
    for coupon in good["coupons"]:
        if coupon.get("allowAllEvents") is False and len(coupon["allowedEvents"]) == 1:
            parents_of["events"].add(coupon["allowedEvents"][0])
    for order in good["orders"]:
        parents_of["events"].add(order["eventId"])
        parents_of["customers"].add(order.get("customerId"))
        parents_of["coupons"] |= {entry["_id"] for entry in order.get("appliedCoupons", ())}
        parents_of["ticket_types"] |= {
            f"{order['eventId']}/{line['ticketTypeId']}" for line in order["tickets"]
        }
    for ticket in good["tickets"]:
        parents_of["events"].add(ticket["eventId"])
        parents_of["ticket_types"].add(f"{ticket['eventId']}/{ticket['ticketTypeId']}")
        parents_of["orders"].add(ticket["transactionId"])
        parents_of["customers"].add(ticket.get("customerId"))
        parents_of["tickets"].add(ticket.get("originTicketId"))
    return {
        name: {parent for parent in parents if parent is not None} - there[name]
        for name, parents in parents_of.items()
    }
