"""Values of SQLite, where any column may hold anything, as Arrow arrays of one type.

A chunk whose values are all of the storage class that the type suggests becomes an array at
once. Any other is looked at cell by cell, and what is no exact value of the type is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute

from messy_migration.model import ColumnType
from messy_migration_sql.wire import exact_decimal

__all__ = ["to_array"]

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

_NONE = type(None)
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T]00:00(?::00(?:\.0+)?)?)?\Z")
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6})0*)?)?\s?(Z|[+-]\d\d:?\d\d)?\Z"
)
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
        except (ValueError, OverflowError, InvalidOperation, UnicodeError) as error:
            cells.append(None)
            # What others say may quote the value.
            known = str(error) if isinstance(error, _Misfit) else f"the value is no {kind}"
            refused.append((row, known))
    return pa.array(cells, kind.arrow), refused


def _as_is(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    return pa.array(values, kind.arrow)


def _bools(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    if not set(values) <= {0, 1, None}:
        raise ValueError
    return pa.array(values, pa.int8()).cast(kind.arrow)


def _decimals(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    texts = [None if value is None else str(value) for value in values]
    found: pa.Array[Any] = pc.cast(pa.array(texts, pa.string()), kind.arrow)
    return found


def _dates(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    return _from_year_one(pc.cast(pa.array(values, pa.string()), kind.arrow), date(1, 1, 1))


def _moments(values: Sequence[Any], kind: ColumnType) -> pa.Array[Any]:
    plain = pc.cast(pa.array(values, pa.string()), pa.timestamp("us"))
    return _from_year_one(plain, datetime(1, 1, 1)).cast(pa.int64()).cast(kind.arrow)  # noqa: DTZ001


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
    number = exact_decimal(str(value).strip(), kind)
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
    match = _DAY.match(_text(value, kind))
    if match is None:
        raise _Misfit("the text is no date such as 2026-01-31")
    return date.fromisoformat(match[1])


def _moment(value: Any, kind: ColumnType) -> datetime:
    match = _MOMENT.match(_text(value, kind))
    if match is None:
        raise _Misfit("the text is no moment such as 2026-01-31 23:59:59")
    time, fraction, zone = match[2] or "00:00", (match[3] or "0").ljust(6, "0"), match[4]
    seconds = time if time.count(":") == 2 else f"{time}:00"
    moment = datetime.fromisoformat(f"{match[1]}T{seconds}.{fraction}{zone or '+00:00'}")
    return moment.astimezone(UTC)


def _uuid(value: Any, kind: ColumnType) -> str:
    if isinstance(value, bytes) and len(value) == 16:
        return str(UUID(bytes=value))
    return str(UUID(_text(value, kind)))


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
    "timestamp": ({str}, _moments),
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
    "timestamp": _moment,
    "uuid": _uuid,
    "bytes": _bytes,
}
