"""The checksum of rows in flight: encoding C1, SHA-256, two sums.

A row becomes one text, its fields in declared order joined by `|`. The encoding is injective:
types are known, NULL is `~` and no other field starts with it, fields of variable content carry
their byte length, and all others consist of digits, letters, `.` and `-`. A target's dialect
writes the same text in its own words; `messy_migration.testing.nasty_rows` holds the rows on which
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

from messy_migration.fingerprint.arrays import as_flags, as_numbers, from_numbers, texts
from messy_migration.fingerprint.json import canonical_json
from messy_migration.model import Fingerprint
from messy_migration.model.conversion import cast_exactly

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
    "pieces",
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
# Few enough that Python takes the same memory again for the next ones.
_TEXTS = 1_024
# Arrow prints a decimal with an exponent when it is below 1e-6.
_PLAIN_SCALE = 6
_MAX_OFFSET = (1 << 31) - 1
# As cells of Arrow, which pyarrow takes without a look at what they are.
_WORDS = ("", "|", ":", "-", "1", "0", NULL, f"|{NULL}")
_TEXT = dict(zip(_WORDS, texts(_WORDS), strict=True))
# Text of these kinds carries its length in bytes.
_SIZED = frozenset({"text", "json", "bytes"})
_SHORT = 1_000
_LENGTHS = {
    before: texts([before + NULL, *(f"{before}{length}:" for length in range(_SHORT))])
    for before in ("", "|")
}


def format_id(table: Table) -> str:
    """What a fingerprint of the table is made of: 16 hexadecimal characters.

    Depends on the version of the encoding and on names, order and types of the columns.
    Fingerprints may be added and compared under one format id only.
    """
    lines = [ENCODING, *(f"{column.name} {column.type}" for column in table.columns)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def fingerprint(data: pa.Table, columns: Sequence[Column]) -> Fingerprint:
    """The fingerprint of all rows; data may hold more columns than those."""
    stored = Fingerprint()
    for piece in pieces(data.select([column.name for column in columns])):
        stored += total(row_hashes(row_texts(piece, columns)))
    return stored


def fingerprint_texts(texts: Iterable[bytes]) -> Fingerprint:
    """The fingerprint of rows that are already encoded, as a target streams them."""
    stored = Fingerprint()
    source = iter(texts)
    while piece := list(islice(source, _TEXTS)):
        stored += total(_hashes(piece))
    return stored


def total(hashes: NDArray[np.uint64], sign: int = 1) -> Fingerprint:
    """The sum of row hashes of shape (n, 2); a sign of -1 gives the same rows removed."""
    lane0, lane1 = (int(lane) for lane in hashes.sum(axis=0, dtype=np.uint64))
    added = Fingerprint(len(hashes), lane0, lane1)
    return added if sign > 0 else Fingerprint() - added


def row_hashes(texts: pa.Array[Any] | pa.ChunkedArray[Any]) -> NDArray[np.uint64]:
    """Two words of each row's SHA-256 as an uint64 array of shape (n, 2)."""
    parts = [
        _hashes(cast("list[bytes]", texts.slice(start, _TEXTS).to_pylist()))
        for start in range(0, len(texts), _TEXTS)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([_hashes([]), *parts])


def row_texts(data: pa.Table | pa.RecordBatch, columns: Sequence[Column]) -> pa.Array[Any]:
    """The C1 text of each row as a binary array.

    For one batch: Arrow raises ArrowInvalid when the texts together exceed 2 GiB.
    """
    # All cells at once: every text that is made on the way to another costs as much as both.
    parts: list[Any] = []
    for number, column in enumerate(columns):
        parts += _parts(data.column(column.name), column.type, "|" if number else "")
    joined = pc.binary_join_element_wise(*parts, _TEXT[""])
    return cast("pa.Array[Any]", joined.cast(pa.binary()))


def fields(data: pa.Table | pa.RecordBatch, columns: Sequence[Column]) -> list[pa.Array[Any]]:
    """The C1 field of each cell, one string array per column, `~` for NULL.

    Raises:
        ArrowInvalid: a column is not of its declared type and cannot become it without loss.
    """
    return [
        pc.binary_join_element_wise(*_parts(data.column(one.name), one.type, ""), _TEXT[""])
        for one in columns
    ]


def pieces(data: pa.Table) -> Iterator[pa.RecordBatch]:
    """The rows in pieces whose texts stay in the processor's cache."""
    average = data.nbytes // max(data.num_rows, 1) + 1
    yield from data.to_batches(max_chunksize=max(1, min(_ROWS, _BYTES // average)))


def _hashes(texts: list[bytes]) -> NDArray[np.uint64]:
    sha256 = hashlib.sha256
    digests = b"".join([sha256(text).digest() for text in texts])
    words = np.frombuffer(digests, ">u8").reshape(len(texts), 4)
    return words[:, :2].astype(np.uint64)


def _parts(
    values: pa.Array[Any] | pa.ChunkedArray[Any], kind: ColumnType, before: str
) -> list[Any]:
    """What to join to get the C1 field of each cell behind a text; none of it holds a NULL."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if array.type != kind.arrow:
        array = cast_exactly(array, kind.arrow)
    if kind.kind in _SIZED:
        text = _hex_bytes(array) if kind.kind == "bytes" else array
        return [_lengths(array, before), _without_nulls(text)]
    text = _decimal(array, kind.scale) if kind.kind == "decimal" else _ENCODERS[kind.kind](array)
    if array.null_count:
        missing = pc.if_else(array.is_null(), _TEXT[before + NULL], _TEXT[before])
        return [missing, pc.fill_null(text, _TEXT[""])]
    return [_TEXT[before], text] if before else [text]


def _lengths(array: pa.Array[Any], before: str) -> pa.Array[Any]:
    """A text, the length of each cell in bytes and a colon; `~` in their place for NULL."""
    if not len(array):
        return array.cast(pa.string())
    offsets: Any = array.buffers()[1]
    lengths = np.diff(np.frombuffer(offsets, np.int32, len(array) + 1, array.offset * 4))
    if array.null_count:
        lengths[as_flags(array.is_null())] = -1
    if int(lengths.max()) < _SHORT:
        return _LENGTHS[before].take(from_numbers(lengths + np.int32(1), pa.int32()))
    sizes = from_numbers(lengths, pa.int32(), lengths >= 0).cast(pa.string())
    joined = pc.binary_join_element_wise(_TEXT[before], sizes, _TEXT[":"], _TEXT[""])
    return cast("pa.Array[Any]", pc.fill_null(joined, _TEXT[before + NULL]))


def _without_nulls(array: pa.Array[Any]) -> pa.Array[Any]:
    """The same texts with the empty one in place of NULL, which is how most NULLs lie there."""
    if not array.null_count:
        return array
    _, offsets, content = array.buffers()
    lengths = np.diff(
        np.frombuffer(cast("Any", offsets), np.int32, len(array) + 1, array.offset * 4)
    )
    if lengths[as_flags(array.is_null())].any():
        return cast("pa.Array[Any]", pc.fill_null(array, _TEXT[""]))
    return pa.Array.from_buffers(array.type, len(array), [None, offsets, content], 0, array.offset)


def _plain(array: pa.Array[Any]) -> pa.Array[Any]:
    return array.cast(pa.string())


def _bool(array: pa.Array[Any]) -> pa.Array[Any]:
    return cast("pa.Array[Any]", pc.if_else(array, _TEXT["1"], _TEXT["0"]))


def _date(array: pa.Array[Any]) -> pa.Array[Any]:
    return _hex(as_numbers(array, np.int32) - np.int32(_EPOCH_DAYS), array)


def _timestamp(array: pa.Array[Any]) -> pa.Array[Any]:
    return _hex(as_numbers(array, np.int64) - np.int64(_EPOCH_MICROSECONDS), array)


def _float(array: pa.Array[Any]) -> pa.Array[Any]:
    # Adding zero turns -0.0 into 0.0; a NaN, whose bits nobody means, may signal on it.
    with np.errstate(invalid="ignore"):
        numbers = as_numbers(array, np.float64) + 0.0
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
    sign = pc.if_else(pc.starts_with(whole, "-"), _TEXT["-"], _TEXT[""])
    return cast("pa.Array[Any]", pc.binary_join_element_wise(sign, plain, _TEXT[""]))


def _hex(numbers: NDArray[Any], like: pa.Array[Any]) -> pa.Array[Any]:
    """Each number as hexadecimal text, high byte first, NULL where `like` is NULL."""
    width = 2 * numbers.itemsize
    text = _HEX.take(numbers.byteswap().view(np.uint8))
    return _strings(np.arange(len(numbers) + 1, dtype=np.int64) * width, text, like)


def _hex_bytes(array: pa.Array[Any]) -> pa.Array[Any]:
    if not len(array):
        return array.cast(pa.string())
    bounds: Any = array.buffers()[1]
    offsets = np.frombuffer(bounds, np.int32, len(array) + 1, array.offset * 4)
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
    "int16": _plain,
    "int32": _plain,
    "int64": _plain,
    "bool": _bool,
    "float64": _float,
    "date": _date,
    "timestamp": _timestamp,
    "uuid": _plain,
}
