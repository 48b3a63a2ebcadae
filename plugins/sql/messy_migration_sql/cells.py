"""Values of SQLite, where any column may hold anything, as Arrow arrays of one type.

A chunk whose values are all of the storage class that the type suggests becomes an array at
once. Any other is looked at cell by cell, and what is no exact value of the type is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute

from messy_migration.model import ColumnType
from messy_migration.model.conversion import (
    date_of,
    decimal_of,
    decimals,
    instant_of,
    is_number,
    uuid_of,
)

__all__ = ["to_array", "to_value"]

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

_NONE = type(None)
_MIDNIGHT = re.compile(r"\d{4}-\d\d-\d\d[ T]00:00(?::00(?:\.0+)?)?", re.ASCII)
_DATE_LENGTHS = (10,)
# Of a day, of a time with seconds, and with milliseconds or microseconds.
_INSTANT_LENGTHS = (10, 19, 23, 26)
_EXACT_FLOAT = 1 << 53
_INTEGERS = {"int16": 15, "int32": 31, "int64": 63}


class _Misfit(ValueError):
    """A value is none of its type; the message says why without quoting it."""


def to_array(
    values: Sequence[Any], kind: ColumnType
) -> tuple[pa.Array[Any], list[tuple[int, str]]]:
    """The values as an array of the type, and (row, reason) of those that are none.

    A refused cell is NULL in the array.
    """
    classes = set(map(type, values)) - {_NONE}
    fast = _FAST.get(kind.kind)
    if fast is not None and classes <= fast[0]:
        try:
            return fast[1](values, kind), []
        except (pa.ArrowInvalid, ValueError, OverflowError):
            pass
    cells: list[Any] = []
    refused = []
    for row, value in enumerate(values):
        try:
            cells.append(None if value is None else _SLOW[kind.kind](value, kind))
        except (ValueError, OverflowError) as error:
            cells.append(None)
            # What others say may quote the value.
            reason = str(error) if isinstance(error, _Misfit) else f"the value is no {kind}"
            refused.append((row, reason))
    return pa.array(cells, kind.arrow), refused


def to_value(value: Any, kind: ColumnType) -> Any:
    """One value of SQLite, not NULL, as Python has it.

    Raises:
        ValueError, OverflowError, ArithmeticError: it is no exact value of the type.
    """
    return _SLOW[kind.kind](value, kind)


def _as_is(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    return pa.array(values, kind.arrow)


def _bools(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    if not set(values) <= {0, 1, None}:
        raise ValueError
    return pa.array(values, pa.int8()).cast(kind.arrow)


def _decimals(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    texts = [None if value is None else str(value) for value in values]
    numbers, misfits = decimals(pa.array(texts, pa.string()), kind)
    if len(misfits):
        raise ValueError
    return numbers


def _dates(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    texts = _of_lengths(values, _DATE_LENGTHS)
    return _from_year_one(pc.cast(texts, kind.arrow), date(1, 1, 1))


def _instants(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    plain = pc.cast(_of_lengths(values, _INSTANT_LENGTHS), pa.timestamp("us"))
    return _from_year_one(plain, datetime(1, 1, 1)).cast(pa.int64()).cast(kind.arrow)  # noqa: DTZ001


def _of_lengths(values: Sequence[Any], lengths: Sequence[int]) -> pa.Array[Any]:
    """Texts of which each has one of the lengths; of others Arrow knows more forms than we do."""
    texts = pa.array(values, pa.string())
    array = pa.array(lengths, pa.int32())
    if not pc.all(pc.is_in(pc.binary_length(texts.drop_null()), array), min_count=0).as_py():
        raise ValueError
    return texts


def _from_year_one(array: pa.Array[Any], first: object) -> pa.Array[Any]:
    if pc.any(pc.less(array, pa.scalar(first, array.type))).as_py():
        raise ValueError
    return array


def _integer(value: Any, kind: ColumnType) -> int:
    if type(value) is not int:
        raise _Misfit(f"{_class(value)} where an integer is declared")
    if not -(1 << _INTEGERS[kind.kind]) <= value < 1 << _INTEGERS[kind.kind]:
        raise _Misfit(f"the number does not fit {kind}")
    return value


def _bool(value: Any, kind: ColumnType) -> bool:
    del kind
    if value not in (0, 1) or type(value) is not int:
        raise _Misfit("the value is neither 0 nor 1")
    return bool(value)


def _float(value: Any, kind: ColumnType) -> float:
    del kind
    if type(value) is int and abs(value) > _EXACT_FLOAT:
        raise _Misfit("the number is no exact float64")
    if type(value) not in (int, float):
        raise _Misfit(f"{_class(value)} where a number is declared")
    return float(value)


def _decimal(value: Any, kind: ColumnType) -> Decimal:
    if isinstance(value, bytes) or (isinstance(value, float) and not math.isfinite(value)):
        raise _Misfit(f"{_class(value)} where a {kind} is declared")
    text = str(value).strip()
    if not is_number(text):
        raise _Misfit(f"the value is no {kind}")
    number = decimal_of(text, kind)
    if number is None:
        raise _Misfit(f"the number does not fit {kind} without rounding")
    return number


def _text(value: Any, kind: ColumnType) -> str:
    if not isinstance(value, str):
        raise _Misfit(f"{_class(value)} where a {kind} is declared")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Misfit("the text is no UTF-8") from None
    return value


def _date(value: Any, kind: ColumnType) -> date:
    """A day, or an instant without a zone at the very beginning of one."""
    text = _text(value, kind)
    if _MIDNIGHT.fullmatch(text):
        text = text[:10]
    day = date_of(text)
    if day is None:
        raise _Misfit("the text is no date such as 2026-01-31")
    return day


def _instant(value: Any, kind: ColumnType) -> datetime:
    moment = instant_of(_text(value, kind))
    if moment is None:
        raise _Misfit("the text is no moment such as 2026-01-31 23:59:59")
    return moment


def _uuid(value: Any, kind: ColumnType) -> str:
    if isinstance(value, bytes) and len(value) == 16:
        return str(UUID(bytes=value))
    uuid = uuid_of(_text(value, kind))
    if uuid is None:
        raise _Misfit("the text is no uuid")
    return uuid


def _bytes(value: Any, kind: ColumnType) -> bytes:
    if not isinstance(value, bytes):
        raise _Misfit(f"{_class(value)} where {kind} are declared")
    return value


def _class(value: Any) -> str:
    return {int: "an integer", float: "a number", str: "a text", bytes: "a blob"}[type(value)]


_FAST: dict[str, tuple[set[type], Callable[[Sequence[Any], ColumnType], pa.Array[Any]]]] = {
    "text": ({str}, _as_is),
    "json": ({str}, _as_is),
    "int16": ({int}, _as_is),
    "int32": ({int}, _as_is),
    "int64": ({int}, _as_is),
    "bool": ({int}, _bools),
    "float64": ({float}, _as_is),
    "decimal": ({int, float, str}, _decimals),
    "date": ({str}, _dates),
    "timestamp": ({str}, _instants),
    "bytes": ({bytes}, _as_is),
}
_SLOW: dict[str, Callable[[Any, ColumnType], Any]] = {
    "text": _text,
    "json": _text,
    "int16": _integer,
    "int32": _integer,
    "int64": _integer,
    "bool": _bool,
    "float64": _float,
    "decimal": _decimal,
    "date": _date,
    "timestamp": _instant,
    "uuid": _uuid,
    "bytes": _bytes,
}
