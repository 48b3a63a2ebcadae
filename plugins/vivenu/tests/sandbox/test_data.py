from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest

from messy_migration_vivenu.sandbox import build
from messy_migration_vivenu.sandbox.cases import RULES
from messy_migration_vivenu.sandbox.data import make_accounts, manifest_of
from messy_migration_vivenu.words import DENY

PATHS = {
    "events": "/api/events",
    "customers": "/api/customers/rich",
    "coupons": "/api/coupon/rich",
    "orders": "/api/transactions",
    "tickets": "/api/tickets",
}
TENANTS = ("auckland", "frankfurt")


def bodies(accounts):
    return [
        (account.profile.name, name, entry.body)
        for account in accounts
        for name, entries in account.collections.items()
        for entry in entries
    ]


def test_a_seed_is_the_same_data_and_another_seed_is_other_data():
    one, same, other = make_accounts(3), make_accounts(3), make_accounts(4)
    assert bodies(one) == bodies(same)
    assert manifest_of(3, one) == manifest_of(3, same)
    assert not {body for _, _, body in bodies(one)} & {body for _, _, body in bodies(other)}


def test_the_manifest_is_plain_json(plain):
    assert json.loads(json.dumps(plain.sandbox.manifest)) == plain.sandbox.manifest


def test_there_is_enough_of_it(plain):
    tables = plain.sandbox.manifest["tables"]
    assert tables["tickets"]["rows"] >= 12_000
    assert tables["events"]["rows"] >= 6
    assert set(tables["tickets"]["tenants"]) == set(TENANTS)
    assert len([name for name in tables if tables[name]["rows"]]) >= 8


def test_bad_records_stay_under_the_limit_and_every_rule_is_there(plain):
    rules = Counter()
    for name, counts in plain.sandbox.manifest["streams"].items():
        for tenant, own in counts["tenants"].items():
            share = sum(own["quarantined"].values()) / own["extracted"]
            assert 0 < share < 0.01, (name, tenant, share)
        rules.update(counts["quarantined"])
    assert set(rules) == set(RULES.values())


@pytest.mark.parametrize("tenant", TENANTS)
@pytest.mark.parametrize("collection", PATHS)
def test_what_is_served_is_what_the_manifest_says(plain, tenant, collection):
    truth = plain.sandbox.manifest["streams"][f"vivenu.{collection}"]["tenants"][tenant]
    found = plain.walk(PATHS[collection], tenant)
    assert len(found) == truth["extracted"]
    versions: dict[str, list[str]] = {}
    for record in found:
        versions.setdefault(record["_id"], []).append(json.dumps(record, sort_keys=True))
    cases = Counter()
    for texts in versions.values():
        if len(texts) == 2 and len(set(texts)) == 1:
            cases["repeat"] += 1
        elif len(texts) == 2:
            stamps = {json.loads(text)["updatedAt"] for text in texts}
            cases["contradiction" if len(stamps) == 1 else "older"] += 1
        else:
            assert len(texts) == 1
    wanted = {case: truth["cases"].get(case, 0) for case in ("repeat", "contradiction", "older")}
    assert {case: cases[case] for case in wanted} == wanted


def test_totals_and_money_are_those_of_the_served_records(plain):
    for tenant, currency in zip(TENANTS, ("NZD", "EUR"), strict=True):
        texts = plain.walk("/api/transactions", tenant)
        total = Decimal()
        seen = set()
        for order in sorted(texts, key=lambda order: order["updatedAt"], reverse=True):
            # Statuses of bad orders are new words, or their times are no times.
            if order["_id"] in seen or is_bad(order):
                continue
            seen.add(order["_id"])
            total += Decimal(f"{order['realPrice']:.2f}")
        money = plain.sandbox.manifest["money"]["orders.total_amount"][currency]
        assert str(total) == money
        assert len(seen) == plain.sandbox.manifest["tables"]["orders"]["tenants"][tenant]["rows"]


def is_bad(order):
    return (
        order["status"] == "SETTLED"
        or order["paymentStatus"] == "CRYPTO-RECEIVED"
        or "realPrice" not in order
        or order["createdAt"].startswith("2025-11-31")
    )


def test_amounts_have_two_digits_in_the_text(plain):
    text = plain.get("/api/transactions", top=1000).text
    amounts = text.split('"realPrice":')[1:]
    assert len(amounts) > 900
    assert all(amount.split("}")[0].split(",")[0][-3] == "." for amount in amounts), (
        "an amount lost its digits"
    )


def test_every_mess_of_this_source_is_there(plain):
    wanted = {f"M{number}" for number in (1, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16)}
    for tenant in TENANTS:
        assert set(plain.sandbox.manifest["messes"][tenant]) == wanted


def test_messes_can_be_seen(plain):
    events = plain.walk("/api/events")
    tickets = plain.walk("/api/tickets")
    orders = plain.walk("/api/transactions")
    customers = plain.walk("/api/customers/rich")
    known = {event["_id"] for event in events}
    types = {kind["_id"] for event in events for kind in event["tickets"]}
    emails = Counter(customer["primaryEmail"].lower() for customer in customers)
    numbers = Counter(order["tid"] for order in orders)
    seen = {
        "M1": any("timezone" not in event for event in events),
        "M1 slots": any(ticket.get("slotStartTime") == "02:30" for ticket in tickets),
        "M4": max(emails.values()) > 1,
        "M8 null": any(ticket.get("slotId", "") is None for ticket in tickets),
        "M8 blank": any(ticket.get("email") == "" for ticket in tickets),
        "M9": any("zz_unknown_slug" in ticket.get("extraFields", ()) for ticket in tickets),
        "M10": any(
            entry["type"] == "partial.canceled"
            for order in orders
            for entry in order["historyEntries"]
        ),
        "M11": any("originTicketId" in ticket for ticket in tickets),
        "M12 one": any(order["tickets"][0].get("triggeredBy") == "rule-1" for order in orders),
        "M12 many": any(
            isinstance(order["tickets"][0].get("triggeredBy"), list) for order in orders
        ),
        "M13 event": any(ticket.get("eventId", "none") not in known for ticket in tickets),
        "M13 type": any(
            ticket["ticketTypeId"] not in types and ticket.get("eventId") in known
            for ticket in tickets
        ),
        "M14": any(order.get("cancellationReason") == "TRAINING/TEST" for order in orders),
        "M15": numbers[None] > 0 and max(numbers.values()) > 1,
    }
    assert [name for name, there in seen.items() if not there] == []


def test_what_may_not_be_stored_stands_only_in_fields_that_are_denied(plain):
    found = Counter()

    def look(value, denied, place):
        if isinstance(value, dict):
            for name, item in value.items():
                look(item, denied or name in DENY, f"{place}.{name}")
        elif isinstance(value, list):
            for item in value:
                look(item, denied, place)
        elif isinstance(value, str) and value.startswith(plain.sandbox.manifest["keep_out"]):
            assert denied, place
            found[place] += 1

    for collection, path in PATHS.items():
        for record in plain.walk(path):
            look(record, denied=False, place=collection)
    assert {place.split(".")[0] for place in found} == {"customers", "orders", "tickets"}


def test_the_section_has_a_key_of_its_own_for_every_tenant():
    section = build(5).section("http://127.0.0.1:1/")
    tenants = section["tenants"]
    assert set(tenants) == set(TENANTS)
    assert len({tenant["token"] for tenant in tenants.values()}) == len(TENANTS)
    assert {tenant["base_url"] for tenant in tenants.values()} == {"http://127.0.0.1:1/api"}
