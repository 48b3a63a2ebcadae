"""Batches that are committed in parts: halves, identities, and what is left over."""

from __future__ import annotations

import gc
import weakref

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messy_migration.model import Filtered, Frame, Origin, Rejected
from messy_migration.pipeline.cut import cut
from messy_migration.pipeline.halves import Span, committed_parts, left_over, part_id, span_of

ID = "0123abcd"
PLANS = (ID, "another plan")


def batch(*sizes, rejected=()):
    """One batch out of frames of so many rows, whose values count on."""
    items, start = [], 0
    for size in sizes:
        values = range(start, start + size)
        origin = lambda place, start=start: Origin(str(start + place).encode(), "here")  # noqa: E731
        items.append(Frame(pa.table({"n": pa.array(values, pa.int64())}), origin))
        start += size
    (found,) = cut(iter([*items, *rejected]), 1_000_000, 1 << 30)
    return found


def values(part):
    return [value for table in part.tables for value in table.column("n").to_pylist()]


def test_a_part_holds_its_rows_and_knows_where_they_come_from():
    part = batch(3, 4, 2).part(2, 8)
    assert values(part) == [2, 3, 4, 5, 6, 7]
    assert [part.origin(place).raw for place in range(6)] == [b"2", b"3", b"4", b"5", b"6", b"7"]
    assert span_of(part) == Span(0, 2, 8)


def test_what_became_no_row_goes_with_the_first_part_and_the_end_with_the_last():
    whole = batch(4, rejected=(Rejected(b"x", "line 1", "no", "rule"), Filtered("rule", 3)))
    first, second = whole.part(0, 2), whole.part(2, 4)
    assert (first.records, second.records) == (2 + 1 + 3, 2)
    assert (first.last, second.last) == (False, True)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.data())
def test_parts_that_are_left_over_and_parts_that_are_committed_make_the_batch(sizes, data):
    whole = batch(*sizes)
    fatal = {span_of(whole)}
    committed = set()
    # Each round some spans kill, and some of what is left over is committed.
    for _ in range(data.draw(st.integers(0, 5))):
        parts = list(left_over(whole, PLANS, committed, fatal))
        for part in parts[: data.draw(st.integers(0, len(parts)))]:
            if data.draw(st.booleans()):
                committed.add(part_id(data.draw(st.sampled_from(PLANS)), part))
            else:
                fatal.add(span_of(part))
    done = [
        value
        for identity in PLANS
        for part in committed_parts(whole, identity, committed)
        for value in values(part)
    ]
    # A later run knows the ledger alone, not what killed.
    for known in (fatal, ()):
        left = [
            value for part in left_over(whole, PLANS, committed, known) for value in values(part)
        ]
        assert sorted(done + left) == list(range(whole.rows))


def test_a_batch_that_is_committed_as_a_whole_leaves_nothing():
    whole = batch(5)
    assert list(left_over(whole, (ID,), {ID}, ())) == []
    assert list(committed_parts(whole, ID, {ID})) == [whole]
    assert part_id(ID, whole) == ID


def test_identities_of_other_batches_and_of_corrections_are_no_parts():
    strangers = {f"{ID}9.0-2", f"{ID}.displaced", f"{ID}.0-2.displaced"}
    (left,) = left_over(batch(4), (ID,), strangers, ())
    assert left.span is None


@pytest.mark.parametrize("rows", [0, 1])
def test_what_cannot_be_halved_stays_whole(rows):
    whole = batch(rows) if rows else batch()
    assert list(left_over(whole, (ID,), set(), {span_of(whole)})) == [whole]


def test_nothing_keeps_the_rows_of_a_batch_that_is_done_with():
    """A cycle would, until Python looks for one: batch after batch would stay in memory."""
    whole = batch(5)
    gone = weakref.ref(whole)
    gc.disable()
    try:
        assert len(list(left_over(whole, (ID,), frozenset(), {span_of(whole)}))) == 2
        del whole
        assert gone() is None
    finally:
        gc.enable()
