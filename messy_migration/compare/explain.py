"""Which rule could explain that a value differs: what a person would look for first.

Each rule is a question about two values of one column, asked in the order of the list; the first
that is answered with yes names the difference. That is a guess at a cause and says so; that the
values differ is no guess.
"""

from __future__ import annotations

import math
import re
import struct
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation

from messy_migration.fingerprint.json import canonical_json
from messy_migration.model import ColumnType

__all__ = ["OTHER", "rule", "swapped"]

OTHER = "another value"
"""The rule of a difference that none explains."""

_NULL = b"~"
_EMPTY = b"0:"
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001  both sides are in UTC
_INTEGERS = ("int16", "int32", "int64")
_TRUE = frozenset({"true", "t", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "off"})
_DAY = re.compile(r"(\d{1,4})([-./])(\d{1,2})\2(\d{1,4})(.*)\Z", re.DOTALL)
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?\Z", re.ASCII)
_QUARTERS = 15 * 60 * 1_000_000
_FURTHEST = 26 * 3600 * 1_000_000
_NOISE = 1e-9
_CODECS = ("cp1252", "latin-1", "cp437", "cp850", "mac_roman")


def rule(kind: ColumnType, left: bytes, right: bytes) -> str:
    """The rule that could explain why two C1 fields of a type differ, in words.

    A field that starts with `!` is no value of the type.
    """
    if _NULL in (left, right):
        return "null or empty" if _EMPTY in (left, right) else "null on one side"
    for side in (left, right):
        if side.startswith(b"!"):
            return _misfit(kind, left, right)
    try:
        return _BY_KIND.get(kind.kind, _other)(_value(kind, left), _value(kind, right))
    except (ValueError, ArithmeticError, struct.error):
        return OTHER


def swapped(left: Sequence[bytes], right: Sequence[bytes], differ: Sequence[int]) -> dict[int, int]:
    """Places whose values changed places within one row: place -> the other one."""
    return {
        one: other
        for one in differ
        for other in differ
        if one != other
        and left[one] == right[other]
        and left[other] == right[one]
        and left[one] != left[other]
    }


def _value(kind: ColumnType, field: bytes) -> str:
    text = field.decode("utf-8", "replace")
    return text.partition(":")[2] if kind.kind in ("text", "json", "bytes") else text


def _other(left: str, right: str) -> str:
    del left, right
    return OTHER


def _misfit(kind: ColumnType, left: bytes, right: bytes) -> str:
    """One side stores what is no value of the type, spelled out behind its storage class."""
    bad, good = (left, right) if left.startswith(b"!") else (right, left)
    storage, _, content = bad[1:].decode("ascii", "replace").partition(":")
    if not storage:
        return f"no {kind}"
    if storage == "text" and not good.startswith(b"!"):
        try:
            text = bytes.fromhex(content).decode()
        except ValueError:
            return f"stored as {storage}, which is no {kind}"
        if not text:
            return "null or empty"
        if kind.kind == "bool" and text.strip().lower() in _TRUE | _FALSE:
            return "boolean spelling"
        if kind.kind in (*_INTEGERS, "decimal") and text.strip().lstrip("0") == good.decode():
            return "leading zeros"
    return f"stored as {storage}, which is no {kind}"


def _bools(left: str, right: str) -> str:
    return "true and false exchanged" if {left, right} == {"0", "1"} else OTHER


def _numbers(left: str, right: str) -> str:
    one, other = Decimal(left), Decimal(right)
    if one == -other:
        return "sign"
    if not (one.is_finite() and other.is_finite()):
        return OTHER
    fewer, more = sorted((one, other), key=_places)
    for digits in range(_places(fewer), min(_places(more), 12)):
        step = Decimal(1).scaleb(-digits)
        if more.quantize(step, ROUND_DOWN) == fewer and abs(more - fewer) * 2 > step:
            return f"cut to {_counted(digits, 'digit')}"
        if fewer in (more.quantize(step, ROUND_HALF_UP), more.quantize(step, ROUND_HALF_EVEN)):
            return f"rounding to {_counted(digits, 'digit')}"
    if one and other and abs(one - other) <= abs(one) * Decimal(_NOISE):
        return "float noise"
    for power in range(1, 10):
        if one and other and (one.scaleb(power) == other or other.scaleb(power) == one):
            return f"decimal point moved by {power}"
    return OTHER


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _floats(left: str, right: str) -> str:
    one, other = (struct.unpack(">d", bytes.fromhex(text))[0] for text in (left, right))
    if not (math.isfinite(one) and math.isfinite(other)):
        return OTHER
    if one == -other:
        return "sign"
    if struct.unpack("<f", struct.pack("<f", one))[0] == other or (
        struct.unpack("<f", struct.pack("<f", other))[0] == one
    ):
        return "single precision"
    rounded = _numbers(repr(one), repr(other))
    if rounded == OTHER and math.isclose(one, other, rel_tol=_NOISE):
        return "float noise"
    return "float noise" if _is_close(one, other) else rounded


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-13)


def _moments(left: str, right: str) -> str:
    one, other = (_signed(text, 64) for text in (left, right))
    apart = abs(one - other)
    for unit, step in (("seconds", 1_000_000), ("milliseconds", 1_000)):
        for coarse, fine in ((one, other), (other, one)):
            if coarse % step == 0 and fine % step and fine - fine % step == coarse:
                return f"cut to {unit}"
            if coarse % step == 0 and fine % step and fine - fine % step + step == coarse:
                return f"rounding to {unit}"
    if apart <= _FURTHEST and apart % _QUARTERS == 0:
        return f"shifted by {_duration(apart)}"
    here, there = (_EPOCH + timedelta(microseconds=value) for value in (one, other))
    if _is_turned(here, there):
        return "day and month exchanged"
    if here.date() == there.date() and datetime.min.time() in (here.time(), there.time()):
        return "time of day lost"
    if apart % 60_000_000 == 0 and apart <= _FURTHEST:
        return f"shifted by {_duration(apart)}"
    return OTHER


def _days(left: str, right: str) -> str:
    here, there = (_EPOCH + timedelta(days=_signed(text, 32)) for text in (left, right))
    if _is_turned(here, there):
        return "day and month exchanged"
    apart = abs((here - there).days)
    if apart == 1:
        return "shifted by 1 day"
    if apart in (1461, 1462):
        return "shifted by 4 years"
    return OTHER


def _is_turned(here: datetime, there: datetime) -> bool:
    return (
        (here.year, here.month, here.day) == (there.year, there.day, there.month)
        and here.month != here.day
        and here.time() == there.time()
    )


def _duration(microseconds: int) -> str:
    minutes = microseconds // 60_000_000
    hours, rest = divmod(minutes, 60)
    if not rest:
        return _counted(hours, "hour")
    return (
        f"{_counted(hours, 'hour')} {_counted(rest, 'minute')}"
        if hours
        else _counted(rest, "minute")
    )


def _texts(left: str, right: str) -> str:
    if not left or not right:
        return "empty on one side" if (left or right).strip() else "trim"
    for name, same in _TEXT_RULES:
        if same(left, right):
            return name
    return OTHER


def _documents(left: str, right: str) -> str:
    for side in (left, right):
        try:
            canonical_json(side)
        except ValueError:
            return "no document, or one name twice in it"
    return _texts(left, right)


def _trim(left: str, right: str) -> bool:
    return left.strip() == right.strip()


def _blanks(left: str, right: str) -> bool:
    return left.split() == right.split()


def _line_ends(left: str, right: str) -> bool:
    return "\n".join(left.splitlines()) == "\n".join(right.splitlines())


def _form(left: str, right: str) -> bool:
    return unicodedata.normalize("NFC", left) == unicodedata.normalize("NFC", right)


def _lookalike(left: str, right: str) -> bool:
    return unicodedata.normalize("NFKC", left) == unicodedata.normalize("NFKC", right)


def _case(left: str, right: str) -> bool:
    return left.casefold() == right.casefold()


def _mojibake(left: str, right: str) -> bool:
    return any(
        _recoded(one, codec) == other
        for one, other in ((left, right), (right, left))
        for codec in _CODECS
    )


def _recoded(text: str, codec: str) -> str | None:
    """What a text becomes whose UTF-8 bytes are read as another encoding."""
    try:
        return text.encode().decode(codec)
    except UnicodeDecodeError:
        return None


def _unencodable(left: str, right: str) -> bool:
    """Characters that became question marks, or the sign for what cannot be shown."""
    fewer, more = sorted((left, right), key=lambda text: sum(char in "?\ufffd" for char in text))
    return len(left) == len(right) and all(
        one == other or other in "?\ufffd" for one, other in zip(fewer, more, strict=True)
    )


def _accents(left: str, right: str) -> bool:
    return _bare(left) == _bare(right)


def _bare(text: str) -> str:
    return "".join(
        char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)
    )


def _zeros(left: str, right: str) -> bool:
    return (
        left.isascii()
        and right.isascii()
        and left.isdigit()
        and right.isdigit()
        and left.lstrip("0") == right.lstrip("0")
    )


def _booleans(left: str, right: str) -> bool:
    words = {left.strip().lower(), right.strip().lower()}
    return words <= _TRUE or words <= _FALSE


def _scale(left: str, right: str) -> bool:
    return (
        _same_number(left, right)
        and "." in left + right
        and all(_PLAIN.match(text) for text in (left, right))
    )


def _zero(left: str, right: str) -> bool:
    return _same_number(left, right) and left.lstrip("-") == right.lstrip("-")


def _same_number(left: str, right: str) -> bool:
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:
        return False


def _turned(left: str, right: str) -> bool:
    one, other = _DAY.match(left), _DAY.match(right)
    if not one or not other or one[5] != other[5]:
        return False
    here, there = ([part.zfill(2) for part in match.group(1, 3, 4)] for match in (one, other))
    return here != there and (
        here == [there[1], there[0], there[2]] or here == [there[0], there[2], there[1]]
    )


def _cut(left: str, right: str) -> bool:
    shorter, longer = sorted((left, right), key=len)
    return longer.startswith(shorter)


def _nullish(left: str, right: str) -> bool:
    return {left, right} & {"NULL", "null", "None", "NaN", "\\N", "N/A"} != set()


_TEXT_RULES: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    ("trim", _trim),
    ("line ends", _line_ends),
    ("blanks", _blanks),
    ("Unicode form", _form),
    ("compatible Unicode form", _lookalike),
    ("case", _case),
    ("leading zeros", _zeros),
    ("boolean spelling", _booleans),
    ("sign of zero", _zero),
    ("scale only", _scale),
    ("number spelling", _same_number),
    ("wrong encoding", _mojibake),
    ("characters lost", _unencodable),
    ("accents", _accents),
    ("day and month exchanged", _turned),
    ("cut off", _cut),
    ("a word for null", _nullish),
)


def _signed(text: str, bits: int) -> int:
    value = int(text, 16)
    return value - (1 << bits) if value >> (bits - 1) else value


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


_BY_KIND: dict[str, Callable[[str, str], str]] = {
    **dict.fromkeys((*_INTEGERS, "decimal"), _numbers),
    "float64": _floats,
    "timestamp": _moments,
    "date": _days,
    "text": _texts,
    "json": _documents,
    "uuid": _texts,
    "bool": _bools,
}
