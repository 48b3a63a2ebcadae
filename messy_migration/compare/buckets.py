"""The rows of one table on several sides, on disk, in buckets small enough to be compared.

A row is the tuple of its C1 fields, which says each value exactly. Rows of one key fall into
the same bucket on every side; without a key equal rows do. Hashes only choose the bucket: what
is compared is the fields themselves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from messy_migration.errors import TargetError
from messy_migration.fingerprint.rows import fields
from messy_migration.model import Column, Table

Row = tuple[bytes, ...]

ROWS = 50_000
"""Rows of a bucket, about."""
_MOST = 128


class Buckets:
    """Rows of a table on named sides. Fill them, then read them bucket by bucket."""

    def __init__(self, folder: Path, table: Table, rows: int) -> None:
        """Make room.

        Args:
            folder: an empty one, for the rows.
            table: whose columns the rows have.
            rows: about how many a side has.
        """
        self.table = table
        self.count = min(_MOST, rows // ROWS + 1)
        self._folder = folder
        self._schema = pa.schema([(f"c{n}", pa.large_binary()) for n in range(len(table.columns))])
        self._places = [table.names.index(name) for name in table.key]
        self._stack = ExitStack()
        self._writers: dict[tuple[str, int], pa.ipc.RecordBatchStreamWriter] = {}

    def add(self, side: str, data: pa.Table) -> None:
        """Rows as they were read or loaded.

        A cell that its column cannot hold is written in its own words, and equals no other.
        """
        arrays = [_field(data, column) for column in self.table.columns]
        self._add(side, pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def add_rows(self, side: str, chunks: Iterable[Sequence[Row]]) -> None:
        """Rows as a database gives them."""
        for chunk in chunks:
            arrays = [pa.array(column, pa.large_binary()) for column in zip(*chunk, strict=True)]
            if arrays:
                self._add(side, pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Nothing more is added."""
        self._stack.close()
        self._writers.clear()

    def rows(self, side: str, bucket: int) -> Iterator[Row]:
        """The rows of a side in one bucket, in the order in which they were added."""
        path = self._path(side, bucket)
        if not path.exists():
            return
        with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def key(self, row: Row) -> Row:
        """The key of a row; all of it where the table has no key."""
        return tuple(row[index] for index in self._places) if self._places else row

    def _add(self, side: str, batch: pa.RecordBatch) -> None:
        chosen = self._places or range(len(self.table.columns))
        cells = zip(*(batch.column(index).to_pylist() for index in chosen), strict=True)
        numbers = np.fromiter(
            (zlib.crc32(b"|".join(row)) % self.count for row in cells), np.int64, batch.num_rows
        )
        for bucket in np.unique(numbers).tolist():
            part = batch.filter(pa.array(numbers == bucket))
            try:
                self._writer(side, bucket).write_batch(part)
            except OSError as error:
                raise TargetError(
                    "the rows to be compared do not fit on the disk",
                    str(self._folder),
                    error.strerror or type(error).__name__,
                    "make space there, or point TMPDIR to another folder",
                ) from error

    def _writer(self, side: str, bucket: int) -> Any:
        writer = self._writers.get((side, bucket))
        if writer is None:
            file = self._stack.enter_context(pa.OSFile(str(self._path(side, bucket)), "wb"))
            writer = self._stack.enter_context(pa.ipc.new_stream(file, self._schema))
            self._writers[side, bucket] = writer
        return writer

    def _path(self, side: str, bucket: int) -> Path:
        return self._folder / f"{side}.{bucket}"


def _field(data: pa.Table, column: Column) -> pa.Array[Any]:
    try:
        (whole,) = fields(data, [column])
        return whole.cast(pa.large_binary())
    except pa.ArrowInvalid:
        # The source has another type now than was loaded.
        cells = [
            _cell(data.slice(place, 1), column, value)
            for place, value in enumerate(data.column(column.name).to_pylist())
        ]
        return pa.array(cells, pa.large_binary())


def _cell(row: pa.Table, column: Column, value: object) -> bytes:
    try:
        (field,) = fields(row, [column])
        return str(field[0].as_py()).encode()
    except pa.ArrowInvalid:
        return f"{type(value).__name__} {value}".encode()
