"""How the columns of a table become others, and which values that leaves as they were."""

from __future__ import annotations

from messy_migration.model.columns import ColumnType
from messy_migration.model.schema import Table

_WIDER = {("int16", "int32"), ("int16", "int64"), ("int32", "int64")}
"""The second kind holds every value of the first."""


def gained(before: Table, now: Table) -> list[str]:
    """Nobody has read these columns as they are now: they are new, or of another type.

    Args:
        before: the table as it was loaded.
        now: the table as its stream has it.
    """
    types = {column.name: column.type for column in before.columns}
    return [
        column.name
        for column in now.columns
        if column.name not in types or not _holds(column.type, types[column.name])
    ]


def _holds(now: ColumnType, before: ColumnType) -> bool:
    if before.kind == now.kind == "decimal":
        whole = now.precision - now.scale >= before.precision - before.scale
        return whole and now.scale >= before.scale
    return now == before or (before.kind, now.kind) in _WIDER
