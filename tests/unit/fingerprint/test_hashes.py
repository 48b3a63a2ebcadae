"""Sums over any number of rows, and the bounds beyond which a piece is refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from messy_migration.fingerprint import rows
from messy_migration.fingerprint.json import canonical_json
from messy_migration.fingerprint.rows import fingerprint_texts, row_hashes, total
from messy_migration.model import Fingerprint


@pytest.mark.parametrize("count", [0, 1, 1_023, 1_024, 1_025, 1_500, 2_048, 2_049, 3_500])
def test_every_row_is_hashed_and_summed_however_many_there_are(count):
    texts = [f"{number}|~".encode() for number in range(count)]
    words = [
        [int.from_bytes(hashlib.sha256(text).digest()[place : place + 8]) for place in (0, 8)]
        for text in texts
    ]
    hashes = row_hashes(pa.array(texts, pa.binary()))
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == words
    sums = [sum(one[lane] for one in words) % 2**64 for lane in (0, 1)]
    assert total(hashes) == fingerprint_texts(iter(texts)) == Fingerprint(count, *sums)
    assert total(hashes, -1) == Fingerprint() - total(hashes)


def test_a_piece_of_two_gibibytes_of_text_is_refused_and_nothing_wraps():
    like = pa.array([1])
    with pytest.raises(OverflowError):
        rows._strings(np.array([0, 1 << 31], np.int64), np.empty(0, np.uint16), like)
    # Below that it is Arrow who looks whether the bytes are there.
    with pytest.raises(pa.ArrowInvalid):
        rows._strings(np.array([0, (1 << 31) - 1], np.int64), np.empty(0, np.uint16), like)


@pytest.mark.parametrize(
    "text, same",
    [
        ("1e9999", "1" + "0" * 9_999),
        ("1e10000", "1" + "0" * 10_000),
        ("1e-10000", "0." + "0" * 9_999 + "1"),
        ("1" * 10_000, "1" * 10_000),
        ("1." + "1" * 9_998, "1." + "1" * 9_998),
        # A backslash and what looks like an escape is a text like any other, beside no text.
        (r'["\\u0000", null, true, 1]', r'["\\u0000", null, true, 1]'),
        (r'{"\\u0000": {"a": null}}', r'{"\\u0000": {"a": null}}'),
        ("[" * 64 + "]" * 64, "[" * 64 + "]" * 64),
        ('{"a": ' * 64 + "1" + "}" * 64, '{"a": ' * 64 + "1" + "}" * 64),
        ('[{"a": ' * 32 + "1" + "}]" * 32, '[{"a": ' * 32 + "1" + "}]" * 32),
    ],
)
def test_documents_up_to_the_bounds_have_a_form(text, same):
    assert canonical_json(text) == same


@pytest.mark.parametrize(
    "text",
    [
        "1e10001",
        "1e-10001",
        "1" * 10_001,
        "1." + "1" * 10_000,
        "1e1234567",
        r'{"a": "\u0000"}',
        r'{"\u0000": 1}',
        r'[["\u0000"]]',
        r'"\ud800"',
        "[" * 65 + "]" * 65,
        '{"a": ' * 65 + "1" + "}" * 65,
        '[{"a": ' * 33 + "1" + "}]" * 33,
    ],
)
def test_documents_beyond_the_bounds_have_none(text):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(text)
