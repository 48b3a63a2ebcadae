from __future__ import annotations

import pytest

from messy_migration_eventcombo.deny import DENY, bare, without_denied
from messy_migration_eventcombo.fields import ALIASES, KEYS, Fields, aliases_of, key_of
from messy_migration_ticketing import Bad


@pytest.mark.parametrize(
    "name",
    [
        "Cvv", "CVV", "cvv", "CardNumber", "card_number", "Card-Number", "passwordHash",
        "PRIVATE_PASSWORD", "privatePassword", "O_PayPal_TokenId", "oPayPalPayerId",
        "O_Card_TransHash", "SecurityStamp", "CardDetails", "Payment_Info", "ExpirationDate",
        "card_type", "CardId",
    ],
)  # fmt: skip
def test_denied_names_go_in_every_spelling_and_at_every_depth(name):
    record = {"O_Id": 1, name: "x", "Lines": [{"A": {name: "x", "B": 2}}]}
    assert without_denied(record) == {"O_Id": 1, "Lines": [{"A": {"B": 2}}]}


def test_no_alias_leads_to_a_denied_field():
    denied = set(map(bare, DENY))
    for table in ALIASES.values():
        for field, names in table.items():
            assert not denied & set(map(bare, (field, *names)))


@pytest.mark.parametrize("key", ["EventTitle", "eventTitle", "EVENT_TITLE", "event title"])
def test_names_are_compared_without_case_and_separators(key):
    assert Fields({key: "x"}, {})["EventTitle"] == "x"


def test_aliases_of_the_settings_come_before_ours():
    names = aliases_of("events", {"EventTitle": ("Caption",)})
    assert Fields({"Title": "ours", "Caption": "theirs"}, names)["EventTitle"] == "theirs"


def test_the_exact_name_wins_unless_it_says_nothing():
    names = {"EventTitle": ("Name",)}
    assert Fields({"Name": "b", "EventTitle": "a"}, names)["EventTitle"] == "a"
    assert Fields({"Name": "b", "EventTitle": "  "}, names)["EventTitle"] == "b"


def test_nested_objects_and_lists_of_one_are_looked_into():
    record = {"Venue": {"City": "Boston"}, "Addresses": [{"Zip": "02108"}]}
    fields = Fields(record, {}, ("Venue", "Addresses"))
    assert (fields["City"], fields["Zip"]) == ("Boston", "02108")


def test_two_spellings_with_two_values_are_a_contradiction():
    with pytest.raises(Bad) as caught:
        Fields({"EventTitle": "a", "eventTitle": "b"}, {})
    assert caught.value.rule == "field_twice"
    assert Fields({"EventTitle": "a", "eventTitle": "a"}, {})["EventTitle"] == "a"
    assert Fields({"EventTitle": None, "eventTitle": "a"}, {})["EventTitle"] == "a"


def test_the_rest_is_what_was_not_asked_for_and_says_something():
    fields = Fields({"A": 1, "B": 2, "C": None, "D": "", "T_Sold_Qty": 9}, {})
    assert fields["A"] == 1
    assert fields.rest() == {"B": 2}


def test_null_is_there_and_missing_is_not():
    fields = Fields({"orderStateId": None}, {})
    assert "OrderStateId" in fields
    assert "Other" not in fields


@pytest.mark.parametrize("entity", KEYS)
def test_a_record_without_its_key_has_none(entity):
    for value in (None, "", "  ", [], {}, True, [1]):
        assert key_of(entity, {KEYS[entity]: value}, {}) is None
    assert key_of(entity, {KEYS[entity].lower(): 5}, {}) == "5"


def test_only_barcodes_keep_their_padding_in_the_key():
    assert key_of("attendees", {"T_Id": " 1234567 "}, {}) == " 1234567 "
    assert key_of("orders", {"O_Id": " 17 "}, {}) == "17"
