from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from messy_migration_ticketing import uid

CUSTOMER = {
    "_id": "k1",
    "primaryEmail": " Anna@Example.org ",
    "prename": "Anna",
    "lastname": "Łucja",
    "name": "Anna Łucja",
    "company": None,
    "phone": "069 555",
    "number": 17,
    "externalId": "X-1",
    "location": {"street": "Zeil 1", "postal": "60313", "city": "Frankfurt", "state": "HE",
                 "country": "DE", "center": [8.6, 50.1]},
    "blocked": False,
    "verified": True,
    "tags": ["vip", "", None],
    "segments": ["s1"],
    "notes": "likes jazz",
    "identification": [{"type": "spain_tax_id", "identifier": "keep-out"}],
    "extraFields": {"newsletter": True},
    "createdAt": "2025-01-01T00:00:00.000Z",
    "updatedAt": "2026-01-01T00:00:00.000Z",
}  # fmt: skip
TICKET = {
    "_id": "t1",
    "sellerId": "s1",
    "eventId": "e1",
    "rootEventId": None,
    "ticketTypeId": "a",
    "ticketName": "Adult",
    "transactionId": "o1",
    "customerId": "k1",
    "barcode": "ABCDEFGH23",
    "status": "VALID",
    "origin": "yourticket",
    "name": "Anna Łucja",
    "firstname": "Anna",
    "lastname": "Łucja",
    "email": "anna@example.org",
    "currency": "EUR",
    "regularPrice": 45.5,
    "realPrice": 40,
    "slotStartTime": "16:00",
    "deliveryType": "VIRTUAL",
    "personalized": True,
    "expiresAt": "2027-01-01T00:00:00.000Z",
    "seatingInfo": {"_type": 6, "statusId": "s", "sectionName": "Block Ä", "rowName": "7",
                    "seatName": 12},
    "packageInfo": {"packageId": "p1", "packageConfigId": "c", "name": "Family"},
    "extraFields": {"diet": "vegan, no nuts", "consent": True, "note": None, "zz": ["a", 1.50]},
    "claimed": True,
    "batch": "b7",
    "createdAt": "2026-01-01T10:00:00.000Z",
    "updatedAt": "2026-01-02T10:00:00.000Z",
}  # fmt: skip


def key(entity, source_id):
    return uid("vivenu", "auckland", entity, source_id)


def test_a_customer(make):
    made = make("customers", CUSTOMER)
    row = made.one("customers")
    assert json.loads(row.pop("tags")) == ["vip"]
    assert row == {
        "id": key("customers", "k1"), "source_system": "vivenu", "source_account": "auckland",
        "source_id": "k1", "email": "Anna@Example.org", "email_key": "anna@example.org",
        "first_name": "Anna", "last_name": "Łucja", "full_name": "Anna Łucja", "company": None,
        "phone": "069 555", "street": "Zeil 1", "line2": None, "postal_code": "60313",
        "city": "Frankfurt", "region": "HE", "country": "DE", "customer_number": "17",
        "external_ref": "X-1", "is_blocked": False, "is_verified": True, "merged_into_id": None,
        "created_at": datetime(2025, 1, 1, tzinfo=UTC),
        "source_updated_at": datetime(2026, 1, 1, tzinfo=UTC), "is_test": False,
        "is_stub": False, "extra": {"segments": ["s1"], "notes": "likes jazz"}, "_record": 0,
    }  # fmt: skip
    assert made.one("custom_field_values")["owner_entity"] == "customers"
    assert "keep-out" not in repr(made.rows)


def test_two_customers_may_share_an_e_mail(make):
    other = {**CUSTOMER, "_id": "k2", "primaryEmail": "anna@example.org"}
    made = make("customers", CUSTOMER, other, {**CUSTOMER, "_id": "k3", "primaryEmail": None})
    keys = [row["email_key"] for row in made.rows["customers"]]
    assert keys == ["anna@example.org", "anna@example.org", None]
    assert made.errors == []


@pytest.mark.parametrize(
    "change, rule, column",
    [
        ({"_id": ""}, "vivenu.required", "source_id"),
        ({"createdAt": "2025-13-07T10:00:00.000Z"}, "vivenu.instant", "created_at"),
        ({"location": "Frankfurt"}, "vivenu.type", "street"),
        ({"blocked": "A"}, "vivenu.flag", "is_blocked"),
        ({"tags": {"a": 1}}, "vivenu.type", "tags"),
    ],
)
def test_a_customer_that_cannot_be_read_goes_to_quarantine(change, rule, column, make):
    made = make("customers", {**CUSTOMER, **change})
    assert [(name, where) for _, name, where, _ in made.errors] == [(rule, column)]
    assert made.rows == {"customers": [], "custom_field_values": []}


def test_a_ticket(make):
    made = make("tickets", TICKET)
    assert made.errors == []
    assert made.one("tickets") == {
        "id": key("tickets", "t1"), "source_system": "vivenu", "source_account": "auckland",
        "source_id": "t1", "event_id": key("events", "e1"),
        "ticket_type_id": key("ticket_types", "e1/a"), "order_id": key("orders", "o1"),
        "customer_id": key("customers", "k1"), "barcode": "ABCDEFGH23", "status": "valid",
        "replaces_ticket_id": None, "replace_reason": None, "holder_name": "Anna Łucja",
        "holder_first_name": "Anna", "holder_last_name": "Łucja",
        "holder_email": "anna@example.org", "holder_phone": None,
        "regular_price": Decimal("45.5000"), "price": Decimal("40.0000"), "currency": "EUR",
        "seat_section": "Block Ä", "seat_row": "7", "seat_number": "12", "seat_kind": "seat",
        "slot_starts_local": "16:00", "delivery": "virtual", "is_personalised": True,
        "expires_at": datetime(2027, 1, 1, tzinfo=UTC), "package_source_id": "p1",
        "issued_at": datetime(2026, 1, 1, 10, tzinfo=UTC),
        "source_updated_at": datetime(2026, 1, 2, 10, tzinfo=UTC), "is_test": False,
        "is_stub": False, "_record": 0,
        "extra": {
            "sellerId": "s1", "ticketName": "Adult", "batch": "b7", "origin": "yourticket",
            "seatingInfo": TICKET["seatingInfo"], "packageInfo": TICKET["packageInfo"],
        },
    }  # fmt: skip
    fields = {(r["slug"], r["value_type"], r["value"]) for r in made.rows["custom_field_values"]}
    assert fields == {
        ("diet", "text", "vegan, no nuts"), ("consent", "flag", "true"),
        ("zz", "json", '["a", 1.5]'),
    }  # fmt: skip


def test_what_is_declared_as_text_may_be_null(make):
    nulls = dict.fromkeys(
        ("categoryRef", "slotId", "underShopId", "customerId", "rootEventId", "ticketTypeId",
         "transactionId", "barcode", "name", "email", "realPrice", "currency", "seatingInfo",
         "packageInfo", "extraFields", "origin", "deliveryType", "updatedAt")
    )  # fmt: skip
    made = make("tickets", {**TICKET, **nulls})
    row = made.one("tickets")
    assert made.errors == []
    assert {row[name] for name in ("customer_id", "ticket_type_id", "order_id", "price",
                                   "source_updated_at", "seat_kind")} == {None}  # fmt: skip
    assert made.rows["custom_field_values"] == []


@pytest.mark.parametrize("origin", ["transfer", "rebooking", "upgrade"])
def test_a_ticket_names_the_one_that_it_replaces(origin, make):
    old = {**TICKET, "status": "INVALID"}
    new = {**TICKET, "_id": "t2", "originTicketId": "t1", "origin": origin}
    first, second = make("tickets", old, new).rows["tickets"]
    assert first["status"] == "cancelled"
    assert second["replaces_ticket_id"] == first["id"]
    assert second["replace_reason"] == origin


@pytest.mark.parametrize(
    "status, made_status",
    [("DETAILSREQUIRED", "pending_details"), ("RESERVED", "reserved"), ("BLANK", "blank")],
)
def test_states_of_tickets(status, made_status, make):
    assert make("tickets", {**TICKET, "status": status}).one("tickets")["status"] == made_status


@pytest.mark.parametrize(
    "change", [{"underShopId": "staff-only"}, {"name": "ZZtest Person"}, {"ticketName": "ZZTEST"}]
)
def test_test_tickets_are_marked(change, make):
    assert make("tickets", {**TICKET, **change}).one("tickets")["is_test"]


@pytest.mark.parametrize(
    "change, rule, column",
    [
        ({"eventId": None}, "vivenu.required", "event_id"),
        ({"status": None}, "vivenu.required", "status"),
        ({"status": "CHECKEDIN"}, "vivenu.enum", "status"),
        ({"origin": "auction"}, "vivenu.enum", "replace_reason"),
        ({"deliveryType": "OWL"}, "vivenu.enum", "delivery"),
        ({"seatingInfo": {"_type": 8}}, "vivenu.enum", "seat_kind"),
        ({"createdAt": None}, "vivenu.required", "issued_at"),
        ({"createdAt": "2026-01-05T25:10:00.000Z"}, "vivenu.instant", "issued_at"),
        ({"realPrice": "€12"}, "vivenu.money", "price"),
        ({"realPrice": 1e300}, "vivenu.money", "price"),
        ({"personalized": "perhaps"}, "vivenu.flag", "is_personalised"),
        ({"barcode": ["A"]}, "vivenu.type", "barcode"),
        ({"name": "\ud800"}, "vivenu.unicode", None),
    ],
)
def test_a_ticket_that_cannot_be_read_goes_to_quarantine(change, rule, column, make):
    made = make("tickets", {**TICKET, **change}, TICKET)
    assert [(record, name, where) for record, name, where, _ in made.errors] == [(0, rule, column)]
    assert [row["_record"] for row in made.rows["tickets"]] == [1]
    assert "ABCDEFGH23" not in repr(made.errors)


def test_rows_are_the_same_whatever_comes_beside_them(make):
    alone = make("tickets", TICKET).one("tickets")
    beside = make("tickets", {**TICKET, "_id": "t0", "status": "?"}, TICKET).one("tickets")
    assert {**beside, "_record": 0} == alone
