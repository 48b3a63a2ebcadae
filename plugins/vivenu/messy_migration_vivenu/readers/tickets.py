"""GET /tickets: one row for every ticket that was ever issued, whatever became of it."""

from __future__ import annotations

from typing import Any

from messy_migration_ticketing import (
    Record,
    currency,
    enum,
    flag,
    identifier,
    instant,
    mapping,
    money,
    required,
    text,
)
from messy_migration_vivenu.context import Context
from messy_migration_vivenu.readers.common import Document, custom_fields, extra, identity, key
from messy_migration_vivenu.readers.events import type_id
from messy_migration_vivenu.words import DELIVERY, SEAT_KIND, TICKET_ORIGIN, TICKET_STATUS

_READ = (
    "eventId", "ticketTypeId", "transactionId", "customerId", "barcode", "status",
    "originTicketId", "name", "firstname", "lastname", "email", "regularPrice", "realPrice",
    "currency", "slotStartTime", "deliveryType", "personalized", "expiresAt", "createdAt",
    "extraFields",
)  # fmt: skip
# What happened to it when, and locks of the shop; claims and expiry follow from the rest.
_IGNORED = ("history", "_locks", "claimed", "expired", "readyForDelivery", "completed")


def read(document: dict[str, Any], out: Record, context: Context) -> None:
    """A ticket, and what was asked of its holder."""
    ticket = identity("tickets", key(document), document, context)
    event = required(identifier(document.get("eventId"), "event_id"), "event_id")
    kind = identifier(document.get("ticketTypeId"), "ticket_type_id")
    name = text(document.get("name"), "holder_name")
    shop = identifier(document.get("underShopId"), "is_test")
    kind_name = text(document.get("ticketName"), "is_test")
    status = enum(document.get("status"), "status", TICKET_STATUS)
    out.add(
        "tickets",
        {
            **ticket,
            "is_test": context.is_test_shop(shop) or context.is_test_name(name, kind_name),
            "event_id": context.uid("events", event),
            "ticket_type_id": context.uid("ticket_types", type_id(event, kind)),
            "order_id": _uid(document, "transactionId", "orders", context),
            "customer_id": _uid(document, "customerId", "customers", context),
            "barcode": text(document.get("barcode"), "barcode"),
            "status": required(status, "status"),
            "replaces_ticket_id": _uid(document, "originTicketId", "tickets", context),
            "replace_reason": enum(document.get("origin"), "replace_reason", TICKET_ORIGIN),
            "holder_name": name,
            "holder_first_name": text(document.get("firstname"), "holder_first_name"),
            "holder_last_name": text(document.get("lastname"), "holder_last_name"),
            "holder_email": text(document.get("email"), "holder_email"),
            "regular_price": money(document.get("regularPrice"), "regular_price"),
            "price": money(document.get("realPrice"), "price"),
            "currency": currency(document.get("currency"), "currency"),
            **_seat(document),
            "slot_starts_local": text(document.get("slotStartTime"), "slot_starts_local"),
            "delivery": enum(document.get("deliveryType"), "delivery", DELIVERY),
            "is_personalised": flag(document.get("personalized"), "is_personalised"),
            "expires_at": instant(document.get("expiresAt"), "expires_at"),
            "package_source_id": _package(document),
            "issued_at": required(instant(document.get("createdAt"), "issued_at"), "issued_at"),
            "extra": extra(document, _READ, _IGNORED),
        },
    )
    custom_fields(ticket, document, out)


def _uid(document: Document, name: str, entity: str, context: Context) -> str | None:
    return context.uid(entity, identifier(document.get(name), name))


def _seat(document: Document) -> dict[str, str | None]:
    seat = mapping(document.get("seatingInfo"), "seat_kind")
    return {
        "seat_section": text(seat.get("sectionName"), "seat_section"),
        "seat_row": text(seat.get("rowName"), "seat_row"),
        "seat_number": text(seat.get("seatName"), "seat_number"),
        "seat_kind": enum(seat.get("_type"), "seat_kind", SEAT_KIND),
    }


def _package(document: Document) -> str | None:
    package = mapping(document.get("packageInfo"), "package_source_id")
    return identifier(package.get("packageId"), "package_source_id")
