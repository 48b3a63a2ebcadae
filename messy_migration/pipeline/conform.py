"""Hold a frame that a hook returned against the columns that its stream declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from messy_migration.errors import PluginError
from messy_migration.model import RECORD, Column, Violation

_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
)
_NUMBER = (pa.types.is_integer, pa.types.is_floating)

_ACCEPTED = {
    "text": _TEXT,
    "uuid": _TEXT,
    "json": _TEXT,
    "bytes": _BYTES,
    "bool": (pa.types.is_boolean,),
    "int16": _NUMBER,
    "int32": _NUMBER,
    "int64": _NUMBER,
    "float64": _NUMBER,
    # A float has lost the cents already, so money never comes from one.
    "decimal": (pa.types.is_decimal, pa.types.is_integer),
    "date": (pa.types.is_date,),
    "timestamp": (lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None,),
}


def as_table(returned: Any, where: str) -> pa.Table:
    """An Arrow table from what a hook returned: a table, or a pandas frame.

    Raises:
        PluginError: it is neither, or has no record column.
    """
    if isinstance(returned, pa.Table):
        table = returned
    elif type(returned).__module__.startswith("pandas."):
        try:
            table = pa.Table.from_pandas(returned, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise PluginError(
                "a hook returned a frame whose columns are of mixed types",
                where,
                type(error).__name__,
            ) from error
    else:
        raise PluginError(
            "a hook returned something that is no frame",
            where,
            f"it is a {type(returned).__name__}",
            "return a pyarrow.Table or a pandas.DataFrame",
        )
    if RECORD not in table.column_names:
        raise PluginError(
            f"a hook returned a frame without the column {RECORD}",
            where,
            "it says which record a row came from",
            "carry the column through",
        )
    return table


def conform(
    data: pa.Table, columns: Sequence[Column], table: str, where: str
) -> tuple[pa.Table, list[Violation]]:
    """The frame in the declared columns, order and types, and the values that do not fit.

    A value that does not fit becomes NULL here; its violation sends the record to quarantine.

    Raises:
        PluginError: a column is missing, is too many, or is of a type that cannot be meant.
    """
    names = [column.name for column in columns]
    missing = [name for name in names if name not in data.column_names]
    extra = [name for name in data.column_names if name not in names and name != RECORD]
    if missing or extra:
        problems = [f"{name} is missing" for name in missing]
        problems += [f"{name} is not declared" for name in extra]
        raise PluginError(
            "a frame does not have the declared columns",
            f"{where}, table {table}",
            "; ".join(problems),
        )
    records = pc.cast(data.column(RECORD), pa.int32())
    violations: list[Violation] = []
    arrays = []
    for column in columns:
        array, misfits = _column(data.column(column.name), column, f"{where}, table {table}")
        arrays.append(array)
        violations += [
            Violation(
                records[place].as_py(),
                table,
                column.name,
                "core.type",
                f"the value does not fit {column.type}",
            )
            for place in misfits
        ]
    fields = [pa.field(column.name, column.type.arrow) for column in columns]
    schema = pa.schema([*fields, pa.field(RECORD, pa.int32())])
    return pa.Table.from_arrays([*arrays, records], schema=schema), violations


def _column(
    array: pa.ChunkedArray[Any], column: Column, where: str
) -> tuple[pa.ChunkedArray[Any], list[int]]:
    wanted = column.type.arrow
    if pa.types.is_dictionary(array.type):
        array = pc.cast(array, array.type.value_type)
    found = array.type
    if pa.types.is_null(found):
        return pc.cast(array, wanted), []
    if not any(accepts(found) for accepts in _ACCEPTED[column.type.kind]):
        raise PluginError(
            f"column {column.name} does not have the declared type",
            where,
            f"it is {found}, declared is {column.type}",
        )
    if found == wanted:
        return array, []
    try:
        return pc.cast(array, wanted), []
    except pa.ArrowInvalid:
        return _cell_by_cell(array, wanted)


def _cell_by_cell(
    array: pa.ChunkedArray[Any], wanted: pa.DataType
) -> tuple[pa.ChunkedArray[Any], list[int]]:
    cells = []
    misfits = []
    for place, cell in enumerate(array):
        try:
            cells.append(pc.cast(cell, wanted))
        except pa.ArrowInvalid:
            cells.append(pa.scalar(None, wanted))
            misfits.append(place)
    return pa.chunked_array([pa.array([cell.as_py() for cell in cells], wanted)]), misfits
