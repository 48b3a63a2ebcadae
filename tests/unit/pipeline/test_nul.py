"""A NUL in a text is found wherever the text lies in its buffer, and only there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from messy_migration.model import RECORD, Column, ColumnType, Table
from messy_migration.pipeline.rules import check

TABLE = Table("t", (Column("x", ColumnType("text")),))
CELLS = ["clean", "a\0b", None, "more", "\0", "last"]


def broken(cells):
    records = pa.array(np.arange(len(cells), dtype=np.int32))
    data = pa.table({"x": cells, RECORD: records})
    return [item.record for item in check(TABLE, data, lambda *_: {})[1] if item.rule == "core.nul"]


@pytest.mark.parametrize(
    "start, stop", [(0, 6), (0, 1), (1, 2), (1, 6), (2, 4), (4, 5), (5, 6), (3, 3)]
)
def test_a_slice_is_judged_by_its_own_texts(start, stop):
    array = pa.array(CELLS).slice(start, stop - start)
    wrong = [place for place, cell in enumerate(CELLS[start:stop]) if cell and "\0" in cell]
    assert broken(array) == wrong
    assert broken(pa.chunked_array([array, array])) == wrong + [
        place + stop - start for place in wrong
    ]
