"""By value: what should be there, what stands for it, what was loaded, and what is there."""

from __future__ import annotations

import hashlib
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messy_migration.compare import values as comparing
from messy_migration.compare.buckets import ROWS, Buckets
from messy_migration.compare.budget import Budget, Progress, TimeUp
from messy_migration.compare.values import (
    EXPECTED,
    LOADED,
    STUBS,
    TARGET,
    LoadedRows,
    Unequal,
    compare,
    fingerprint_of,
)
from messy_migration.fingerprint.rows import fingerprint
from messy_migration.model import Column, ColumnType, Fingerprint, Table

COLUMNS = (
    Column("id", ColumnType("int32")),
    Column("v", ColumnType("text")),
    Column("at", ColumnType("int32")),
)
KEYED, KEYLESS = Table("t", COLUMNS, ("id",)), Table("t", COLUMNS)
KNOWN, IS_TARGET = LoadedRows(is_known=True), LoadedRows(is_target=True)


def row(number, v="a", at=0):
    age = b"~" if at is None else str(at).encode()
    return str(number).encode(), f"{len(v)}:{v}".encode(), age


@pytest.fixture
def held(tmp_path):
    """A function that compares rows by side: `held(expected=[...], target=[...])`."""
    folders = iter(range(10_000))

    def make(table=KEYED, rows=0, **sides):
        place = tmp_path / str(next(folders))
        place.mkdir()
        made = Buckets(place, table, rows)
        for name, chunk in sides.items():
            # One row at a time, since every chunk of a database is added by itself.
            made.add_rows(name, ([one] for one in chunk))
        made.close()
        return made

    def run(
        table=KEYED, buckets=1, third=None, bookmark=None, one_read=False, progress=None, **rows
    ):
        sides = make(table, (buckets - 1) * ROWS, **rows)
        assert sides.count == buckets
        return compare(
            sides, bookmark=bookmark, is_one_read=one_read, third=third, progress=progress
        )

    return run


def told(found):
    return {
        (item.kind, dict(item.key).get("id"), item.columns, item.since)
        for item in found.differences
    }


ITEMS = st.lists(st.builds(row, st.integers(0, 5), st.sampled_from("abc")), max_size=9)
quick = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("buckets", [1, 3])
@quick
@given(ITEMS, ITEMS)
def test_with_a_key_what_differs_is_what_two_dictionaries_say(held, buckets, should, there):
    expected = {one[0]: one for one in should}  # the later of two that are equally new
    first = {}
    for one in there:
        first.setdefault(one[0], one)
    doubled = len(there) - len(first)
    oracle = Counter(missing=len(expected.keys() - first.keys()))
    oracle["extra"] = len(first.keys() - expected.keys()) + doubled
    oracle["changed"] = sum(expected[key] != first[key] for key in expected.keys() & first.keys())
    found = held(buckets=buckets, expected=should, target=there)
    assert Counter(item.kind for item in found.differences) == +oracle
    assert found.total == oracle.total()
    assert found.expected == fingerprint_of(expected.values())
    assert found.actual == fingerprint_of(there)


@pytest.mark.parametrize("buckets", [1, 3])
@quick
@given(ITEMS, ITEMS)
def test_without_a_key_what_differs_is_the_difference_of_two_multisets(
    held, buckets, should, there
):
    found = held(KEYLESS, buckets, expected=should, target=there)
    ours, theirs = Counter(should), Counter(there)
    assert {(one.kind, one.expected or one.actual): one.count for one in found.rows} == {
        **{("missing", one): count for one, count in (ours - theirs).items()},
        **{("extra", one): count for one, count in (theirs - ours).items()},
    }
    assert [item.rows for item in found.differences] == [one.count for one in found.rows]
    assert found.total == (ours - theirs).total() + (theirs - ours).total()
    assert (found.expected, found.actual) == (fingerprint_of(should), fingerprint_of(there))


def test_the_fingerprint_of_fields_is_that_of_the_rows():
    rows = [{"id": 1, "v": "é|", "at": None}, {"id": -2, "v": "", "at": 7}]
    data = KEYED.arrow_schema().empty_table().from_pylist(rows, KEYED.arrow_schema())
    cells = [(b"1", "3:é|".encode(), b"~"), (b"-2", b"0:", b"7")]
    assert fingerprint_of(cells) == fingerprint(data, KEYED.columns)
    assert fingerprint_of([]) == Fingerprint()
    # Sums wrap like the database's.
    assert fingerprint_of(cells * 3) == fingerprint_of(cells) + fingerprint_of(cells * 2)


def test_a_changed_row_names_its_columns_and_rules(held):
    found = held(expected=[row(1, "a", 5), row(2)], target=[row(1, "A", 6), row(2)])
    assert told(found) == {("changed", "1", ("v", "at"), "")}
    assert found.columns == {"v": 1, "at": 1}
    (item,) = found.differences
    assert dict(item.rules)["v"] == "case"
    assert found.rows == [Unequal("changed", row(1, "a", 5), row(1, "A", 6))]
    assert found.since == {}


def test_missing_and_extra_rows_come_with_the_row_itself(held):
    found = held(expected=[row(1)], target=[row(2)])
    assert told(found) == {("extra", "2", (), ""), ("missing", "1", (), "")}
    assert found.rows == [Unequal("extra", None, row(2)), Unequal("missing", row(1), None)]
    assert [one.count for one in found.rows] == [1, 1]
    assert found.columns == {}


def test_a_stub_gives_way_to_the_parent_that_is_there_now(held):
    rows = {STUBS: [row(1, "stub"), row(2, "stub")], EXPECTED: [row(1, "real")]}
    assert held(target=[row(1, "real"), row(2, "stub")], **rows).total == 0
    found = held(target=[row(1, "stub"), row(2, "stub")], **rows)
    assert told(found) == {("changed", "1", ("v",), "")}
    assert found.rows[0].expected == row(1, "real")
    assert found.expected == fingerprint_of([row(1, "real"), row(2, "stub")])


def test_of_two_stubs_of_one_parent_the_later_one_stands(held):
    found = held(one_read=True, stubs=[row(1, "a"), row(1, "b")], target=[row(1, "b")])
    assert found.total == 0
    found = held(one_read=True, stubs=[row(1, "b"), row(1, "a")], target=[row(1, "a")])
    assert found.total == 0


@pytest.mark.parametrize("order", [1, -1])
def test_of_rows_that_are_equally_new_the_greater_hash_wins_in_any_order(held, order):
    versions = [row(1, text) for text in "abcdef"][::order]
    wins = max(versions, key=lambda one: hashlib.sha256(b"|".join(one)).digest())
    assert held(one_read=True, expected=versions, target=[wins]).total == 0
    assert held(one_read=True, bookmark="at", expected=versions, target=[wins]).total == 0


@pytest.mark.parametrize("order", [1, -1])
def test_of_rows_of_several_reads_the_last_one_wins(held, order):
    versions = [row(1, text) for text in "abcdef"][::order]
    assert held(expected=versions, target=[versions[-1]]).total == 0
    loaded = held(
        third=KNOWN, expected=[row(1, "x")], loaded=versions, target=[versions[-1]], one_read=True
    )
    assert told(loaded) == {("changed", "1", ("v",), "source")}


@pytest.mark.parametrize("one_read", [True, False])
def test_the_bookmark_says_which_row_is_newer_and_null_is_older_than_all(held, one_read):
    versions = [row(1, "a", 2), row(1, "b", 10), row(1, "c", 9), row(1, "d", None)]
    how = {"bookmark": "at", "one_read": one_read}
    assert held(expected=versions, target=[row(1, "b", 10)], **how).total == 0
    assert held(expected=versions[::-1], target=[row(1, "b", 10)], **how).total == 0
    # Numbers in order, zero among them, whichever comes first.
    for older, newer in ((-1, 0), (0, 1), (1, 2)):
        pair = [row(1, "a", newer), row(1, "b", older)]
        assert held(expected=pair, target=pair[:1], **how).total == 0
        assert held(expected=pair[::-1], target=pair[:1], **how).total == 0
    negative = [row(1, "a", -3), row(1, "b", None)]
    assert held(expected=negative, target=[row(1, "a", -3)], **how).total == 0
    assert held(expected=negative[::-1], target=[row(1, "a", -3)], **how).total == 0


def test_a_row_with_a_key_that_was_met_is_noted_whatever_it_holds(held):
    # The duplicate is equal to what is expected, and a key is gone: the counts would agree.
    found = held(expected=[row(1), row(2)], target=[row(1), row(1)])
    assert told(found) == {("extra", "1", (), ""), ("missing", "2", (), "")}
    assert found.total == 2
    doubled = [one for one in found.rows if one.is_doubled]
    assert doubled == [Unequal("extra", None, row(1), is_doubled=True)]
    found = held(third=KNOWN, expected=[row(1)], loaded=[row(1)], target=[row(1), row(1, "x")])
    assert told(found) == {("extra", "1", (), "")}


NEWER = row(1, "source"), row(1, "loaded"), row(1, "target")


@pytest.mark.parametrize(
    "should, loaded, there, since",
    [
        (row(1, "x"), row(1, "a"), row(1, "a"), "source"),
        (row(1, "a"), row(1, "a"), row(1, "x"), "target"),
        (*NEWER, "both"),
        (row(1, "x"), None, row(1, "y"), "both"),
        (row(1), None, None, "source"),
        (row(1), row(1), None, "target"),
        (row(1, "x"), row(1, "a"), None, "both"),
        (None, row(1), row(1), "source"),
        (None, None, row(1), "target"),
        (None, row(1, "a"), row(1, "x"), "both"),
    ],
)
@pytest.mark.parametrize("table", [KEYED, KEYLESS], ids=["key", "no key"])
def test_who_moved_since_the_load_is_told_from_what_was_loaded(
    held, table, should, loaded, there, since
):
    sides = {
        name: [one] if one else []
        for name, one in ((EXPECTED, should), (LOADED, loaded), (TARGET, there))
    }
    found = held(table, third=KNOWN, **sides)
    if table is KEYED:
        assert {item.since for item in found.differences} == {since}
        assert found.since == {since: 1}
    else:
        # A row by itself: it was added or taken on one side; there is no third way for one row.
        assert sum(found.since.values()) == found.total
        for one, item in zip(found.rows, found.differences, strict=True):
            text = one.expected or one.actual
            was = text == loaded
            assert item.since == ("source" if was == (text == there) else "target")


def test_without_a_key_both_sides_may_have_moved(held):
    found = held(KEYLESS, third=KNOWN, expected=[row(1)] * 3, loaded=[row(1)] * 2, target=[row(1)])
    assert told(found) == {("missing", None, (), "both")}
    assert (found.since, found.total) == ({"both": 2}, 2)


def test_where_the_target_is_proven_to_be_what_was_loaded_the_source_moved(held):
    how = {"third": IS_TARGET, "expected": [row(1, "x"), row(2)], "target": [row(1), row(3)]}
    found = held(**how)
    assert found.since == {"source": 3}
    found = held(KEYLESS, **how)
    assert found.since == {"source": 4}


@pytest.mark.parametrize("third", [None, LoadedRows()])
@pytest.mark.parametrize("table", [KEYED, KEYLESS], ids=["key", "no key"])
def test_nobody_is_blamed_where_it_is_not_known_what_was_loaded(held, table, third):
    found = held(
        table, third=third, expected=[row(1, "x"), row(2)], loaded=[row(1)], target=[row(1)]
    )
    assert found.since == {}
    assert {item.since for item in found.differences} == {""}


def test_the_newest_bookmark_is_that_of_all_buckets(held):
    rows = [row(number, at=number) for number in range(60)]
    for order in (1, -1):
        found = held(buckets=7, bookmark="at", expected=rows[::order], target=[])
        assert found.newest == Decimal(59)
    assert held(buckets=7, expected=rows, target=[]).newest is None
    assert held(bookmark="at", expected=[row(1, at=None)], target=[]).newest is None
    assert held(bookmark="at", expected=[row(1, at=-4), row(2, at=-9)], target=[]).newest == -4
    # What the target holds says nothing of what was expected.
    assert held(bookmark="at", expected=[row(1, at=2)], target=[row(1, at=9)]).newest == 2


LENIENT = Table(
    "t",
    (COLUMNS[0], Column("v", ColumnType("decimal", 9, 3), tolerance="0.01"), COLUMNS[2]),
    ("id",),
)


def test_a_value_within_its_tolerance_is_counted_and_is_no_difference(held):
    should = [(b"1", b"1.5", b"0"), (b"2", b"1.5", b"0"), (b"3", b"1.5", b"0")]
    there = [(b"1", b"1.509", b"0"), (b"2", b"1.52", b"0"), (b"3", b"1.501", b"7")]
    found = held(LENIENT, expected=should, target=there)
    assert told(found) == {("changed", "2", ("v",), ""), ("changed", "3", ("at",), "")}
    assert (found.tolerated, found.total) == (2, 2)
    assert found.columns == {"v": 1, "at": 1}


@pytest.mark.parametrize("table", [KEYED, KEYLESS], ids=["key", "no key"])
def test_only_so_many_are_listed_and_all_are_counted(held, table, monkeypatch):
    rows = [row(number) for number in range(9)]
    progress = Progress(Budget(stop_after=4))
    comparison = held(table, progress=progress, expected=rows, target=[])
    assert (len(comparison.differences), len(comparison.rows), comparison.total) == (4, 4, 9)
    monkeypatch.setattr(comparing, "MOST", 2)
    assert len(held(table, expected=rows, target=[]).rows) == 2
    assert len(held(table, expected=rows, target=[], progress=progress).rows) == 2


def test_without_time_nothing_is_compared(held):
    with pytest.raises(TimeUp):
        held(progress=Progress(Budget(seconds=-1)), expected=[row(1)], target=[])


def test_findings_are_in_order_of_their_keys_and_show_values_only_when_asked(held):
    rows = {"expected": [row(2, "p"), row(1), row(4)], "target": [row(2, "q"), row(3)]}
    found = held(buckets=3, **rows).findings(KEYED)
    assert [dict(item.key)["id"] for item in found.differences] == ["1", "2", "3", "4"]
    assert (found.table, found.total, found.columns) == ("t", 4, (("v", 1),))
    assert all(item.values == () for item in found.differences)
    shown = held(progress=Progress(Budget(show_values=True)), **rows).findings(KEYED)
    assert [item.values for item in shown.differences] == [
        (("id", "1", ""), ("v", "a", ""), ("at", "0", "")),
        (("v", "p", "q"),),
        (("id", "", "3"), ("v", "", "a"), ("at", "", "0")),
        (("id", "4", ""), ("v", "a", ""), ("at", "0", "")),
    ]
