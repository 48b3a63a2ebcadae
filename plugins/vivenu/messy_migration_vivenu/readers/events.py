"""GET /events: events, and the ticket types that are embedded in them."""

from __future__ import annotations

from typing import Any

from messy_migration_ticketing import (
    Record,
    amount_of,
    at,
    coordinate,
    enum,
    flag,
    identifier,
    instant,
    is_blank,
    listed,
    mapping,
    money,
    percent,
    required,
    text,
    zone,
)
from messy_migration_vivenu.context import Context
from messy_migration_vivenu.readers.common import Document, extra, identity, key
from messy_migration_vivenu.words import EVENT_KIND

_READ = (
    "rootId", "eventType", "name", "start", "end", "timezone", "sellStart", "sellEnd",
    "locationName", "locationStreet", "locationPostal", "locationCity", "locationCountry",
    "geoCode", "maxAmount", "hideInListing", "description", "createdAt", "tickets",
)  # fmt: skip

# How a shop looks and behaves; nothing that a migrated event could use.
_CONFIGURATION = (
    "image", "ticketFooter", "ticketBackground", "ticketShopHeader", "cartAutomationRules",
    "posDiscounts", "showCountdown", "customSettings", "accentColor", "pageStyle",
    "showOtherEvents", "underShops", "seating", "customTextConfig", "seoSettings", "customCharges",
    "gallery", "video", "soldOutFallback", "ticketDesign", "tracking", "hardTicketSettings",
    "dataRequestSettings", "styleOptions", "accountSettings", "reservationSettings",
    "upsellSettings", "repetitionSettings", "daySchemes", "ticketSettings", "accessListMapping",
    "deliverySettings", "salesChannelGroupSettings", "paymentSettings", "discountGroups",
    "checkinInformation", "url",
)  # fmt: skip

_TYPE_READ = (
    "_id", "name", "price", "taxRate", "amount", "minAmountPerOrder", "maxAmountPerOrder",
    "active", "categoryRef",
)  # fmt: skip

# `sold` is a counter that drifts.
_TYPE_IGNORED = (
    "sold", "image", "color", "ticketBackground", "styleOptions", "sortingKey", "rules",
    "ignoredForStartingPrice", "ignoreForMaxAmounts", "transferSettings", "scanSettings",
    "deliverySettings", "revealingSettings", "expirationSettings", "repersonalizationFee",
    "repersonalizationAllowedMode", "requiresPersonalizationMode", "requiresExtraFieldsMode",
)  # fmt: skip


def read(document: dict[str, Any], out: Record, context: Context) -> None:
    """An event and its ticket types; Bad if one of them cannot be read."""
    event_id = key(document)
    event = identity("events", event_id, document, context)
    root = identifier(document.get("rootId"), "parent_event_id")
    name = required(text(document.get("name"), "name"), "name")
    geo_code = mapping(document.get("geoCode"), "lat")
    is_test = context.is_test_name(name)
    out.add(
        "events",
        {
            **event,
            "is_test": is_test,
            "parent_event_id": context.uid("events", None if root == event_id else root),
            "kind": enum(document.get("eventType"), "kind", EVENT_KIND) or "single",
            "name": name,
            # The API knows neither drafts nor cancelled events; what is over says the end.
            "status": "live",
            "starts_at": required(instant(document.get("start"), "starts_at"), "starts_at"),
            "ends_at": instant(document.get("end"), "ends_at"),
            "timezone": zone(document.get("timezone"), "timezone") or context.timezone,
            "sale_starts_at": instant(document.get("sellStart"), "sale_starts_at"),
            "sale_ends_at": instant(document.get("sellEnd"), "sale_ends_at"),
            "venue_name": text(document.get("locationName"), "venue_name"),
            "street": text(document.get("locationStreet"), "street"),
            "postal_code": text(document.get("locationPostal"), "postal_code"),
            "city": text(document.get("locationCity"), "city"),
            "country": text(document.get("locationCountry"), "country"),
            "lat": coordinate(geo_code.get("lat"), "lat", 90),
            "lon": coordinate(geo_code.get("lng"), "lon", 180),
            "capacity": amount_of(document.get("maxAmount"), "capacity"),
            "is_private": flag(document.get("hideInListing"), "is_private"),
            "description": text(document.get("description"), "description"),
            "created_at": instant(document.get("createdAt"), "created_at"),
            "extra": extra(document, _READ, _CONFIGURATION),
        },
    )
    with at("ticket_types"):
        for kind in listed(document.get("tickets"), "id"):
            if not is_blank(kind):
                _ticket_type(mapping(kind, "id"), event_id, event, out, context, is_test=is_test)


def type_id(event_id: str | None, ticket_type: str | None) -> str | None:
    """The key of a ticket type in the source: child events repeat the types of their root."""
    return None if event_id is None or ticket_type is None else f"{event_id}/{ticket_type}"


def _ticket_type(
    kind: Document,
    event_id: str,
    event: dict[str, Any],
    out: Record,
    context: Context,
    *,
    is_test: bool,
) -> None:
    source_id = required(type_id(event_id, key(kind)), "source_id")
    name = required(text(kind.get("name"), "name"), "name")
    price = required(money(kind.get("price"), "price"), "price")
    active = flag(kind.get("active"), "is_active")
    out.add(
        "ticket_types",
        {
            **event,
            "id": context.uid("ticket_types", source_id),
            "source_id": source_id,
            "is_test": is_test or context.is_test_name(name),
            "event_id": event["id"],
            "name": name,
            "kind": "paid" if price else "free",
            "price": price,
            "currency": context.currency,
            "tax_rate": percent(kind.get("taxRate"), "tax_rate"),
            "capacity": amount_of(kind.get("amount"), "capacity"),
            "min_per_order": amount_of(kind.get("minAmountPerOrder"), "min_per_order"),
            "max_per_order": amount_of(kind.get("maxAmountPerOrder"), "max_per_order"),
            "is_active": True if active is None else active,
            "category_source_id": text(kind.get("categoryRef"), "category_source_id"),
            "extra": extra(kind, _TYPE_READ, _TYPE_IGNORED),
        },
    )
