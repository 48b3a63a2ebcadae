"""Spoils some of the good records, repeats others, and encodes them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from messy_migration_vivenu.sandbox.cases import (
    CONTRADICTION,
    COUNTS,
    GONE_SERIES,
    IMPOSSIBLE_TIME,
    MISSING,
    NULL,
    NULLED,
    OLDER,
    PERCENT,
    REPEAT,
    RULES,
    UNKNOWN_VALUE,
)
from messy_migration_vivenu.sandbox.seller import Seller
from messy_migration_vivenu.sandbox.store import Entry
from messy_migration_vivenu.sandbox.values import Record, encode, iso, millis_of, number

_ABSENT = object()

_DAMAGE: Mapping[tuple[str, str], tuple[tuple[str, Any], ...]] = {
    ("events", IMPOSSIBLE_TIME): (("start", "2026-02-30T18:00:00.000Z"),),
    ("events", UNKNOWN_VALUE): (("eventType", "FESTIVAL"),),
    ("customers", IMPOSSIBLE_TIME): (("createdAt", "2025-13-07T10:00:00.000Z"),),
    ("coupons", UNKNOWN_VALUE): (("discountType", "bogof"),),
    ("orders", UNKNOWN_VALUE): (("status", "SETTLED"), ("paymentStatus", "CRYPTO-RECEIVED")),
    ("orders", MISSING): (("realPrice", _ABSENT),),
    ("orders", IMPOSSIBLE_TIME): (("createdAt", "2025-11-31T09:30:00.000Z"),),
    ("tickets", UNKNOWN_VALUE): (("status", "CHECKEDIN"),),
    ("tickets", MISSING): (("eventId", _ABSENT),),
    ("tickets", NULL): (("status", None), ("createdAt", None)),
    ("tickets", IMPOSSIBLE_TIME): (
        ("createdAt", "2026-04-31T11:00:00.000Z"),
        ("createdAt", "2026-01-05T25:10:00.000Z"),
    ),
}
"""(collection, case) -> fields and values that break the contract, taken in turn."""

# Within the contract, and still nothing that can be migrated: 1500 %, and terms that are gone.
_SENSELESS: Mapping[str, Record] = {
    PERCENT: {"discountType": "var", "discountValue": number("15")},
    GONE_SERIES: {"couponType": "couponSeries", "couponSeriesId": "6" * 24},
}

_OTHER: Mapping[str, Record] = {
    "customers": {"name": "Somebody Else", "lastname": "Else"},
    "orders": {"name": "Somebody Else", "lastname": "Else"},
    "tickets": {"name": "Somebody Else", "lastname": "Else"},
}
"""What the second of two contradicting records says."""

_BEFORE: Mapping[str, Record] = {
    "customers": {"verified": False, "tags": ["before"]},
    "orders": {"paymentStatus": "AWAITING"},
    "tickets": {"status": "RESERVED"},
}
"""What an older version of a record says."""


@dataclass
class Spoilt:
    """A collection as it is served, and what is good of it.

    Attributes:
        entries: all that is served.
        good: the records that a migration must load, as they were before encoding.
        counts: case -> records.
    """

    entries: list[Entry] = field(default_factory=list)
    good: list[Record] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def spoil(
    seller: Seller, collection: str, records: list[Record], protected: Iterable[str] = ()
) -> Spoilt:
    """Spoil as many records as the tenant has of each case; protected ones stay as they are."""
    counts = COUNTS[seller.name].get(collection, {})
    kept = set(protected)
    indices = [index for index, record in enumerate(records) if _may_spoil(record, kept)]
    chosen = iter(seller.dice.sample(indices, sum(counts.values())))
    cases = {next(chosen): (case, turn) for case, count in counts.items() for turn in range(count)}
    spoilt = Spoilt(counts=dict(counts))
    for index, record in enumerate(records):
        case, turn = cases.get(index, ("", 0))
        _serve(spoilt, collection, record, case, turn)
    return spoilt


def _may_spoil(record: Record, kept: set[str]) -> bool:
    return record["_id"] not in kept and "couponSeriesId" not in record


def _serve(spoilt: Spoilt, collection: str, record: Record, case: str, turn: int) -> None:
    is_bad = case in RULES and case != CONTRADICTION
    if not is_bad:
        spoilt.good.append(record)
        spoilt.entries.append(_entry(record, case))
    if (collection, case) in _DAMAGE:
        ways = _DAMAGE[collection, case]
        name, value = ways[turn % len(ways)]
        broken = {key: entry for key, entry in record.items() if key != name}
        broken |= {} if value is _ABSENT else {name: value}
        spoilt.entries.append(_entry(broken, case, name))
    elif case == PERCENT:
        spoilt.entries.append(_entry({**record, **_SENSELESS[case]}, case))
    elif case == GONE_SERIES:
        own = {name: record[name] for name in ("_id", "sellerId", "createdAt", "updatedAt", "used")}
        spoilt.entries.append(_entry({**own, "code": None, **_SENSELESS[case]}, case))
    elif case == CONTRADICTION:
        spoilt.entries.append(_entry({**record, **_OTHER[collection]}, case))
    elif case == OLDER:
        before = iso(millis_of(record["updatedAt"]) - 1000)
        spoilt.entries.append(_entry({**record, **_BEFORE[collection], "updatedAt": before}, case))
    elif case == REPEAT:
        spoilt.entries.append(spoilt.entries[-1])


def _entry(record: Record, case: str, *deviates: str) -> Entry:
    nulls = tuple(name for name in NULLED if name in record and record[name] is None)
    return Entry(
        record["_id"], millis_of(record["updatedAt"]), encode(record), case, (*deviates, *nulls)
    )
