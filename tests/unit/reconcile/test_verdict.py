"""One word for all tables: the worst."""

from __future__ import annotations

import pytest

from messy_migration.model import Fingerprint
from messy_migration.reconcile.checks import judged, unread
from messy_migration.reconcile.verdict import Check, TableVerdict, overall

NOTHING = Fingerprint()


@pytest.mark.parametrize(
    "words, word",
    [
        ([], "UNKNOWN"),
        (["MATCH"], "MATCH"),
        (["MATCH", "MATCH"], "MATCH"),
        (["MATCH", "UNKNOWN"], "UNKNOWN"),
        (["UNKNOWN", "MATCH"], "UNKNOWN"),
        (["MATCH", "MISMATCH", "UNKNOWN"], "MISMATCH"),
        (["UNKNOWN", "MISMATCH"], "MISMATCH"),
    ],
)
def test_the_worst_table_decides_and_nothing_compared_is_unknown(words, word):
    assert overall([TableVerdict("t", (), "s", NOTHING, NOTHING, one) for one in words]) == word


def test_what_is_wrong_beside_the_rows_is_said_and_what_was_not_seen_apart():
    found = [
        Check("key", "key id", "MATCH"),
        Check("counter", "one", "MISMATCH", "behind"),
        Check("counter", "two", "UNKNOWN", "no right"),
        Check("counter", "three", "MISMATCH", "gone"),
    ]
    assert judged(found) == ("MISMATCH", "one: behind; three: gone")
    assert judged(found[:1]) == judged(found[2:3]) == judged([]) == ("MATCH", "")
    assert unread(found) == "two: no right"
    assert unread(found[:2]) == ""
