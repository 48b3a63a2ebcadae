"""A stream that its plugin does not cut is one partition."""

from __future__ import annotations

from messy_migration.model import Column, ColumnType, Partition, Stream, Table
from messy_migration.pipeline.partitions import whole

COLUMNS = (Column("id", ColumnType("int32")), Column("v", ColumnType("text")))
STREAM = Stream("shop.s", (Table("t", COLUMNS, ("id",)),))


def test_a_stream_that_is_not_cut_is_read_once_without_a_key_and_by_each_run_with_one():
    keyless = Stream("shop.s", (Table("t", COLUMNS),))
    assert whole(keyless, "run 1") == whole(keyless, "run 2")
    assert whole(STREAM, "run 1") != whole(STREAM, "run 2")
    assert isinstance(whole(STREAM, "run 1"), Partition)
    other = Stream("shop.other", STREAM.tables)
    assert whole(other, "run 1") != whole(STREAM, "run 1")
