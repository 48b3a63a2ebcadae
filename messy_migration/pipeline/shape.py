"""Frames on their way from the stream that its owner offers to the one that was reshaped.

`extract` yields the columns of the owner. Between the transforms a column is in the type that
the reshaped stream declares if its values may be cast to it, else in its owner's. After the last
one every column of the reshaped stream has to be there, and what it has dropped is dropped here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from messy_migration.errors import PluginError
from messy_migration.model import RECORD, Column, Stream, Violation
from messy_migration.pipeline.conform import conform, is_meant
from messy_migration.pipeline.losses import Changed
from messy_migration.pipeline.records import present


def frame_name(stream: Stream) -> str:
    """What an extracted frame is called: its stream, where a transform makes the tables."""
    owned = stream.as_offered
    return stream.name if owned.record else owned.tables[0].name


def frame_columns(stream: Stream) -> tuple[Column, ...]:
    """The columns of an extracted frame."""
    owned = stream.as_offered
    return owned.record or owned.tables[0].columns


def table_names(stream: Stream) -> set[str]:
    """The tables that a transform may make: those of the stream, and those that were dropped."""
    return {table.name for one in (stream, stream.as_offered) for table in one.tables}


def columns_between(stream: Stream, name: str | None, frame: pa.Table) -> Sequence[Column]:
    """The columns that a frame has to have between two transforms.

    Args:
        stream: of the frame.
        name: its table; None for an extracted frame that is not a table's yet.
        frame: as a hook returned it.
    """
    if name is None:
        return stream.record
    if stream.offered is None:
        return stream.table(name).columns
    ours, theirs = (_columns(one, name) for one in (stream, stream.offered))
    columns = []
    for column in {**theirs, **ours}:
        if column not in frame.column_names:
            continue  # what is missing at the end is missed there
        kind = frame.field(frame.column_names.index(column)).type
        fits = column in ours and is_meant(kind, ours[column])
        columns.append(ours[column] if fits or column not in theirs else theirs[column])
    return columns


def finished(
    stream: Stream,
    frames: Mapping[str | None, pa.Table],
    changed: Changed,
    violations: list[Violation],
) -> dict[str | None, pa.Table]:
    """The frames after all transforms, in the tables and columns of the reshaped stream.

    Raises:
        PluginError: no transform has filled a column, or a record is left without a row.
    """
    if stream.offered is None:
        return dict(frames)
    where = f"plugin {', '.join(stream.reshaped_by)}, hook reshape, stream {stream.label}"
    declared = {table.name for table in stream.tables}
    tables: dict[str | None, pa.Table] = {}
    for name, frame in frames.items():
        if name is None:
            tables[name] = frame
        elif name in declared:
            tables[name], misfits = _last(stream, name, frame, where, changed)
            violations += misfits
    lost = present(frames.values()) - present(tables.values())
    if lost:
        gone = ", ".join(sorted(name for name in frames if name and name not in declared))
        raise PluginError(
            "a reshaped stream has no table for some records",
            where,
            f"{len(lost)} records have rows in {gone} alone, which is dropped",
            "make rows of another table from them in a transform, or filter them under a rule",
        )
    return tables


def _last(
    stream: Stream, name: str, frame: pa.Table, where: str, changed: Changed
) -> tuple[pa.Table, list[Violation]]:
    columns = stream.table(name).columns
    missing = [column.name for column in columns if column.name not in frame.column_names]
    if missing:
        raise PluginError(
            "no transform fills a column of a reshaped stream",
            f"{where}, table {name}",
            f"{', '.join(missing)} is missing",
            "return the column from a transform, or leave it out of the reshape",
        )
    kept = frame.select([*(column.name for column in columns), RECORD])
    return conform(kept, columns, name, f"{where}, after all transforms", changed)


def _columns(stream: Stream, name: str) -> dict[str, Column]:
    return {
        column.name: column
        for table in stream.tables
        if table.name == name
        for column in table.columns
    }
