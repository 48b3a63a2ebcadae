"""Between numpy and Arrow without pandas.

pyarrow imports pandas to look at what it is given: a list, a Python scalar, a numpy array. That
costs a worker a quarter of a second, so what every batch needs goes through buffers instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["as_flags", "as_numbers", "from_flags", "from_numbers", "texts"]


def from_numbers(
    values: NDArray[Any], kind: pa.DataType, valid: NDArray[np.bool_] | None = None
) -> pa.Array[Any]:
    """An array of a type of fixed width, from values of that width; NULL where not `valid`."""
    whole = np.ascontiguousarray(values)
    mask = None if valid is None or valid.all() else _bits(valid)
    return pa.Array.from_buffers(kind, len(whole), [mask, pa.py_buffer(cast("Any", whole))])


def from_flags(flags: NDArray[np.bool_]) -> pa.BooleanArray:
    """An array of booleans without NULL."""
    return cast(
        "pa.BooleanArray", pa.Array.from_buffers(pa.bool_(), len(flags), [None, _bits(flags)])
    )


def as_numbers(array: pa.Array[Any] | pa.ChunkedArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """The values of an array of fixed width as numpy's `kind`, whatever lies under its NULLs."""
    parts = [_values(chunk, kind) for chunk in _chunks(array)]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, kind), *parts])


def as_flags(array: pa.Array[Any] | pa.ChunkedArray[Any]) -> NDArray[np.bool_]:
    """The values of an array of booleans; NULL is False."""
    parts = [_flags(chunk) for chunk in _chunks(array)]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.bool_), *parts])


def texts(strings: Sequence[str]) -> pa.StringArray:
    """An array of texts without NULL; one of its cells is what Arrow's kernels take."""
    encoded = [text.encode() for text in strings]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(cast("Any", offsets)), pa.py_buffer(b"".join(encoded))]
    array = pa.Array.from_buffers(pa.string(), len(encoded), buffers)
    return cast("pa.StringArray", array)


def _chunks(array: pa.Array[Any] | pa.ChunkedArray[Any]) -> list[pa.Array[Any]]:
    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]


def _bits(flags: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(cast("Any", np.packbits(flags, bitorder="little")))


def _values(chunk: pa.Array[Any], kind: type[np.generic]) -> NDArray[Any]:
    data: Any = chunk.buffers()[1]
    if not len(chunk) or data is None:
        return np.zeros(len(chunk), kind)
    return np.frombuffer(data, kind, len(chunk), chunk.offset * np.dtype(kind).itemsize)


def _flags(chunk: pa.Array[Any]) -> NDArray[np.bool_]:
    if not len(chunk):
        return np.empty(0, np.bool_)
    valid, data = chunk.buffers()
    set_ = _unpacked(data, chunk)
    return set_ if valid is None or not chunk.null_count else set_ & _unpacked(valid, chunk)


def _unpacked(bits: Any, chunk: pa.Array[Any]) -> NDArray[np.bool_]:
    end = chunk.offset + len(chunk)
    flags = np.unpackbits(np.frombuffer(bits, np.uint8, (end + 7) // 8), bitorder="little")
    return flags[chunk.offset : end].view(np.bool_)
