"""The rows behind the difference of two sketches, held against the difference of two lists.

The oracle is Python's Counter over the rows themselves: it knows no cell, no lane and no key.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messy_migration.compare import resolve as resolving
from messy_migration.compare.budget import TimeUp
from messy_migration.compare.resolve import resolve
from messy_migration.databases.naming import Spelling
from messy_migration.databases.sketch import (
    CELLS,
    SHA256,
    Cells,
    Keys,
    Streamed,
    View,
    lanes,
)
from messy_migration.model import Column, ColumnType, Table

COLUMNS = (Column("id", ColumnType("int32")), Column("v", ColumnType("text")))
SPELLED, KEYLESS = Table("t", COLUMNS, ("id",)), Table("t", COLUMNS)
HASHED, WHOLE = Table("t", COLUMNS, ("v",)), Table("t", COLUMNS, ("id", "v"))
TABLES = {"integer": SPELLED, "text": HASHED, "two columns": WHOLE, "none": KEYLESS}


@dataclass
class Rows:
    """Rows of one side as a database would stream them."""

    rows: list[tuple[bytes, ...]]
    spelling = Spelling()

    def row_fields(self, connection, table, source):
        yield self.rows


@dataclass
class Sides:
    """Two lists of rows, and what was asked of them."""

    view: View
    left: list[tuple[bytes, ...]]
    right: list[tuple[bytes, ...]]
    choices: list[Cells | Keys] = field(default_factory=list)
    finer: list[int] = field(default_factory=list)

    def sketches(self, cells):
        return tuple(
            Streamed(Rows(rows)).sketch(None, self.view, SHA256, cells)
            for rows in (self.left, self.right)
        )

    def fetch(self, choice):
        self.choices.append(choice)
        return tuple(
            list(Streamed(Rows(rows)).rows(None, self.view, SHA256, choice))
            for rows in (self.left, self.right)
        )

    def made_finer(self, cells):
        self.finer.append(cells)
        return self.sketches(cells)

    def resolve(self, cells=CELLS, most=resolving.MOST, fetch=None):
        return resolve(self.sketches(cells), self.view, fetch or self.fetch, self.made_finer, most)

    def oracle(self):
        left, right = Counter(self.left), Counter(self.right)
        return left - right, right - left

    def asked(self, kind):
        return [choice for choice in self.choices if isinstance(choice, kind)]


def sides(left, right, table=SPELLED):
    return Sides(View(table, "t"), [row(*one) for one in left], [row(*one) for one in right])


def row(number, text):
    return str(number).encode(), f"{len(text)}:{text}".encode()


def named(leftover):
    return (
        Counter(one.fields for one in leftover.left),
        Counter(one.fields for one in leftover.right),
    )


def in_one_cell(count, cells, cell, number=1):
    """Rows that all fall into one cell, their numbers counting up."""
    found = []
    text = 0
    while len(found) < count:
        one = (number + len(found), f"v{text}")
        text += 1
        if lanes(b"|".join(row(*one)))[1] % cells == cell:
            found.append(one)
    return found


# Few numbers and texts, so that rows repeat, keys are held twice and cells are shared.
LISTS = st.lists(st.tuples(st.integers(-2, 3), st.sampled_from("abc")), max_size=12)


@pytest.mark.parametrize("cells", [64, CELLS])
@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=50, deadline=None)
@given(LISTS, LISTS)
def test_what_is_left_over_is_the_difference_of_two_multisets(table, cells, left, right):
    both = sides(left, right, TABLES[table])
    found = both.resolve(cells)
    assert named(found) == both.oracle()
    assert (found.is_whole, found.note) == (True, "")
    assert found.about == len(found.left) + len(found.right)


@pytest.mark.parametrize("table", TABLES)
def test_hundreds_of_differences_among_thousands_of_rows_are_all_named(table):
    left = [(number, f"v{number}") for number in range(4_000)]
    right = [
        (number, f"v{number}{'x' if number % 13 == 0 else ''}") for number in range(100, 4_100)
    ]
    both = sides(left, right, TABLES[table])
    found = both.resolve()
    assert named(found) == both.oracle()
    assert found.is_whole


def test_an_integer_key_is_spelled_out_and_only_its_rows_are_fetched():
    left = [(number, "same") for number in range(100)]
    both = sides([*left, (-7, "a"), (5_000, "b")], [*left, (-7, "c")])
    found = both.resolve()
    assert named(found) == both.oracle()
    assert [choice.numbers for choice in both.choices] == [frozenset({2**64 - 7, 5_000})]


def test_without_a_key_one_scan_of_the_cells_is_enough():
    both = sides([(1, "a"), (2, "b")], [(2, "b")], KEYLESS)
    assert named(both.resolve()) == both.oracle()
    (choice,) = both.choices
    assert isinstance(choice, Cells)
    assert (len(choice.numbers), choice.of) == (1, CELLS)


def test_equal_sides_are_asked_for_no_row():
    both = sides([(1, "a"), (1, "a")], [(1, "a"), (1, "a")])
    found = both.resolve()
    assert (found.left, found.right, found.is_whole, found.about) == ([], [], True, 0)
    assert both.choices == []


def test_rows_that_were_taken_by_their_key_are_not_taken_again_by_the_scan():
    # A changed row, and beside its old version in one cell a row that is there twice too often.
    (one, old), (two, doubled) = in_one_cell(2, CELLS, 5)
    both = sides([(one, old), (two, doubled), (two, doubled)], [(one, f"{old} changed")])
    found = both.resolve()
    assert both.asked(Keys)
    assert both.asked(Cells)
    assert named(found) == both.oracle()
    assert (found.is_whole, found.about) == (True, 4)


def test_rows_on_the_right_that_were_taken_by_their_key_are_not_taken_again_either():
    (one, new), (two, doubled) = in_one_cell(2, CELLS, 5)
    both = sides([(one, f"{new} before")], [(one, new), (two, doubled), (two, doubled)])
    found = both.resolve()
    assert both.asked(Keys)
    assert both.asked(Cells)
    assert named(found) == both.oracle()


def test_a_key_that_is_peeled_free_is_taken_in_a_later_round():
    # Three rows of one cell, two of which are found by their other version in a cell of its own.
    rows = in_one_cell(3, CELLS, 5)
    both = sides(rows, [(number, f"{text} changed") for number, text in rows[:2]])
    found = both.resolve()
    assert named(found) == both.oracle()
    first, second = both.asked(Keys)
    assert first.numbers == {rows[0][0], rows[1][0]}
    assert second.numbers == {rows[2][0]}
    assert both.asked(Cells) == []


def test_keys_are_fetched_in_chunks_that_a_statement_can_hold(monkeypatch):
    monkeypatch.setattr(resolving, "_CHUNK", 4)
    both = sides([(number, "x") for number in range(10)], [])
    assert both.resolve().about == 10
    assert [len(choice.numbers) for choice in both.choices] == [4, 4, 2]


def test_hashes_of_keys_are_fetched_at_once_since_each_fetch_is_a_scan(monkeypatch):
    monkeypatch.setattr(resolving, "_CHUNK", 4)
    both = sides([(1, f"v{number}") for number in range(10)], [], HASHED)
    assert both.resolve().about == 10
    assert [len(choice.numbers) for choice in both.choices] == [10]


def test_more_differences_than_cells_bear_are_sketched_again_in_more_cells():
    both = sides([(number, "x") for number in range(40)], [], KEYLESS)
    found = both.resolve(cells=64)
    assert named(found) == both.oracle()
    (cells,) = both.finer
    # A power of two, with about an eighth of the cells hit.
    assert cells in (256, 512)


def test_differences_that_the_cells_bear_cost_no_scan_more():
    both = sides([(number, "x") for number in range(8)], [])
    both.resolve(cells=64)
    assert both.finer == []


def in_cells(count, cells):
    """Rows that fall into as many cells, one in each."""
    return [in_one_cell(1, cells, cell, 1 + cell)[0] for cell in range(count)]


@pytest.mark.parametrize(
    "hit, cells, finer",
    [
        # 14 of 64 cells are hit by about 16 rows, which eight times as many cells bear.
        (14, 64, [128]),
        (15, 64, [256]),
        # 4 of 32 by about 4, an eighth of them.
        (4, 32, []),
        (5, 32, [64]),
    ],
)
def test_the_cells_are_the_fewest_of_which_an_eighth_is_hit(hit, cells, finer):
    both = sides(in_cells(hit, cells), [], KEYLESS)
    assert named(both.resolve(cells)) == both.oracle()
    assert both.finer == finer


def test_the_cells_are_never_more_than_memory_bears(monkeypatch):
    monkeypatch.setattr(resolving, "_MOST_CELLS", 128)
    both = sides([(number, "x") for number in range(40)], [])
    found = both.resolve(cells=64)
    assert both.finer == [128]
    assert named(found) == both.oracle()


def test_a_count_is_exact_only_where_every_row_is_named(monkeypatch):
    monkeypatch.setattr(resolving, "_SCANNED", 3)
    rows = [*in_one_cell(2, CELLS, 1), *in_one_cell(3, CELLS, 2, 10)]
    both = sides(rows, [], KEYLESS)
    found = both.resolve()
    assert named(found) == (Counter(row(*one) for one in rows[:2]), Counter())
    assert not found.is_whole
    assert found.note == "the rows of 1 of 8,192 cells were not looked at"


def test_the_cells_with_few_rows_are_looked_at_first_and_one_in_any_case(monkeypatch):
    monkeypatch.setattr(resolving, "_SCANNED", 1)
    rows = [*in_one_cell(3, CELLS, 1), *in_one_cell(2, CELLS, 2, 10)]
    both = sides(rows, [], KEYLESS)
    found = both.resolve()
    assert [choice.numbers for choice in both.choices] == [frozenset({2})]
    assert len(found.left) == 2
    assert not found.is_whole


def test_rows_that_are_equal_count_for_what_a_cell_costs(monkeypatch):
    # Two cells that differ by a row each; one of them holds many rows that are equal.
    monkeypatch.setattr(resolving, "_SCANNED", 4)
    many = in_one_cell(4, CELLS, 1)
    few = in_one_cell(2, CELLS, 2, 10)
    both = sides([*many, *few], [*many[1:], few[0]], KEYLESS)
    both.resolve()
    assert [choice.numbers for choice in both.choices] == [frozenset({2})]


def test_affordable_cells_are_those_that_fit_together():
    cells, held = np.array([0, 2, 3, 5]), np.array([4, 9, 3, 2, 9, 5])
    assert resolving._affordable(cells, held, 9).tolist() == [3, 2, 0]
    assert resolving._affordable(cells, held, 8).tolist() == [3, 2]
    assert resolving._affordable(cells, held, 1).tolist() == [3]
    assert resolving._affordable(cells, held, 99).tolist() == [3, 2, 0, 5]


def test_the_end_of_the_time_is_said_and_what_was_taken_stays():
    both = sides([(number, "x") for number in range(3)], [])
    calls = []

    def fetch(choice):
        calls.append(choice)
        raise TimeUp("the 3 seconds are over", "t")

    found = both.resolve(fetch=fetch)
    assert (found.left, found.is_whole, found.note) == ([], False, "the 3 seconds are over")
    assert found.about == 3
    assert len(calls) == 1


def test_rows_that_changed_since_the_sketch_are_not_passed_off_as_all():
    both = sides([(1, "a"), (2, "b"), (3, "c")], [])
    complete = both.fetch

    def fetch(choice):
        ours, theirs = complete(choice)
        return [one for one in ours if one.fields[0] != b"2"], theirs

    found = both.resolve(fetch=fetch)
    assert len(found.left) == 2
    assert (found.is_whole, found.about) == (False, 3)
    assert found.note == "not all of the rows that differ could be named"


def test_a_sample_stands_for_more_rows_than_anybody_reads():
    left = [(number, "x") for number in range(400)]
    right = [(number, "y") for number in range(300)]
    both = sides(left, right)
    found = both.resolve(most=500)
    assert not found.is_whole
    assert found.note == "more rows differ than are named; these are a sample"
    assert 600 < found.about < 800
    # Both versions of a changed row are in it.
    versions = Counter(one.fields[0] for one in (*found.left, *found.right))
    assert all(count == (2 if int(number) < 300 else 1) for number, count in versions.items())
    cells, keys = both.choices
    assert isinstance(cells, Cells)
    assert isinstance(keys, Keys)


def test_a_sample_is_bounded_by_rows_and_by_keys(monkeypatch):
    monkeypatch.setattr(resolving, "SAMPLE", 20)
    both = sides([(number, "x") for number in range(400)], [])
    found = both.resolve(most=10)
    assert 0 < len(found.left) <= 20
    (cells, keys) = both.choices
    assert len(cells.numbers) <= 20
    assert len(keys.numbers) <= 20
    assert not found.is_whole


def test_a_sample_leaves_out_what_is_equal_on_both_sides():
    same = in_one_cell(3, CELLS, 1)
    other = in_one_cell(2, CELLS, 1, 100)
    both = sides([*same, *other], same)
    found = both.resolve(most=0)
    assert named(found) == both.oracle()
    assert both.asked(Keys)[0].numbers == {100, 101}


def test_a_sample_without_a_key_is_of_whole_rows():
    both = sides([(number, "x") for number in range(50)], [(0, "x"), (99, "y")], KEYLESS)
    found = both.resolve(most=3)
    assert named(found) == both.oracle()
    assert not found.is_whole
    assert len(both.choices) == 1


def test_as_many_differences_as_may_be_named_are_all_named():
    both = sides([(number, "x") for number in range(10)], [])
    assert both.resolve(most=10).is_whole
    assert not both.resolve(most=9).is_whole


def test_keys_of_cells_that_are_nobodys_are_asked_once():
    # Two rows more and one less in one cell: its count is one, and the sum of keys is no key.
    one, two, three = in_one_cell(3, CELLS, 9)
    both = sides([one, two], [three])
    found = both.resolve()
    assert named(found) == both.oracle()
    asked = [number for choice in both.asked(Keys) for number in choice.numbers]
    assert len(asked) == len(set(asked))
