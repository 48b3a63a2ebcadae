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
from decimal import Decimal

from messy_migration.fingerprint.json import canonical_json
from messy_migration.model import ColumnType
from messy_migration.model.conversion import instant_of, uuid_of

__all__ = ["column", "register"]

_Stored = int | float | str | bytes
_PREFIX = "messy_migration_read_"
# A leading zero that a number would lose is part of a text.
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
_WHOLE = re.compile(r"(?:0|-?[1-9]\d{0,18})\Z", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d:\d\d(?:\.\d+)?", re.ASCII)
_EXACT = 1 << 53
_PLAIN = ("int16", "int32", "int64", "bool")
_UUID_BYTES = 16


def column(x: str, own: str, kind: ColumnType, beside: str = "") -> str:
    """A cell as an SQL expression of the form in which `sqlite_c1` wants that type.

    Args:
        x: the column, quoted.
        own: the kind of the type that the table declares, or empty.
        kind: the type that both sides share.
        beside: what the other side has, where both are compared as text.
    """
    spelled = own if own in _SPELLED and kind.kind == "text" else beside
    if spelled in _SPELLED:
        return f"coalesce({_PREFIX}{spelled}({_bare(x)}, typeof({x}) = 'text'), {x})"
    if kind.kind == "text" and not own:
        return f"CASE WHEN typeof({x}) IN ('text', 'null') THEN {x} ELSE quote({x}) END"
    if kind.kind not in _READERS or (own in _PLAIN and kind.kind in _PLAIN):
        return x
    return f"coalesce({_PREFIX}{kind.kind}({_bare(x)}, typeof({x}) = 'text'), {x})"


def _bare(x: str) -> str:
    """A text as its bytes, so that one that is no UTF-8 does not stop the driver."""
    return f"CASE typeof({x}) WHEN 'text' THEN CAST({x} AS BLOB) ELSE {x} END"


def register(connection: sqlite3.Connection) -> None:
    """Give a connection of the sqlite3 module the functions that `column` needs."""
    for kind, reader in (_READERS | _SPELLED).items():
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
    moment = instant_of(value.strip()) if isinstance(value, str) else None
    if moment is None:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _date(value: _Stored) -> str | None:
    """A day, or an instant at the very beginning of one."""
    moment = _timestamp(value)
    if moment is None or moment[10:] != "T00:00:00.000000Z":
        return None
    return moment[:10]


def _uuid(value: _Stored) -> str | None:
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value)) if len(value) == _UUID_BYTES else None
    return uuid_of(value.strip()) if isinstance(value, str) else None


def _time(value: _Stored) -> str | None:
    """A time of day without the zeros that end its fraction."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    return value.rstrip("0").rstrip(".") if "." in value else value


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

_SPELLED: dict[str, Callable[[_Stored], _Stored | None]] = {"uuid": _uuid, "time": _time}
"""Readers of what is compared as text, by what the other side has."""
