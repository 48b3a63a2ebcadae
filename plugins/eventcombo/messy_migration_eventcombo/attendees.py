"""Issued tickets: the platform calls them attendees, and their number is the barcode."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from messy_migration_eventcombo.fields import Fields
from messy_migration_eventcombo.orders import ordered_at, state_of
from messy_migration_eventcombo.reading import Reading, utc
from messy_migration_ticketing import Bad, Record, amount_of, identifier, money, required, text

_STATUS = {"completed": "valid", "pending": "reserved"}
_PLACES = Decimal("0.0001")


def read(document: dict[str, Any], record: Record, reading: Reading) -> None:
    """Add the row of one issued ticket.

    Raises:
        Bad: it belongs to no event, or something in it cannot be read.
    """
    fields = reading.fields("attendees", document)
    # The padded and the bare form of a number are two keys in the source, so they stay two.
    key = required(identifier(fields["T_Id"], "source_id"), "source_id")
    number = text(fields["T_Order_Id"], "order_id")
    order_id = reading.link("orders", fields["O_Id"], "order_id")
    if order_id is None and number is not None:
        why = "only an order number is given, and those are not unique"
        record.warn("tickets", "order_id", "no_order_key", why)
    name = text(fields["Name"], "holder_name")
    values = {
        "id": reading.id_of("tickets", key),
        "source_id": key,
        "event_id": required(
            reading.link("events", fields["TQD_Event_Id"], "event_id"), "event_id"
        ),
        "ticket_type_id": reading.link("ticket_types", fields["TQD_Ticket_Id"], "ticket_type_id"),
        "order_id": order_id,
        "barcode": key.strip(),
        "status": _status(fields),
        "holder_name": name,
        "holder_email": text(fields["Email"], "holder_email"),
        "holder_phone": text(fields["PhoneNumber"], "holder_phone"),
        "regular_price": money(fields["TicketPrice"], "regular_price"),
        "price": _price(fields),
        "currency": reading.currency,
        "slot_starts_local": text(fields["TQD_StartTime"], "slot_starts_local"),
        "issued_at": ordered_at(fields, reading, "issued_at"),
        "source_updated_at": utc(fields["ModifyDate"], "source_updated_at"),
        "is_test": reading.is_test(name),
    }
    extra = fields.rest()
    if number is not None:
        extra["order_number"] = number
    record.add("tickets", {**values, "extra": extra})


def _status(fields: Fields) -> str:
    """A ticket has no state of its own; a null one of its order counts as completed."""
    if "OrderStateId" not in fields:
        raise Bad("no_order_state", "status", "the record does not say the state of its order")
    return _STATUS.get(state_of(fields)[0], "cancelled")


def _price(fields: Fields) -> Decimal | None:
    """A share of the line; shares of a line that cannot be divided are rounded half to even."""
    total = money(fields["TPD_Amount"], "price")
    quantity = amount_of(fields["TPD_Purchased_Qty"], "price")
    if total is None or not quantity:
        return None
    return (total / quantity).quantize(_PLACES)
