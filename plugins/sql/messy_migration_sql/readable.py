"""Values as a person would write them, for records that go to the quarantine."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

__all__ = ["as_json", "readable"]

_BASE = 10_000
_NEGATIVE = 0x4000
_SPECIAL = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
_EPOCH_DAYS = 10_957
_DAY = 86_400_000_000
_FIRST, _LAST = -719_162, 2_932_896
_INFINITE_DAYS = (-(2**31), 2**31 - 1)
_INFINITE = (-(2**63), 2**63 - 1)


def readable(data: bytes, wire: str) -> str:
    """A field of a binary COPY as text; what is not understood is hexadecimal.

    Args:
        data: its bytes.
        wire: the PostgreSQL type as which it was selected.
    """
    try:
        return _READ[wire](data)
    except (ValueError, struct.error):
        return data.hex()


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _day(days: int) -> str:
    if days in _INFINITE_DAYS:
        return "infinity" if days > 0 else "-infinity"
    if _FIRST <= days + _EPOCH_DAYS <= _LAST:
        return str(date(2000, 1, 1) + timedelta(days))
    return f"2000-01-01 {days:+} days"


def _instant(moment: int) -> str:
    if moment in _INFINITE:
        return "infinity" if moment > 0 else "-infinity"
    days, rest = divmod(moment, _DAY)
    if _FIRST <= days + _EPOCH_DAYS <= _LAST:
        return str(datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days, microseconds=rest))
    return f"2000-01-01 00:00:00+00:00 {moment:+} microseconds"


def _numeric(data: bytes) -> str:
    count, weight, sign, scale = struct.unpack_from(">hhHH", data)
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    digits = struct.unpack_from(f">{count}h", data, 8)
    whole = sum(digit * _BASE ** (count - 1 - n) for n, digit in enumerate(digits))
    number = Decimal(whole).scaleb(4 * (weight - count + 1)) if count else Decimal(0)
    return f"{'-' if sign == _NEGATIVE else ''}{number:.{scale}f}"


_READ: dict[str, Callable[[bytes], str]] = {
    "int2": lambda data: str(_signed(data)),
    "int4": lambda data: str(_signed(data)),
    "int8": lambda data: str(_signed(data)),
    "bool": lambda data: "true" if data == b"\x01" else "false",
    "float8": lambda data: repr(struct.unpack(">d", data)[0]),
    "numeric": _numeric,
    "date": lambda data: _day(_signed(data)),
    "timestamptz": lambda data: _instant(_signed(data)),
    "uuid": lambda data: str(UUID(bytes=data)),
    "text": lambda data: data.decode(),
    "bytea": bytes.hex,
}


def as_json(names: Sequence[str], values: Sequence[object]) -> bytes:
    """A record for the quarantine."""

    def plain(value: object) -> object:
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, float) and not math.isfinite(value):
            return repr(value)
        return value

    row = {name: plain(value) for name, value in zip(names, values, strict=True)}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace")
