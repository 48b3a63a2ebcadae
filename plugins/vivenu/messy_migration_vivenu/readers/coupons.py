"""GET /coupon/rich, each coupon with the series that holds its terms under `_series`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from messy_migration_ticketing import (
    BOOKMARK,
    Bad,
    Record,
    amount_of,
    email_key,
    enum,
    flag,
    identifier,
    instant,
    listed,
    mapping,
    money,
    percent,
    text,
)
from messy_migration_vivenu.context import Context
from messy_migration_vivenu.readers.common import Document, extra, identity, key
from messy_migration_vivenu.words import COUPON_TYPE, DISCOUNT_KIND

SERIES = "_series"
"""Where extract puts the terms of a coupon that belongs to a series."""

_READ = (
    "code", "couponSeriesId", "name", "allowAllEvents", "allowedEvents", "discountType",
    "discountValue", "maxUsage", "allowAllTickets", "allowedTickets", "unlocks", "validFrom",
    "validUntil", "active", "couponType", SERIES,
)  # fmt: skip
# `used` is a counter that drifts.
_IGNORED = ("used",)


def read(document: dict[str, Any], out: Record, context: Context) -> None:
    """A coupon under its own terms or those of its series."""
    coupon = identity("coupons", key(document), document, context)
    terms, is_series = _terms(document)
    if is_series:
        changed = [coupon[BOOKMARK], instant(terms.get("updatedAt"), BOOKMARK)]
        coupon[BOOKMARK] = max((moment for moment in changed if moment), default=None)
    kind = enum(terms.get("discountType"), "discount_kind", DISCOUNT_KIND) or "none"
    allowed = listed(terms.get("allowedEvents"), "event_id")
    is_bound = len(allowed) == 1 and not flag(terms.get("allowAllEvents"), "event_id")
    event = identifier(allowed[0], "event_id") if is_bound else None
    active = flag(terms.get("active"), "is_active")
    code = text(document.get("code"), "code")
    name = text(terms.get("name"), "name")
    own = extra(document, _READ, _IGNORED)
    out.add(
        "coupons",
        {
            **coupon,
            "is_test": context.is_test_name(name, code),
            "code": code,
            "code_key": email_key(code),
            "series_source_id": identifier(document.get("couponSeriesId"), "series_source_id"),
            "name": name,
            "event_id": context.uid("events", event),
            "discount_kind": kind,
            "discount_value": _value(terms, kind),
            "max_uses": amount_of(terms.get("maxUsage"), "max_uses"),
            "applies_to": _scope(terms),
            "valid_from": instant(terms.get("validFrom"), "valid_from"),
            "valid_until": instant(terms.get("validUntil"), "valid_until"),
            "is_active": True if active is None else active,
            "extra": {**_conditions(terms), **own} if is_series else own,
        },
    )


def _terms(document: Document) -> tuple[Document, bool]:
    """What the coupon is good for, and whether a series says so."""
    if not enum(document.get("couponType"), "discount_kind", COUPON_TYPE):
        return document, False
    series = mapping(document.get(SERIES), "discount_kind")
    if not series:
        raise Bad("series", "series_source_id", "its series, which holds its terms, is gone")
    return series, True


def _conditions(terms: Document) -> dict[str, Any]:
    """What a series says besides; who made it when is no matter of the coupon."""
    return extra(terms, _READ, (*_IGNORED, "createdAt", "sellerId"))


def _value(terms: Document, kind: str) -> Decimal | None:
    value = terms.get("discountValue")
    return (percent if kind == "percent" else money)(value, "discount_value")


def _scope(terms: Document) -> dict[str, Any]:
    """What the coupon applies to, in the words of the source; unset is what its default says."""
    events = flag(terms.get("allowAllEvents"), "applies_to")
    tickets = flag(terms.get("allowAllTickets"), "applies_to")
    return {
        "allowAllEvents": True if events is None else events,
        "allowAllTickets": True if tickets is None else tickets,
        "allowedEvents": listed(terms.get("allowedEvents"), "applies_to"),
        "allowedTickets": listed(terms.get("allowedTickets"), "applies_to"),
        "unlocks": listed(terms.get("unlocks"), "applies_to"),
    }
