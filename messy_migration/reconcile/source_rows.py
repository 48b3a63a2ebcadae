"""Rows and columns of a partition that its source has otherwise than they were extracted.

The partition is read once more, in the snapshot that is still held: first the hash of every row
on both sides, then the rows whose hashes are not the same number of times on both.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from messy_migration.compare.differences import Names, findings
from messy_migration.compare.findings import Findings
from messy_migration.compare.resolve import Leftover
from messy_migration.databases.sketch import FoundRow
from messy_migration.errors import MigrationError
from messy_migration.fingerprint.rows import fields
from messy_migration.model import Frame, Partition, Stream, Table
from messy_migration.pipeline.extract import extracted_items
from messy_migration.pipeline.shape import frame_columns, frame_name
from messy_migration.workspace import Workspace

MOST_ROWS = 2_000_000
"""Rows of a partition up to which it is looked through; a hash of each is kept in memory."""

_MOST_DIFFERING = 20_000

Row = tuple[bytes, ...]


def source_findings(
    workspace: Workspace, stream: Stream, partition: Partition, limit: int
) -> Findings:
    """What differs between a source and what is extracted of it; expected is what it has itself.

    Args:
        workspace: with the plugin, whose snapshot is still open.
        stream: what it reads.
        partition: what differs.
        limit: how many differences to list.
    """
    table = Table(
        frame_name(stream),
        frame_columns(stream),
        () if stream.as_offered.record else stream.as_offered.tables[0].key,
    )
    about = f"between the source and what was extracted of it, {partition.name}"
    sides = _Sides(workspace, stream, partition)
    try:
        leftover, note = sides.leftover()
    except MigrationError as error:
        why = error.why or error.what
        return Findings(table.name, (), 0, (), f"{about}: not located: {why}", is_exact=False)
    table_findings = findings(Names.of(table), leftover, limit)
    return replace(table_findings, note=f"{about}{note}")


class _Sides:
    """The rows of a partition as its source encodes them, and as they are extracted."""

    def __init__(self, workspace: Workspace, stream: Stream, partition: Partition) -> None:
        self.workspace = workspace
        self.stream = stream
        self.partition = partition

    def leftover(self) -> tuple[Leftover, str]:
        """The rows that one side has and the other has not, and what is to be said of them."""
        counts: Counter[bytes] = Counter()
        for rows, row in enumerate(self._source()):
            counts[_hash(row)] += 1
            if rows >= MOST_ROWS:
                return Leftover(), f": not located: it has more than {MOST_ROWS:,} rows"
        for row in self._extracted():
            counts[_hash(row)] -= 1
        unlike = {hashed: count for hashed, count in counts.items() if count}
        total = sum(map(abs, unlike.values()))
        if not total:
            return Leftover(is_whole=True), ": read once more, nothing differs"
        if total > _MOST_DIFFERING:
            return Leftover(), f": about {total:,} rows, too many to name"
        ours = _taken(self._source(), {one: count for one, count in unlike.items() if count > 0})
        right = _taken(
            self._extracted(), {one: -count for one, count in unlike.items() if count < 0}
        )
        return Leftover(ours, right, is_whole=True, about=total), ""

    def _source(self) -> Iterator[Row]:
        plugin = self.stream.plugin
        registry = self.workspace.registry
        rows = registry.call_one(
            plugin,
            "source_rows",
            stream=self.stream.as_offered,
            partition=self.partition,
        )
        with registry.guard(plugin, "source_rows"):
            for row in rows or ():
                yield tuple(str(cell).encode() for cell in row)

    def _extracted(self) -> Iterator[Row]:
        for piece in extracted_items(self.workspace, self.stream, self.partition):
            if isinstance(piece, Frame):
                for batch in piece.table.to_batches():
                    cells = [
                        column.to_pylist() for column in fields(batch, frame_columns(self.stream))
                    ]
                    for row in zip(*cells, strict=True):
                        yield tuple(str(cell).encode() for cell in row)


def _hash(row: Row) -> bytes:
    return hashlib.sha256(b"|".join(row)).digest()[:16]


def _taken(rows: Iterator[Row], counts: dict[bytes, int]) -> list[FoundRow]:
    """The rows of these hashes, each as often as it is left over."""
    rows_found = []
    for row in rows:
        hashed = _hash(row)
        if counts.get(hashed, 0):
            counts[hashed] -= 1
            lane0, lane1 = int.from_bytes(hashed[:8]), int.from_bytes(hashed[8:])
            rows_found.append(FoundRow(lane0, lane1, 0, row))
    return rows_found
