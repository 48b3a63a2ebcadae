"""What a plugin is given of the encoding is what the core uses itself."""

from __future__ import annotations

import pyarrow as pa

from messy_migration import c1
from messy_migration.fingerprint.rows import fingerprint, row_texts
from messy_migration.model import Column, ColumnType, Fingerprint

COLUMNS = (Column("id", ColumnType("int32")), Column("name", ColumnType("text")))
ROWS = pa.table({"id": pa.array([1, None], pa.int32()), "name": ["a|b", "ü"]})


def test_texts_that_a_source_encodes_are_summed_as_frames_are():
    texts = ["1|3:a|b", f"{c1.NULL}|2:ü"]
    (batch,) = ROWS.to_batches()
    assert [text.decode() for text in row_texts(batch, COLUMNS).to_pylist()] == texts
    found = c1.of_texts(text.encode() for text in texts)
    assert found == fingerprint(ROWS, COLUMNS) != Fingerprint()


def test_the_answer_of_postgresql_is_read_lane_by_lane():
    found = c1.of_postgresql([2, *[0] * 7, 3, *[0] * 7, 5])
    assert found == Fingerprint(2, 3, 5)


def test_the_statements_name_the_columns_of_the_stream():
    for statement in (
        c1.postgresql(COLUMNS, "SELECT 1"),
        c1.postgresql_fields(COLUMNS, "SELECT 1"),
    ):
        assert "(SELECT 1) AS" in statement
        assert '"id"' in statement
        assert '"name"' in statement
