"""Sums and MACs under a key: they add up as those without one do, and tell nothing of the key."""

from __future__ import annotations

import pickle
from hashlib import blake2b

import pytest

from messy_migration.errors import ConfigurationError
from messy_migration.fingerprint.keyed import Key, sums, sums_of_texts
from messy_migration.fingerprint.rows import fingerprint, row_texts
from messy_migration.model import Fingerprint

from ..sqlite_site import data_of, table_of

SECRET = "a secret of the tests"
TEXTS = [b"", b"|", b"~|1:a", b"\xff\x00"] + [b"%d|row" % number for number in range(3_000)]
LANE = 1 << 64


@pytest.fixture
def key():
    return Key(SECRET)


def hashed(text):
    """Row hash by the definition: keyed BLAKE2b of 16 bytes under a derived key."""
    root = blake2b(SECRET.encode(), person=b"mm root").digest()
    row = blake2b(key=root, digest_size=32, person=b"mm row").digest()
    digest = blake2b(text, key=row, digest_size=16).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def test_a_sum_is_that_of_keyed_blake2b_in_two_lanes(key):
    expected = [sum(lane) % LANE for lane in zip(*map(hashed, TEXTS), strict=True)]
    assert key.fingerprint(TEXTS) == Fingerprint(len(TEXTS), *expected)


def test_sums_add_up_in_any_order_and_however_rows_are_cut(key):
    whole = key.fingerprint(TEXTS)
    assert key.fingerprint(reversed(TEXTS)) == whole
    assert key.fingerprint(TEXTS[:7]) + key.fingerprint(TEXTS[7:]) == whole
    assert whole - key.fingerprint(TEXTS[:7]) == key.fingerprint(TEXTS[7:])
    assert key.fingerprint([]) == Fingerprint()


def test_another_secret_gives_another_id_other_sums_and_other_macs(key):
    other = Key(SECRET + "!")
    assert other.id != key.id
    assert other.fingerprint(TEXTS) != key.fingerprint(TEXTS)
    assert other.mac("link", "head") != key.mac("link", "head")
    assert Key(SECRET).id == key.id


def test_rows_in_flight_and_rows_read_back_have_the_same_sums(key):
    table = table_of("t", {"id": "int32", "v": "text", "d": "decimal(12,2)"}, key=("id",))
    data = data_of(table, *((number, f"v{number}", None) for number in range(40_000)))
    unkeyed, keyed = sums(data, table.columns, key)
    assert unkeyed == fingerprint(data, table.columns)
    texts = row_texts(data, table.columns).to_pylist()
    assert sums_of_texts(texts, key) == [unkeyed, keyed]
    assert sums(data, table.columns, None) == (unkeyed, None)


def test_several_keys_are_summed_in_one_reading(key):
    other = Key(SECRET + "!")
    _, first, second = sums_of_texts(iter(TEXTS), key, other)
    assert (first, second) == (key.fingerprint(TEXTS), other.fingerprint(TEXTS))


def test_a_masked_sum_comes_back_in_its_place_only(key):
    net, place = key.fingerprint(TEXTS), ("batch", "t", "[]")
    lanes = key.masked(net, place)
    assert lanes != net.lanes
    assert key.unmasked(lanes, place).lanes == net.lanes
    for other in (("batch2", "t", "[]"), ("batch", "u", "[]"), ("batch", "t", '[["a", "b"]]')):
        assert key.masked(net, other) != lanes
        assert key.unmasked(lanes, other).lanes != net.lanes


def test_masks_tell_two_equal_sums_apart_and_negative_ones_come_back(key):
    gone = Fingerprint() - key.fingerprint(TEXTS[:1])
    lanes = key.masked(gone, ("b", "t", "[]"))
    assert key.unmasked(lanes, ("b", "t", "[]")).lanes == gone.lanes
    assert key.masked(gone, ("c", "t", "[]")) != lanes


def test_a_mac_is_of_its_kind_and_its_digest(key):
    mac = key.mac("receipt", "ab" * 32)
    assert len(mac) == 64
    assert key.is_mac("receipt", "ab" * 32, mac)
    assert not key.is_mac("link", "ab" * 32, mac)
    assert not key.is_mac("receipt", "ac" * 32, mac)
    assert not key.is_mac("receipt", "ab" * 32, None)
    assert not key.is_mac("receipt", "ab" * 32, "\ud800")


def test_a_key_is_neither_shown_nor_sent(key):
    assert SECRET not in repr(key)
    assert key.id in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_a_short_secret_is_refused_and_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        Key("fifteen letters")
    assert "fifteen" not in str(caught.value)
    assert Key("sixteen letters!").id
