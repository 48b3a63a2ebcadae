"""The mess: which cases there are, at what rates, and what a migration has to make of them.

The letters are those of the ticketing world at large (M1 mixed time zones, M8 null or missing or
empty, M13 deleted parents ...). Beside them stand the cases that decide where a record ends: one
of these at most per record.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RATES: Mapping[str, float] = MappingProxyType(
    {
        "M1": 0.10,  # an event without time zone; slots are wall-clock text without date or zone
        "M4": 0.12,  # a customer with the e-mail of another, some in other letters
        "M8": 0.30,  # null, nothing or "" where the contract promises text
        "M9": 0.20,  # custom fields, of any JSON type, also under slugs that nobody defines
        "M10": 0.02,  # a single ticket of an order cancelled; whole orders are, too
        "M11": 0.02,  # a ticket transferred, rebooked or upgraded
        "M12": 0.06,  # bundles and packages
        "M13": 0.012,  # a customer that is gone; some events and ticket types are, too
        "M14": 0.015,  # tests and staff shops
        "M15": 0.03,  # an order number that another order has, or none
        "M16": 0.01,  # totals that do not add up
    }
)
"""Chance per record that can carry the case. M2 and M3 (exact decimals, fractions) are everywhere;
M5, M6 and M7 (padding, flags as text, 0 for none) are not this source's."""

UNKNOWN_VALUE = "unknown_value"
MISSING = "missing"
NULL = "null"
IMPOSSIBLE_TIME = "impossible_time"
PERCENT = "percent"
GONE_SERIES = "gone_series"
CONTRADICTION = "contradiction"
REPEAT = "repeat"
OLDER = "older"

DUPLICATE = "core.duplicate"

RULES: Mapping[str, str] = MappingProxyType(
    {
        UNKNOWN_VALUE: "vivenu.enum",
        MISSING: "vivenu.required",
        NULL: "vivenu.required",
        IMPOSSIBLE_TIME: "vivenu.instant",
        PERCENT: "vivenu.percent",
        GONE_SERIES: "vivenu.series",
        CONTRADICTION: "core.duplicate_key",
    }
)
"""Case -> the rule under which one record of it must end in quarantine."""

FILTERED: Mapping[str, str] = MappingProxyType({REPEAT: DUPLICATE, OLDER: DUPLICATE})
"""Case -> the rule under which the surplus record is left out."""

COUNTS: Mapping[str, Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {
        "auckland": {
            "events": {IMPOSSIBLE_TIME: 1, REPEAT: 2},
            "customers": {IMPOSSIBLE_TIME: 3, CONTRADICTION: 3, REPEAT: 6, OLDER: 4},
            "coupons": {UNKNOWN_VALUE: 1, PERCENT: 1, GONE_SERIES: 1, REPEAT: 3},
            "orders": {
                UNKNOWN_VALUE: 5,
                MISSING: 4,
                IMPOSSIBLE_TIME: 3,
                CONTRADICTION: 3,
                REPEAT: 9,
                OLDER: 4,
            },
            "tickets": {
                UNKNOWN_VALUE: 8,
                MISSING: 6,
                NULL: 4,
                IMPOSSIBLE_TIME: 6,
                CONTRADICTION: 5,
                REPEAT: 12,
                OLDER: 5,
            },
        },
        "frankfurt": {
            "events": {UNKNOWN_VALUE: 1, REPEAT: 1},
            "customers": {IMPOSSIBLE_TIME: 4, CONTRADICTION: 2, REPEAT: 5, OLDER: 6},
            "coupons": {UNKNOWN_VALUE: 2, PERCENT: 1, REPEAT: 4},
            "orders": {
                UNKNOWN_VALUE: 4,
                MISSING: 3,
                IMPOSSIBLE_TIME: 4,
                CONTRADICTION: 4,
                REPEAT: 7,
                OLDER: 6,
            },
            "tickets": {
                UNKNOWN_VALUE: 6,
                MISSING: 7,
                NULL: 5,
                IMPOSSIBLE_TIME: 7,
                CONTRADICTION: 4,
                REPEAT: 10,
                OLDER: 7,
            },
        },
    }
)
"""Tenant -> collection -> case -> records. Bad ones stay under 1 % of each collection."""

NULLED = ("categoryRef", "slotId", "underShopId", "customerId", "rootEventId")
"""Fields of a ticket that are declared as text and yet arrive as null (M8)."""
