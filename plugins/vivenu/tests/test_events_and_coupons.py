from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from messy_migration_ticketing import uid

ADULT = {"_id": "a", "name": " Adult ", "price": 45.5, "amount": 300, "active": True,
         "taxRate": 0.15, "minAmountPerOrder": 1, "maxAmountPerOrder": 10, "categoryRef": "c1",
         "sold": 12, "color": "#fff", "meta": {"zone": "north"}}  # fmt: skip
EVENT = {
    "_id": "e1",
    "sellerId": "s1",
    "name": "Matariki Lights",
    "start": "2026-06-20T06:00:00.000Z",
    "end": "2026-06-20T09:00:00.000Z",
    "sellStart": "2026-01-01T00:00:00.000Z",
    "sellEnd": "2026-06-20T06:00:00.000Z",
    "timezone": "Pacific/Chatham",
    "locationName": "Harbour Stage",
    "locationStreet": "Queen Street 1",
    "locationPostal": "1010",
    "locationCity": "Auckland",
    "locationCountry": "NZ",
    "geoCode": {"_id": "g", "lat": -36.848461, "lng": 174.763336},
    "maxAmount": 500,
    "hideInListing": False,
    "description": '[{"type":"paragraph"}]',
    "eventType": "RECURRENCE",
    "rootId": "e0",
    "createdAt": "2025-12-01T00:00:00.000Z",
    "updatedAt": "2026-02-01T12:30:00.500Z",
    "accentColor": "#006DCC",
    "attributes": {"genre": "light"},
    "tickets": [ADULT, {"_id": "f", "name": "Free", "price": 0}],
}
COUPON = {
    "_id": "c1",
    "code": "Spring 26 ",
    "name": "Spring",
    "updatedAt": "2026-01-02T00:00:00.000Z",
    "discountType": "fix",
    "discountValue": 5,
    "allowAllEvents": False,
    "allowedEvents": ["e1"],
    "maxUsage": 1,
    "validFrom": "2026-01-01T00:00:00.000Z",
    "validUntil": None,
    "used": 3,
    "note": "for partners",
}
SERIES = {**COUPON, "_id": "s1", "name": "Partner", "discountType": "var", "discountValue": 0.125,
          "allowAllEvents": True, "updatedAt": "2026-03-01T00:00:00.000Z", "singleUsage": True,
          "createdAt": "2020-01-01T00:00:00.000Z"}  # fmt: skip
OF_SERIES = {"_id": "c2", "code": None, "couponType": "couponSeries", "couponSeriesId": "s1",
             "updatedAt": "2026-01-02T00:00:00.000Z", "_series": SERIES}  # fmt: skip


def key(entity, source_id):
    return uid("vivenu", "auckland", entity, source_id)


def test_an_event_and_its_ticket_types(make):
    made = make("events", EVENT)
    assert made.errors == []
    assert made.one("events") == {
        "id": key("events", "e1"), "source_system": "vivenu", "source_account": "auckland",
        "source_id": "e1", "parent_event_id": key("events", "e0"), "kind": "recurrence",
        "name": "Matariki Lights", "status": "live",
        "starts_at": datetime(2026, 6, 20, 6, tzinfo=UTC),
        "ends_at": datetime(2026, 6, 20, 9, tzinfo=UTC), "timezone": "Pacific/Chatham",
        "sale_starts_at": datetime(2026, 1, 1, tzinfo=UTC),
        "sale_ends_at": datetime(2026, 6, 20, 6, tzinfo=UTC), "venue_name": "Harbour Stage",
        "street": "Queen Street 1", "postal_code": "1010", "city": "Auckland", "region": None,
        "country": "NZ", "lat": Decimal("-36.848461"), "lon": Decimal("174.763336"),
        "capacity": 500, "is_private": False, "is_online": None,
        "description": '[{"type":"paragraph"}]', "created_at": datetime(2025, 12, 1, tzinfo=UTC),
        "source_updated_at": datetime(2026, 2, 1, 12, 30, 0, 500000, UTC), "is_test": False,
        "is_stub": False, "extra": {"sellerId": "s1", "attributes": {"genre": "light"}},
        "_record": 0,
    }  # fmt: skip
    adult, free = made.rows["ticket_types"]
    assert adult == {
        "id": key("ticket_types", "e1/a"), "source_system": "vivenu",
        "source_account": "auckland", "source_id": "e1/a", "event_id": key("events", "e1"),
        "name": "Adult", "kind": "paid", "price": Decimal("45.5000"), "currency": "NZD",
        "fee_mode": None, "service_fee": None, "merchant_fee": None, "customer_fee": None,
        "tax_rate": Decimal("0.150000"), "capacity": 300, "min_per_order": 1, "max_per_order": 10,
        "is_active": True, "category_source_id": "c1",
        "source_updated_at": datetime(2026, 2, 1, 12, 30, 0, 500000, UTC), "is_test": False,
        "is_stub": False, "extra": {"meta": {"zone": "north"}}, "_record": 0,
    }  # fmt: skip
    assert (free["kind"], free["price"], free["is_active"]) == ("free", Decimal(0), True)


@pytest.mark.parametrize("zone", [None, "", ...])
def test_an_event_without_time_zone_has_that_of_the_settings(zone, make):
    event = {name: value for name, value in EVENT.items() if name != "timezone"}
    made = make("events", event if zone is ... else {**event, "timezone": zone})
    assert made.one("events")["timezone"] == "Pacific/Auckland"


def test_null_missing_and_empty_are_one_and_the_same(make):
    optional = ("end", "sellStart", "locationName", "geoCode", "maxAmount", "hideInListing",
                "rootId", "tickets", "createdAt", "eventType", "attributes")  # fmt: skip
    bare = {name: value for name, value in EVENT.items() if name not in optional}
    nulls = make("events", {**bare, **dict.fromkeys(optional)})
    empty = make("events", {**bare, **dict.fromkeys(optional, "")})
    assert make("events", bare).rows == nulls.rows == empty.rows
    assert nulls.one("events")["kind"] == "single"
    assert nulls.errors == empty.errors == []


def test_the_root_of_a_series_is_not_its_own_parent(make):
    root = make("events", {**EVENT, "eventType": "ROOT", "rootId": "e1"}).one("events")
    assert (root["kind"], root["parent_event_id"]) == ("root", None)


def test_test_events_are_marked_with_their_types(make):
    made = make("events", {**EVENT, "name": "zztest Gala"})
    assert made.one("events")["is_test"]
    assert all(row["is_test"] for row in made.rows["ticket_types"])


@pytest.mark.parametrize(
    "change, rule, column",
    [
        ({"_id": None}, "vivenu.required", "source_id"),
        ({"name": " "}, "vivenu.required", "name"),
        ({"start": None}, "vivenu.required", "starts_at"),
        ({"start": "2026-02-30T18:00:00.000Z"}, "vivenu.instant", "starts_at"),
        ({"end": "2026-06-20"}, "vivenu.instant", "ends_at"),
        ({"eventType": "FESTIVAL"}, "vivenu.enum", "kind"),
        ({"timezone": "Mars/Base"}, "vivenu.zone", "timezone"),
        ({"maxAmount": "many"}, "vivenu.number", "capacity"),
        ({"name": {"en": "x"}}, "vivenu.type", "name"),
        ({"geoCode": {"lat": 91}}, "vivenu.number", "lat"),
        ({"hideInListing": "maybe"}, "vivenu.flag", "is_private"),
        ({"tickets": [{**ADULT, "price": None}]}, "vivenu.required", "price"),
        ({"tickets": [{**ADULT, "price": 1.23456}]}, "vivenu.money", "price"),
        ({"tickets": [{**ADULT, "taxRate": 19}]}, "vivenu.percent", "tax_rate"),
        ({"tickets": [{**ADULT, "_id": ""}]}, "vivenu.required", "source_id"),
        ({"tickets": ["adult"]}, "vivenu.type", "id"),
    ],
)
def test_an_event_that_cannot_be_read_goes_to_quarantine_whole(change, rule, column, make):
    made = make("events", {**EVENT, **change}, {**EVENT, "_id": "e2"})
    assert [(record, name, where) for record, name, where, _ in made.errors] == [(0, rule, column)]
    assert [row["source_id"] for row in made.rows["events"]] == ["e2"]
    assert {row["_record"] for row in made.rows["ticket_types"]} == {1}


def test_a_coupon_with_terms_of_its_own(make):
    made = make("coupons", COUPON)
    row = made.one("coupons")
    applies = json.loads(row.pop("applies_to"))
    assert applies == {
        "allowAllEvents": False, "allowAllTickets": True, "allowedEvents": ["e1"],
        "allowedTickets": [], "unlocks": [],
    }  # fmt: skip
    assert row == {
        "id": key("coupons", "c1"), "source_system": "vivenu", "source_account": "auckland",
        "source_id": "c1", "code": "Spring 26", "code_key": "spring 26", "series_source_id": None,
        "name": "Spring", "event_id": key("events", "e1"), "discount_kind": "fixed",
        "discount_value": Decimal("5.000000"), "max_uses": 1, "uses_left": None,
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC), "valid_until": None, "is_active": True,
        "source_updated_at": datetime(2026, 1, 2, tzinfo=UTC), "is_test": False,
        "is_stub": False, "extra": {"note": "for partners"}, "_record": 0,
    }  # fmt: skip


def test_a_coupon_of_a_series_has_its_terms_and_the_newer_stamp(make):
    row = make("coupons", OF_SERIES).one("coupons")
    assert (row["code"], row["code_key"], row["series_source_id"]) == (None, None, "s1")
    assert (row["name"], row["discount_kind"]) == ("Partner", "percent")
    assert row["discount_value"] == Decimal("0.125")
    assert row["event_id"] is None
    assert row["source_updated_at"] == datetime(2026, 3, 1, tzinfo=UTC)
    assert row["extra"] == {"singleUsage": True, "note": "for partners"}


def test_codes_may_come_twice(make):
    made = make("coupons", COUPON, {**COUPON, "_id": "c9", "code": "SPRING 26"})
    assert [row["code_key"] for row in made.rows["coupons"]] == ["spring 26", "spring 26"]
    assert made.errors == []


@pytest.mark.parametrize(
    "kind, value, made_kind, made_value",
    [
        ("var", 1, "percent", Decimal(1)),
        ("fixPerItem", 1.5, "fixed_per_item", Decimal("1.5")),
        ("waiveFees", None, "waive_fees", None),
        (None, None, "none", None),
    ],
)
def test_kinds_of_discount(kind, value, made_kind, made_value, make):
    row = make("coupons", {**COUPON, "discountType": kind, "discountValue": value}).one("coupons")
    assert (row["discount_kind"], row["discount_value"]) == (made_kind, made_value)


@pytest.mark.parametrize(
    "coupon, rule, column",
    [
        ({**COUPON, "discountType": "var", "discountValue": 15}, "vivenu.percent",
         "discount_value"),
        ({**COUPON, "discountType": "bogof"}, "vivenu.enum", "discount_kind"),
        ({**COUPON, "couponType": "gift"}, "vivenu.enum", "discount_kind"),
        ({**OF_SERIES, "_series": None}, "vivenu.series", "series_source_id"),
        ({**COUPON, "maxUsage": -1}, "vivenu.number", "max_uses"),
        ({**COUPON, "active": "A"}, "vivenu.flag", "is_active"),
    ],
)  # fmt: skip
def test_a_coupon_that_cannot_be_read_goes_to_quarantine(coupon, rule, column, make):
    made = make("coupons", coupon)
    assert [(name, where) for _, name, where, _ in made.errors] == [(rule, column)]
    assert made.rows["coupons"] == []
