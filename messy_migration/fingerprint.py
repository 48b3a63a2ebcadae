"""The checksum of rows in flight: encoding C1, SHA-256, two sums.

A row becomes one text, its fields in declared order joined by `|`. The encoding is injective:
types are known, NULL is `~` and no other field starts with it, fields of variable content carry
their byte length, and all others consist of digits, letters, `.` and `-`. A target's dialect
writes the same text in its own words; `messy_migration.testing.nasty` holds the rows on which
they have to agree.

The first two 8-byte words of each row's SHA-256 are summed modulo 2^64, so that a fingerprint
depends neither on the order of the rows nor on how they were cut into batches.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute

from messy_migration.canonical import canonical_json
from messy_migration.model import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from messy_migration.model import Column, ColumnType, Table

__all__ = [
    "ENCODING",
    "NULL",
    "canonical_json",
    "fields",
    "fingerprint",
    "fingerprint_texts",
    "format_id",
    "row_hashes",
    "row_texts",
    "total",
]

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

ENCODING = "C1"
"""The version of the encoding; fingerprints of two versions are never compared."""

NULL = "~"
"""The field of a NULL."""

# PostgreSQL counts days and microseconds from 2000-01-01, Arrow from 1970-01-01.
_EPOCH_DAYS = 10_957
_EPOCH_MICROSECONDS = _EPOCH_DAYS * 86_400_000_000
_NAN = 0x7FF8000000000000
_HEX = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)
# Few enough that the intermediate texts stay in the processor's cache.
_ROWS = 16_384
_BYTES = 1 << 26
_TEXTS = 8_192
# Arrow prints a decimal with an exponent when it is below 1e-6.
_PLAIN_SCALE = 6
_MAX_OFFSET = (1 << 31) - 1


def format_id(table: Table) -> str:
    """What a fingerprint of the table is made of: 16 hexadecimal characters.

    Depends on the version of the encoding and on names, order and types of the columns.
    Fingerprints may be added and compared under one format id only.
    """
    lines = [ENCODING, *(f"{column.name} {column.type}" for column in table.columns)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def fingerprint(data: pa.Table, columns: Sequence[Column]) -> Fingerprint:
    """The fingerprint of all rows; data may hold more columns than those."""
    found = Fingerprint()
    for piece in _pieces(data.select([column.name for column in columns])):
        found += total(row_hashes(row_texts(piece, columns)))
    return found


def fingerprint_texts(texts: Iterable[bytes]) -> Fingerprint:
    """The fingerprint of rows that are already encoded, as a target streams them."""
    found = Fingerprint()
    source = iter(texts)
    while piece := list(islice(source, _TEXTS)):
        found += total(_hashes(piece))
    return found


def total(hashes: NDArray[np.uint64], sign: int = 1) -> Fingerprint:
    """The sum of row hashes of shape (n, 2); a sign of -1 gives the same rows removed."""
    lane0, lane1 = (int(lane) for lane in hashes.sum(axis=0, dtype=np.uint64))
    added = Fingerprint(len(hashes), lane0, lane1)
    return added if sign > 0 else Fingerprint() - added


def row_hashes(texts: pa.Array[Any] | pa.ChunkedArray[Any]) -> NDArray[np.uint64]:
    """Two words of each row's SHA-256 as an uint64 array of shape (n, 2)."""
    return _hashes(cast("list[bytes]", texts.to_pylist()))


def row_texts(data: pa.Table | pa.RecordBatch, columns: Sequence[Column]) -> pa.Array[Any]:
    """The C1 text of each row as a binary array.

    For one batch: Arrow raises ArrowInvalid when the texts together exceed 2 GiB.
    """
    encoded = [_field(data.column(column.name), column.type) for column in columns]
    joined = pc.binary_join_element_wise(
        *encoded, "|", null_handling="replace", null_replacement=NULL
    )
    return cast("pa.Array[Any]", joined.cast(pa.binary()))


def fields(data: pa.Table | pa.RecordBatch, columns: Sequence[Column]) -> list[pa.Array[Any]]:
    """The C1 field of each cell, one string array per column, `~` for NULL.

    Raises:
        ArrowInvalid: a column is not of its declared type and cannot become it without loss.
    """
    return [pc.fill_null(_field(data.column(one.name), one.type), NULL) for one in columns]


def _pieces(data: pa.Table) -> Iterator[pa.RecordBatch]:
    average = data.nbytes // max(data.num_rows, 1) + 1
    yield from data.to_batches(max_chunksize=max(1, min(_ROWS, _BYTES // average)))


def _hashes(texts: list[bytes]) -> NDArray[np.uint64]:
    sha256 = hashlib.sha256
    digests = b"".join([sha256(text).digest() for text in texts])
    words = np.frombuffer(digests, ">u8").reshape(len(texts), 4)
    return words[:, :2].astype(np.uint64)


def _field(values: pa.Array[Any] | pa.ChunkedArray[Any], kind: ColumnType) -> pa.Array[Any]:
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if array.type != kind.arrow:
        array = array.cast(kind.arrow)
    if kind.kind == "decimal":
        return _decimal(array, kind.scale)
    return _ENCODERS[kind.kind](array)


def _plain(array: pa.Array[Any]) -> pa.Array[Any]:
    return array.cast(pa.string())


def _bool(array: pa.Array[Any]) -> pa.Array[Any]:
    return cast("pa.Array[Any]", pc.if_else(array, "1", "0"))


def _text(array: pa.Array[Any]) -> pa.Array[Any]:
    return _sized(array, array)


def _bytes(array: pa.Array[Any]) -> pa.Array[Any]:
    return _sized(array, _hex_bytes(array))


def _date(array: pa.Array[Any]) -> pa.Array[Any]:
    return _hex(_numbers(array, np.int32) - np.int32(_EPOCH_DAYS), array)


def _timestamp(array: pa.Array[Any]) -> pa.Array[Any]:
    return _hex(_numbers(array, np.int64) - np.int64(_EPOCH_MICROSECONDS), array)


def _sized(array: pa.Array[Any], text: pa.Array[Any]) -> pa.Array[Any]:
    length = pc.binary_length(array).cast(pa.string())
    return cast("pa.Array[Any]", pc.binary_join_element_wise(length, text, ":"))


def _float(array: pa.Array[Any]) -> pa.Array[Any]:
    # Adding zero turns -0.0 into 0.0; a NaN, whose bits nobody means, may signal on it.
    with np.errstate(invalid="ignore"):
        numbers = _numbers(array, np.float64) + 0.0
    bits = numbers.view(np.int64)
    bits[np.isnan(numbers)] = _NAN
    return _hex(bits, array)


def _decimal(array: pa.Array[Any], scale: int) -> pa.Array[Any]:
    if scale == 0:
        return array.cast(pa.string())
    if scale <= _PLAIN_SCALE:
        short = pc.ascii_rtrim(array.cast(pa.string()), "0")
        return cast("pa.Array[Any]", pc.ascii_rtrim(short, "."))
    whole = pa.Array.from_buffers(
        pa.decimal128(38, 0), len(array), array.buffers(), offset=array.offset
    ).cast(pa.string())
    digits = pc.ascii_lpad(pc.ascii_ltrim(whole, "-"), scale + 1, "0")
    pointed = pc.binary_replace_slice(digits, -scale, -scale, ".")
    plain = pc.ascii_rtrim(pc.ascii_rtrim(pointed, "0"), ".")
    sign = pc.if_else(pc.starts_with(whole, "-"), "-", "")
    return cast("pa.Array[Any]", pc.binary_join_element_wise(sign, plain, ""))


def _numbers(array: pa.Array[Any], kind: type[Any]) -> NDArray[Any]:
    """The fixed-width values of an array, whatever lies under its NULLs."""
    if not len(array):
        return np.empty(0, kind)
    values: Any = array.buffers()[1]
    return np.frombuffer(values, kind, len(array), array.offset * kind(0).itemsize)


def _hex(numbers: NDArray[Any], like: pa.Array[Any]) -> pa.Array[Any]:
    """Each number as hexadecimal text, high byte first, NULL where `like` is NULL."""
    width = 2 * numbers.itemsize
    text = _HEX.take(numbers.byteswap().view(np.uint8))
    return _strings(np.arange(len(numbers) + 1, dtype=np.int64) * width, text, like)


def _hex_bytes(array: pa.Array[Any]) -> pa.Array[Any]:
    if not len(array):
        return array.cast(pa.string())
    places: Any = array.buffers()[1]
    offsets = np.frombuffer(places, np.int32, len(array) + 1, array.offset * 4)
    start, end = int(offsets[0]), int(offsets[-1])
    # An array without any byte may come without a buffer for them.
    data: Any = array.buffers()[2]
    content = np.frombuffer(data or b"", np.uint8, end - start, start)
    return _strings((offsets.astype(np.int64) - start) * 2, _HEX.take(content), array)


def _strings(offsets: NDArray[np.int64], text: NDArray[Any], like: pa.Array[Any]) -> pa.Array[Any]:
    if offsets[-1] > _MAX_OFFSET:
        raise OverflowError("a piece of a batch is larger than 2 GiB of text")
    valid = like.is_valid().buffers()[1] if like.null_count else None
    small: Any = offsets.astype(np.int32)
    buffers = [valid, pa.py_buffer(small), pa.py_buffer(cast("Any", text))]
    return pa.Array.from_buffers(pa.string(), len(like), buffers)


_ENCODERS: dict[str, Callable[[pa.Array[Any]], pa.Array[Any]]] = {
    "text": _text,
    "int16": _plain,
    "int32": _plain,
    "int64": _plain,
    "bool": _bool,
    "float64": _float,
    "date": _date,
    "timestamp": _timestamp,
    "uuid": _plain,
    "json": _text,
    "bytes": _bytes,
}
