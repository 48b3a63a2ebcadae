"""Rows that stand for parents that the source no longer has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from messy_migration.model import ForeignKey, Table


def stub_rows(
    table: Table, foreign_key: ForeignKey, found: Sequence[Mapping[str, str]]
) -> pa.Table:
    """The rows that stand for missing parents.

    Args:
        table: the parent.
        foreign_key: with the declaration of its stubs.
        found: one mapping a missing parent: child column -> value as text.
    """
    declared = dict(foreign_key.stub)
    arrays = []
    for column in table.columns:
        text = declared.get(column.name)
        cells: list[str | None]
        if text is None:
            cells = [None] * len(found)
        elif text.startswith("="):
            cells = [row[text[1:]] for row in found]
        else:
            cells = [text] * len(found)
        arrays.append(pc.cast(pa.array(cells, pa.string()), column.type.arrow))
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema())
