"""JSON in and out without loss."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messy_migration.http import dump
from messy_migration.http.exact import DEEPEST, Malformed, parse

NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec=None, categories=None))
TREES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def _same(one, other):
    """Equal with the same digits: 1.0 is not 1.00, and a number is not a truth value."""
    if isinstance(one, dict | list):
        pairs = one.items() if isinstance(one, dict) else enumerate(one)
        return (
            type(one) is type(other)
            and len(one) == len(other)
            and all(_same(value, other[key]) for key, value in pairs)
        )
    return str(one) == str(other) and isinstance(one, bool) == isinstance(other, bool)


@given(st.lists(TREES, max_size=4) | st.dictionaries(TEXTS, TREES, max_size=4))
def test_what_is_written_is_read_back_exactly(value):
    text = dump(value)
    assert _same(parse(text.encode()), value)
    assert dump(parse(text.encode())) == text


@given(st.dictionaries(TEXTS, st.integers(), max_size=6), st.randoms())
def test_equal_values_have_equal_text(value, chance):
    items = list(value.items())
    chance.shuffle(items)
    assert dump(dict(items)) == dump(value)


@given(TREES)
def test_the_text_is_json_for_everybody(value):
    json.loads(dump([value]).encode())


@pytest.mark.parametrize(
    "text",
    ["0.10", "1E+400", "1E-7", "-0.0", "100", "12345678901234567890123", "19.999999999999999999"],
)
def test_a_number_keeps_its_digits(text):
    assert dump(parse(f"[{text}]".encode())) == f"[{text}]"


def test_surrogates_and_nul_can_be_stored_as_text():
    text = dump(parse(rb'["\ud800", "\u0000", "M\u00fcnchen", "\ud83d\ude00"]'))
    assert text == '["\\ud800","\\u0000","München","😀"]'
    assert text.encode()


@pytest.mark.parametrize("value", [1.5, float("nan"), b"x", {1, 2}, Decimal("NaN"), object()])
def test_what_json_cannot_hold_exactly_is_not_written(value):
    with pytest.raises(TypeError):
        dump([value])


@pytest.mark.parametrize("text", ["{%s}", '{"a": [%s]}', "[[%s"])
def test_nesting_ends_at_the_limit(text):
    inside = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert parse(f"[{inside}]".encode())
    with pytest.raises(Malformed, match="deeper than 64"):
        parse((text % ("[" * DEEPEST + "]" * DEEPEST)).encode())


def test_brackets_in_strings_are_no_nesting():
    text = json.dumps(["[" * 500, '"{[' * 500, "\\" * 3 + "[" * 500])
    assert parse(text.encode()) == json.loads(text)


@pytest.mark.parametrize("piece", ['"', '\\"', '"\\', "[", "{", "\\", '["', "[1,", '{"a":', " "])
def test_a_broken_document_costs_no_more_than_a_whole_one(piece):
    began = time.monotonic()
    with pytest.raises(Malformed):
        parse(('["' + piece * (2_000_000 // len(piece))).encode())
    assert time.monotonic() - began < 20


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_one_error(data):
    try:
        value = parse(data)
    except Malformed:
        return
    assert dump(value).encode()


@given(st.dictionaries(TEXTS, TREES, max_size=4), TEXTS)
def test_a_denied_key_is_nowhere_in_the_text(value, secret):
    name = "hmacKey"
    inner = {name: secret, "kept": [{name.upper(): secret}, {}]}
    parsed = parse(dump({"a": inner, "b": value, name: 1}).encode(), deny=["HmacKey"])
    assert parsed["a"] == {"kept": [{}, {}]}
    assert name not in parsed


def test_a_key_twice_is_found_even_when_it_is_denied():
    with pytest.raises(Malformed, match="key twice"):
        parse(b'[{"secret": 1, "secret": 2}]', deny=["secret"])
    with pytest.raises(Malformed, match="key twice"):
        parse(b'[{"a": 1, "\\u0061": 2}]')


@pytest.mark.parametrize(
    "data, passing",
    [
        (b"", False),
        (b"<html>", False),
        (b"  <html>", False),
        (b"error", False),
        (b"[1", True),
        (b"[1] [2]", True),
        (b'{"a": tru', True),
        (b"[NaN]", False),
        (b"[\xff]", False),
        (b'["a\x00"]', True),
    ],
)
def test_only_what_may_have_been_cut_is_worth_another_call(data, passing):
    with pytest.raises(Malformed) as caught:
        parse(data)
    assert caught.value.passing is passing


def test_an_error_does_not_quote_the_document():
    for text in ('["canary-1" canary]', '{"canary": 1, "canary": 2}', '["canary', "[canary]"):
        with pytest.raises(Malformed) as caught:
            parse(text.encode())
        assert "canary" not in str(caught.value)
        assert "canary" not in repr(caught.value)
