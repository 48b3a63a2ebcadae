from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from messy_migration_ticketing import uid

LINE = {"type": "ticket", "_id": "i1", "name": "Adult", "amount": 2, "price": 45.5,
        "netPrice": 39.57, "taxRate": 0.15, "ticketTypeId": "a", "categoryRef": "c1",
        "triggeredBy": "rule-1", "bundleInfo": {"bundleId": "b1"}, "seatingInfo": None,
        "slotInfo": {"slotId": "s", "slotStartTime": "16:00"}}  # fmt: skip
SHIRT = {"type": "product", "_id": "i2", "name": "T-Shirt", "amount": 1, "price": 29.95,
         "netPrice": None, "taxRate": None, "productVariantId": "v1"}  # fmt: skip
POST = {"itemId": "i3", "type": "fulfillmentType", "price": 3.9, "netPrice": 3.36, "taxRate": None}
ORDER = {
    "_id": "o1",
    "sellerId": "s1",
    "tid": "T100",
    "eventId": "e1",
    "customerId": "k1",
    "status": "COMPLETE",
    "paymentStatus": "POS-RECEIVED",
    "paymentMethod": "stripe",
    "paymentInfo": {"_id": "p", "method": "card"},
    "currency": "EUR",
    "regularPrice": 124.85,
    "realPrice": 115.85,
    "innerCharge": 2,
    "outerCharge": 3,
    "paymentCharge": 0,
    "taxRate": 0.19,
    "prename": "Jürgen",
    "lastname": "Groß",
    "email": "J@example.org",
    "phone": None,
    "street": "Zeil 1",
    "line2": "",
    "postal": "60313",
    "city": "Frankfurt",
    "country": "DE",
    "origin": "pos",
    "underShop": "shop-1",
    "createdAt": "2026-01-01T10:00:00.000Z",
    "updatedAt": "2026-01-02T10:00:00.000Z",
    "tickets": [LINE],
    "products": [SHIRT],
    "additionalItems": [POST],
    "appliedCoupons": [{"_id": "c1", "code": "SPRING"}],
    "appliedDiscountInfo": {
        "discounts": [
            {"_id": "d1", "discountId": "c1", "category": "coupon", "type": "fix",
             "absoluteDiscountValue": 7, "name": "Spring"},
            {"_id": "d2", "discountId": "c1", "category": "coupon", "type": "fix",
             "absoluteDiscountValue": 3, "name": "Spring"},
        ]
    },
    "redeemedVouchers": {"totalRedeemedAmount": 2, "vouchers": [{"code": "keep-out"}]},
    "extraFields": {"newsletter": False, "shirt": "XL", "age": 41, "tags": ["a"], "none": None},
}  # fmt: skip


def key(entity, source_id):
    return uid("vivenu", "auckland", entity, source_id)


def test_an_order_with_everything(make):
    made = make("orders", ORDER)
    assert (made.errors, made.warnings) == ([], [])
    assert made.one("orders") == {
        "id": key("orders", "o1"), "source_system": "vivenu", "source_account": "auckland",
        "source_id": "o1", "order_number": "T100", "event_id": key("events", "e1"),
        "customer_id": key("customers", "k1"), "status": "completed", "payment_status": "paid",
        "payment_method": "card", "currency": "EUR", "gross_amount": Decimal("124.8500"),
        "total_amount": Decimal("115.8500"), "discount_amount": Decimal("10.0000"),
        "fee_inside": Decimal("2.0000"), "fee_on_top": Decimal("3.0000"),
        "payment_fee": Decimal("0.0000"), "voucher_amount": Decimal("2.0000"),
        "tax_rate": Decimal("0.190000"), "buyer_first_name": "Jürgen", "buyer_last_name": "Groß",
        "buyer_email": "J@example.org", "buyer_phone": None, "billing_street": "Zeil 1",
        "billing_line2": None, "billing_postal_code": "60313", "billing_city": "Frankfurt",
        "billing_region": None, "billing_country": "DE", "channel": "pos",
        "shop_source_id": "shop-1", "ordered_at": datetime(2026, 1, 1, 10, tzinfo=UTC),
        "cancelled_at": None, "source_updated_at": datetime(2026, 1, 2, 10, tzinfo=UTC),
        "is_test": False, "is_stub": False, "extra": {"sellerId": "s1", "origin": "pos"},
        "_record": 0,
    }  # fmt: skip


def test_lines_know_their_order_their_type_and_their_price(make):
    ticket, shirt, post = make("orders", ORDER).rows["order_items"]
    assert json.loads(ticket.pop("parent_item_source_ids")) == ["rule-1"]
    assert ticket == {
        "id": key("order_items", "o1/i1"), "source_system": "vivenu",
        "source_account": "auckland", "source_id": "o1/i1", "order_id": key("orders", "o1"),
        "kind": "ticket", "ticket_type_id": key("ticket_types", "e1/a"),
        "event_id": key("events", "e1"), "name": "Adult", "quantity": 2,
        "unit_price": Decimal("45.5000"), "unit_net_price": Decimal("39.5700"),
        "line_total": Decimal("91.0000"), "tax_rate": Decimal("0.150000"),
        "bundle_source_id": "b1", "occurrence_starts_at": None,
        "source_updated_at": datetime(2026, 1, 2, 10, tzinfo=UTC), "is_test": False,
        "is_stub": False, "_record": 0,
        "extra": {"categoryRef": "c1", "slotInfo": {"slotId": "s", "slotStartTime": "16:00"}},
    }  # fmt: skip
    assert (shirt["kind"], shirt["line_total"], shirt["ticket_type_id"]) == (
        "product", Decimal("29.95"), None,
    )  # fmt: skip
    assert shirt["tax_rate"] == Decimal("0.19")
    assert (post["kind"], post["quantity"], post["source_id"]) == ("fee", 1, "o1/i3")


def test_discounts_of_one_coupon_are_one_row(make):
    row = make("orders", ORDER).one("order_discounts")
    assert row["id"] == key("order_discounts", "o1/c1")
    assert row["order_id"] == key("orders", "o1")
    assert row["coupon_id"] == key("coupons", "c1")
    assert (row["code"], row["amount"]) == ("SPRING", Decimal(10))
    assert row["extra"] == {"category": "coupon", "type": "fix", "name": "Spring"}


def test_other_discounts_have_no_coupon_and_vouchers_are_no_discount(make):
    info = {"discounts": [
        {"_id": "d1", "discountId": "g1", "category": "groupDiscount", "absoluteDiscountValue": 4},
        {"_id": "d2", "category": "voucher", "absoluteDiscountValue": 2},
    ]}  # fmt: skip
    made = make("orders", {**ORDER, "appliedDiscountInfo": info})
    rows = {row["source_id"]: row for row in made.rows["order_discounts"]}
    assert set(rows) == {"o1/g1", "o1/d2", "o1/c1"}
    assert rows["o1/g1"]["coupon_id"] is None
    assert (rows["o1/c1"]["coupon_id"], rows["o1/c1"]["amount"]) == (key("coupons", "c1"), None)
    assert made.one("orders")["discount_amount"] == Decimal(4)


def test_custom_fields_of_any_kind_are_kept(make):
    rows = make("orders", ORDER).rows["custom_field_values"]
    assert {(row["slug"], row["value_type"], row["value"]) for row in rows} == {
        ("newsletter", "flag", "false"), ("shirt", "text", "XL"), ("age", "number", "41"),
        ("tags", "json", '["a"]'),
    }  # fmt: skip
    assert {row["owner_entity"] for row in rows} == {"orders"}
    assert {row["owner_id"] for row in rows} == {key("orders", "o1")}
    assert {row["source_updated_at"] for row in rows} == {datetime(2026, 1, 2, 10, tzinfo=UTC)}


def test_voucher_codes_are_in_no_row(make):
    made = make("orders", {**ORDER, "vouchers": ["keep-out"], "locationCenter": [1, 2]})
    assert "keep-out" not in repr(made.rows)


@pytest.mark.parametrize(
    "status, payment, made_status, made_payment",
    [
        ("NEW", "AWAITING", "pending", "pending"),
        ("RESERVED-BY-SYSTEM", "LOCAL-PENDING", "reserved", "pending"),
        ("ABORTED", "FAILED", "abandoned", "failed"),
        ("COMPLETE", "CHARGEBACK", "completed", "disputed"),
        ("CANCELED", "REFUND", "cancelled", "refunded"),
        ("CANCELED", "POS-CANCELED", "cancelled", "cancelled"),
        ("COMPLETE", "EXTERNAL", "completed", "external"),
        ("COMPLETE", None, "completed", "pending"),
    ],
)
def test_states(status, payment, made_status, made_payment, make):
    row = make("orders", {**ORDER, "status": status, "paymentStatus": payment}).one("orders")
    assert (row["status"], row["payment_status"]) == (made_status, made_payment)


def test_the_history_tells_of_cancellations(make):
    def steps(*entries):
        return [{"type": kind, "date": f"2026-01-0{day}T00:00:00.000Z"} for kind, day in entries]

    partly = {**ORDER, "historyEntries": steps(("completed", 1), ("partial.canceled", 2))}
    wholly = {**ORDER, "status": "CANCELED", "historyEntries": steps(("canceled", 3))}
    both = {**ORDER, "status": "CANCELED",
            "historyEntries": steps(("partial.canceled", 2), ("canceled", 4))}  # fmt: skip
    rows = make("orders", partly, wholly, both).rows["orders"]
    # All three are one order in three states; the core keeps the newest.
    assert [(row["status"], row["cancelled_at"]) for row in rows] == [
        ("partially_cancelled", None),
        ("cancelled", datetime(2026, 1, 3, tzinfo=UTC)),
        ("cancelled", datetime(2026, 1, 4, tzinfo=UTC)),
    ]


@pytest.mark.parametrize("delta, warned", [("0", 0), ("0.005", 0), ("0.01", 1), ("-2.5", 1)])
def test_totals_that_do_not_add_up_are_a_warning_with_the_difference(delta, warned, make):
    wrong = json.dumps(ORDER).replace("115.85", str(Decimal("115.85") + Decimal(delta)))
    made = make("orders", wrong)
    assert made.errors == []
    assert len(made.rows["orders"]) == 1
    assert [(rule, column) for _, rule, column, _ in made.warnings] == [
        ("vivenu.total", "total_amount")
    ] * warned
    assert all(message.endswith(f"by {delta}") for *_, message in made.warnings)


@pytest.mark.parametrize(
    "change", [{"cancellationReason": "TRAINING/TEST"}, {"underShop": "staff-only"},
               {"lastname": "ZZTEST Groß"}, {"name": "zztest"}]
)  # fmt: skip
def test_test_orders_are_marked_with_all_their_rows(change, make):
    made = make("orders", {**ORDER, **change})
    for table in ("orders", "order_items", "order_discounts"):
        assert all(row["is_test"] for row in made.rows[table])


def test_lines_without_an_id_of_their_own_do_not_fall_together(make):
    lines = [{**LINE, "_id": None}, {**LINE, "_id": None}, LINE, LINE]
    made = make("orders", {**ORDER, "tickets": lines, "products": None, "additionalItems": []})
    ids = [row["source_id"] for row in made.rows["order_items"]]
    assert ids == ["o1/ticket/0", "o1/ticket/1", "o1/i1", "o1/ticket/3"]
    assert len({row["id"] for row in made.rows["order_items"]}) == 4


def test_an_order_of_products_only_has_no_event(make):
    made = make("orders", {**ORDER, "eventId": None, "customerId": "", "tickets": None,
                           "currency": None, "tid": None})  # fmt: skip
    row = made.one("orders")
    assert (row["event_id"], row["customer_id"], row["currency"], row["order_number"]) == (
        None, None, "NZD", None,
    )  # fmt: skip
    assert made.errors == []


def test_order_numbers_may_come_twice(make):
    made = make("orders", ORDER, {**ORDER, "_id": "o2"})
    assert [row["order_number"] for row in made.rows["orders"]] == ["T100", "T100"]


def test_fields_nobody_declared_are_kept(make):
    row = make("orders", {**ORDER, "brandNew": {"a": 1.5}, "posInfo": {"billingNo": "7"}})
    extra = row.one("orders")["extra"]
    assert extra["brandNew"] == {"a": 1.5}
    assert extra["posInfo"] == {"billingNo": "7"}


@pytest.mark.parametrize(
    "change, rule, column",
    [
        ({"status": "SETTLED"}, "vivenu.enum", "status"),
        ({"status": None}, "vivenu.required", "status"),
        ({"paymentStatus": "CRYPTO-RECEIVED"}, "vivenu.enum", "payment_status"),
        ({"realPrice": None}, "vivenu.required", "total_amount"),
        ({"realPrice": "1.234,56"}, "vivenu.money", "total_amount"),
        ({"createdAt": None}, "vivenu.required", "ordered_at"),
        ({"createdAt": "2025-11-31T09:30:00.000Z"}, "vivenu.instant", "ordered_at"),
        ({"updatedAt": 1767225600}, "vivenu.instant", "source_updated_at"),
        ({"currency": "EURO"}, "vivenu.currency", "currency"),
        ({"taxRate": 19}, "vivenu.percent", "tax_rate"),
        ({"tickets": [{**LINE, "amount": 0}]}, "vivenu.quantity", "quantity"),
        ({"tickets": [{**LINE, "amount": None}]}, "vivenu.required", "quantity"),
        ({"tickets": [{**LINE, "amount": 1.5}]}, "vivenu.number", "quantity"),
        ({"tickets": [{**LINE, "price": None}]}, "vivenu.required", "unit_price"),
        ({"additionalItems": [{**POST, "type": "gift"}]}, "vivenu.enum", "kind"),
        ({"tickets": {"i1": LINE}}, "vivenu.type", "source_id"),
        ({"appliedDiscountInfo": {"discounts": [{"category": "luck"}]}}, "vivenu.enum",
         "coupon_id"),
        ({"extraFields": ["a"]}, "vivenu.type", "value"),
        ({"extraFields": {" ": "a"}}, "vivenu.required", "slug"),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_read_goes_to_quarantine_whole(change, rule, column, make):
    made = make("orders", {**ORDER, **change}, {**ORDER, "_id": "o2"})
    assert [(record, name, where) for record, name, where, _ in made.errors] == [(0, rule, column)]
    assert {row["_record"] for rows in made.rows.values() for row in rows} == {1}
    assert "Groß" not in repr(made.errors)
