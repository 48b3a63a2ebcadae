"""Rows of SQLite whose days and instants are encoded in Arrow, everything else in the database.

SQLite takes longer to parse one instant than to encode five texts. So days and instants are
fetched as they are stored and looked at a chunk at a time. If a single one of them is not
stored as it should be, there is no answer here, and `sqlite_c1`, which can say of any cell
whatever it is, has to give it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from types import NoneType
from typing import Any

import pyarrow as pa
import pyarrow.compute

from messy_migration.databases.naming import column_list
from messy_migration.databases.sqlite import encoding as sqlite_c1
from messy_migration.databases.streaming import each_field, joined_fields
from messy_migration.fingerprint import rows as c1
from messy_migration.model import Column, Fingerprint, Table

__all__ = ["KINDS", "fingerprint"]

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

KINDS = frozenset({"date", "timestamp"})
"""Kinds of columns that are encoded here."""

_Cells = Sequence[Any]
_FIRST_ROWS = 256
_MOST_ROWS = 8_192
_MOST_BYTES = 1 << 25


class _Irregular(Exception):
    """A cell is not stored as it should be."""


def fingerprint(connection: sqlite3.Connection, table: Table, source: str) -> Fingerprint | None:
    """The fingerprint of the rows of `source`; None if a day or instant is not one.

    Args:
        connection: of the driver, inside a transaction.
        table: whose columns are fingerprinted.
        source: what follows FROM, the table's alias being `t`.
    """
    pieces = joined_fields(each_field(table, _expressions(table), KINDS), sqlite_c1.joined)
    stored = iter([column for column in table.columns if column.type.kind in KINDS])
    columns = [next(stored) if piece.is_stored else None for piece in pieces]
    selected = ", ".join(
        piece.expression if piece.is_stored else f"CAST(({piece.expression}) AS BLOB)"
        for piece in pieces
    )
    total = Fingerprint()
    try:
        for rows in _chunks(connection.execute(f"SELECT {selected} FROM {source}")):
            total += c1.total(c1.row_hashes(_texts(columns, rows)))
    except (_Irregular, pa.ArrowException):
        return None
    except sqlite3.OperationalError as error:
        # Text that is no UTF-8; anything else will be met again by whoever reads the rows again.
        if "decode" in str(error):
            return None
        raise
    return total


def _expressions(table: Table) -> list[str]:
    fields = sqlite_c1.fields(table, "t")
    return [
        column_list([column.name], "t") if column.type.kind in KINDS else field
        for column, field in zip(table.columns, fields, strict=True)
    ]


def _chunks(cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    """Rows in pieces of some 32 MiB at most, however long a row is."""
    size = _FIRST_ROWS
    while rows := cursor.fetchmany(size):
        yield rows
        sample = rows[::64]
        lengths = sum(len(cell) for cell in chain(*sample) if isinstance(cell, bytes))
        size = max(1, min(_MOST_ROWS, 4 * size, _MOST_BYTES * len(sample) // (lengths + 1)))


def _texts(columns: Sequence[Column | None], rows: list[tuple[Any, ...]]) -> pa.Array[Any]:
    cells = zip(columns, zip(*rows, strict=True), strict=True)
    parts = [
        pa.array(values, pa.binary()) if column is None else _field(column, values)
        for column, values in cells
    ]
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*parts, b"|")  # type: ignore[no-any-return]


def _field(column: Column, values: _Cells) -> pa.Array[Any]:
    if not set(map(type, values)) <= {str, NoneType}:
        raise _Irregular
    read = _READERS[column.type.kind]
    array = read(pa.array(values, pa.string()))
    return c1.fields(pa.table({column.name: array}), [column])[0].cast(pa.binary())


def _days(array: pa.Array[Any]) -> pa.Array[Any]:
    """Of ten characters Arrow takes YYYY-MM-DD and nothing else."""
    _require(pc.equal(pc.binary_length(array), 10))
    return array.cast(pa.date32())


def _instants(array: pa.Array[Any]) -> pa.Array[Any]:
    """Of 26 characters Arrow takes YYYY-MM-DD?hh:mm:ss.ffffff and nothing else."""
    _require(pc.equal(pc.binary_length(array), 27))
    _require(pc.ends_with(array, "Z"))
    _require(pc.equal(pc.utf8_slice_codeunits(array, 10, 11), "T"))
    bare = pc.utf8_slice_codeunits(array, 0, 26)
    # Read without a zone, which is many times faster.
    return bare.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))  # type: ignore[no-any-return]


def _require(holds: pa.Array[Any]) -> None:
    """All are true, or NULL."""
    if not pc.all(holds, min_count=0).as_py():
        raise _Irregular


_READERS: dict[str, Callable[[pa.Array[Any]], pa.Array[Any]]] = {
    "date": _days,
    "timestamp": _instants,
}
