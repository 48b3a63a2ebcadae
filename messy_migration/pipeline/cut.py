"""Cut what a source yields into batches, the same way every time."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from messy_migration.errors import PluginError
from messy_migration.ledger.tables import legible
from messy_migration.model import Extracted, Filtered, Frame, Origin, Rejected


@dataclass(frozen=True)
class Cutting:
    """The bounds of a batch, fixed when a run begins: the most records, and the most bytes."""

    records: int
    bytes: int

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Cutting:
        """As the ledger keeps them with a run."""
        with legible("table run"):
            return cls(int(options["batch_records"]), int(options["batch_bytes"]))

    def as_options(self) -> dict[str, int]:
        """As the ledger keeps them, and as a plan id counts them."""
        return {"batch_records": self.records, "batch_bytes": self.bytes}


@dataclass
class Cut:
    """The records of one batch as they were extracted.

    Attributes:
        ordinal: place in the partition, from 0.
        tables: slices of frames; together, in order, the rows of the batch.
        rejected: records that could not become rows.
        filtered: rule -> records left out on purpose.
        last: nothing comes after it.
        span: the rows of the batch that it holds, if it is a part of one; None for a whole.
    """

    ordinal: int
    tables: list[pa.Table] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    filtered: Counter[str] = field(default_factory=Counter)
    last: bool = False
    span: tuple[int, int] | None = None
    size: int = 0
    _starts: list[int] = field(default_factory=list)
    _frames: list[tuple[Frame, int]] = field(default_factory=list)
    _rows: int = 0

    @property
    def rows(self) -> int:
        """Records that became rows."""
        return self._rows

    @property
    def records(self) -> int:
        """All records of the batch: rows, rejected and filtered."""
        return self._rows + len(self.rejected) + self.filtered.total()

    def add(self, frame: Frame, start: int, count: int) -> None:
        """Take `count` rows of a frame, from `start`."""
        part = frame.table.slice(start, count)
        self._starts.append(self._rows)
        self._frames.append((frame, start))
        self.tables.append(part)
        self._rows += count
        self.size += part.nbytes

    def part(self, start: int, stop: int) -> Cut:
        """The rows from `start` to `stop`; what became no row goes with the first of them."""
        taken = Cut(self.ordinal, last=self.last and stop == self.rows, span=(start, stop))
        for begin, (frame, offset), table in zip(
            self._starts, self._frames, self.tables, strict=True
        ):
            low, high = max(start, begin), min(stop, begin + table.num_rows)
            if low < high:
                taken.add(frame, offset + low - begin, high - low)
        if start == 0:
            taken.rejected = self.rejected
            taken.filtered = self.filtered
        return taken

    def origin(self, record: int) -> Origin | None:
        """The raw record behind a row, if the source tells.

        Raises:
            PluginError: the source cannot tell although it offered to.
        """
        number = bisect_right(self._starts, record) - 1
        frame, start = self._frames[number]
        if frame.origin is None:
            return None
        try:
            return frame.origin(start + record - self._starts[number])
        except Exception as error:
            raise PluginError(
                "a frame's origin failed for one of its rows", why=type(error).__name__
            ) from error


def cut(pieces: Iterator[Extracted], records: int, size: int) -> Generator[Cut]:
    """Batches of at most `records` records and about `size` bytes of rows and rejected records.

    At least one batch comes out, empty if the source is: it carries the mark that the
    partition is done.

    Raises:
        PluginError: the source yields something that is no frame and no record.
    """
    batch = Cut(0)
    for frame, start, count, other in _pieces(pieces, records, size):
        if batch.records and (batch.records + max(count, 1) > records or batch.size >= size):
            yield batch
            batch = Cut(batch.ordinal + 1)
        if frame is not None:
            batch.add(frame, start, count)
        elif isinstance(other, Rejected):
            batch.rejected.append(other)
            batch.size += len(other.raw)
        elif isinstance(other, Filtered):
            batch.filtered[other.rule] += other.records
    batch.last = True
    yield batch


def _pieces(
    pieces: Iterator[Extracted], records: int, size: int
) -> Iterator[tuple[Frame | None, int, int, Extracted | None]]:
    """Frames in slices that fit a batch, and all else as it is."""
    for piece in pieces:
        if isinstance(piece, Frame) and isinstance(piece.table, pa.Table):
            total = piece.table.num_rows
            step = min(records, _rows_of(piece.table, size))
            for start in range(0, total, step):
                yield piece, start, min(step, total - start), None
        elif isinstance(piece, (Rejected, Filtered)):
            yield None, 0, 0, piece
        else:
            raise PluginError(
                "extract yielded something that is no Frame, Rejected or Filtered",
                why=f"it is a {type(piece).__name__}",
            )


def _rows_of(table: pa.Table, size: int) -> int:
    if not table.num_rows or table.nbytes <= size:
        return max(table.num_rows, 1)
    return max(1, table.num_rows * size // table.nbytes)
