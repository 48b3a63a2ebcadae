"""Encoding C1 in the words of PostgreSQL 13 and later, and the sums over its hashes.

Every expression is independent of the session's settings: floats, dates and instants go through
their binary send functions, bytes through `encode`, numbers and documents through casts that no
setting touches. All of them, and the operators, are named with their schema, so that nobody's
function can stand in. The server hashes the texts itself, so the client's encoding does not matter;
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

__all__ = ["aggregate", "as_bytes", "fields", "lane", "row_hash", "row_text", "to_fingerprint"]

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
    return f"pg_catalog.sha256({as_bytes(row_text(table, alias))})"


def as_bytes(text: str) -> str:
    """A text of the server as the bytes of its UTF-8 form."""
    return f"pg_catalog.convert_to({text}, 'UTF8')"


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
    sums = ", ".join(
        f"coalesce(pg_catalog.sum(pg_catalog.get_byte(h, {index})), 0)"
        for index in range(2 * _BYTES)
    )
    head, tail = (", g::pg_catalog.text", " GROUP BY g") if group else ("", "")
    return f"SELECT pg_catalog.count(*), {sums}{head} FROM ({rows}) AS hashed{tail}"


def to_fingerprint(count: int, *sums: int) -> Fingerprint:
    """The fingerprint behind one answer of `aggregate`."""
    first, second = (_lane(sums[start : start + _BYTES]) for start in (0, _BYTES))
    return Fingerprint(count, first, second)


def lane(name: str, start: int) -> str:
    """Eight bytes of a hash as a signed bigint; sum() over it is an exact numeric."""
    parts = [
        f"(pg_catalog.get_byte({name}, {start + i})::pg_catalog.int8"
        f" OPERATOR(pg_catalog.<<) {56 - 8 * i})"
        for i in range(8)
    ]
    return "(" + " OPERATOR(pg_catalog.|) ".join(parts) + ")"


def _lane(sums: Sequence[int]) -> int:
    return sum(byte_sum << 8 * index for index, byte_sum in enumerate(reversed(sums))) % _LANE


def _joined(expressions: Sequence[str]) -> str:
    if len(expressions) <= _ARGUMENTS:
        return f"pg_catalog.concat_ws('|', {', '.join(expressions)})"
    groups = [expressions[i : i + _ARGUMENTS] for i in range(0, len(expressions), _ARGUMENTS)]
    return _joined([_joined(group) for group in groups])


def _field(column: Column, alias: str) -> str:
    x = column_list([column.name], alias)
    return _EXPRESSIONS[column.type.kind].replace("{x}", x)


_TEXT = (
    "pg_catalog.octet_length({x}::pg_catalog.text)::pg_catalog.text"
    " OPERATOR(pg_catalog.||) ':' OPERATOR(pg_catalog.||) {x}::pg_catalog.text"
)
_SPELLED = "{x}::pg_catalog.text"
_EXPRESSIONS = {
    "text": _TEXT,
    "json": _TEXT,
    "int16": _SPELLED,
    "int32": _SPELLED,
    "int64": _SPELLED,
    "uuid": _SPELLED,
    "bool": "{x}::pg_catalog.int4::pg_catalog.text",
    "decimal": "pg_catalog.trim_scale({x}::pg_catalog.numeric)::pg_catalog.text",
    # NaN first: its bits are not always the same, and all NaNs are equal.
    "float64": "CASE WHEN {x} OPERATOR(pg_catalog.=) 'NaN' THEN '7ff8000000000000'"
    " ELSE pg_catalog.encode("
    "pg_catalog.float8send({x}::pg_catalog.float8 OPERATOR(pg_catalog.+) 0), 'hex') END",
    "date": "pg_catalog.encode(pg_catalog.date_send({x}), 'hex')",
    "timestamp": "pg_catalog.encode(pg_catalog.timestamptz_send({x}), 'hex')",
    "bytes": "pg_catalog.octet_length({x})::pg_catalog.text"
    " OPERATOR(pg_catalog.||) ':' OPERATOR(pg_catalog.||) pg_catalog.encode({x}, 'hex')",
}
