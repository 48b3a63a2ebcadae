"""Rows that stand for parents that the source no longer has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from messy_migration.errors import PluginError
from messy_migration.fingerprint.json import canonical_json
from messy_migration.model import Column, ForeignKey, Table
from messy_migration.model.conversion import typed


def stub_rows(
    table: Table, foreign_key: ForeignKey, parents: Sequence[Mapping[str, str]]
) -> pa.Table:
    """The rows that stand for missing parents.

    Args:
        table: the parent.
        foreign_key: with the declaration of its stubs.
        parents: one mapping a missing parent: child column -> value as text.

    Raises:
        PluginError: a text is no value of its column.
    """
    declared = dict(foreign_key.stub)
    arrays = []
    for column in table.columns:
        text = declared.get(column.name)
        cells: list[str | None]
        if text is None:
            cells = [None] * len(parents)
        elif text.startswith("="):
            cells = [row[text[1:]] for row in parents]
        else:
            cells = [text] * len(parents)
        arrays.append(_values(table, column, cells))
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema())


def _values(table: Table, column: Column, cells: Sequence[str | None]) -> pa.Array[Any]:
    try:
        if column.type.kind == "json":
            cells = [None if cell is None else canonical_json(cell) for cell in cells]
        return typed(cells, column.type)
    except ValueError as error:
        raise PluginError(
            "a stub for a missing parent cannot be made",
            f"table {table.name}, column {column.name}",
            f"what its declaration gives is no {column.type}",
            "correct the `stub` of the foreign key",
        ) from error
