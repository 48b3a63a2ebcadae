"""What a source gave, as text for the quarantine, before any hook or rule looked at it."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa

from messy_migration.model import Stream
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.shape import frame_name

__all__ = ["extracted"]


def extracted(stream: Stream, cut: Cut, record: int) -> bytes:
    """A record of a batch as JSON: the name of its table or stream -> its one row."""
    index = record
    for table in cut.tables:
        if index < table.num_rows:
            break
        index -= table.num_rows
    name = frame_name(stream)
    row = table.slice(index, 1)
    cells = {column: _cell(row.column(column)) for column in row.column_names}
    return json.dumps({name: [cells]}, default=str, ensure_ascii=False, sort_keys=True).encode()


def _cell(column: pa.ChunkedArray[Any]) -> Any:
    """A value of a column of one row that JSON has, or a text of it."""
    if pa.types.is_temporal(column.type):
        # Python does not have all years, nor nanoseconds.
        column = column.cast(pa.string())
    (value,) = column.to_pylist()
    if isinstance(value, bytes):
        return value.hex()
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value
