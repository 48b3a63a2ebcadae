"""The words of the API and what they mean in the unified schema."""

from __future__ import annotations

from types import MappingProxyType

EVENT_KIND = MappingProxyType(
    {"SINGLE": "single", "GROUP": "group", "RECURRENCE": "recurrence", "ROOT": "root"}
)

DISCOUNT_KIND = MappingProxyType(
    {"fix": "fixed", "var": "percent", "fixPerItem": "fixed_per_item", "waiveFees": "waive_fees"}
)

COUPON_TYPE = MappingProxyType({"coupon": False, "couponSeries": True})
"""Whether the terms are those of a series."""

ORDER_STATUS = MappingProxyType(
    {
        "NEW": "pending",
        "RESERVED-BY-SYSTEM": "reserved",
        "ABORTED": "abandoned",
        "COMPLETE": "completed",
        "CANCELED": "cancelled",
    }
)

PAYMENT_STATUS = MappingProxyType(
    {
        "RECEIVED": "paid",
        "POS-RECEIVED": "paid",
        "LOCAL-RECEIVED": "paid",
        "AWAITING": "pending",
        "PENDING": "pending",
        "LOCAL-PENDING": "pending",
        "LOCAL-AWAITING": "pending",
        "REFUND": "refunded",
        "FAILED": "failed",
        "DISPUTE": "disputed",
        "CHARGEBACK": "disputed",
        "CANCELED": "cancelled",
        "POS-CANCELED": "cancelled",
        "EXTERNAL": "external",
    }
)

ADDITIONAL_ITEM = MappingProxyType({"bundle": "other", "fulfillmentType": "fee"})

DISCOUNT_CATEGORY = MappingProxyType(
    {
        word: word
        for word in ("coupon", "groupDiscount", "posDiscount", "voucher", "system", "modifier")
    }
)

# A ticket that was replaced is INVALID too; which it is, only its successor knows.
TICKET_STATUS = MappingProxyType(
    {
        "VALID": "valid",
        "DETAILSREQUIRED": "pending_details",
        "RESERVED": "reserved",
        "INVALID": "cancelled",
        "BLANK": "blank",
    }
)

TICKET_ORIGIN = MappingProxyType(
    {
        "yourticket": None,
        "pos": None,
        "subscription": None,
        "rebooking": "rebooking",
        "upgrade": "upgrade",
        "transfer": "transfer",
    }
)

DELIVERY = MappingProxyType({"HARD": "hard", "VIRTUAL": "virtual"})

SEAT_KIND = MappingProxyType({"6": "seat", "7": "general"})

TEST_REASON = "TRAINING/TEST"

DENY = (
    "secret",
    "seatingReservationToken",
    "_account",
    "ipLookup",
    "userAgent",
    "hmacKey",
)
"""Fields that are dropped while an answer is parsed: keys to tickets and accounts, traces."""
