"""Read what others stored in SQLite as values of a declared type.

SQLite lets a program spell a decimal as a REAL or a text and an instant in a dozen ways. The
functions here bring a cell into the one form that `sqlite_c1` accepts, or leave it alone: a cell
that is no value of the type then gets a field that equals nothing. Nothing is guessed: a date
begins with its year, and a time without a zone is UTC.
"""

from __future__ import annotations

import math
import re
import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from messy_migration.fingerprint.json import canonical_json
from messy_migration.model import ColumnType

__all__ = ["column", "register"]

_Stored = int | float | str | bytes
_PREFIX = "messy_migration_read_"
# A leading zero that a number would lose is part of a text.
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
_WHOLE = re.compile(r"(?:0|-?[1-9]\d{0,18})\Z", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(?: ?(Z|[+-]\d\d(?::?\d\d)?))?)?\Z",
    re.ASCII,
)
_EXACT = 1 << 53
_PLAIN = ("int16", "int32", "int64", "bool")
_UUID_BYTES = 16


def column(x: str, own: str, kind: ColumnType) -> str:
    """A cell as an SQL expression of the form in which `sqlite_c1` wants that type.

    Args:
        x: the column, quoted.
        own: the kind of the type that the table declares, or empty.
        kind: the type that both sides share.
    """
    if kind.kind == "text" and not own:
        return f"CASE WHEN typeof({x}) IN ('text', 'null') THEN {x} ELSE quote({x}) END"
    if kind.kind not in _READERS or (own in _PLAIN and kind.kind in _PLAIN):
        return x
    bare = f"CASE typeof({x}) WHEN 'text' THEN CAST({x} AS BLOB) ELSE {x} END"
    is_text = f"typeof({x}) = 'text'"
    return f"coalesce({_PREFIX}{kind.kind}({bare}, {is_text}), {x})"


def register(connection: sqlite3.Connection) -> None:
    """Give a connection of the sqlite3 module the functions that `column` needs."""
    for kind, reader in _READERS.items():
        connection.create_function(f"{_PREFIX}{kind}", 2, _guarded(reader), deterministic=True)


def _guarded(
    reader: Callable[[_Stored], _Stored | None],
) -> Callable[[_Stored | None, int], _Stored | None]:
    def read(value: _Stored | None, is_text: int) -> _Stored | None:
        try:
            if is_text and isinstance(value, bytes):
                return reader(value.decode())
            return None if value is None else reader(value)
        except (ValueError, ArithmeticError):
            return None

    return read


def _decimal(value: _Stored) -> str | None:
    if isinstance(value, bytes):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = value.strip() if isinstance(value, str) else repr(value)
    if not _NUMBER.match(text):
        return None
    plain = format(Decimal(text), "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain


def _integer(value: _Stored) -> int | None:
    if isinstance(value, str):
        return int(value) if _WHOLE.match(value) else None
    return value if isinstance(value, int) else None


def _bool(value: _Stored) -> int | None:
    if isinstance(value, str):
        return {"0": 0, "1": 1, "false": 0, "true": 1}.get(value.lower())
    return value if value in (0, 1) and isinstance(value, int) else None


def _float(value: _Stored) -> float | None:
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return float(value) if abs(value) <= _EXACT else None
    if isinstance(value, str) and _NUMBER.match(value.strip()):
        return float(value)
    return None


def _timestamp(value: _Stored) -> str | None:
    match = _MOMENT.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    day, minute, second, fraction, zone = match.groups()
    digits = (fraction or "").ljust(6, "0")
    if digits[6:].strip("0"):
        return None
    moment = datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}.{digits[:6]}")
    utc = moment.replace(tzinfo=_zone(zone)).astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-shift if text[0] == "-" else shift)


def _date(value: _Stored) -> str | None:
    """A day, or an instant at the very beginning of one."""
    moment = _timestamp(value)
    if moment is None or moment[10:] != "T00:00:00.000000Z":
        return None
    return moment[:10]


def _uuid(value: _Stored) -> str | None:
    if isinstance(value, bytes) and len(value) == _UUID_BYTES:
        return str(uuid.UUID(bytes=value))
    return str(uuid.UUID(value.strip())) if isinstance(value, str) else None


def _json(value: _Stored) -> str | None:
    return canonical_json(value) if isinstance(value, str) else None


_READERS: dict[str, Callable[[_Stored], _Stored | None]] = {
    "int16": _integer,
    "int32": _integer,
    "int64": _integer,
    "bool": _bool,
    "decimal": _decimal,
    "float64": _float,
    "date": _date,
    "timestamp": _timestamp,
    "uuid": _uuid,
    "json": _json,
}
