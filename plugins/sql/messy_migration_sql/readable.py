"""Values as a person would write them, for records that go to the quarantine."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

__all__ = ["as_json", "readable"]

_NEGATIVE = 0x4000
_SPECIAL = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
_EPOCH_DAYS = 10_957
_DAY = 86_400_000_000
# Eras of 400 years begin on 1 March, with the leap day at their end.
_ERA, _DAYS_TO_1970 = 146_097, 719_468
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
    year, month, day = _civil(days + _EPOCH_DAYS)
    # The year before 1 is 1 BC.
    text = f"{year if year > 0 else 1 - year:04}-{month:02}-{day:02}"
    return text if year > 0 else f"{text} BC"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of days since 1970, in the calendar of Gregory at any time."""
    era, rest = divmod(days + _DAYS_TO_1970, _ERA)
    # Of an era of 400 years the date of the same place, which Python has.
    same = date(2000, 3, 1) + timedelta(rest)
    return same.year - 2000 + 400 * era, same.month, same.day


def _instant(moment: int) -> str:
    if moment in _INFINITE:
        return "infinity" if moment > 0 else "-infinity"
    days, rest = divmod(moment, _DAY)
    day, era = _day(days).partition(" ")[::2]
    clock = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=rest)
    return f"{day} {str(clock)[11:]}{era and f' {era}'}"


def _numeric(data: bytes) -> str:
    """Digits to the base 10,000 as text; as numbers they could be too many for Python."""
    count, weight, sign, scale = struct.unpack_from(">HhHH", data)
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    digits = "".join(f"{digit:04}" for digit in struct.unpack_from(f">{count}h", data, 8))
    point = 4 * (weight + 1)
    digits = "0" * -point + digits.ljust(max(point, 0), "0")
    point = max(point, 0)
    whole, fraction = digits[:point].lstrip("0") or "0", digits[point:][:scale].ljust(scale, "0")
    return f"{'-' if sign == _NEGATIVE else ''}{whole}{'.' if scale else ''}{fraction}"


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
