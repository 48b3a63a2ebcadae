"""Ticket types: what one can buy for an event. Their counters of sold tickets are not loaded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from messy_migration_eventcombo.reading import Reading, utc
from messy_migration_ticketing import Bad, Record, amount_of, enum, flag, money, required, text

_KINDS = {"1": "free", "2": "paid", "3": "donation"}
_FEE_MODES = {"0": "buyer", "1": "organiser"}
ABSURD_PRICE = Decimal(9_999_999)
"""From here on the platform's own migration took a price for a mistake, and so do we."""


def read(document: dict[str, Any], record: Record, reading: Reading) -> None:
    """Add the row of one ticket type.

    Raises:
        Bad: it belongs to no event, or something in it cannot be read.
    """
    fields = reading.fields("ticket_types", document)
    key = required(text(fields["T_Id"], "source_id"), "source_id")
    name = required(text(fields["T_name"], "name"), "name")
    kind = required(enum(fields["TicketTypeID"], "kind", _KINDS), "kind")
    price = money(fields["Price"], "price")
    if price is None and kind != "paid":
        price = Decimal(0)
    if price is not None and price >= ABSURD_PRICE:
        raise Bad("absurd_price", "price", "it is too high to be meant")
    values = {
        "id": reading.id_of("ticket_types", key),
        "source_id": key,
        "event_id": required(reading.link("events", fields["E_Id"], "event_id"), "event_id"),
        "name": name,
        "kind": kind,
        "price": required(price, "price"),
        "currency": reading.currency,
        "fee_mode": enum(fields["Fees_Type"], "fee_mode", _FEE_MODES),
        "service_fee": money(fields["EC_Fee"], "service_fee"),
        "merchant_fee": money(fields["T_EcAmount"], "merchant_fee"),
        "customer_fee": money(fields["Customer_Fee"], "customer_fee"),
        "capacity": amount_of(fields["Qty_Available"], "capacity"),
        "min_per_order": amount_of(fields["Min_T_Qty"], "min_per_order"),
        "max_per_order": amount_of(fields["Max_T_Qty"], "max_per_order"),
        "is_active": not flag(fields["T_Disable"], "is_active"),
        "source_updated_at": utc(fields["ModifyDate"], "source_updated_at"),
        "is_test": reading.is_test(name),
    }
    record.add("ticket_types", {**values, "extra": fields.rest()})
