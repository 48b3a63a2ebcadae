"""What was loaded and what was not, as a value: words, limits, problems."""

from __future__ import annotations

import pytest

from messy_migration.ledger.completeness import Completeness, headline, of_rows, problems, told


def of(loaded, quarantined, filtered=0, limit=1.0, stream="shop.s", tenant=""):
    total = loaded + quarantined + filtered
    return Completeness(stream, tenant, total, loaded, quarantined, filtered, limit)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], ""),
        ([of(0, 0)], ""),
        ([of(5, 0, 2)], ""),
        ([of(26_005, 14)], "14 of 26,019 records are in quarantine"),
        ([of(0, 1)], "1 of 1 record is in quarantine; nothing was loaded of shop.s"),
        ([of(2, 1), of(2, 0, stream="shop.t")], "1 of 5 records is in quarantine"),
        ([of(0, 0, 2, tenant="oslo")], "nothing was loaded of shop.s@oslo"),
    ],
)
def test_what_was_not_loaded_in_words(found, words):
    assert told(found) == words
    assert headline("MATCH", found) == ("MATCH of what was loaded" if words else "MATCH")
    for word in ("MISMATCH", "UNKNOWN"):
        assert headline(word, found) == word


def test_many_streams_of_which_nothing_was_loaded_are_not_all_named():
    found = [of(0, 0, 1, stream=f"shop.s{number}") for number in range(6)]
    assert told(found).endswith("shop.s0, shop.s1, shop.s2, shop.s3 and 2 more streams")


@pytest.mark.parametrize(
    ("one", "is_over", "is_empty"),
    [
        (of(99, 1), False, False),
        (of(98, 2), True, False),
        # Percent of the records, not a number of them.
        (of(9_950, 50), False, False),
        (of(9, 1), True, False),
        (of(9, 1, limit=10.0), False, False),
        (of(0, 0), False, False),
        (of(0, 0, 3), False, True),
        (of(0, 3, limit=100.0), False, True),
        (of(0, 3), True, True),
        (of(1, 0, limit=0.0), False, False),
        (of(999_999, 1, limit=0.0), True, False),
    ],
)
def test_over_the_limit_and_nothing_loaded_are_told_apart(one, is_over, is_empty):
    assert (one.is_over, one.is_empty) == (is_over, is_empty)
    found = problems([one])
    assert [problem.exit_code for problem in found] == [7] * (is_over or is_empty)
    assert all("shop.s" in problem.where and problem.next for problem in found)


def test_a_value_is_read_back_as_it_was_written():
    found = (of(1, 2, 3), of(4, 5, 6, 7.5, "x", "y"))
    assert of_rows(one.as_dict() for one in found) == found
