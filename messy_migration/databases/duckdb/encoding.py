"""Encoding C1 in the words of DuckDB, and the sums over its hashes.

DuckDB's text is always valid UTF-8, its sums of unsigned integers are exact. JSON is fetched as
it is stored and put into its canonical form here, since DuckDB keeps the text that it was given.
An instant without a zone is taken for one in UTC; no expression depends on the session's zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from messy_migration.databases.naming import column_list
from messy_migration.fingerprint.rows import NULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from messy_migration.model import Column, Table

__all__ = ["STREAMED", "aggregate", "fields", "joined"]

STREAMED = frozenset({"json"})
"""Kinds of columns that are fetched as they are stored."""


def fields(table: Table, alias: str = "") -> list[str]:
    """The C1 field of each column as an SQL expression of type VARCHAR, never NULL.

    A column of a streamed kind gives its stored text instead, or NULL.
    """
    return [_field(column, alias) for column in table.columns]


def joined(expressions: Sequence[str]) -> str:
    """Fields as one text, with the separator between them."""
    return f"concat_ws('|', {', '.join(expressions)})"


def aggregate(table: Table, alias: str, source: str) -> str:
    """A statement giving one row: number of rows, sums of both lanes.

    `source` is what follows FROM, conditions included; `alias` is the table's name in it.
    """
    rows = f"SELECT sha256({joined(fields(table, alias))}) AS h FROM {source}"
    sums = ", ".join(f"coalesce(sum({_lane(start)}), 0)" for start in (1, 17))
    return f"SELECT count(*), {sums} FROM ({rows}) AS hashed"


def _lane(start: int) -> str:
    """Sixteen digits of the hash; the sum over UBIGINT is an exact HUGEINT."""
    return f"('0x' || substr(h, {start}, 16))::UBIGINT"


def _field(column: Column, alias: str) -> str:
    x = column_list([column.name], alias)
    if column.type.kind in STREAMED:
        return f"{x}::VARCHAR"
    return f"coalesce({_EXPRESSIONS[column.type.kind].replace('{x}', x)}, '{NULL}')"


_PLAIN = "{x}::VARCHAR"
# With as many digits behind the point as there are in all, none is printed before it.
_WHOLE = (
    f"CASE WHEN starts_with({_PLAIN}, '.') THEN '0' || {_PLAIN}"
    f" WHEN starts_with({_PLAIN}, '-.') THEN '-0' || substr({_PLAIN}, 2) ELSE {_PLAIN} END"
)
# PostgreSQL's own values of infinity, which has no distance to a day.
_INFINITE = "CASE WHEN {{x}} > DATE '2000-01-01' THEN '{high}' ELSE '{low}' END"
_EXPRESSIONS = {
    "text": f"strlen({_PLAIN})::VARCHAR || ':' || {_PLAIN}",
    "int16": _PLAIN,
    "int32": _PLAIN,
    "int64": _PLAIN,
    "bool": "{x}::INTEGER::VARCHAR",
    "uuid": f"CASE WHEN strlen({_PLAIN}) <> 36 OR contains({_PLAIN}, '|')"
    f" OR starts_with({_PLAIN}, '{NULL}') THEN '!:' || hex({_PLAIN}) ELSE {_PLAIN} END",
    # Only a fraction has zeros that say nothing.
    "decimal": f"CASE WHEN contains({_PLAIN}, '.') THEN rtrim(rtrim({_WHOLE}, '0'), '.')"
    f" ELSE {_PLAIN} END",
    # NaN first: its bits are not always the same. Adding zero turns -0.0 into 0.0.
    "float64": "CASE WHEN isnan({x}::DOUBLE) THEN '7ff8000000000000'"
    " ELSE lower(lpad(to_hex(({x}::DOUBLE + 0)::BIT::BIGINT), 16, '0')) END",
    "date": f"CASE WHEN isinf({{x}}) THEN {_INFINITE.format(high='7fffffff', low='80000000')}"
    " ELSE lower(lpad(to_hex(({x} - DATE '2000-01-01') & 4294967295), 8, '0')) END",
    "timestamp": "CASE WHEN isinf({x}) THEN"
    f" {_INFINITE.format(high='7fffffffffffffff', low='8000000000000000')}"
    " ELSE lower(lpad(to_hex(epoch_us({x}) - 946684800000000), 16, '0')) END",
    "bytes": "octet_length({x})::VARCHAR || ':' || lower(hex({x}))",
}
