from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from messy_migration_ticketing import uid

LINE = {
    "TPD_Id": 71,
    "TPD_Event_Id": 31_001,
    "TQD_Ticket_Id": 501,
    "T_name": "Adult ",
    "TPD_Purchased_Qty": 2,
    "TPD_Amount": Decimal("54.48"),
    "TPD_Donate": 0,
    "TicketPrice": Decimal("25.00"),
    "TicketECFee": Decimal("1.49"),
    "TicketMerchantFee": Decimal("0.75"),
    "TicketFeeType": 0,
    "TPD_PromoCodeID": 0,
    "TPD_PromoCodeAmount": 0,
}
ORDER = {
    "O_Id": 7,
    "O_Order_Id": "T000000007",
    "O_User_Id": "user-1   ",
    "O_First_Name": "Ana",
    "O_Last_Name": " Núñez ",
    "O_Email": "Ana@Mail.Example ",
    "O_OrderDateTime": "2026-02-01T10:00:00.5",
    "O_OrderAmount": Decimal("54.48"),
    "O_VariableAmount": Decimal("0.00"),
    "O_TotalAmount": Decimal("54.48"),
    "O_VariableId": None,
    "O_PromoCodeId": 0,
    "OrderStateId": None,
    "PaymentTypeId": 4,
    "IsManualOrder": False,
    "BillingAddress": {"Address1": "1 Elm", "Zip": "2108", "Phone_Number": "617-555-0199"},
    "Lines": [LINE],
}


def order(**changes):
    return {**ORDER, **changes}


def line(**changes):
    return order(Lines=[{**LINE, **changes}])


def key(table, source_id):
    return uid("eventcombo", "default", table, source_id)


def test_a_plain_order_whole(make):
    made = make("orders", ORDER)
    row = made.one("orders")
    expected = {
        "id": key("orders", "7"),
        "source_id": "7",
        "order_number": "T000000007",
        "event_id": key("events", "31001"),
        "customer_id": None,
        "status": "completed",
        "payment_status": "paid",
        "payment_method": "online",
        "currency": "USD",
        "gross_amount": Decimal("54.4800"),
        "total_amount": Decimal("54.4800"),
        "discount_amount": Decimal("0.0000"),
        "fee_inside": Decimal("0.0000"),
        "fee_on_top": Decimal("4.4800"),
        "buyer_first_name": "Ana",
        "buyer_last_name": "Núñez",
        "buyer_email": "Ana@Mail.Example",
        "buyer_phone": "617-555-0199",
        "billing_street": "1 Elm",
        "billing_line2": None,
        "billing_postal_code": "2108",
        "channel": "online",
        "ordered_at": datetime(2026, 2, 1, 10, 0, 0, 500_000, tzinfo=UTC),
        "is_test": False,
        "extra": '{"O_User_Id": "user-1   "}',
    }
    assert {name: row[name] for name in expected} == expected
    item = made.one("order_items")
    assert item["order_id"] == row["id"]
    assert item["ticket_type_id"] == key("ticket_types", "501")
    assert (item["kind"], item["name"], item["quantity"]) == ("ticket", "Adult", 2)
    # M19: the amount of a line is for all of its tickets, the price is for one.
    assert (item["unit_price"], item["line_total"]) == (Decimal("25.0000"), Decimal("54.4800"))
    assert made.rows["order_discounts"] == made.rows["custom_field_values"] == []
    assert made.violations == []


@pytest.mark.parametrize(
    "state, status, payment",
    [
        (None, "completed", "paid"),
        ("", "completed", "paid"),
        (1, "completed", "paid"),
        ("1", "completed", "paid"),
        (2, "cancelled", "cancelled"),
        (3, "refunded", "refunded"),
        (4, "pending", "pending"),
    ],
)
def test_m10_states(make, state, status, payment):
    row = make("orders", order(OrderStateId=state)).one("orders")
    assert (row["status"], row["payment_status"]) == (status, payment)


@pytest.mark.parametrize("state", [0, 5, 9, "Active", True])
def test_m20_an_unknown_state_goes_to_quarantine_since_money_hangs_on_it(make, state):
    (rule,) = make("orders", order(OrderStateId=state)).errors
    assert rule in ("eventcombo.enum", "eventcombo.type")


def test_m20_an_unknown_kind_of_payment_is_unknown_with_a_warning(make):
    made = make("orders", order(PaymentTypeId=11))
    assert made.one("orders")["payment_method"] == "unknown"
    assert made.warnings == ["eventcombo.unknown_payment"]


@pytest.mark.parametrize("kind, method", [(3, "paypal"), (5, "complimentary"), (0, None)])
def test_payment_methods(make, kind, method):
    assert make("orders", order(PaymentTypeId=kind)).one("orders")["payment_method"] == method


def test_a_paypal_transaction_is_paypal_whatever_the_kind(make):
    row = make("orders", order(O_PayPal_TrancId="X1")).one("orders")
    assert row["payment_method"] == "paypal"


@pytest.mark.parametrize("flag, channel", [(True, "manual"), ("Y", "manual"), (None, "online")])
def test_m6_manual_orders(make, flag, channel):
    assert make("orders", order(IsManualOrder=flag)).one("orders")["channel"] == channel


def test_m6_a_flag_that_is_none_goes_to_quarantine(make):
    assert make("orders", order(IsManualOrder="maybe")).errors == ["eventcombo.flag"]


@pytest.mark.parametrize("number", ["", "   ", None])
def test_m15_a_blank_order_number_is_null_and_the_key_is_another(make, number):
    row = make("orders", order(O_Order_Id=number)).one("orders")
    assert (row["order_number"], row["source_id"]) == (None, "7")


def test_m15_a_number_that_is_given_out_twice_is_kept_with_a_warning(make):
    made = make("orders", ORDER, {**line(TPD_Id=72), "O_Id": 8})
    assert len({row["id"] for row in made.rows["orders"]}) == 2
    assert made.warnings == ["eventcombo.repeated_order_number"] * 2


def test_m15_two_blank_numbers_are_no_repetition(make):
    made = make("orders", order(O_Order_Id=""), {**line(TPD_Id=72), "O_Id": 8, "O_Order_Id": ""})
    assert made.violations == []


def test_m2_the_cents_that_donations_lose_are_tolerated_and_no_more(make):
    record = line(TPD_Donate=5)
    fits = {**record, "O_OrderAmount": Decimal("59.98"), "O_TotalAmount": Decimal("59.98")}
    made = make("orders", fits)
    assert made.warnings == []
    kinds = {row["kind"]: row["line_total"] for row in made.rows["order_items"]}
    assert kinds == {"ticket": Decimal("54.4800"), "donation": Decimal("5.0000")}
    over = {**record, "O_OrderAmount": Decimal("59.99"), "O_TotalAmount": Decimal("59.99")}
    assert make("orders", over).warnings == ["eventcombo.lines_differ"]


def test_m16_an_amount_that_differs_from_its_lines_is_a_warning_with_the_delta(make):
    made = make("orders", order(O_OrderAmount=Decimal("57.48"), O_TotalAmount=Decimal("57.48")))
    assert made.warnings == ["eventcombo.lines_differ"]
    assert "3.0000" in made.violations[0].message
    assert made.one("orders")["gross_amount"] == Decimal("57.4800")


def test_m16_a_lower_total_without_a_promo_code_is_a_warning(make):
    made = make("orders", order(O_TotalAmount=Decimal("50.00")))
    assert made.warnings == ["eventcombo.total_differs"]
    assert made.one("orders")["discount_amount"] == Decimal("4.4800")


def test_a_promo_code_of_the_order_takes_what_is_missing(make):
    made = make("orders", order(O_PromoCodeId=9, O_TotalAmount=Decimal("44.48")))
    row = made.one("order_discounts")
    assert (row["coupon_id"], row["amount"]) == (key("coupons", "9"), Decimal("10.0000"))
    assert made.warnings == []


def test_promo_codes_of_lines_are_added_up_and_not_counted_twice(make):
    lines = [
        {**LINE, "TPD_PromoCodeID": 9, "TPD_PromoCodeAmount": 4},
        {**LINE, "TPD_Id": 72, "TPD_PromoCodeID": "9", "TPD_PromoCodeAmount": Decimal("1.50")},
        {**LINE, "TPD_Id": 73, "TPD_PromoCodeID": 8, "TPD_PromoCodeAmount": 1},
    ]
    total = 3 * Decimal("54.48")
    made = make("orders", order(Lines=lines, O_PromoCodeId=9, O_OrderAmount=total,
                                O_TotalAmount=total - Decimal("6.50")))  # fmt: skip
    found = {row["coupon_id"]: row["amount"] for row in made.rows["order_discounts"]}
    assert found == {
        key("coupons", "9"): Decimal("5.5000"),
        key("coupons", "8"): Decimal("1.0000"),
    }
    assert made.warnings == []


def test_a_promo_code_larger_than_the_sum_was_dropped_by_the_platform(make):
    made = make("orders", line(TPD_PromoCodeID=9, TPD_PromoCodeAmount=Decimal("99.00")))
    assert made.warnings == []


@pytest.mark.parametrize("none", [0, "0", "", None])
def test_m7_no_promo_code_has_many_forms(make, none):
    made = make("orders", {**line(TPD_PromoCodeID=none), "O_PromoCodeId": none})
    assert made.rows["order_discounts"] == []


def test_m9_variable_charges_in_detail_become_items_and_custom_fields(make):
    charges = [
        {"Variable_Id": 41, "VariableDesc": "Dinner", "Price": Decimal("8.00")},
        {"Variable_Id": 42, "VariableDesc": "Parking", "Price": Decimal("4.50")},
    ]
    money = {"O_VariableAmount": Decimal("12.50"), "O_TotalAmount": Decimal("66.98")}
    made = make("orders", order(Variables=charges, O_VariableId="41,42", **money))
    items = {row["source_id"]: row["line_total"] for row in made.rows["order_items"]}
    assert items["7:variable:41"] == Decimal("8.0000")
    assert items["7:variable:42"] == Decimal("4.5000")
    values = {row["slug"]: row["value"] for row in made.rows["custom_field_values"]}
    assert values == {"variable_41": "Dinner", "variable_42": "Parking"}
    assert {row["owner_id"] for row in made.rows["custom_field_values"]} == {key("orders", "7")}
    assert made.one("orders")["gross_amount"] == Decimal("66.9800")
    assert made.warnings == []


def test_m9_a_list_of_ids_has_one_item_with_their_sum(make):
    money = {"O_VariableAmount": Decimal("12.50"), "O_TotalAmount": Decimal("66.98")}
    made = make("orders", order(O_VariableId="41, 42", **money))
    row = next(row for row in made.rows["order_items"] if row["kind"] == "variable_charge")
    assert (row["line_total"], row["extra"]) == (
        Decimal("12.5000"),
        '{"variable_ids": ["41", "42"]}',
    )
    assert len(made.rows["custom_field_values"]) == 2


def test_m9_options_that_cost_nothing_are_custom_fields_all_the_same(make):
    made = make("orders", order(O_VariableId="41,42"))
    slugs = [row["slug"] for row in made.rows["custom_field_values"]]
    assert slugs == ["variable_41", "variable_42"]


def test_m12_a_line_without_tickets_takes_its_order_to_quarantine(make):
    made = make("orders", line(TPD_Purchased_Qty=0))
    assert made.errors == ["ticketing.quantity"]
    assert made.rows["orders"] == []
    assert make("orders", line(TPD_Purchased_Qty=None)).errors == ["eventcombo.required"]
    assert make("orders", line(TPD_Purchased_Qty=-1)).errors == ["eventcombo.number"]


def test_an_order_over_two_events_belongs_to_none(make):
    made = make("orders", order(Lines=[LINE, {**LINE, "TPD_Id": 72, "TPD_Event_Id": 31_002}]))
    assert made.one("orders")["event_id"] is None
    assert len({row["event_id"] for row in made.rows["order_items"]}) == 2


def test_fees_belong_to_whoever_pays_them(make):
    row = make("orders", line(TicketFeeType="1")).one("orders")
    assert (row["fee_inside"], row["fee_on_top"]) == (Decimal("4.4800"), Decimal(0))


@pytest.mark.parametrize(
    "total, rule",
    [
        (None, "eventcombo.required"),
        ("12,5x", "eventcombo.money"),
        ("€12", "eventcombo.money"),
        (Decimal("1.23456"), "eventcombo.money"),
        (True, "eventcombo.money"),
    ],
)
def test_m2_money_is_exact_or_quarantined(make, total, rule):
    assert make("orders", order(O_TotalAmount=total)).errors == [rule]


def test_m2_money_as_the_exports_write_it(make):
    money = {"O_OrderAmount": "$1,234.50", "O_TotalAmount": "1234.5", "Lines": []}
    assert make("orders", order(**money)).one("orders")["total_amount"] == Decimal("1234.5000")


@pytest.mark.parametrize("when", [None, "", "0001-01-01T00:00:00"])
def test_m7_an_order_without_a_date_goes_to_quarantine(make, when):
    assert make("orders", order(O_OrderDateTime=when)).errors == ["eventcombo.required"]


def test_m1_old_orders_hold_local_times_where_the_settings_say_so(make):
    local = {"local_orders_before": "2026-03-01"}
    row = make("orders", ORDER, **local).one("orders")
    assert row["ordered_at"] == datetime(2026, 2, 1, 15, 0, 0, 500_000, tzinfo=UTC)
    zoned = order(O_OrderDateTime="2026-02-01T10:00:00Z")
    assert make("orders", zoned, **local).one("orders")["ordered_at"].hour == 10
    later = order(O_OrderDateTime="2026-03-02T10:00:00")
    assert make("orders", later, **local).one("orders")["ordered_at"].hour == 10


@pytest.mark.parametrize("email", [None, "", "   "])
def test_m4_an_order_without_an_email_is_an_order(make, email):
    assert make("orders", order(O_Email=email)).one("orders")["buyer_email"] is None


def test_an_occurrence_is_told_only_where_its_zone_is_known(make):
    slot = {"TQD_StartDate": "2026-05-14", "TQD_StartTime": "07:30 PM"}
    alone = make("orders", line(**slot)).one("order_items")
    assert alone["occurrence_starts_at"] is None
    zoned = make("orders", line(**slot, TimeZone="65")).one("order_items")
    assert zoned["occurrence_starts_at"] == datetime(2026, 5, 15, 2, 30, tzinfo=UTC)
