"""How rows are stored in SQLite, and encoding C1 in its words.

    text, uuid, json   TEXT
    decimal            TEXT, plain: no exponent, no trailing zeros of the fraction
    date               TEXT, YYYY-MM-DD
    timestamp          TEXT, YYYY-MM-DDTHH:MM:SS.ffffffZ
    int16/32/64, bool  INTEGER
    float64            REAL
    bytes              BLOB

SQLite lets anybody store anything anywhere. A cell that is not stored as above gets a field that
starts with `!`, which no value has, so that it can neither pass for another value nor for NULL
nor stop the scan. SQLite has no sums modulo 2^64 and no SHA-256: the texts are streamed and
hashed by `messy_migration.fingerprint.rows.fingerprint_texts`. The database's encoding has to be
UTF-8, which is the default; in any other, no row matches.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute

from messy_migration.databases.naming import column_list
from messy_migration.fingerprint import rows as fingerprint
from messy_migration.fingerprint.rows import NULL

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from messy_migration.model import Column, Table

__all__ = ["column_type", "fields", "joined", "register", "row_text", "storage", "unstorable"]

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

FLOAT = "messy_migration_float64"
"""Name of the SQL function that gives the bits of a REAL; see `register`."""

# The instants and days of the years 1 to 9999, the only ones with ten characters to a date.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_DAY = 86_400_000_000
_LIMITS = {
    "date": (_FIRST_DAY, _LAST_DAY),
    "timestamp": (_FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1),
}
# Rows that are Python objects at one time.
_ROWS = 8_192


def column_type(column: Column) -> str:
    """The declared type under which SQLite leaves the stored values alone."""
    match column.type.kind:
        case "int16" | "int32" | "int64" | "bool":
            return "INTEGER"
        case "float64":
            return "REAL"
        case "bytes":
            return "BLOB"
    return "TEXT"


def storage(data: pa.Table, columns: Sequence[Column]) -> Iterator[tuple[object, ...]]:
    """The rows as they are bound to INSERT parameters, for `executemany`.

    All columns of the data, in its order; one that is not declared is bound as it is. Cells
    that `unstorable` names come out as something that the proof will not accept.
    """
    declared = {column.name: column for column in columns}
    for piece in data.to_batches(max_chunksize=_ROWS):
        cells = [_stored(piece, name, declared.get(name)) for name in piece.schema.names]
        yield from zip(*(column.to_pylist() for column in cells), strict=True)


def unstorable(data: pa.Table, columns: Sequence[Column]) -> dict[str, list[int]]:
    """The cells that SQLite cannot hold: row indices by column; most often none.

    In a float64 column NaN, which SQLite turns into NULL; in a date or timestamp column what
    lies outside the years 1 to 9999.
    """
    bad_rows = {}
    for column in columns:
        kind = column.type.kind
        array = data.column(column.name)
        if kind == "float64":
            bad = pc.is_nan(array)
        elif kind in _LIMITS:
            first, last = _LIMITS[kind]
            numbers = array.cast(pa.int32() if kind == "date" else pa.int64())
            bad = pc.or_(pc.less(numbers, first), pc.greater(numbers, last))
        else:
            continue
        indices = np.flatnonzero(pc.fill_null(bad, False).to_numpy())  # noqa: FBT003
        if len(indices):
            bad_rows[column.name] = indices.tolist()
    return bad_rows


def register(connection: sqlite3.Connection) -> None:
    """Give a connection of the sqlite3 module the function that `fields` needs."""
    connection.create_function(FLOAT, 1, _float, deterministic=True)


def fields(table: Table, alias: str = "") -> list[str]:
    """The C1 field of each stored cell as an SQL expression of type text, never NULL.

    `alias` names the row source the columns belong to, as it stands in the FROM clause.
    """
    return [_field(column, alias) for column in table.columns]


def row_text(table: Table, alias: str = "") -> str:
    """The C1 text of a row as an SQL expression of type text.

    Select it as `CAST(... AS BLOB)`: a text that somebody stored need not be valid UTF-8, and
    the driver raises on it.
    """
    return joined(fields(table, alias))


def _stored(piece: pa.RecordBatch, name: str, column: Column | None) -> pa.Array[Any]:
    array = piece.column(name)
    if column is None:
        return array
    match column.type.kind:
        case "decimal":
            plain = fingerprint.fields(piece, [column])[0]
            return cast("pa.Array[Any]", pc.if_else(array.is_valid(), plain, None))
        case "date":
            return array.cast(pa.string())
        case "timestamp":
            return cast(
                "pa.Array[Any]", pc.binary_replace_slice(array.cast(pa.string()), 10, 11, "T")
            )
        case "bool":
            return array.cast(pa.int8())
    return array


def _float(value: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    bits = struct.pack(">d", math.nan if math.isnan(value) else value + 0.0)
    return bits.hex()


def joined(expressions: Sequence[str]) -> str:
    """Fields as one text, with the separator between them."""
    # Halves, because SQLite limits the depth of an expression to 1,000.
    if len(expressions) == 1:
        return expressions[0]
    middle = len(expressions) // 2
    return f"({joined(expressions[:middle])} || '|' || {joined(expressions[middle:])})"


def _field(column: Column, alias: str) -> str:
    x = column_list([column.name], alias)
    legal, field = _stored_as(column.type.kind, x)
    return (
        f"CASE WHEN {x} IS NULL THEN '{NULL}' WHEN {legal} THEN {field} ELSE '!' || typeof({x})"
        f" || ':' || CASE typeof({x}) WHEN 'real' THEN quote({x}) ELSE hex({x}) END END"
    )


def _stored_as(kind: str, x: str) -> tuple[str, str]:
    """The condition that a cell is stored as it should be, and its field if so.

    What is compared carries COLLATE BINARY, since a column may have a collation under which
    two texts are equal; what is compared with a round trip cannot hide anything after a NUL.
    """
    legal, field = _STORED_AS[kind]
    return legal.replace("{x}", x), field.replace("{x}", x)


_IS_INTEGER = ("typeof({x}) = 'integer'", "CAST({x} AS TEXT)")
_IS_TEXT = ("typeof({x}) = 'text'", "length(CAST({x} AS BLOB)) || ':' || {x}")
# Another spelling is another field; it may only not look like two fields, NULL or a bad cell.
_IS_PLAIN = (
    "typeof({x}) = 'text' AND instr({x}, '|') = 0 AND substr({x}, 1, 1) NOT IN ('~', '!')",
    "{x}",
)
_SECOND = "substr({x}, 1, 19)"
_WHOLE = f"strftime('%Y-%m-%dT%H:%M:%S', {_SECOND}, '+0 days')"
_MICRO = "CAST(substr({x}, 21, 6) AS INTEGER)"
_AGAIN = f"printf('%s.%06dZ', {_WHOLE}, abs({_MICRO}))"
# Without a modifier SQLite gives the 30th of February back as it got it.
_STORED_AS = {
    "text": _IS_TEXT,
    "json": _IS_TEXT,
    "int16": _IS_INTEGER,
    "int32": _IS_INTEGER,
    "int64": _IS_INTEGER,
    "bool": _IS_INTEGER,
    "decimal": _IS_PLAIN,
    "uuid": _IS_PLAIN,
    "float64": ("typeof({x}) = 'real'", FLOAT + "({x})"),
    "bytes": ("typeof({x}) = 'blob'", "length({x}) || ':' || lower(hex({x}))"),
    "date": (
        "typeof({x}) = 'text' AND date({x}, '+0 days') = {x} COLLATE BINARY",
        "printf('%08x', CAST(julianday({x}) - 2451544.5 AS INTEGER) & 4294967295)",
    ),
    "timestamp": (
        f"typeof({{x}}) = 'text' AND {_AGAIN} = {{x}} COLLATE BINARY",
        f"printf('%016x', (strftime('%s', {_SECOND}) - 946684800) * 1000000 + {_MICRO})",
    ),
}
