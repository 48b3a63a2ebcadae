"""What a proof claims against a forger follows from what was read back under a key."""

from __future__ import annotations

import pytest

from messy_migration.evidence.claims import claims

KEY = "0123456789abcdef"


def forger(**document):
    lines = claims(document)
    assert len(lines) == 3
    return lines[2]


def test_without_a_key_the_sums_are_said_to_have_none():
    assert "the sums have no key" in forger()
    assert "the sums have no key" in forger(keyed=None, against="ledger")


def test_with_all_tables_under_a_key_nothing_is_forged_without_it():
    said = forger(keyed={"key_id": KEY, "tables": 3, "of": 3})
    assert KEY in said
    assert "without the key" in said
    assert "no key" not in said


@pytest.mark.parametrize("tables", [0, 2])
def test_with_some_tables_under_a_key_it_is_said_how_many(tables):
    said = forger(keyed={"key_id": KEY, "tables": tables, "of": 3})
    assert f"{tables} of 3 tables" in said
    assert "The sums of the others have no key" in said


def test_value_by_value_no_key_takes_part():
    assert KEY not in forger(against="landed", keyed={"key_id": KEY, "tables": 3, "of": 3})
