"""A quota is percent of the records of one stream."""

from __future__ import annotations

import pytest

from messy_migration.ledger.completeness import Completeness, headline, problems, told


def of(extracted, loaded, quarantined, limit=1.0, stream="shop.s"):
    filtered = extracted - loaded - quarantined
    return Completeness(stream, "", extracted, loaded, quarantined, filtered, limit)


@pytest.mark.parametrize(
    "found, is_over",
    [
        (of(0, 0, 0), False),
        (of(100, 99, 1), False),
        (of(100, 98, 2), True),
        (of(10_000, 9_950, 50), False),
        (of(10, 9, 1), True),
        (of(10, 9, 1, limit=10), False),
        (of(10, 9, 1, limit=0), True),
        (of(10, 0, 10, limit=100), False),
    ],
)
def test_more_percent_than_allowed_are_too_many(found, is_over):
    assert found.is_over is is_over
    codes = {error.exit_code for error in problems([found])}
    assert codes == ({7} if is_over or found.is_empty else set())


def test_a_match_of_a_part_is_not_called_a_match_of_all():
    whole, part = of(10, 10, 0), of(1_000, 999, 1)
    assert headline("MATCH", [whole]) == "MATCH"
    assert headline("MATCH", [whole, part]) == "MATCH of what was loaded"
    assert headline("MISMATCH", [part]) == "MISMATCH"
    assert told([whole]) == ""
    assert told([whole, part]) == "1 of 1,010 records is in quarantine"
    assert "nothing was loaded of shop.s" in told([of(3, 0, 0)])
