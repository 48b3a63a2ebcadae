"""C1 fields back as values: the encoding is injective, so nothing has to be read again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from messy_migration.compare.buckets import Row
from messy_migration.compare.tolerance import signed
from messy_migration.fingerprint.rows import NULL
from messy_migration.model import Column, Table

_NULL = NULL.encode()
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def decoded(table: Table, rows: Sequence[Row]) -> pa.Table:
    """Rows of C1 fields as a table of the declared types.

    Raises:
        ValueError: a field is no value of its type; a database held something else there.
    """
    try:
        columns = [
            pa.array(
                [None if row[index] == _NULL else _value(column, row[index]) for row in rows],
                column.type.arrow,
            )
            for index, column in enumerate(table.columns)
        ]
    except (struct.error, ArithmeticError, pa.ArrowException) as error:
        raise ValueError(str(error)) from error
    return pa.Table.from_arrays(columns, schema=table.arrow_schema())


def _value(column: Column, cell: bytes) -> Any:
    text = cell.decode()
    kind = column.type.kind
    return _READERS.get(kind, _sized if kind in ("text", "json") else _plain)(text)


def _plain(text: str) -> str:
    return text


def _sized(text: str) -> str:
    size, colon, value = text.partition(":")
    if not colon or int(size) != len(value.encode()):
        raise ValueError("a text is not as long as it says")
    return value


def _moment(text: str) -> datetime:
    return _EPOCH + timedelta(microseconds=signed(text, 64))


def _day(text: str) -> date:
    return _EPOCH.date() + timedelta(days=signed(text, 32))


def _float(text: str) -> float:
    return float(struct.unpack(">d", bytes.fromhex(text))[0])


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.partition(":")[2])


_READERS: dict[str, Callable[[str], Any]] = {
    "int16": int,
    "int32": int,
    "int64": int,
    "bool": "1".__eq__,
    "decimal": Decimal,
    "float64": _float,
    "date": _day,
    "timestamp": _moment,
    "bytes": _bytes,
}
