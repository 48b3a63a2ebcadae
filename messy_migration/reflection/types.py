"""Our type for a type as a database spells it; `reflection.tables` has the table."""

from __future__ import annotations

import re

from messy_migration.model import ColumnType

__all__ = ["KNOWN", "UNSIZED", "column_type"]

UNSIZED = ColumnType("decimal", 38, 18)
"""The type of a numeric column that declares no size."""

_MOST_DIGITS = 38

_SHARED = {
    "smallint": "int16",
    "integer": "int32",
    "int": "int32",
    "bigint": "int64",
    "boolean": "bool",
    "real": "float64",
    "double": "float64",
    "numeric": "decimal",
    "decimal": "decimal",
    "text": "text",
    "enum": "text",
    "date": "date",
    "timestamp": "timestamp",
    "uuid": "uuid",
    "json": "json",
    "blob": "bytes",
}
_POSTGRES = _SHARED | {
    "double precision": "float64",
    "character": "text",
    "character varying": "text",
    "citext": "text",
    "name": "text",
    "timestamp with time zone": "timestamp",
    "timestamp without time zone": "timestamp",
    "bytea": "bytes",
    "jsonb": "json",
}
_MYSQL = _SHARED | {
    "tinyint": "int16",
    "mediumint": "int32",
    "tinyint unsigned": "int16",
    "smallint unsigned": "int32",
    "mediumint unsigned": "int32",
    "int unsigned": "int64",
    "bigint unsigned": "decimal(20,0)",
    "decimal unsigned": "decimal",
    "double unsigned": "float64",
    "float": "float64",
    "float unsigned": "float64",
    "year": "int16",
    "char": "text",
    "varchar": "text",
    "tinytext": "text",
    "mediumtext": "text",
    "longtext": "text",
    "datetime": "timestamp",
    "tinyblob": "bytes",
    "mediumblob": "bytes",
    "longblob": "bytes",
    "binary": "bytes",
    "varbinary": "bytes",
}
_DUCKDB = _SHARED | {
    "tinyint": "int16",
    "utinyint": "int16",
    "usmallint": "int32",
    "uinteger": "int64",
    "ubigint": "decimal(20,0)",
    "hugeint": "decimal(38,0)",
    "float": "float64",
    "varchar": "text",
    "timestamp_s": "timestamp",
    "timestamp_ms": "timestamp",
    "timestamp with time zone": "timestamp",
}
_SQLITE = _SHARED | {
    "bool": "bool",
    "double precision": "float64",
    "float": "float64",
    "dec": "decimal",
    "number": "decimal",
    "datetime": "timestamp",
    "timestamp with time zone": "timestamp",
    "timestamp without time zone": "timestamp",
    "guid": "uuid",
    "jsonb": "json",
    "binary": "bytes",
    "varbinary": "bytes",
    "smallint": "int64",
    "integer": "int64",
    "int": "int64",
}
KNOWN = {
    "postgresql": _POSTGRES,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "duckdb": _DUCKDB,
    "sqlite": _SQLITE,
}
"""Name of a SQLAlchemy dialect -> word -> type."""

# Any spelling of these is common in SQLite: NATIVE CHARACTER(70), UNSIGNED BIG INT, LONGTEXT.
_SQLITE_FAMILIES = (
    (re.compile(r"\b(?:tiny|small|medium|big)?int(?:eger|[248])?\b"), "int64"),
    (re.compile(r"(?:char|character|clob|text|string)\b"), "text"),
    (re.compile(r"blob\b"), "bytes"),
)


def column_type(kind: str, spelled: str) -> ColumnType | None:
    """Our type for one that a database spells out; None if it has none.

    Args:
        kind: name of the SQLAlchemy dialect.
        spelled: such as `numeric(12,2)`, `tinyint(1)` or `timestamp(3) with time zone`.
    """
    text = " ".join(spelled.lower().split()).removesuffix(" zerofill")
    inside = re.search(r"\(([^()]*)\)", text)
    size = inside[1].replace(" ", "") if inside else ""
    words = " ".join(re.sub(r"\(.*\)", "", text).split())
    if kind == "postgresql" and "[" not in words:
        words = words.rpartition(".")[2].strip('"')  # of an extension: public.citext
    if words == "tinyint" and size == "1":
        return ColumnType("bool")
    word = KNOWN[kind].get(words) or (_sqlite_family(words) if kind == "sqlite" else None)
    if word == "decimal":
        return _decimal(size)
    return ColumnType.parse(word) if word else None


def _sqlite_family(words: str) -> str | None:
    return next((word for pattern, word in _SQLITE_FAMILIES if pattern.search(words)), None)


def _decimal(size: str) -> ColumnType | None:
    """The type of numeric(p), numeric(p,s), or without a size; PostgreSQL has s < 0 and s > p."""
    if not size:
        return UNSIZED
    precision, _, scale = size.partition(",")
    if not re.fullmatch(r"\d+,?-?\d*", size):
        return None
    digits, scale_given = int(precision), int(scale or 0)
    digits, scale_given = max(digits - min(scale_given, 0), scale_given), max(scale_given, 0)
    return ColumnType("decimal", digits, scale_given) if 0 < digits <= _MOST_DIGITS else None
