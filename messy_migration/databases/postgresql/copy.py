"""A batch as a stream of PostgreSQL's COPY BINARY format.

pgpq encodes most Arrow types into the wire form of their column. It knows no uuid, whose wire
form is the 16 bytes that a fixed-size binary gives, and takes a string for a jsonb only when
asked to. A smallint, integer or numeric column must be of exactly the declared type: COPY
BINARY never converts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute
from pgpq import ArrowToPostgresBinaryEncoder
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb

from messy_migration.errors import TargetError
from messy_migration.model.conversion import cast_exactly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from pgpq._pgpq import EncoderBuilder

    from messy_migration.model import Column, ColumnType

__all__ = ["column_type", "declared_type", "encode"]

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

# What one write hands to the connection: large enough that calls cost nothing.
_ROWS = 16_384
_UUID_LENGTH = 36
_HYPHENS = [8, 13, 18, 23]
_BAD = 0xFF

_COLUMN_TYPES = {
    "text": "text",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "bool": "boolean",
    "float64": "double precision",
    "date": "date",
    "timestamp": "timestamp with time zone",
    "uuid": "uuid",
    "json": "jsonb",
    "bytes": "bytea",
}


_LOOKED_UP = frozenset({"text", "date", "uuid", "jsonb", "bytea"})
"""The others are keywords of SQL, which nobody can give another meaning."""


def column_type(column: Column) -> str:
    """The type of PostgreSQL into which `encode` writes the column."""
    kind = column.type
    if kind.kind == "decimal":
        return f"numeric({kind.precision},{kind.scale})"
    return _COLUMN_TYPES[kind.kind]


def declared_type(column: Column) -> str:
    """The same for a statement: a name that is no keyword is looked up, so it has its schema."""
    spelled = column_type(column)
    return f"pg_catalog.{spelled}" if spelled in _LOOKED_UP else spelled


def encode(data: pa.Table, columns: Sequence[Column]) -> Iterator[bytes]:
    """The whole stream in pieces: header, rows, trailer.

    For `COPY table (columns of the data) FROM STDIN (FORMAT BINARY)`: all columns of the data,
    in its order; one that is not declared goes as its Arrow type says.

    Raises:
        TargetError: a value has no wire form: a uuid that is none, a date or an instant
            outside what PostgreSQL can hold.
        ArrowInvalid: a column is not of its declared type and cannot become it without loss.
    """
    declared = {column.name: column.type for column in columns}
    schema = pa.schema([_wire_field(field, declared.get(field.name)) for field in data.schema])
    encoder = ArrowToPostgresBinaryEncoder.new_with_encoders(
        schema, {field.name: _builder(field, declared.get(field.name)) for field in schema}
    )
    yield encoder.write_header()
    for piece in data.to_batches(max_chunksize=_ROWS):
        arrays = [_wire(piece.column(name), name, declared.get(name)) for name in schema.names]
        yield _written(encoder, pa.record_batch(arrays, schema=schema))
    yield encoder.finish()


def _written(encoder: ArrowToPostgresBinaryEncoder, batch: pa.RecordBatch) -> bytes:
    try:
        return encoder.write_batch(batch)
    except ValueError as error:
        # pgpq names the kind of failure and never a value.
        raise TargetError(
            "a value does not fit PostgreSQL",
            where=", ".join(batch.schema.names),
            why=str(error),
            next="give the column a rule that refuses such values",
        ) from None


def _wire_field(field: pa.Field[Any], kind: ColumnType | None) -> pa.Field[Any]:
    if kind is None:
        return field
    return pa.field(field.name, pa.binary(16) if kind.kind == "uuid" else kind.arrow)


def _builder(field: pa.Field[Any], kind: ColumnType | None) -> EncoderBuilder:
    if kind is not None and kind.kind == "json":
        return StringEncoderBuilder.new_with_output(field, Jsonb())
    return ArrowToPostgresBinaryEncoder.infer_encoder(field)


def _wire(array: pa.Array[Any], name: str, kind: ColumnType | None) -> pa.Array[Any]:
    if kind is None:
        return array
    typed = array if array.type == kind.arrow else cast_exactly(array, kind.arrow)
    return _uuids(typed, name) if kind.kind == "uuid" else typed


def _uuids(array: pa.Array[Any], name: str) -> pa.Array[Any]:
    """Texts of 36 characters as 16 bytes each."""
    count = len(array)
    texts = array.fill_null(str(UUID(int=0))) if array.null_count else array
    if not pc.all(pc.equal(pc.binary_length(texts), _UUID_LENGTH), min_count=0).as_py():
        raise _not_a_uuid(name)
    offsets: Any = texts.buffers()[1]
    data: Any = texts.buffers()[2]
    if not count:
        return pa.nulls(0, pa.binary(16))
    start = int(np.frombuffer(offsets, np.int32, 1, texts.offset * 4)[0])
    characters = np.frombuffer(data, np.uint8, count * _UUID_LENGTH, start)
    grid = characters.reshape(count, _UUID_LENGTH)
    nibbles = _NIBBLE[np.delete(grid, _HYPHENS, axis=1)]
    if (grid[:, _HYPHENS] != ord("-")).any() or (nibbles == _BAD).any():
        raise _not_a_uuid(name)
    packed: Any = np.ascontiguousarray((nibbles[:, ::2] << 4) | nibbles[:, 1::2])
    valid = array.is_valid().buffers()[1] if array.null_count else None
    return pa.Array.from_buffers(pa.binary(16), count, [valid, pa.py_buffer(packed)])


def _not_a_uuid(name: str) -> TargetError:
    return TargetError(
        "a value is no uuid",
        where=f"column {name}",
        why="a uuid is 36 characters, lower-case hexadecimal digits and hyphens",
        next="declare the column as text, or give it a rule that refuses such values",
    )


def _nibbles() -> NDArray[np.uint8]:
    table = np.full(256, _BAD, np.uint8)
    for value, digit in enumerate(b"0123456789abcdef"):
        table[digit] = value
    return table


_NIBBLE = _nibbles()
