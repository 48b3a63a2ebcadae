"""The fingerprint of a partition of an SQLite file, encoded in a scan of its own.

SQLite has neither days nor decimals nor SHA-256. It encodes texts, integers and blobs itself, and
calls a function of ours on every other cell, which takes them one by one in Python where
`extract` takes them by columns in Arrow. Rows that `extract` rejects become NULL.
"""

from __future__ import annotations

import math
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from messy_migration import c1
from messy_migration.model import Column, ColumnType, Fingerprint, Partition
from messy_migration_sql.cells import to_value
from messy_migration_sql.settings import Source, SqlSettings
from messy_migration_sql.sqlite import asking, quoted, selected

__all__ = ["encoded", "fingerprint"]

_FIELD = "messy_migration_field"
_EPOCH_DAY = date(2000, 1, 1).toordinal()
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_BITS = {"int16": 15, "int32": 31, "int64": 63}


def fingerprint(
    settings: SqlSettings,
    source: Source,
    columns: Sequence[Column],
    shared: Mapping[str, str],
    partition: Partition,
) -> Fingerprint:
    """The fingerprint of what is extracted in frames.

    Args:
        settings: not needed, a file is opened anew each time.
        source: the file.
        columns: of the stream, with those of `shared`.
        shared: column -> the value that all rows of the tenant have.
        partition: with its bounds.

    Raises:
        SourceError: the file cannot be read, or is not what it was when the run began.
    """
    del settings
    row = f"CAST({_joined(_fields(columns, shared, partition.bounds['columns']))} AS BLOB)"
    with asking(source, partition) as connection:
        _register(connection)
        return c1.of_texts(_texts(selected(connection, [row], partition)))


def encoded(
    settings: SqlSettings,
    source: Source,
    columns: Sequence[Column],
    shared: Mapping[str, str],
    partition: Partition,
) -> Iterator[Sequence[str]]:
    """The rows behind `fingerprint`, each cell as its C1 field; arguments and errors likewise."""
    del settings
    fields = _fields(columns, shared, partition.bounds["columns"])
    cells = [f"CAST({field} AS BLOB)" for field in fields]
    with asking(source, partition) as connection:
        _register(connection)
        for row in selected(connection, cells, partition):
            if None not in row and all(map(_is_utf8, row)):
                yield [cell.decode() for cell in row]


def _joined(fields: Sequence[str]) -> str:
    """The fields as one text; in halves, since SQLite limits the depth of an expression."""
    if len(fields) == 1:
        return fields[0]
    middle = len(fields) // 2
    return f"({_joined(fields[:middle])} || '|' || {_joined(fields[middle:])})"


def _register(connection: sqlite3.Connection) -> None:
    """Give a connection to a file the function that `_fields` needs."""
    connection.create_function(_FIELD, 3, _field, deterministic=True)


def _fields(
    columns: Sequence[Column], shared: Mapping[str, str], names: Sequence[str]
) -> list[str]:
    """The C1 field of each cell as an expression; NULL where `extract` rejects it."""
    there = iter(names)
    return [
        _literal(f"{len(value.encode())}:{value}")
        if (value := shared.get(column.name)) is not None
        else _expression(quoted(next(there)), column.type)
        for column in columns
    ]


def _texts(rows: Iterator[tuple[bytes | None]]) -> Iterator[bytes]:
    """The rows that are encoded; those that are rejected are NULL, or no UTF-8."""
    for (text,) in rows:
        if text is not None and _is_utf8(text):
            yield text


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _expression(x: str, kind: ColumnType) -> str:
    match kind.kind:
        case "text" | "json":
            legal, field = f"typeof({x}) = 'text'", f"length(CAST({x} AS BLOB)) || ':' || {x}"
        case "bytes":
            legal, field = f"typeof({x}) = 'blob'", f"length({x}) || ':' || lower(hex({x}))"
        case "int16" | "int32" | "int64":
            last = (1 << _BITS[kind.kind]) - 1
            legal = f"typeof({x}) = 'integer' AND {x} BETWEEN {-last} - 1 AND {last}"
            field = f"CAST({x} AS TEXT)"
        case _:
            # A text that is no UTF-8 could not be handed over as one.
            cell = f"CASE typeof({x}) WHEN 'text' THEN CAST({x} AS BLOB) ELSE {x} END"
            field = f"{_FIELD}({cell}, typeof({x}), {_literal(str(kind))})"
            return f"CASE WHEN {x} IS NULL THEN '{c1.NULL}' ELSE {field} END"
    return f"CASE WHEN {x} IS NULL THEN '{c1.NULL}' WHEN {legal} THEN {field} END"


def _field(cell: Any, stored: str, spelled: str) -> str | None:
    """The C1 field of a cell; None where it is no value of its type."""
    kind = ColumnType.parse(spelled)
    try:
        value = to_value(cell.decode() if stored == "text" else cell, kind)
    except (ValueError, OverflowError, ArithmeticError):
        return None
    return _encoded(value)


def _encoded(value: Any) -> str:
    match value:
        case bool():
            return str(int(value))
        case float():
            # Adding zero turns -0.0 into 0.0.
            return struct.pack(">d", math.nan if math.isnan(value) else value + 0.0).hex()
        case Decimal():
            text = f"{value:f}"
            plain = text.rstrip("0").rstrip(".") if "." in text else text
            return "0" if plain in ("-0", "") else plain
        case datetime():
            since = value - _EPOCH
            micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
            return struct.pack(">q", micros).hex()
        case date():
            return struct.pack(">i", value.toordinal() - _EPOCH_DAY).hex()
    return str(value)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
