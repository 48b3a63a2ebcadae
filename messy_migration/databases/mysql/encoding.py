"""Encoding C1 in the words of MariaDB 10.5 and MySQL 8, and the sums over its hashes.

Every field is a binary string, so that no character set and no collation takes part; text is
converted to utf8mb4 first. The bits of a double come out through the WKB of a point, which is
the only place where the server writes them down. What no calendar has (a zero date, a month 0,
30 February under ALLOW_INVALID_DATES, the year 0, which the server takes for no leap year) gets a
field that starts with `!`, which no value has, and can neither pass for another value nor for
NULL.

JSON is fetched as it is stored and put into its canonical form here: MariaDB keeps the text
that it was given, MySQL one of its own. The session has to have the modes and the time zone
that `SESSION` sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from messy_migration.databases.naming import column_list
from messy_migration.fingerprint.rows import NULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from messy_migration.model import Column, Table

__all__ = ["LIMIT", "MODES", "SESSION", "SETTINGS", "STREAMED", "aggregate", "fields", "joined"]

MODES = (
    "ANSI_QUOTES",
    "PIPES_AS_CONCAT",
    "NO_BACKSLASH_ESCAPES",
    "STRICT_ALL_TABLES",
    "ERROR_FOR_DIVISION_BY_ZERO",
)
LIMIT = 18446744073709551615
SESSION = (
    f"SET SESSION sql_mode = '{','.join(MODES)}', time_zone = '+00:00', sql_auto_is_null = 0,"
    f" sql_select_limit = {LIMIT} /*M!100300 , system_versioning_asof = DEFAULT */"
)
"""What makes the server read our SQL: standard quotes, instants in UTC, and all of the rows.

Rows as they are now: MariaDB alone can show a session those of another day, and alone reads what
stands between `/*M!` and `*/`.
"""
SETTINGS = (
    "SELECT @@session.sql_mode, @@session.time_zone, @@session.sql_auto_is_null,"
    " @@session.sql_select_limit /*M!100300 , @@session.system_versioning_asof */"
)
"""Asks for what `SESSION` has set."""

STREAMED = frozenset({"json"})
"""Kinds of columns that are fetched as they are stored."""

_ARGUMENTS = 200


def fields(table: Table, alias: str = "") -> list[str]:
    """The C1 field of each column as an SQL expression of binary type, never NULL.

    A column of a streamed kind gives its stored text instead, or NULL.
    """
    return [_field(column, alias) for column in table.columns]


def joined(expressions: Sequence[str]) -> str:
    """Fields as one binary string, with the separator between them."""
    if len(expressions) <= _ARGUMENTS:
        return f"CONCAT_WS('|', {', '.join(expressions)})"
    groups = [expressions[i : i + _ARGUMENTS] for i in range(0, len(expressions), _ARGUMENTS)]
    return joined([joined(group) for group in groups])


def aggregate(table: Table, alias: str, source: str) -> str:
    """A statement giving one row: number of rows, sums of both lanes, rows without a hash.

    A row without one is longer than max_allowed_packet: the server gives NULL and a warning.
    `source` is what follows FROM, conditions included; `alias` is the table's name in it.
    """
    text = joined(fields(table, alias))
    # Without a limit the inner statement is merged into the outer, and every row hashed twice.
    rows = f"SELECT UNHEX(SHA2({text}, 256)) AS h FROM {source} LIMIT 18446744073709551615"
    sums = ", ".join(f"SUM({_lane(start)})" for start in (1, 9))
    return f"SELECT COUNT(*), {sums}, SUM(h IS NULL) FROM ({rows}) AS hashed"


def _lane(start: int) -> str:
    """Eight bytes of the hash; the sum over unsigned integers is an exact decimal."""
    # CONV gives a text, of which SUM would make a double.
    return f"CAST(CONV(HEX(SUBSTR(h, {start}, 8)), 16, 10) AS UNSIGNED)"


def _field(column: Column, alias: str) -> str:
    x = column_list([column.name], alias)
    if column.type.kind in STREAMED:
        return f"CAST(CONVERT({x} USING utf8mb4) AS BINARY)"
    field = _EXPRESSIONS[column.type.kind].replace("{x}", x)
    bad = f"CONCAT('!:', HEX({x}))"
    return f"CAST(IF({x} <=> NULL, '{NULL}', COALESCE({field}, {bad})) AS BINARY)"


_PLAIN = "CAST({x} AS CHAR CHARACTER SET utf8mb4)"
# Adding zero takes the leading zeros of ZEROFILL away.
_NUMBER = "CAST({x} + 0 AS CHAR CHARACTER SET utf8mb4)"
_TEXT = "CAST(CONVERT({x} USING utf8mb4) AS BINARY)"
# The server counts 30 February on to 1 March; a day of a calendar comes back as it was.
_IS_DAY = "DATE({x}) = FROM_DAYS(TO_DAYS({x}))"
_EXPRESSIONS = {
    "text": f"CONCAT(OCTET_LENGTH({_TEXT}), ':', {_TEXT})",
    "int16": _NUMBER,
    "int32": _NUMBER,
    "int64": _NUMBER,
    "bool": _NUMBER,
    "uuid": f"IF(CHAR_LENGTH({_PLAIN}) = 36 AND INSTR({_PLAIN}, '|') = 0"
    f" AND LEFT({_PLAIN}, 1) <> '{NULL}', {_PLAIN}, NULL)",
    # Only a fraction has zeros that say nothing.
    "decimal": f"IF(INSTR({_NUMBER}, '.') = 0, {_NUMBER},"
    f" TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {_NUMBER})))",
    # A point is written with its byte order, its type, x and y; adding zero turns -0.0 into 0.0.
    "float64": "LOWER(HEX(REVERSE(SUBSTR(ST_AsWKB(POINT({x} + 0e0, 0)), 6, 8))))",
    "date": f"IF({_IS_DAY},"
    " LOWER(LPAD(HEX((TO_DAYS({x}) - 730485) & 4294967295), 8, '0')), NULL)",
    "timestamp": f"IF({_IS_DAY},"
    " LOWER(LPAD(HEX(TIMESTAMPDIFF(MICROSECOND, '2000-01-01', {x})), 16, '0')), NULL)",
    "bytes": "CONCAT(OCTET_LENGTH({x}), ':', LOWER(HEX({x})))",
}
