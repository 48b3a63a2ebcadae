"""Apply the declared losses of a column, and count every value that they change."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from messy_migration.fingerprint.arrays import as_numbers
from messy_migration.model import RECORD, Column, Loss

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

Changed = dict[tuple[str, str, str], list[npt.NDArray[np.int32]]]
"""(table, column, rule) -> the records of values that it changed."""

_DIGITS = 76
_UNITS = {"milliseconds": "millisecond", "seconds": "second"}


def apply(
    array: pa.ChunkedArray[Any],
    column: Column,
    table: str,
    records: pa.ChunkedArray[Any],
    changed: Changed,
) -> pa.ChunkedArray[Any]:
    """The values after the losses of their column.

    Args:
        array: the values, in a type from which the column's may be cast.
        column: with its losses.
        table: its table.
        records: the record of each value.
        changed: what is changed is added here.
    """
    for loss in column.losses:
        before = _widened(array, loss)
        array = _applied(before, loss)
        is_lost = pc.fill_null(pc.not_equal(array, before), pa.scalar(value=False))
        if pc.any(is_lost).as_py():
            met = as_numbers(records.filter(is_lost), np.int32)
            changed.setdefault((table, column.name, str(loss)), []).append(met)
    return array


def counts(changed: Changed, table: str, kept: npt.NDArray[np.int32]) -> dict[str, int]:
    """How many values of a table each "column rule" changed, of records that are loaded."""
    losses = {
        f"{column} {rule}": int(np.isin(np.concatenate(records), kept).sum())
        for (name, column, rule), records in changed.items()
        if name == table
    }
    return {name: count for name, count in losses.items() if count}


def names(data: pa.Table) -> npt.NDArray[np.int32]:
    """The records that have rows in a frame."""
    return as_numbers(data.column(RECORD), np.int32)


def _widened(array: pa.ChunkedArray[Any], loss: Loss) -> pa.ChunkedArray[Any]:
    """Room for a carry: 9.99 becomes 10.0."""
    if loss.kind == "round" and pa.types.is_decimal(array.type):
        return array.cast(pa.decimal256(_DIGITS, array.type.scale))
    return array


def _applied(array: pa.ChunkedArray[Any], loss: Loss) -> pa.ChunkedArray[Any]:
    if loss.kind == "round":
        # As PostgreSQL rounds a numeric: halves away from zero.
        reduced = pc.round(array, ndigits=loss.size, round_mode="half_towards_infinity")
    elif loss.kind == "truncate":
        reduced = pc.utf8_slice_codeunits(array, 0, loss.size)
    elif loss.kind in _UNITS:
        reduced = pc.floor_temporal(array, unit=_UNITS[loss.kind])
    elif loss.kind == "trim":
        reduced = pc.utf8_trim_whitespace(array)
    elif loss.kind == "nfc":
        reduced = pc.utf8_normalize(array, form="NFC")
    else:
        reduced = pc.replace_substring(array, pattern="\0", replacement="")
    return reduced if isinstance(reduced, pa.ChunkedArray) else pa.chunked_array([reduced])
