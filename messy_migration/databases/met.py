"""The contents that a batch has met, as they are noted beside a table in which the first stays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from messy_migration.fingerprint.arrays import as_numbers
from messy_migration.fingerprint.rows import row_hashes, row_texts
from messy_migration.model import RECORD, Column, ColumnType, Table

# No column of a stream has a blank in its name.
RUN, PARTITION, BATCH, ROW, KEY, HASH, TIMES, BROUGHT, ORDINAL, RANK = (
    f"mm {name}"
    for name in (
        "run",
        "partition",
        "batch",
        "row",
        "key",
        "hash",
        "times",
        "brought",
        "ordinal",
        "rank",
    )
)
_TEXT, _NUMBER = ColumnType("text"), ColumnType("int64")
_NOTED = (
    *(Column(name, _TEXT) for name in (RUN, PARTITION, KEY, HASH)),
    *(Column(name, _NUMBER) for name in (BATCH, ROW, TIMES, BROUGHT)),
)


@dataclass(frozen=True)
class Origin:
    """Where the rows of a batch come from: run, partition, batch, and the first row of it."""

    run_id: str
    partition: str
    batch: int
    start: int


def beside(table: Table) -> Table:
    """The table beside it that holds what was met until the run has settled it."""
    digest = hashlib.sha256(f"{table.name}\n{table.scope}".encode()).hexdigest()[:16]
    columns = (replace(column, required=False, loss="", tolerance="") for column in table.columns)
    return Table(f"mm_first_{digest}", (*columns, *_NOTED))


@dataclass(frozen=True)
class Met:
    """The contents of a batch: each one once, in the order in which they come.

    Attributes:
        rows: the row of the batch in which each is met first.
        keys: what stands for the key of each.
        lanes: the hash of each, shape (n, 2).
        times: how many rows of the batch are like it.
        of_row: row of the batch -> number of its content.
        firsts: the contents that come first of their key.
    """

    rows: NDArray[np.int64]
    keys: NDArray[np.int64]
    names: tuple[str, ...]
    lanes: NDArray[np.uint64]
    times: NDArray[np.int64]
    of_row: NDArray[np.int64]
    firsts: frozenset[int]

    @classmethod
    def of(cls, table: Table, data: pa.Table) -> Met:
        """The contents of the rows of a batch, which have the record column."""
        keys = row_hashes(row_texts(data, [table.column(name) for name in table.key]))
        lanes = row_hashes(row_texts(data, table.columns))
        both = np.concatenate([keys, lanes], axis=1)
        _, index, inverse, times = np.unique(
            both, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        order = np.argsort(index)
        rows = index[order]
        _, first, numbers = np.unique(keys[rows], axis=0, return_index=True, return_inverse=True)
        return cls(
            rows,
            numbers.reshape(-1),
            tuple(f"{one:016x}{other:016x}" for one, other in keys[rows].tolist()),
            lanes[rows],
            times[order],
            np.argsort(order)[inverse.reshape(-1)],
            frozenset(first.tolist()),
        )

    def noted(self, contents: pa.Table, origin: Origin, brought: NDArray[np.bool_]) -> pa.Table:
        """What is written beside the table."""
        count = len(self.rows)
        cells: dict[str, Any] = {
            RUN: [origin.run_id] * count,
            PARTITION: [origin.partition] * count,
            KEY: self.names,
            HASH: [f"{one:016x}{other:016x}" for one, other in self.lanes.tolist()],
            BATCH: [origin.batch] * count,
            ROW: (self.rows + origin.start).tolist(),
            TIMES: self.times.tolist(),
            BROUGHT: brought.astype(np.int64).tolist(),
        }
        data = contents.drop_columns([RECORD])
        for column in _NOTED:
            data = data.append_column(column.name, pa.array(cells[column.name], column.type.arrow))
        return data

    def left(
        self, data: pa.Table, taken: set[int], equal: set[int]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Records whose row is there already, and those whose row is another than the one there.

        Args:
            data: the rows of the batch.
            taken: contents whose first row counts as loaded.
            equal: contents that are now in the table.
        """
        records = as_numbers(data.column(RECORD), np.int32)
        is_equal = np.isin(self.of_row, sorted(equal))
        is_taken = np.zeros(len(records), np.bool_)
        is_taken[self.rows[sorted(taken)]] = True
        return (
            tuple(records[is_equal & ~is_taken].tolist()),
            tuple(records[~is_equal].tolist()),
        )
