"""Batches: bounded, complete, cut the same way every time, and able to name their records."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messy_migration.errors import PluginError
from messy_migration.model import Filtered, Frame, Origin, Rejected
from messy_migration.pipeline.cut import cut

LARGE = 1 << 30

widths = st.lists(st.integers(0, 60), max_size=30)
items = st.lists(
    st.one_of(
        widths.map(lambda found: ("frame", found)),
        st.integers(0, 200).map(lambda size: ("rejected", size)),
        st.sampled_from(["a.old", "b.test"]).map(lambda rule: ("filtered", rule)),
    ),
    max_size=12,
)


def made(plan, *, with_origin=True):
    """What a source yields for a plan; every record has a number of its own."""
    number = 0
    for kind, value in plan:
        if kind == "frame":
            first = number
            number += len(value)
            table = pa.table(
                {
                    "n": pa.array(range(first, number), pa.int64()),
                    "text": pa.array(["x" * width for width in value], pa.string()),
                }
            )
            yield Frame(
                table, (lambda row, first=first: place(first + row)) if with_origin else None
            )
        elif kind == "rejected":
            yield Rejected(b"r" * value, f"at {number}", "why", "test.rule")
            number += 1
        else:
            yield Filtered(value)
            number += 1


def place(number):
    return Origin(str(number).encode(), f"line {number}")


def numbers(batch):
    return [n for table in batch.tables for n in table.column("n").to_pylist()]


def shape(batch):
    return (
        batch.ordinal,
        numbers(batch),
        [item.where for item in batch.rejected],
        dict(batch.filtered),
        batch.last,
    )


@given(items, st.integers(1, 20), st.integers(1, 2_000))
def test_nothing_is_lost_doubled_or_put_into_another_order(plan, records, size):
    batches = list(cut(made(plan), records, size))
    rows = [n for batch in batches for n in numbers(batch)]
    assert rows == [
        n for item in made(plan) if isinstance(item, Frame) for n in item.table["n"].to_pylist()
    ]
    wheres = [item.where for batch in batches for item in batch.rejected]
    assert wheres == [item.where for item in made(plan) if isinstance(item, Rejected)]
    assert sum(batch.filtered.total() for batch in batches) == sum(
        1 for kind, _ in plan if kind == "filtered"
    )
    assert sum(batch.records for batch in batches) == sum(
        len(value) if kind == "frame" else 1 for kind, value in plan
    )


@given(items, st.integers(1, 20), st.integers(1, 2_000))
def test_batches_are_numbered_and_only_the_last_one_says_so(plan, records, size):
    batches = list(cut(made(plan), records, size))
    assert [batch.ordinal for batch in batches] == list(range(len(batches)))
    assert [batch.last for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert all(batch.records for batch in batches[:-1])


@given(items, st.integers(1, 20))
def test_no_batch_has_more_records_than_allowed(plan, records):
    for batch in cut(made(plan), records, LARGE):
        assert batch.records <= records
        assert batch.rows == len(numbers(batch))


@given(items, st.integers(1, 20), st.integers(1, 2_000))
def test_the_same_input_is_cut_the_same_way(plan, records, size):
    first = [shape(batch) for batch in cut(made(plan), records, size)]
    assert [shape(batch) for batch in cut(made(plan), records, size)] == first


@settings(deadline=None)
@given(items, st.integers(1, 20), st.integers(1, 2_000))
def test_every_row_finds_the_record_it_came_from(plan, records, size):
    for batch in cut(made(plan), records, size):
        for record, number in enumerate(numbers(batch)):
            assert batch.origin(record) == place(number)


def test_a_source_that_does_not_tell_origins_has_none():
    (batch,) = cut(made([("frame", [1, 2])], with_origin=False), 10, LARGE)
    assert batch.origin(1) is None


@pytest.mark.parametrize("plan", [[], [("frame", [])], [("frame", []), ("frame", [])]])
def test_an_empty_partition_is_one_empty_batch_that_is_the_last(plan):
    (batch,) = cut(made(plan), 10, LARGE)
    assert (batch.ordinal, batch.records, batch.last, batch.tables) == (0, 0, True, [])


def test_a_frame_larger_than_a_batch_is_sliced_by_bytes():
    table = pa.table({"text": ["x" * 1_000] * 400})
    size = table.nbytes // 10
    batches = list(cut(iter([Frame(table)]), 1_000_000, size))
    assert 10 <= len(batches) <= 12
    assert all(batch.size <= size * 1.1 for batch in batches)


def test_small_frames_fill_a_batch_until_its_bytes_are_reached():
    table = pa.table({"text": ["x" * 1_000]})
    batches = list(cut((Frame(table) for _ in range(100)), 1_000_000, 10 * table.nbytes))
    assert [batch.rows for batch in batches] == [10] * 10


def test_one_row_larger_than_a_batch_is_a_batch():
    table = pa.table({"text": ["x" * 5_000] * 3})
    batches = list(cut(iter([Frame(table)]), 100, 10))
    assert [batch.rows for batch in batches] == [1, 1, 1]


def test_rejected_records_count_by_their_bytes_too():
    """A batch of nothing but damaged records must not grow without bound."""
    rejected = (Rejected(b"r" * 1_000, "", "", "test.rule") for _ in range(100))
    batches = list(cut(rejected, 1_000_000, 10_000))
    assert [batch.records for batch in batches] == [10] * 10


def test_something_else_than_a_frame_or_record_is_refused():
    with pytest.raises(PluginError, match="no Frame") as caught:
        list(cut(iter([{"name": "somebody"}]), 10, LARGE))
    assert caught.value.why == "it is a dict"
