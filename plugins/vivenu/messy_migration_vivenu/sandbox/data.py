"""The data of all tenants for a seed, and the manifest that tells the truth about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from messy_migration_vivenu.sandbox.cases import RATES
from messy_migration_vivenu.sandbox.catalogue import make_catalogue
from messy_migration_vivenu.sandbox.orders import make_sales
from messy_migration_vivenu.sandbox.people import make_customers
from messy_migration_vivenu.sandbox.seller import KEEP_OUT, PROFILES, Profile, Seller
from messy_migration_vivenu.sandbox.spoil import Spoilt, spoil
from messy_migration_vivenu.sandbox.store import Entry
from messy_migration_vivenu.sandbox.truth import counts_of, money_of, tables_of

STREAMS = ("events", "customers", "coupons", "orders", "tickets")


@dataclass(frozen=True)
class Account:
    """A tenant as the server knows it.

    Attributes:
        profile: what is fixed about it.
        key: what it is let in with.
        collections: name -> all that is served.
        truth: its part of the manifest.
    """

    profile: Profile
    key: str
    collections: Mapping[str, list[Entry]]
    truth: Mapping[str, Any]


def make_account(profile: Profile, seed: int) -> Account:
    """One tenant; the records are kept as encoded JSON only."""
    seller = Seller.of(profile, seed)
    catalogue = make_catalogue(seller)
    customers = make_customers(seller)
    sales = make_sales(seller, catalogue, customers)
    roots = {event["rootId"] for event in catalogue.events if "rootId" in event}
    main = {event["_id"] for event in catalogue.events if event["eventType"] != "RECURRENCE"}
    used = {entry["_id"] for order in sales.orders for entry in order.get("appliedCoupons", ())}
    passed_on = {t["originTicketId"] for t in sales.tickets if "originTicketId" in t}
    spoilt = {
        "events": spoil(seller, "events", catalogue.events, roots | main),
        "customers": spoil(seller, "customers", customers),
        "coupons": spoil(seller, "coupons", catalogue.coupons, used),
        "orders": spoil(seller, "orders", sales.orders),
        "tickets": spoil(seller, "tickets", sales.tickets, passed_on),
    }
    entries = {name: stream.entries for name, stream in spoilt.items()}
    series = spoil(seller, "series", catalogue.series)
    return Account(
        profile, seller.key, {**entries, "series": series.entries}, _truth(seller, spoilt)
    )


def make_accounts(seed: int) -> tuple[Account, ...]:
    """All tenants."""
    return tuple(make_account(profile, seed) for profile in PROFILES)


def manifest_of(seed: int, accounts: tuple[Account, ...]) -> dict[str, Any]:
    """What is served, over all tenants and for each: records, cases, rows and money."""
    streams: dict[str, Any] = {}
    for name in STREAMS:
        parts = {account.profile.name: account.truth["streams"][name] for account in accounts}
        streams[f"vivenu.{name}"] = {**_sum(list(parts.values())), "tenants": parts}
    tables = {
        name: {
            **_sum([account.truth["tables"][name] for account in accounts]),
            "tenants": {
                account.profile.name: account.truth["tables"][name] for account in accounts
            },
        }
        for name in accounts[0].truth["tables"]
    }
    money = {
        name: {account.profile.currency: account.truth["money"][name] for account in accounts}
        for name in accounts[0].truth["money"]
    }
    return {
        "source": "vivenu",
        "seed": seed,
        "streams": streams,
        "tables": tables,
        "money": money,
        "messes": {account.profile.name: account.truth["messes"] for account in accounts},
        "rates": dict(RATES),
        "keep_out": KEEP_OUT,
    }


def _truth(seller: Seller, spoilt: Mapping[str, Spoilt]) -> dict[str, Any]:
    messes: dict[str, dict[str, int]] = {}
    for (case, collection), count in sorted(seller.messes.items()):
        messes.setdefault(case, {})[collection] = count
    return {
        "streams": {name: counts_of(stream) for name, stream in spoilt.items()},
        "tables": tables_of(spoilt),
        "money": money_of(spoilt),
        "messes": messes,
    }


def _sum(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Numbers added, and mappings of numbers key by key."""
    total: dict[str, Any] = {}
    for name, first in parts[0].items():
        if isinstance(first, int):
            total[name] = sum(part[name] for part in parts)
        else:
            total[name] = dict(sum((Counter(part[name]) for part in parts), Counter[str]()))
    return total
