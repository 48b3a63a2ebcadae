"""The canonical form of JSON; that it is PostgreSQL's own is tested against a server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messy_migration.fingerprint.json import canonical_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="\0", codec="utf-8"))
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("abé|", max_size=3), inner)
)


@pytest.mark.parametrize(
    "text, expected",
    [
        ('{"b":1,"a":2,"aa":3,"é":4}', '{"a": 2, "b": 1, "aa": 3, "é": 4}'),
        (" [ 1 ,2] ", "[1, 2]"),
        ("[{},[]]", "[{}, []]"),
        ("[-0,-0.0,1.50,1e2]", "[0, 0.0, 1.50, 100]"),
        ("[1.500e1,1.5e-3,0e5,0e-5]", "[15.00, 0.0015, 0, 0.00000]"),
        (r'"\u0001\n\/\u00e9\ud83d\ude00"', '"\\u0001\\n/é😀"'),
        (r'"\\u0000"', r'"\\u0000"'),
        ("[" * 64 + "]" * 64, "[" * 64 + "]" * 64),
    ],
)  # fmt: skip
def test_writes_the_canonical_form(text, expected):
    assert canonical_json(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "01", "'a'", "[1,]", "NaN", "[Infinity]", '{"a":-Infinity}', '"\n"', "nul",
        r'"\u0000"', r'{"\u0000":1}', r'"\ud800"', r'{"\udc00":1,"b":2}', r'"\ud800x"',
        "[" * 65 + "]" * 65, "[" * 100_000, "1e10001", "1e-10001", "1e99999999999999999999",
        "9" * 10_001, "0." + "9" * 10_001, '{"a":1,"a":2}', '{"a":1,"a":1}', r'{"a":1,"\u0061":1}',
        '[{"b":{"":1,"":2}}]',
    ],
)  # fmt: skip
def test_refuses_what_a_jsonb_cannot_hold_without_showing_it(text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the type is the contract
        canonical_json(text)
    assert len(str(caught.value)) < 100
    assert caught.value.__cause__ is None


@given(DOCUMENTS)
def test_the_canonical_form_is_its_own(document):
    once = canonical_json(json.dumps(document))
    assert canonical_json(once) == once
    assert json.loads(once) == document
    assert canonical_json(json.dumps(document, ensure_ascii=False, indent=1)) == once
