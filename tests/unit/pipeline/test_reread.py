"""Two beginnings of a partition are the same records in the same order, or it is said how not."""

from __future__ import annotations

import pyarrow as pa
import pytest

from messy_migration.errors import SourceError
from messy_migration.model import (
    Column,
    ColumnType,
    Filtered,
    Frame,
    Partition,
    Rejected,
    Stream,
    Table,
)
from messy_migration.pipeline.cut import cut
from messy_migration.pipeline.reread import difference, refuse_other

ROWS = [*range(8)]
BAD = Rejected(b"x", "place 1", "no number", "src.type")
OTHER = Rejected(b"y", "place 1", "no number", "src.type")


def frame(ids, names="abcdefgh", rate=0.5):
    return Frame(pa.table({"id": ids, "name": list(names[: len(ids)]), "rate": [rate] * len(ids)}))


def beginnings(first, again, few=4, records=100):
    sample = next(cut(iter(first), few, 1 << 20))
    return difference(sample, next(cut(iter(again), records, 1 << 20)))


SAME = {
    "rows": [frame(ROWS)],
    "nothing": [],
    "nan": [frame(ROWS, rate=float("nan"))],
    "null": [frame([None] * 8)],
    "frames_of_any_size": [frame(ROWS[:3]), frame(ROWS[3:5]), frame(ROWS[5:])],
    "rejected": [BAD, frame(ROWS[:2]), BAD, frame(ROWS[2:])],
    "filtered": [Filtered("src.rule", 3), frame(ROWS)],
    "only_rejected": [BAD] * 9,
    "frames_of_several_forms": [frame(ROWS[:3]), Frame(pa.table({"id": ROWS}))],
}


@pytest.mark.parametrize("few", [1, 3, 4, 50])
@pytest.mark.parametrize("items", SAME.values(), ids=SAME)
def test_g17_what_begins_again_where_it_began_is_not_refused(items, few):
    assert beginnings(items, items, few) == ""


DIFFERENT = {
    "order": ([frame([3, 1, 2])], [frame([1, 2, 3])], "row 1 differs in id"),
    "a_cell": ([frame(ROWS)], [frame(ROWS, "abXdefgh")], "row 3 differs in name"),
    "fewer": ([frame(ROWS)], [frame(ROWS[:2])], "other numbers of them"),
    "more": ([frame(ROWS[:2])], [frame(ROWS[:3])], "other numbers of them"),
    "rejected": ([BAD, frame(ROWS)], [OTHER, frame(ROWS)], "the records that it rejects differ"),
    "not_rejected": ([BAD, frame(ROWS)], [frame(ROWS)], "other numbers of them"),
    "filtered": ([Filtered("a", 2), frame(ROWS)], [frame(ROWS)], "other numbers of them"),
    "columns": ([frame(ROWS)], [Frame(pa.table({"id": ROWS}))], "its columns differ"),
    "a_null": ([frame([1, None])], [frame([1, 0])], "row 2 differs in id"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_g17_what_begins_otherwise_is_told_without_a_value(case):
    first, again, words = DIFFERENT[case]
    assert words in beginnings(first, again)


def test_g17_what_differs_behind_the_sample_is_not_looked_at():
    assert beginnings([frame(ROWS)], [frame([0, 1, 2, 3, 7, 6, 5, 4])]) == ""


def test_g17_a_beginning_that_could_be_read_only_the_second_time_is_no_beginning():
    stream = Stream("src.s", (Table("s", (Column("id", ColumnType("int64")),)),))
    batch = next(cut(iter([frame(ROWS)]), 100, 1 << 20))
    with pytest.raises(SourceError, match="it is Sunday"):
        refuse_other(SourceError("it is Sunday"), batch, stream, Partition("p", "p"))
