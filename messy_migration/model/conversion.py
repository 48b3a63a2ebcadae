"""Texts and numbers as typed values: exactly the same value, or none at all.

Arrow alone is not enough. Its cast of a text to decimal128 wraps modulo 2^128 in silence, and so
does its cast of a decimal128 to a larger scale. Both are exact while every number on the way has
at most 38 digits in 128 bits or 76 in 256, which is looked at before they are called.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from messy_migration.model.columns import ColumnType

__all__ = [
    "cast_exactly",
    "cast_table",
    "date_of",
    "decimal_of",
    "decimals",
    "instant_of",
    "is_number",
    "typed",
    "uuid_of",
]

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

# An array or a chunked array: pyarrow's kernels give back what they were given.
Columnar = Any

_NARROW, _WIDE = 38, 76
"""Decimal digits that always fit 128 and 256 bits."""

_PLAIN = b"0123456789.-"
_NUMBER = re.compile(r"([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?", re.ASCII)
# Python refuses to read longer ones as int; no text is long enough to make up for such a power.
_LONGEST_EXPONENT = 18
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(?: ?(Z|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)
_MICROSECONDS = 6
_UUID = re.compile(r"\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32})\}?")
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_WORDS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_HEXADECIMAL = re.compile(r"\\x((?:[0-9a-fA-F]{2})*)")


def decimals(texts: pa.Array[Any], kind: ColumnType) -> tuple[pa.Array[Any], NDArray[np.int64]]:
    """A column of texts as decimals, and the places of those that are none.

    A number is written in ASCII digits, with a sign, a point and an exponent if need be. It has
    to fit the type without rounding.

    Args:
        texts: an array of strings.
        kind: the decimal type.

    Returns:
        The values, NULL where the text is NULL or no number of the type, and the places of the
        latter.
    """
    values = _cast_plain(texts, kind)
    if values is not None:
        return values, np.empty(0, np.int64)
    cells = texts.to_pylist()
    numbers = [None if cell is None else decimal_of(cell, kind) for cell in cells]
    misfits = [
        index
        for index, (cell, number) in enumerate(zip(cells, numbers, strict=True))
        if cell is not None and number is None
    ]
    return pa.array(numbers, kind.arrow), np.array(misfits, np.int64)


def decimal_of(text: str, kind: ColumnType) -> Decimal | None:
    """The number at the scale of a decimal type; None if it is none that fits without rounding."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction, bare, exponent = match.groups(default="")
    fraction += bare
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return Decimal((0, (0,), -kind.scale))
    if len(exponent.lstrip("+-0")) > _LONGEST_EXPONENT:
        return None
    short = digits.rstrip("0")
    digits_after_point = len(fraction) - int(exponent or 0) - (len(digits) - len(short))
    zeros = kind.scale - digits_after_point
    if zeros < 0 or len(short) + zeros > kind.precision:
        return None
    return Decimal((int(sign == "-"), tuple(map(int, short + "0" * zeros)), -kind.scale))


def is_number(text: str) -> bool:
    """Is the text a number as `decimals` takes it, of whatever size?"""
    return _NUMBER.fullmatch(text) is not None


def cast_exactly(array: Columnar, arrow_type: pa.DataType) -> Columnar:
    """The values in another type, as Arrow casts them, but for decimals that would wrap.

    Raises:
        ArrowInvalid: a value does not fit the type without loss.
        ArrowNotImplementedError: Arrow knows no such cast.
    """
    kind = array.type
    if not pa.types.is_decimal128(arrow_type) or pa.types.is_null(kind):
        return pc.cast(array, arrow_type)
    if pa.types.is_integer(kind):
        # Straight from int64 Arrow wants a precision for the largest int64, whatever is there.
        return pc.cast(pc.cast(array, pa.decimal256(_WIDE, arrow_type.scale)), arrow_type)
    if pa.types.is_string(kind):
        return _from_texts(array, arrow_type)
    if not pa.types.is_decimal(kind):
        raise pa.ArrowNotImplementedError(f"there is no exact cast from {kind} to {arrow_type}")
    digits = kind.precision + max(0, arrow_type.scale - kind.scale)
    if digits <= _NARROW and pa.types.is_decimal128(kind):
        return pc.cast(array, arrow_type)
    if digits <= _WIDE:
        return pc.cast(pc.cast(array, pa.decimal256(_WIDE, kind.scale)), arrow_type)
    return _cast_slowly(array, arrow_type)


def cast_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a table in the types of a schema of the same names; see `cast_exactly`.

    Raises:
        KeyError: a column is missing.
        ArrowInvalid: a value does not fit its type without loss.
        ArrowNotImplementedError: Arrow knows no such cast.
    """
    if table.schema.equals(schema):
        return table
    arrays = [cast_exactly(table.column(field.name), field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def instant_of(text: str) -> datetime | None:
    """The instant of an ISO 8601 text, in UTC if it names no zone; None if it is none.

    A day alone is its beginning. More than six digits of a second are taken only where the
    others are zero.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    day, minute, second, fraction, zone = match.groups()
    digits = (fraction or "").ljust(_MICROSECONDS, "0")
    if digits[_MICROSECONDS:].strip("0"):
        return None
    written = f"{day}T{minute or '00:00'}:{second or '00'}.{digits[:_MICROSECONDS]}"
    try:
        local = datetime.fromisoformat(written).replace(tzinfo=UTC)
        return local.replace(tzinfo=_zone(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def date_of(text: str) -> date | None:
    """The day of a text such as 2026-01-31; None if it is none."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def uuid_of(text: str) -> str | None:
    """The canonical form of a uuid with hyphens, without, or in braces; None if it is none."""
    match = _UUID.fullmatch(text)
    if match is None or text.startswith("{") != text.endswith("}"):
        return None
    return str(UUID(match[1]))


def typed(texts: Sequence[str | None], kind: ColumnType) -> pa.Array[Any]:
    """Texts as a database writes them, or as a declaration has them, as values of a type.

    Raises:
        ValueError: a text is no value of the type; the message does not quote it.
    """
    read = _READERS.get(kind.kind, str)
    if kind.kind == "decimal":
        values, misfits = decimals(pa.array(texts, pa.string()), kind)
        if len(misfits):
            raise ValueError(f"a text is no {kind}")
        return values
    cells = [None if text is None else read(text) for text in texts]
    if any(cell is None and text is not None for cell, text in zip(cells, texts, strict=True)):
        raise ValueError(f"a text is no {kind}")
    try:
        return pa.array(cells, kind.arrow)
    except (pa.ArrowInvalid, OverflowError):
        raise ValueError(f"a text is no {kind}") from None


def _cast_plain(texts: pa.Array[Any], kind: ColumnType) -> Columnar | None:
    """Numbers without an exponent and not too long, all at once; None if there are others."""
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest + kind.scale > _WIDE or not _consists_of(texts, _PLAIN):
        return None
    try:
        if longest + kind.scale <= _NARROW:
            return pc.cast(texts, kind.arrow)
        return pc.cast(pc.cast(texts, pa.decimal256(_WIDE, kind.scale)), kind.arrow)
    except pa.ArrowInvalid:
        return None


def _consists_of(texts: pa.Array[Any], alphabet: bytes) -> bool:
    _, offsets, content = texts.buffers()
    if not len(texts) or content is None:
        return True
    bounds: Any = offsets
    limits = np.frombuffer(bounds, np.int32, len(texts) + 1, texts.offset * 4)
    start, end = int(limits[0]), int(limits[-1])
    return not bytes(memoryview(content)[start:end]).translate(None, alphabet)


def _from_texts(array: Columnar, arrow_type: pa.DataType) -> Columnar:
    if isinstance(array, pa.ChunkedArray):
        chunks = [_from_texts(chunk, arrow_type) for chunk in array.chunks]
        return pa.chunked_array(chunks) if chunks else pc.cast(array, arrow_type)
    values, misfits = decimals(array, _kind(arrow_type))
    if len(misfits):
        raise pa.ArrowInvalid(f"a text is no {arrow_type}")
    return values


def _kind(arrow_type: Any) -> ColumnType:
    return ColumnType("decimal", arrow_type.precision, arrow_type.scale)


def _cast_slowly(array: Columnar, arrow_type: pa.DataType) -> Columnar:
    """Decimals of more digits than 256 bits hold once they have the wanted scale."""
    kind = _kind(arrow_type)
    cells = [None if cell is None else decimal_of(str(cell), kind) for cell in array.to_pylist()]
    values = pa.array(cells, arrow_type)
    if values.null_count != array.null_count:
        raise pa.ArrowInvalid(f"a decimal does not fit {arrow_type}")
    return pa.chunked_array([values]) if isinstance(array, pa.ChunkedArray) else values


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset")
    shift = timedelta(hours=hours, minutes=minutes)
    return timezone(-shift if text[0] == "-" else shift)


def _integer_of(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) else None


def _float_of(text: str) -> float | None:
    special = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}.get(text)
    if special is None and _NUMBER.fullmatch(text) is None:
        return None
    value = float(special or text)
    return value if special or math.isfinite(value) else None


def _bytes_of(text: str) -> bytes | None:
    match = _HEXADECIMAL.fullmatch(text)
    return bytes.fromhex(match[1]) if match else None


_READERS: dict[str, Callable[[str], Any]] = {
    "int16": _integer_of,
    "int32": _integer_of,
    "int64": _integer_of,
    "bool": lambda text: _WORDS.get(text.lower()),
    "float64": _float_of,
    "date": date_of,
    "timestamp": instant_of,
    "uuid": uuid_of,
    "bytes": _bytes_of,
}
