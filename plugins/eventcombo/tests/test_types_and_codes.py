from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

TYPE = {
    "T_Id": 501,
    "E_Id": 31_001,
    "T_name": "Adult   ",
    "Qty_Available": 100,
    "Price": Decimal("25.00"),
    "TicketTypeID": 2,
    "EC_Fee": Decimal("1.49"),
    "T_EcAmount": Decimal("0.75"),
    "Customer_Fee": None,
    "Fees_Type": "0",
    "Min_T_Qty": 1,
    "Max_T_Qty": 10,
    "T_Disable": "0",
    "T_Sold_Qty": 17,
}
CODE = {
    "PC_id": 9,
    "PC_Code": "Early10   ",
    "PC_Amount": None,
    "PC_Percentage": Decimal("12.5"),
    "PC_Uses": f"{'5':<10}",
    "PC_Apply": "A",
    "PC_Startdatetype": 0,
    "P_Startdate": "2026-01-01T00:00:00",
    "P_Enddate": "0001-01-01T00:00:00",
    "PC_Eventid": 31_001,
}


def test_a_ticket_type_whole(make):
    row = make("ticket_types", TYPE).one("ticket_types")
    expected = {
        "source_id": "501",
        "name": "Adult",
        "kind": "paid",
        "price": Decimal("25.0000"),
        "currency": "USD",
        "fee_mode": "buyer",
        "service_fee": Decimal("1.4900"),
        "merchant_fee": Decimal("0.7500"),
        "customer_fee": None,
        "capacity": 100,
        "min_per_order": 1,
        "max_per_order": 10,
        "is_active": True,
        "extra": "{}",
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("flag, active", [("0", True), ("1", False), (None, True), ("1 ", False)])
def test_m6_disabled_ticket_types_are_not_active(make, flag, active):
    row = make("ticket_types", {**TYPE, "T_Disable": flag}).one("ticket_types")
    assert row["is_active"] is active


@pytest.mark.parametrize("kind, word", [(1, "free"), (2, "paid"), (3, "donation")])
def test_kinds(make, kind, word):
    assert make("ticket_types", {**TYPE, "TicketTypeID": kind}).one("ticket_types")["kind"] == word


@pytest.mark.parametrize(
    "change, rule",
    [
        ({"TicketTypeID": 4}, "eventcombo.enum"),
        ({"TicketTypeID": None}, "eventcombo.required"),
        ({"E_Id": None}, "eventcombo.required"),
        ({"E_Id": 0}, "eventcombo.required"),
        ({"T_name": " "}, "eventcombo.required"),
        ({"Price": None}, "eventcombo.required"),
        ({"Price": 9_999_999}, "eventcombo.absurd_price"),
        ({"Qty_Available": -1}, "eventcombo.number"),
        ({"T_Disable": "A"}, "eventcombo.flag"),
    ],
)
def test_what_cannot_be_meant_goes_to_quarantine(make, change, rule):
    assert make("ticket_types", {**TYPE, **change}).errors == [rule]


def test_a_free_ticket_needs_no_price(make):
    row = make("ticket_types", {**TYPE, "TicketTypeID": 1, "Price": None}).one("ticket_types")
    assert row["price"] == 0


def test_m3_a_percentage_becomes_a_fraction(make):
    row = make("promo_codes", CODE).one("coupons")
    assert (row["discount_kind"], row["discount_value"]) == ("percent", Decimal("0.125000"))
    assert (row["code"], row["code_key"]) == ("Early10", "early10")
    assert row["valid_from"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert row["valid_until"] is None
    assert row["applies_to"] == '{"all": true}'


@pytest.mark.parametrize("share", [Decimal("100.5"), -1, "ten"])
def test_m3_more_than_all_of_it_goes_to_quarantine(make, share):
    assert make("promo_codes", {**CODE, "PC_Percentage": share}).errors == ["eventcombo.percent"]


def test_an_amount_is_fixed_and_both_are_a_contradiction(make):
    fixed = {**CODE, "PC_Percentage": 0, "PC_Amount": Decimal("5.00")}
    row = make("promo_codes", fixed).one("coupons")
    assert (row["discount_kind"], row["discount_value"]) == ("fixed", 5)
    both = {**CODE, "PC_Amount": Decimal("5.00")}
    assert make("promo_codes", both).errors == ["eventcombo.two_discounts"]


def test_m23_neither_is_none_with_a_warning(make):
    made = make("promo_codes", {**CODE, "PC_Percentage": None})
    assert made.one("coupons")["discount_kind"] == "none"
    assert made.warnings == ["eventcombo.no_discount"]


def test_m23_one_code_on_two_events_is_kept_twice_with_a_warning(make):
    made = make("promo_codes", CODE, {**CODE, "PC_id": 10, "PC_Code": "EARLY10", "PC_Eventid": 2})
    assert len({row["id"] for row in made.rows["coupons"]}) == 2
    assert made.warnings == ["eventcombo.repeated_code"] * 2


@pytest.mark.parametrize("uses, left, active", [("0         ", 0, False), ("7 ", 7, True),
                                                (None, None, True)])  # fmt: skip
def test_m5_padded_uses_are_what_is_left(make, uses, left, active):
    row = make("promo_codes", {**CODE, "PC_Uses": uses}).one("coupons")
    assert (row["uses_left"], row["is_active"]) == (left, active)


def test_a_list_of_ticket_types_is_kept_as_such(make):
    row = make("promo_codes", {**CODE, "PC_Apply": "501, 502"}).one("coupons")
    assert row["applies_to"] == '{"ticket_type_source_ids": ["501", "502"]}'
