"""Read the beginning of a partition twice: an `extract` has to begin again where it began.

Batches are known by their place in the partition. A source that gives its records in another
order each time looks whole until a run is resumed, and then records come twice or never. So one
partition of each stream is begun twice, and the two beginnings are held against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pyarrow as pa

from messy_migration.errors import MigrationError, PluginError
from messy_migration.model import Partition, Stream
from messy_migration.pipeline.cut import Cut, Cutting
from messy_migration.pipeline.extract import cuts
from messy_migration.pipeline.source_proof import HOOK
from messy_migration.workspace import Workspace

RECORDS = 10_000
"""How much is read twice, about one block of a file: of a million records one in a hundred."""


def sampled(workspace: Workspace, stream: Stream, partitions: Sequence[Partition]) -> str:
    """The digest of the partition that is begun twice; empty where that would show nothing.

    A landed file is kept under its digest, a snapshot is read in the order of its key, and a
    source that computes fingerprints is held against them.
    """
    is_kept = stream.lands or any(partition.held for partition in partitions)
    is_proven = workspace.registry.implements(stream.plugin, HOOK)
    if is_kept or (is_proven and workspace.settings.core.source_proof):
        return ""
    return min((partition.digest for partition in partitions), default="")


def beginning(
    workspace: Workspace, cutting: Cutting, stream: Stream, partition: Partition
) -> Cut | MigrationError:
    """The first records of a partition, or why they cannot be read; its source is let go."""
    few = replace(cutting, records=min(cutting.records, RECORDS))
    try:
        with closing(cuts(workspace, few, stream, partition)) as batches:
            return next(batches)
    except MigrationError as error:
        return error


def refuse_other(
    sample: Cut | MigrationError, batch: Cut, stream: Stream, partition: Partition
) -> None:
    """Hold the first batch of a partition against its beginning as it was read before.

    Args:
        sample: the beginning, or why it could not be read.
        batch: the first batch.
        stream: whose.
        partition: of the stream.

    Raises:
        PluginError: the batch does not begin with the same records.
        MigrationError: the beginning could not be read, and the batch could.
    """
    if isinstance(sample, MigrationError):
        raise sample
    why = difference(sample, batch)
    if why:
        raise PluginError(
            "extract gives other records when it begins again",
            f"plugin {stream.plugin}, stream {stream.label}, {partition.name}, batch 0",
            why,
            "give the same records in the same order each time: sort them by a key; if the source "
            "cannot do that, declare lands=True",
        )


def difference(sample: Cut, batch: Cut) -> str:
    """In what the batch does not begin as the sample does; empty where it does."""
    is_longer = sample.rows > batch.rows or len(sample.rejected) > len(batch.rejected)
    if (
        is_longer
        or sample.filtered - batch.filtered
        or (sample.last and (not batch.last or sample.records != batch.records))
    ):
        return f"it gave {sample.records:,} records first, and other numbers of them the next time"
    if sample.rejected != batch.rejected[: len(sample.rejected)]:
        return "the records that it rejects differ"
    if not sample.rows:
        return ""
    if sample.tables[0].schema.names != batch.tables[0].schema.names:
        return "its columns differ"
    try:
        first, again = pa.concat_tables(sample.tables), pa.concat_tables(batch.tables)
    except pa.ArrowInvalid:
        return ""  # frames of several forms: what a frame has to hold is checked later
    again = again.slice(0, sample.rows)
    rows = {
        name: row
        for name in first.schema.names
        if (row := _first_other(first.column(name), again.column(name))) is not None
    }
    if not rows:
        return ""
    row = min(rows.values())
    names = ", ".join(name for name, number in rows.items() if number == row)
    return f"row {row + 1} differs in {names}"


def _first_other(first: pa.ChunkedArray[Any], again: pa.ChunkedArray[Any]) -> int | None:
    """The first row in which two columns differ. NaN is like itself here, as nowhere in Arrow."""
    if first.equals(again):
        return None
    pairs = enumerate(zip(first.to_pylist(), again.to_pylist(), strict=True))
    return next((row for row, (one, other) in pairs if repr(one) != repr(other)), None)
