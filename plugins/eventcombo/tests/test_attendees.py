from __future__ import annotations

from decimal import Decimal

import pytest

from messy_migration_ticketing import uid

TICKET = {
    "T_Id": " 2000001 ",
    "T_Order_Id": "T000000007",
    "O_Id": 7,
    "TQD_Event_Id": 31_001,
    "TQD_Ticket_Id": 501,
    "OrderStateId": None,
    "O_OrderDateTime": "2026-02-01T10:00:00",
    "Name": f"{'Ana Núñez':<128}",
    "Email": f"{'ana@mail.example':<256}",
    "PhoneNumber": "413-555-0100 ",
    "TicketPrice": Decimal("25.00"),
    "TPD_Amount": Decimal("54.48"),
    "TPD_Purchased_Qty": 2,
    "TQD_StartTime": "07:30 PM",
}


def key(table, source_id):
    return uid("eventcombo", "default", table, source_id)


def test_m5_a_ticket_whole_with_its_padding_gone_from_all_but_the_key(make):
    row = make("attendees", TICKET).one("tickets")
    expected = {
        "id": key("tickets", " 2000001 "),
        "source_id": " 2000001 ",
        "barcode": "2000001",
        "event_id": key("events", "31001"),
        "ticket_type_id": key("ticket_types", "501"),
        "order_id": key("orders", "7"),
        "status": "valid",
        "holder_name": "Ana Núñez",
        "holder_email": "ana@mail.example",
        "holder_phone": "413-555-0100",
        "regular_price": Decimal("25.0000"),
        "price": Decimal("27.2400"),
        "currency": "USD",
        "slot_starts_local": "07:30 PM",
        "extra": '{"order_number": "T000000007"}',
    }
    assert {name: row[name] for name in expected} == expected


def test_m5_barcodes_that_are_one_after_trimming_stay_two_with_a_warning(make):
    made = make("attendees", TICKET, {**TICKET, "T_Id": "2000001"})
    assert len({row["id"] for row in made.rows["tickets"]}) == 2
    assert made.warnings == ["eventcombo.repeated_barcode"] * 2


def test_a_ticket_that_comes_twice_repeats_no_barcode(make):
    assert make("attendees", TICKET, TICKET).violations == []


@pytest.mark.parametrize(
    "state, status",
    [(None, "valid"), (1, "valid"), (2, "cancelled"), (3, "cancelled"), (4, "reserved")],
)
def test_m10_the_state_of_the_order_is_the_state_of_the_ticket(make, state, status):
    assert make("attendees", {**TICKET, "OrderStateId": state}).one("tickets")["status"] == status


def test_m8_null_is_completed_and_a_missing_state_is_not(make):
    record = {name: value for name, value in TICKET.items() if name != "OrderStateId"}
    assert make("attendees", record).errors == ["eventcombo.no_order_state"]


@pytest.mark.parametrize("event", [None, 0, "0", ""])
def test_m7_a_ticket_of_no_event_goes_to_quarantine(make, event):
    assert make("attendees", {**TICKET, "TQD_Event_Id": event}).errors == ["eventcombo.required"]


def test_m13_a_deleted_ticket_type_is_still_pointed_at(make):
    row = make("attendees", {**TICKET, "TQD_Ticket_Id": 59_999}).one("tickets")
    assert row["ticket_type_id"] == key("ticket_types", "59999")
    assert make("attendees", {**TICKET, "TQD_Ticket_Id": 0}).one("tickets")[
        "ticket_type_id"
    ] is None  # fmt: skip


def test_m15_an_order_number_alone_is_no_link_since_it_is_not_unique(make):
    made = make("attendees", {**TICKET, "O_Id": None})
    assert made.one("tickets")["order_id"] is None
    assert made.warnings == ["eventcombo.no_order_key"]


def test_m19_a_share_that_cannot_be_divided_is_rounded_half_to_even(make):
    row = make("attendees", {**TICKET, "TPD_Amount": 100, "TPD_Purchased_Qty": 3}).one("tickets")
    assert row["price"] == Decimal("33.3333")
    none = make("attendees", {**TICKET, "TPD_Purchased_Qty": 0}).one("tickets")
    assert none["price"] is None


def test_an_alias_of_the_settings_is_read(make):
    record = {**TICKET, "Guest": "Ben"}
    del record["Name"]
    row = make("attendees", record, aliases={"attendees": {"Name": ["Guest"]}}).one("tickets")
    assert row["holder_name"] == "Ben"


def test_the_same_record_gives_the_same_row_in_any_company(make):
    alone = make("attendees", TICKET).one("tickets")
    among = make("attendees", {**TICKET, "T_Id": "1"}, TICKET).rows["tickets"][1]
    assert {**alone, "_record": 1} == among
