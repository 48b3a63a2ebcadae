"""Rows that are left over are paired by key; every row is in one difference, whatever repeats."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messy_migration.compare.differences import Names, findings, values
from messy_migration.compare.resolve import Leftover
from messy_migration.databases.sketch import FoundRow
from messy_migration.model import Column, ColumnType, Table

COLUMNS = (
    Column("id", ColumnType("int32")),
    Column("v", ColumnType("text")),
    Column("w", ColumnType("text")),
    Column("flag", ColumnType("bool")),
)
KEYED, KEYLESS = Table("t", COLUMNS, ("id",)), Table("t", COLUMNS)
PAIR = Table("t", COLUMNS, ("v", "id"))


def row(number, v="a", w="b", flag=True):
    texts = [b"~" if text is None else f"{len(text)}:{text}".encode() for text in (v, w)]
    return (b"~" if number is None else str(number).encode(), *texts, b"1" if flag else b"0")


def leftover(left, right, **more):
    found = {"is_whole": True, "about": len(left) + len(right), **more}
    sides = ([FoundRow(0, 0, 0, one) for one in rows] for rows in (left, right))
    return Leftover(*sides, **found)


def found_in(left, right, table=KEYED, limit=100, names=None, **more):
    return findings(names or Names.of(table), leftover(left, right, **more), limit)


def told(found):
    return [(item.kind, dict(item.key), item.columns, item.rows) for item in found.differences]


ROWS = st.lists(
    st.builds(row, st.integers(-2, 12), st.sampled_from("abc"), st.sampled_from("xy")), max_size=8
)


@settings(max_examples=200, deadline=None)
@given(ROWS, ROWS)
def test_every_row_of_a_doubled_key_is_named(left, right):
    ours, theirs = (Counter(one[0].decode() for one in rows) for rows in (left, right))
    expected = Counter()
    for key in ours.keys() | theirs.keys():
        expected["changed", key] = min(ours[key], theirs[key])
        expected["missing", key] = max(0, ours[key] - theirs[key])
        expected["extra", key] = max(0, theirs[key] - ours[key])
    found = found_in(left, right)
    named = Counter((item.kind, dict(item.key)["id"]) for item in found.differences)
    assert named == +expected
    assert found.total == found.looked_at == expected.total()
    assert found.is_exact
    keys = [int(dict(item.key)["id"]) for item in found.differences]
    assert keys == sorted(keys)


@settings(max_examples=200, deadline=None)
@given(ROWS, ROWS)
def test_without_a_key_each_row_is_named_as_often_as_it_is_left_over(left, right):
    found = found_in(left, right, KEYLESS)
    assert found.total == len(left) + len(right)
    for kind, rows in (("missing", Counter(left)), ("extra", Counter(right))):
        counts = [item.rows for item in found.differences if item.kind == kind]
        assert sorted(counts) == sorted(rows.values())


def test_a_pair_names_its_kind_its_key_and_the_columns_that_differ():
    found = found_in(
        [row(1), row(2, w="x"), row(4)], [row(2, w="y", flag=False), row(3), row(4, v="z")]
    )
    assert told(found) == [
        ("missing", {"id": "1"}, (), 1),
        ("changed", {"id": "2"}, ("w", "flag"), 1),
        ("extra", {"id": "3"}, (), 1),
        ("changed", {"id": "4"}, ("v",), 1),
    ]
    assert dict(found.columns) == {"w": 1, "flag": 1, "v": 1}
    assert found.differences[1].rules == (
        ("w", "another value"),
        ("flag", "true and false exchanged"),
    )
    assert dict(found.rules) == {
        "w": (("another value", 1),),
        "flag": (("true and false exchanged", 1),),
        "v": (("another value", 1),),
    }


def test_rows_of_one_key_are_paired_in_order_so_that_equal_ones_do_not_differ_twice():
    found = found_in([row(1, "b"), row(1, "a"), row(1, "c")], [row(1, "d"), row(1, "a")])
    assert [(kind, columns) for kind, _, columns, _ in told(found)] == [
        ("changed", ()),
        ("changed", ("v",)),
        ("missing", ()),
    ]


def test_numbers_of_a_key_are_in_order_of_their_value_and_texts_of_their_bytes():
    numbers = [10, 9, -3, 2, -20]
    ids = [dict(item.key)["id"] for item in found_in([row(n) for n in numbers], []).differences]
    assert ids == ["-20", "-3", "2", "9", "10"]
    found = found_in([row(2, "b"), row(10, "b"), row(5, "a"), row(None, "b")], [], PAIR)
    assert [item.key for item in found.differences] == [
        (("v", "a"), ("id", "5")),
        (("v", "b"), ("id", "2")),
        (("v", "b"), ("id", "10")),
        (("v", "b"), ("id", "NULL")),
    ]


def test_digits_in_a_text_are_no_number():
    table = Table("t", (Column("v", ColumnType("uuid")), *COLUMNS[:1]), ("v",))
    found = found_in([(b"9", b"1"), (b"10", b"1")], [], table)
    assert [dict(item.key)["v"] for item in found.differences] == ["10", "9"]


def test_a_cell_that_is_no_number_stands_behind_the_numbers():
    found = found_in([(b"!text:61", *row(0)[1:]), row(7)], [])
    wanted = ["7", "a (stored as text, no int32)"]
    assert [dict(item.key)["id"] for item in found.differences] == wanted


def test_only_so_many_are_listed_and_all_are_counted():
    found = found_in([row(number) for number in range(9)], [row(0, "x")], limit=4)
    assert len(found.differences) == 4
    assert (found.total, found.looked_at) == (9, 9)
    assert dict(found.columns) == {"v": 1}


def test_a_sample_is_scaled_to_what_it_stands_for():
    found = found_in(
        [row(1), row(2)], [row(1, "x"), row(2, "x")], is_whole=False, about=1_000, note="a sample"
    )
    # Two differences behind four rows: half as many differences as rows.
    assert (found.total, found.looked_at, found.is_exact) == (500, 2, False)
    assert found.note == "a sample"


def test_an_estimate_is_never_less_than_what_was_seen():
    found = found_in([row(1), row(2), row(3)], [], is_whole=False, about=1, note="late")
    assert (found.total, found.is_exact) == (3, False)
    nothing = found_in([], [], is_whole=False, about=7, note="late")
    assert (nothing.total, nothing.looked_at, nothing.is_exact) == (0, 0, False)


def test_values_that_changed_places_in_a_row_are_said_so():
    found = found_in([row(1, "p", "q")], [row(1, "q", "p")])
    assert found.differences[0].rules == (("v", "exchanged with w"), ("w", "exchanged with v"))


def test_values_that_changed_places_between_two_rows_are_said_so():
    found = found_in([row(1, "p"), row(2, "q")], [row(1, "q"), row(2, "p")])
    assert [item.rules for item in found.differences] == [
        (("v", "exchanged with another row"),),
        (("v", "exchanged with another row"),),
    ]
    assert dict(found.rules) == {"v": (("exchanged with another row", 2),)}


def test_a_change_that_two_rows_made_is_no_exchange():
    left = [row(1, "p"), row(2, "q"), row(3, "p")]
    found = found_in(left, [row(1, "q"), row(2, "p"), row(3, "q")])
    assert all(dict(item.rules)["v"] == "another value" for item in found.differences)


def test_flags_and_nulls_are_exchanged_with_no_other_row():
    found = found_in([row(1, flag=True), row(2, flag=False)], [row(1, flag=False), row(2)])
    assert {dict(item.rules)["flag"] for item in found.differences} == {"true and false exchanged"}
    found = found_in([row(1, None), row(2, "q")], [row(1, "q"), row(2, None)])
    assert {dict(item.rules)["v"] for item in found.differences} == {"null on one side"}


def test_without_a_key_the_columns_are_those_that_differ_as_a_whole():
    found = found_in([row(1, "p"), row(1, "p")], [row(1, "q")], KEYLESS)
    assert told(found) == [
        ("missing", {}, ("id", "v", "w", "flag"), 2),
        ("extra", {}, ("id", "v", "w", "flag"), 1),
    ]
    found = found_in([row(1, "p"), row(2, "q")], [row(2, "p"), row(1, "q")], KEYLESS)
    assert {item.columns for item in found.differences} == {()}
    found = found_in([row(1, "p")] * 3, [row(1, "q"), row(1, "q"), row(1, "r")], KEYLESS)
    assert told(found) == [
        ("missing", {}, ("v",), 3),
        ("extra", {}, ("v",), 2),
        ("extra", {}, ("v",), 1),
    ]
    assert (dict(found.columns), found.total) == ({"v": 6}, 6)
    only_missing = found_in([row(1)], [], KEYLESS)
    assert (told(only_missing), only_missing.columns) == ([("missing", {}, (), 1)], ())


def test_columns_of_a_keyed_table_count_changed_rows_alone():
    found = found_in([row(1), row(2, "p")], [row(3), row(2, "q")])
    assert found.columns == (("v", 1),)
    more = found_in(
        [row(1, "p", "r"), row(2, "p")], [row(1, "q", "s"), row(2, "x")], names=Names.of(KEYED)
    )
    assert more.columns == (("v", 2), ("w", 1))


def test_people_read_the_names_that_they_know():
    columns = {"id": "ID", "v": "Name", "w": "City", "flag": "Active"}
    names = Names(KEYED, "Sales", columns)
    found = found_in([row(1, "p", "q")], [row(1, "q", "p")], names=names)
    assert found.table == "Sales"
    (item,) = found.differences
    assert (item.table, item.key, item.columns) == ("Sales", (("ID", "1"),), ("Name", "City"))
    assert item.rules == (("Name", "exchanged with City"), ("City", "exchanged with Name"))
    assert found.columns == (("Name", 1), ("City", 1))
    assert item.values == ()


@pytest.mark.parametrize("table", [KEYED, KEYLESS])
def test_values_are_shown_to_those_alone_who_asked(table):
    quiet, loud = Names.of(table), Names.of(table, show_values=True)
    left, right = [row(1, "p"), row(2)], [row(1, "q")]
    assert all(not item.values for item in found_in(left, right, names=quiet).differences)
    found = found_in(left, right, names=loud)
    shown = {(item.kind, *item.key): item.values for item in found.differences}
    if table is KEYED:
        assert shown["changed", ("id", "1")] == (("v", "p", "q"),)
        assert shown["missing", ("id", "2")] == (
            ("id", "2", ""), ("v", "a", ""), ("w", "b", ""), ("flag", "true", ""),
        )  # fmt: skip
    else:
        assert all(len(item.values) == 4 for item in found.differences)
        assert shown["extra",] == (
            ("id", "", "1"), ("v", "", "q"), ("w", "", "b"), ("flag", "", "true"),
        )  # fmt: skip


def test_values_of_chosen_places_are_those_of_both_rows():
    names = Names.of(KEYED)
    assert values(names, row(1, "p"), row(1, None), [1]) == (("v", "p", "NULL"),)
    assert values(names, None, row(1), [3]) == (("flag", "", "true"),)
