"""Hold a frame that a hook returned against the columns that its stream declared."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from messy_migration.errors import PluginError
from messy_migration.model import RECORD, Column, Violation
from messy_migration.model.conversion import cast_exactly
from messy_migration.pipeline import losses

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
    # A frame of pandas can only be there if somebody imported pandas.
    pandas = sys.modules.get("pandas")
    if isinstance(returned, pa.Table):
        table = returned
    elif pandas is not None and isinstance(returned, pandas.DataFrame):
        try:
            table = pa.Table.from_pandas(returned, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise PluginError(
                "a hook returned a frame that Arrow cannot hold",
                where,
                f"a column is of mixed types, or there twice ({type(error).__name__})",
            ) from error
    else:
        raise PluginError(
            "a hook returned something that is no frame",
            where,
            f"it is a {type(returned).__name__}",
            "return a pyarrow.Table or a pandas.DataFrame",
        )
    if table.column_names.count(RECORD) != 1:
        raise PluginError(
            f"a hook returned a frame without the one column {RECORD}",
            where,
            "it says which record a row came from",
            "carry the column through",
        )
    return table


def conform(
    data: pa.Table,
    columns: Sequence[Column],
    table: str,
    where: str,
    changed: losses.Changed | None = None,
) -> tuple[pa.Table, list[Violation]]:
    """The frame in the declared columns, order and types, and the values that do not fit.

    A value that does not fit becomes NULL here; its violation sends the record to quarantine.
    Declared losses are applied first, and what they change is added to `changed`.

    Raises:
        PluginError: a column is missing, is too many, or is of a type that cannot be meant, or
            the record column holds something else than numbers of records.
    """
    names = [column.name for column in columns]
    missing = [name for name in names if name not in data.column_names]
    extra = [name for name in data.column_names if name not in names and name != RECORD]
    doubled = {name for name in data.column_names if data.column_names.count(name) > 1}
    if missing or extra or doubled:
        problems = [f"{name} is missing" for name in missing]
        problems += [f"{name} is not declared" for name in extra]
        problems += [f"{name} is there twice" for name in sorted(doubled)]
        raise PluginError(
            "a frame does not have the declared columns",
            f"{where}, table {table}",
            "; ".join(problems),
        )
    records = _records(data.column(RECORD), f"{where}, table {table}")
    violations: list[Violation] = []
    arrays = []
    for column in columns:
        array = data.column(column.name)
        if column.loss:
            array = losses.apply(
                _plain(array), column, table, records, {} if changed is None else changed
            )
        array, misfits = _column(array, column, f"{where}, table {table}")
        arrays.append(array)
        violations += [
            Violation(
                records[index].as_py(),
                table,
                column.name,
                "core.type",
                f"the value does not fit {column.type}",
            )
            for index in misfits
        ]
    fields = [pa.field(column.name, column.type.arrow) for column in columns]
    schema = pa.schema([*fields, pa.field(RECORD, pa.int32())])
    return pa.Table.from_arrays([*arrays, records], schema=schema), violations


def _records(numbers: pa.ChunkedArray[Any], where: str) -> pa.ChunkedArray[Any]:
    try:
        if not numbers.null_count and not pa.types.is_string(numbers.type):
            return pc.cast(numbers, pa.int32())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    raise PluginError(
        f"the column {RECORD} of a frame does not hold numbers of records",
        where,
        f"it is {numbers.type}, with {numbers.null_count} NULLs",
        "carry the column through as it came",
    )


def _column(
    array: pa.ChunkedArray[Any], column: Column, where: str
) -> tuple[pa.ChunkedArray[Any], list[int]]:
    arrow_type = column.type.arrow
    array = _plain(array)
    kind = array.type
    if pa.types.is_null(kind):
        return pc.cast(array, arrow_type), []
    if not is_meant(kind, column):
        raise PluginError(
            f"column {column.name} does not have the declared type",
            where,
            f"it is {kind}, declared is {column.type}",
        )
    if kind == arrow_type:
        return array, []
    try:
        return cast_exactly(array, arrow_type), []
    except pa.ArrowInvalid:
        return _cell_by_cell(array, arrow_type)


def is_meant(kind: pa.DataType, column: Column) -> bool:
    """May values of this type be cast to that of the column?"""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_null(kind) or any(accepts(kind) for accepts in _ACCEPTED[column.type.kind])


def _plain(array: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    if pa.types.is_dictionary(array.type):
        return pc.cast(array, array.type.value_type)
    return array


def _cell_by_cell(
    array: pa.ChunkedArray[Any], arrow_type: pa.DataType
) -> tuple[pa.ChunkedArray[Any], list[int]]:
    cells: list[Any] = []
    misfits = []
    for index in range(len(array)):
        try:
            cells.append(cast_exactly(array.slice(index, 1), arrow_type)[0])
        except pa.ArrowInvalid:
            cells.append(pa.scalar(None, arrow_type))
            misfits.append(index)
    return pa.chunked_array([pa.array(cells, arrow_type)]), misfits
