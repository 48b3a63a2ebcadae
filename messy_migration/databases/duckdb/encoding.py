"""Encoding C1 in the words of DuckDB, and the sums over its hashes.

DuckDB's text is always valid UTF-8, its sums of unsigned integers are exact. JSON is fetched as
it is stored and put into its canonical form here, since DuckDB keeps the text that it was given.
An instant without a zone is taken for one in UTC; no expression depends on the session's zone.

A macro that somebody kept in the file stands in for a function of its name, and for an operator
(`CREATE MACRO "||"(a, b) AS ...`). So both are called with their schema, operators as functions.
Comparisons are part of the grammar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from messy_migration.databases.naming import Spelling, column_list
from messy_migration.fingerprint.rows import NULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from messy_migration.model import Column, Table

__all__ = ["SPELLING", "STREAMED", "aggregate", "fields", "joined"]

SPELLING = Spelling("system.main")
"""Where DuckDB keeps what is its own."""

STREAMED = frozenset({"json"})
"""Kinds of columns that are fetched as they are stored."""


def fields(table: Table, alias: str = "") -> list[str]:
    """The C1 field of each column as an SQL expression of type VARCHAR, never NULL.

    A column of a streamed kind gives its stored text instead, or NULL.
    """
    return [_field(column, alias) for column in table.columns]


def joined(expressions: Sequence[str]) -> str:
    """Fields as one text, with the separator between them."""
    return SPELLING.call("concat_ws", "'|'", *expressions)


def aggregate(table: Table, alias: str, source: str) -> str:
    """A statement giving one row: number of rows, sums of both lanes.

    `source` is what follows FROM, conditions included; `alias` is the table's name in it.
    """
    digest = SPELLING.call("sha256", joined(fields(table, alias)))
    sums = ", ".join(f"coalesce({SPELLING.call('sum', _lane(start))}, 0)" for start in (1, 17))
    count = SPELLING.call("count", "*")
    return f"SELECT {count}, {sums} FROM (SELECT {digest} AS h FROM {source}) AS hashed"


def _lane(start: int) -> str:
    """Sixteen digits of the hash; the sum over UBIGINT is an exact HUGEINT."""
    digits = SPELLING.call("substr", "h", str(start), "16")
    number = _joined("'0x'", digits)
    return f"{number}::UBIGINT"


def _field(column: Column, alias: str) -> str:
    x = column_list([column.name], alias)
    if column.type.kind in STREAMED:
        return f"{x}::VARCHAR"
    return f"coalesce({_EXPRESSIONS[column.type.kind].replace('{x}', x)}, '{NULL}')"


def _call(function: str, *arguments: str) -> str:
    return SPELLING.call(function, *arguments)


def _joined(*texts: str) -> str:
    """Texts as one, NULL if any of them is."""
    concatenated = texts[0]
    for text in texts[1:]:
        concatenated = _call('"||"', concatenated, text)
    return concatenated


def _digits(number: str, count: int) -> str:
    """So many hexadecimal digits of a number, in lower case."""
    return _call("lower", _call("lpad", _call("to_hex", number), str(count), "'0'"))


_PLAIN = "{x}::VARCHAR"
_DOUBLE = "{x}::DOUBLE"
_ZERO, _POINT = "'0'", "'.'"
_LENGTH = _call("strlen", _PLAIN)
_IS_FRACTION = _call("contains", _PLAIN, _POINT)
_IS_INFINITE = _call("isinf", "{x}")
_IS_NAN = _call("isnan", _DOUBLE)
# With as many digits behind the point as there are in all, none is printed before it.
_LACKS_ZERO = _call("starts_with", _PLAIN, _POINT)
_LACKS_ZERO_BELOW = _call("starts_with", _PLAIN, "'-.'")
_BELOW = _joined("'-0'", _call("substr", _PLAIN, "2"))
_WHOLE = (
    f"CASE WHEN {_LACKS_ZERO} THEN {_joined(_ZERO, _PLAIN)}"
    f" WHEN {_LACKS_ZERO_BELOW} THEN {_BELOW} ELSE {_PLAIN} END"
)
_SHORT = _call("rtrim", _call("rtrim", _WHOLE, _ZERO), _POINT)
_HAS_BAR = _call("contains", _PLAIN, "'|'")
_IS_LIKE_NULL = _call("starts_with", _PLAIN, f"'{NULL}'")
_ODD_UUID = _joined("'!:'", _call("hex", _PLAIN))
# NaN first: its bits are not always the same. Adding zero turns -0.0 into 0.0.
_NO_MINUS_ZERO = _call('"+"', _DOUBLE, "0")
# PostgreSQL's own values of infinity, which has no distance to a day.
_INFINITE = "CASE WHEN {{x}} > DATE '2000-01-01' THEN '{high}' ELSE '{low}' END"
_DAYS = _call('"&"', _call('"-"', "{x}", "DATE '2000-01-01'"), "4294967295")
_MICROSECONDS = _call('"-"', _call("epoch_us", "{x}"), "946684800000000")
_BYTES = _call("octet_length", "{x}")
_EXPRESSIONS = {
    "text": _joined(f"{_LENGTH}::VARCHAR", "':'", _PLAIN),
    "int16": _PLAIN,
    "int32": _PLAIN,
    "int64": _PLAIN,
    "bool": "{x}::INTEGER::VARCHAR",
    "uuid": f"CASE WHEN {_LENGTH} <> 36 OR {_HAS_BAR} OR {_IS_LIKE_NULL}"
    f" THEN {_ODD_UUID} ELSE {_PLAIN} END",
    # Only a fraction has zeros that say nothing.
    "decimal": f"CASE WHEN {_IS_FRACTION} THEN {_SHORT} ELSE {_PLAIN} END",
    "float64": f"CASE WHEN {_IS_NAN} THEN '7ff8000000000000'"
    f" ELSE {_digits(f'{_NO_MINUS_ZERO}::BIT::BIGINT', 16)} END",
    "date": f"CASE WHEN {_IS_INFINITE} THEN {_INFINITE.format(high='7fffffff', low='80000000')}"
    f" ELSE {_digits(_DAYS, 8)} END",
    "timestamp": f"CASE WHEN {_IS_INFINITE} THEN"
    f" {_INFINITE.format(high='7fffffffffffffff', low='8000000000000000')}"
    f" ELSE {_digits(_MICROSECONDS, 16)} END",
    "bytes": _joined(f"{_BYTES}::VARCHAR", "':'", _call("lower", _call("hex", "{x}"))),
}
