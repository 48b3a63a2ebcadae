"""Encoding C1 in the words of PostgreSQL 13 and later, and the sums over its hashes.

Every expression is independent of the session's settings: floats, dates and instants go through
their binary send functions, bytes through `encode`, numbers and documents through casts that no
setting touches. The server hashes the texts itself, so the client's encoding does not matter;
the database's has to be UTF8. An instant column has to be `timestamp with time zone`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from messy_migration.databases.naming import column_list
from messy_migration.fingerprint.rows import NULL
from messy_migration.model import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from messy_migration.model import Column, Table

__all__ = ["aggregate", "fields", "lane", "row_hash", "row_text", "to_fingerprint"]

_LANE = 1 << 64
_BYTES = 8
"""Of a lane."""
# A function call takes at most 100 arguments; one of them is the separator.
_ARGUMENTS = 99


def fields(table: Table, alias: str = "") -> list[str]:
    """The C1 field of each column as an SQL expression of type text, never NULL.

    `alias` names the row source the columns belong to, as it stands in the FROM clause.
    """
    return [f"coalesce({_field(column, alias)}, '{NULL}')" for column in table.columns]


def row_text(table: Table, alias: str = "") -> str:
    """The C1 text of a row as an SQL expression of type text."""
    return _joined(fields(table, alias))


def row_hash(table: Table, alias: str = "") -> str:
    """SHA-256 of the row's text as an SQL expression of type bytea."""
    return f"sha256(convert_to({row_text(table, alias)}, 'UTF8'))"


def aggregate(table: Table, alias: str, source: str, group: str = "") -> str:
    """A statement giving one row: number of rows, and the sum of each byte of both lanes.

    `source` is what follows FROM, conditions included; `alias` is the table's name in it.
    `to_fingerprint` reads the answer. With `group`, an expression, there is such a row for each
    of its values, which stands behind the sums as a text.
    """
    # An OFFSET keeps the planner from writing the hash out at each of its sixteen uses; the
    # quotes make it a constant before it is planned, without which no worker takes part.
    grouped = f", {group} AS g" if group else ""
    rows = f"SELECT {row_hash(table, alias)} AS h{grouped} FROM {source} OFFSET '0'"
    # To put the bytes together in each row costs more than to sum them one by one.
    sums = ", ".join(f"coalesce(sum(get_byte(h, {place})), 0)" for place in range(2 * _BYTES))
    head, tail = (", g::text", " GROUP BY g") if group else ("", "")
    return f"SELECT count(*), {sums}{head} FROM ({rows}) AS hashed{tail}"


def to_fingerprint(count: int, *sums: int) -> Fingerprint:
    """The fingerprint behind one answer of `aggregate`."""
    first, second = (_lane(sums[start : start + _BYTES]) for start in (0, _BYTES))
    return Fingerprint(count, first, second)


def lane(name: str, start: int) -> str:
    """Eight bytes of a hash as a signed bigint; sum() over it is an exact numeric."""
    parts = [f"(get_byte({name}, {start + i})::bigint << {56 - 8 * i})" for i in range(8)]
    return "(" + " | ".join(parts) + ")"


def _lane(sums: Sequence[int]) -> int:
    return sum(found << 8 * place for place, found in enumerate(reversed(sums))) % _LANE


def _joined(expressions: Sequence[str]) -> str:
    if len(expressions) <= _ARGUMENTS:
        return f"concat_ws('|', {', '.join(expressions)})"
    groups = [expressions[i : i + _ARGUMENTS] for i in range(0, len(expressions), _ARGUMENTS)]
    return _joined([_joined(group) for group in groups])


def _field(column: Column, alias: str) -> str:
    x = column_list([column.name], alias)
    return _EXPRESSIONS[column.type.kind].replace("{x}", x)


_TEXT = "octet_length({x}::text)::text || ':' || {x}::text"
_EXPRESSIONS = {
    "text": _TEXT,
    "json": _TEXT,
    "int16": "{x}::text",
    "int32": "{x}::text",
    "int64": "{x}::text",
    "uuid": "{x}::text",
    "bool": "{x}::int::text",
    "decimal": "trim_scale({x}::numeric)::text",
    # NaN first: its bits are not always the same, and all NaNs are equal.
    "float64": "CASE WHEN {x} = 'NaN' THEN '7ff8000000000000'"
    " ELSE encode(float8send({x}::float8 + 0), 'hex') END",
    "date": "encode(date_send({x}), 'hex')",
    "timestamp": "encode(timestamptz_send({x}), 'hex')",
    "bytes": "octet_length({x})::text || ':' || encode({x}, 'hex')",
}
