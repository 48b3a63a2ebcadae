from __future__ import annotations

import json
from decimal import Decimal

import pytest

from messy_migration_ticketing import (
    Bad,
    amount_of,
    at,
    coordinate,
    currency,
    email_key,
    enum,
    flag,
    identifier,
    is_blank,
    json_text,
    listed,
    mapping,
    money,
    percent,
    required,
    sentinel,
    text,
)

SECRET_LOOKING = "Jane Doe, jane@example.org"


def rule_of(read, *args, **options):
    with pytest.raises(Bad) as caught:
        read(*args, "column", **options)
    assert caught.value.column == "column"
    assert SECRET_LOOKING not in caught.value.message
    return caught.value.rule


@pytest.mark.parametrize(
    "value, read",
    [
        (None, None),
        ("", None),
        ("  \u00a0", None),
        ("C         ", "C"),
        (" Ärö ", "Ärö"),
        (42, "42"),
        (Decimal("42.0"), "42"),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_text_is_trimmed_and_blank_means_none(value, read):
    assert text(value, "column") == read


@pytest.mark.parametrize("value", [True, {"a": 1}, ["a"]])
def test_what_is_no_text_is_refused(value):
    assert rule_of(text, value) == "type"


def test_an_identifier_keeps_the_padding_of_its_source():
    assert identifier(" 1234567 ", "column") == " 1234567 "
    assert identifier(" ", "column") is None
    assert identifier(7, "column") == "7"


@pytest.mark.parametrize(
    "value, read",
    [
        (Decimal("10.5"), "10.5000"),
        (50, "50.0000"),
        ("1,234.50", "1234.5000"),
        ("$1,234.50", "1234.5000"),
        ("-3.5", "-3.5000"),
        (" 7 ", "7.0000"),
        (Decimal("1E+2"), "100.0000"),
        (Decimal("99999999999999.9999"), "99999999999999.9999"),
    ],
)
def test_money_is_exact_to_four_places(value, read):
    assert str(money(value, "column")) == read


def test_the_noise_of_doubles_is_taken_out_of_money():
    summed = Decimal(repr(0.1 + 0.2 + 9.9))
    assert str(summed) == "10.200000000000001"
    assert money(summed, "column") == Decimal("10.2")
    assert money(Decimal(repr(1.1 * 3)), "column") == Decimal("3.3")


@pytest.mark.parametrize(
    "value",
    [
        Decimal("19.999999999999999999"),
        Decimal("0.00001"),
        Decimal("1.23456"),
        Decimal("1E+14"),
        Decimal("1E+400"),
        "1.234,56",
        "€12",
        "12 EUR",
        "1,23",
        "12,34.50",
        "1e3",
        "١٢",
        SECRET_LOOKING,
        True,
        [],
    ],
)
def test_money_that_could_be_read_in_two_ways_is_refused(value):
    assert rule_of(money, value) == "money"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_no_money_is_none_and_not_zero(value):
    assert money(value, "column") is None


@pytest.mark.parametrize(
    "value, whole, read",
    [
        (Decimal("0.19"), 1, "0.190000"),
        (1, 1, "1.000000"),
        (100, 100, "1.000000"),
        ("12.5", 100, "0.125000"),
        (0, 100, "0.000000"),
    ],
)
def test_a_percentage_becomes_a_fraction(value, whole, read):
    assert str(percent(value, "column", whole=whole)) == read


@pytest.mark.parametrize("value, whole", [(15, 1), (Decimal("1.01"), 1), (-1, 100), (101, 100)])
def test_more_than_all_of_it_is_refused(value, whole):
    assert rule_of(percent, value, whole=whole) == "percent"


@pytest.mark.parametrize(
    "value, read",
    [("Y", True), ("n", False), (" 1 ", True), (0, False), ("TRUE", True), (False, False)],
)
def test_a_flag_is_read_however_it_is_spelt(value, read):
    assert flag(value, "column") is read


@pytest.mark.parametrize("value", ["A", "maybe", 2, SECRET_LOOKING])
def test_a_flag_that_is_neither_is_refused(value):
    assert rule_of(flag, value) == "flag"


def test_an_unknown_word_is_refused_and_not_repeated():
    words = {"VALID": "valid", "INVALID": "cancelled"}
    assert enum("VALID", "column", words) == "valid"
    assert enum("", "column", words) is None
    assert rule_of(enum, SECRET_LOOKING, words=words) == "enum"
    assert rule_of(enum, "valid", words=words) == "enum"


@pytest.mark.parametrize("value, read", [(5, 5), (Decimal("5.0"), 5), ("1,000", 1000), (0, 0)])
def test_a_capacity_is_a_whole_number(value, read):
    assert amount_of(value, "column") == read


@pytest.mark.parametrize("value", [-1, Decimal("1.5"), 1 << 63, "many", True])
def test_a_capacity_that_is_none_is_refused(value):
    assert rule_of(amount_of, value) == "number"


def test_a_currency_is_three_letters_or_the_default():
    assert currency("eur", "column") == "EUR"
    assert currency(None, "column", "NZD") == "NZD"
    assert rule_of(currency, "€") == "currency"


def test_sentinels_mean_none_only_in_their_own_type():
    assert sentinel(0, 0, "0") is None
    assert sentinel(" -- ", "--") is None
    assert sentinel(False, 0) is False
    assert sentinel("07", "0") == "07"


def test_what_is_missing_is_named_by_its_column():
    assert required(0, "column") == 0
    with pytest.raises(Bad) as caught:
        required(None, "price")
    assert (caught.value.rule, caught.value.column) == ("required", "price")


def test_a_finding_says_which_table_it_is_about():
    with pytest.raises(Bad) as caught, at("orders"), at("order_items"):
        required(None, "price")
    assert caught.value.table == "order_items"


def test_small_shapes():
    assert listed(None, "c") == []
    assert listed("rule-1", "c") == ["rule-1"]
    assert listed(["a", "b"], "c") == ["a", "b"]
    assert mapping("", "c") == {}
    assert rule_of(listed, {"a": 1}) == "type"
    assert rule_of(mapping, "text") == "type"
    assert email_key(" Jane@Example.ORG ") == "jane@example.org"
    assert coordinate(Decimal("174.76333601"), "c", 180) == Decimal("174.763336")
    assert rule_of(coordinate, 91, limit=90) == "number"
    assert [is_blank(value) for value in (None, " ", [], {}, 0, False)] == [True] * 4 + [False] * 2


def test_json_text_keeps_every_digit():
    value = {"price": Decimal("10.50"), "big": 12345678901234567890, "deep": [None, True, "ä\n"]}
    written = json_text(value)
    assert '"price": 10.50' in written
    assert json.loads(written, parse_float=Decimal) == value
