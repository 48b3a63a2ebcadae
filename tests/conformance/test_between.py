"""The nasty rows in two kinds of database, held against each other with no run before it."""

from __future__ import annotations

from itertools import combinations

import pytest

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, Request
from messy_migration.testing.conformance import without
from messy_migration.testing.nasty_rows import nasty

KINDS = ("postgresql", "sqlite", "mariadb", "duckdb")
ROWS = 500


@pytest.fixture(params=combinations(KINDS, 2), ids="-".join)
def two(request, place_of):
    """The nasty rows that both can hold, in two kinds of database."""
    table, data = nasty(ROWS, seed=4)
    places = [place_of(kind) for kind in request.param]
    for place in places:
        data = without(data, place.unstorable(table, data))
    for place in places:
        place.load(table, data)
    return places


def compared(two, wishes=None):
    left, right = two
    return api.compare(Request(), left.url, right.url, wishes or CompareOptions(), Budget())


def test_they_match_and_one_changed_cell_is_named(two):
    found = compared(two)
    assert (found.verdict, found.exit_code) == ("MATCH", 0), found
    two[1].run("UPDATE nasty SET medium = 12345 WHERE id = 321")
    changed = compared(two)
    assert (changed.verdict, changed.exit_code) == ("MISMATCH", 8)
    (table,) = changed.tables
    (difference,) = table.findings.differences
    assert (difference.kind, difference.columns) == ("changed", ("medium",))
    assert dict(difference.key) == {"id": "321"}
