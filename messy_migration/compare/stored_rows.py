"""The rows that should be in a table, replayed once and kept on disk.

Reading an input again is the dear part of locating, so it is done once: the rows go into a file
without a name, compressed, each with its lanes and with what stands for its key, and are
sketched on the way. The file is gone when this process is, whatever becomes of it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from messy_migration.databases.sketch import CELLS, Cells, Choice, FoundRow, Sketch, View
from messy_migration.errors import TargetError
from messy_migration.fingerprint.arrays import as_numbers, from_flags, from_numbers
from messy_migration.fingerprint.rows import fields, row_hashes, row_texts
from messy_migration.model import Table
from messy_migration.model.conversion import cast_table

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

BATCH = b"batch"
"""Key in the metadata of a replayed table: which batch it is, for people."""

# A blank is in no name that a stream may give a column.
_KEY, _LANE0, _LANE1 = " key", " lane0", " lane1"
_ROWS = 16_384


class Expected:
    """The rows of one table, oldest first; a context that closes its file."""

    def __init__(self, view: View, replayed: Iterable[pa.Table]) -> None:
        """Replay the rows.

        Raises:
            MigrationError: the input cannot be read again, or there is no room for it.
        """
        self.table: Table = view.table
        self.sketch = Sketch.empty(CELLS)
        self._view = view
        self._labels: list[str] = []
        self._kept: NDArray[np.bool_] | None = None
        self._batches: dict[tuple[int, int], str] = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        try:
            self._write(replayed)
        except OSError as error:
            self.close()
            raise TargetError(
                "the rows to be compared do not fit on the disk",
                tempfile.gettempdir(),
                error.strerror or type(error).__name__,
                "make space there, or point TMPDIR to another folder",
            ) from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the rows."""
        self._file.close()

    def _write(self, replayed: Iterable[pa.Table]) -> None:
        schema = self.table.arrow_schema()
        for name in (_KEY, _LANE0, _LANE1):
            schema = schema.append(pa.field(name, pa.uint64()))
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(self._sink(), schema, options=options) as writer:
            for data in replayed:
                label = (data.schema.metadata or {}).get(BATCH, b"").decode()
                rows = cast_table(data.select(list(self.table.names)), self.table.arrow_schema())
                for piece in rows.combine_chunks().to_batches(max_chunksize=_ROWS):
                    hashes = row_hashes(row_texts(piece, self.table.columns))
                    keys = self._keys(piece)
                    self.sketch.add(keys, hashes)
                    numbers = (keys, hashes[:, 0], hashes[:, 1])
                    arrays = [*piece.columns, *(from_numbers(one, pa.uint64()) for one in numbers)]
                    writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                    self._labels.append(label)

    def _sink(self) -> Any:
        self._file.seek(0)
        return pa.PythonFile(self._file, mode="w")

    def _keys(self, piece: pa.RecordBatch) -> NDArray[np.uint64]:
        """What stands for the keys, as in `messy_migration.databases.sketch.number`."""
        columns = [self.table.column(name) for name in self.table.key]
        if not columns:
            return np.zeros(piece.num_rows, np.uint64)
        if self._view.is_spelled:
            values: Any = piece.column(self.table.key[0]).cast(pa.int64()).fill_null(0)
            return as_numbers(values, np.int64).view(np.uint64)
        return row_hashes(row_texts(piece, columns))[:, 0].copy()

    def _stored(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """(label, rows) in the order of the replay, without those that were dropped."""
        self._file.seek(0)
        source: Any = pa.PythonFile(self._file, mode="r")
        start = 0
        with pa.ipc.open_stream(source) as reader:
            for label, batch in zip(self._labels, reader, strict=True):
                end = start + batch.num_rows
                kept = None if self._kept is None else self._kept[start:end]
                yield label, batch if kept is None else batch.filter(from_flags(kept))
                start = end

    def keep_newest(self, bookmark: str | None) -> None:
        """Drop all rows but the newest of each key: by the bookmark, NULL first, then the last.

        Holds 8 bytes of each row in memory, and the bookmarks.
        """
        keys: list[NDArray[np.uint64]] = []
        ages: list[pa.Array[Any]] = []
        for _, batch in self._stored():
            keys.append(_numbers(batch, _KEY))
            if bookmark is not None:
                ages.append(batch.column(bookmark))
        if not keys:
            return
        joined = np.concatenate(keys)
        order = _by_age(ages) if bookmark is not None else np.arange(len(joined))
        _, last = np.unique(joined[order][::-1], return_index=True)
        self._kept = np.zeros(len(joined), np.bool_)
        self._kept[order[::-1][last]] = True
        self.sketch = self.sketched(CELLS)

    def keep_first(self) -> None:
        """Drop all rows but the first of each key. Holds 8 bytes of each row in memory."""
        keys = [_numbers(batch, _KEY) for _, batch in self._stored()]
        if keys:
            joined = np.concatenate(keys)
            _, first = np.unique(joined, return_index=True)
            self._kept = np.zeros(len(joined), np.bool_)
            self._kept[first] = True
            self.sketch = self.sketched(CELLS)

    def sketched(self, cells: int) -> Sketch:
        """The sketch of the rows that are left, in any number of cells."""
        sketch = Sketch.empty(cells)
        for _, batch in self._stored():
            lanes = np.stack([_numbers(batch, _LANE0), _numbers(batch, _LANE1)], axis=1)
            sketch.add(_numbers(batch, _KEY), lanes)
        return sketch

    def rows(self, choice: Choice) -> list[FoundRow]:
        """The rows of a choice."""
        if isinstance(choice, Cells):
            return self._where(_LANE1, choice.numbers, choice.of)
        return self._where(_KEY, choice.numbers, None)

    def _where(self, name: str, numbers: Iterable[int], of: int | None) -> list[FoundRow]:
        numbers_sought = np.fromiter(numbers, np.uint64)
        rows_found: list[FoundRow] = []
        for label, batch in self._stored():
            values = _numbers(batch, name)
            if of is not None:
                values = values & np.uint64(of - 1)
            indices = np.flatnonzero(np.isin(values, numbers_sought))
            if len(indices):
                rows = found_rows(self.table, batch.take(from_numbers(indices, pa.int64())))
                self._batches.update(((row.lane0, row.lane1), label) for row in rows)
                rows_found += rows
        return rows_found

    def batches(self, rows: Iterable[FoundRow]) -> tuple[tuple[str, int], ...]:
        """The batches that rows came in, with their number, the most frequent first."""
        labels = (self._batches.get((row.lane0, row.lane1), "") for row in rows)
        return tuple(Counter(label for label in labels if label).most_common())


def found_rows(table: Table, batch: pa.RecordBatch) -> list[FoundRow]:
    """Stored rows as values."""
    cells: list[list[Any]] = [field.to_pylist() for field in fields(batch, table.columns)]
    texts = (tuple(cell.encode() for cell in row) for row in zip(*cells, strict=True))
    lane0, lane1, keys = (_numbers(batch, name).tolist() for name in (_LANE0, _LANE1, _KEY))
    return [FoundRow(*row) for row in zip(lane0, lane1, keys, texts, strict=True)]


def _numbers(batch: pa.RecordBatch, name: str) -> NDArray[np.uint64]:
    return as_numbers(batch.column(name), np.uint64)


def _by_age(ages: list[pa.Array[Any]]) -> NDArray[np.intp]:
    """Places of rows from the oldest to the newest, NULL first; of equals the first first."""
    joined = pa.chunked_array(ages)
    ranks = np.where(joined.is_null().to_numpy(), 0, pc.rank(joined, tiebreaker="dense").to_numpy())
    return np.argsort(ranks, kind="stable")
