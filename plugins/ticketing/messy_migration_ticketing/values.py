"""Readers for single values of a source, each for one kind of mess.

All take a value as JSON or CSV gives it (None, bool, int, Decimal, str; for JSON also dict and
list) and the name of the target column. None, a missing field, "" and blanks mean the same:
None. What cannot be read without guessing raises `Bad`; no message holds a value of the record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, TypeVar

Value = TypeVar("Value")

_AMOUNT = re.compile(r"(-?)\$?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?\Z", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_FLAGS = {"y": True, "n": False, "1": True, "0": False, "true": True, "false": False}
_MONEY_LIMIT = Decimal(10) ** 14
_INT64 = 1 << 63
# The shortest text of a double has at most 17 digits, and a few additions blur its last bits.
_DOUBLE_DIGITS = 17
_NOISE = Decimal(2) ** -48


class Bad(ValueError):
    """A value that breaks a rule; the record goes to quarantine.

    Attributes:
        rule: without the name of the plugin.
        column: of the target table.
        message: why, in words, without personal data.
        table: where it is not the table that the record is mainly about.
    """

    def __init__(self, rule: str, column: str | None, message: str, table: str = "") -> None:
        super().__init__(rule, column, message, table)
        self.rule = rule
        self.column = column
        self.message = message
        self.table = table


@contextmanager
def at(table: str) -> Iterator[None]:
    """Say of every `Bad` from inside, unless it says so itself, that it is about this table."""
    try:
        yield
    except Bad as error:
        error.table = error.table or table
        raise


def required(value: Value | None, column: str) -> Value:
    """The value, or Bad `required` where there is none."""
    if value is None:
        raise Bad("required", column, "the value is missing")
    return value


def text(value: object, column: str) -> str | None:
    """Text without padding; numbers become text, since ids change their type now and then."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return plain(value)
    raise Bad("type", column, "the value is no text")


def identifier(value: object, column: str) -> str | None:
    """A key of the source in the form in which it stands there, padding included."""
    return value if isinstance(value, str) and value.strip() else text(value, column)


def sentinel(value: object, *none: object) -> object:
    """None where the source writes one of the given values for it: 0, "--", "0"."""
    bare = value.strip() if isinstance(value, str) else value
    return (
        None if any(bare == nothing and type(bare) is type(nothing) for nothing in none) else value
    )


def email_key(email: str | None) -> str | None:
    """What two spellings of one e-mail address, or of one code, have in common."""
    return None if email is None else email.strip().lower() or None


def flag(value: object, column: str) -> bool | None:
    """Yes or no: a boolean, or Y, N, 1, 0, true, false in any case; all else is Bad `flag`."""
    if value is None or isinstance(value, bool):
        return value
    word = text(value, column)
    if word is None:
        return None
    if word.lower() not in _FLAGS:
        raise Bad("flag", column, "the value is neither yes nor no")
    return _FLAGS[word.lower()]


def enum(value: object, column: str, words: Mapping[str, Value]) -> Value | None:
    """The meaning of one of the source's words, as it is written there; Bad `enum` if new."""
    word = text(value, column)
    if word is None:
        return None
    if word not in words:
        raise Bad("enum", column, f"the value is none of {', '.join(words)}")
    return words[word]


def number(value: object, column: str, rule: str = "number") -> Decimal | None:
    """An exact number: a JSON number, or text such as `-1234.5`, `1,234.50` or `$1,234.50`."""
    if value is None or isinstance(value, bool):
        if value is None:
            return None
        raise Bad(rule, column, "the value is no number")
    if isinstance(value, int | Decimal):
        exact = Decimal(value)
        if exact.is_finite():
            return exact
    elif isinstance(value, str):
        if not value.strip():
            return None
        match = _AMOUNT.match(value.strip())
        if match:
            return Decimal(match[1] + match[2].replace(",", "") + (match[3] or ""))
    raise Bad(rule, column, "the value is no number")


def money(value: object, column: str) -> Decimal | None:
    """An amount in major units with at most 4 decimal places, below 10^14.

    More places are Bad `money`, since rounding would change an amount in silence. The one
    exception is what a system that computes in doubles makes of an amount: up to 17 digits,
    and off by no more than a few of the last bits (10.200000000000001).
    """
    exact = number(value, column, "money")
    if exact is None:
        return None
    if abs(exact) >= _MONEY_LIMIT:
        raise Bad("money", column, "the amount has more than 14 digits before the point")
    rounded = exact.quantize(Decimal("0.0001"))
    off = abs(rounded - exact)
    if off and (len(exact.as_tuple().digits) > _DOUBLE_DIGITS or off > abs(exact) * _NOISE):
        raise Bad("money", column, "the amount has more than 4 decimal places")
    return rounded


def percent(value: object, column: str, *, whole: int = 1, decimals: int = 6) -> Decimal | None:
    """A share as a fraction of 1, whatever the source means by its number.

    Args:
        value: as the source holds it.
        column: of the target.
        whole: what the source writes for all of it: 1, or 100.
        decimals: decimal places of the column; what does not fit is rounded half to even.
    """
    exact = number(value, column, "percent")
    if exact is None:
        return None
    share = exact / whole
    if not 0 <= share <= 1:
        raise Bad("percent", column, f"the share is not between 0 and {whole}")
    return share.quantize(Decimal(1).scaleb(-decimals))


def amount_of(value: object, column: str) -> int | None:
    """A whole number from 0 that fits 64 bits, such as a capacity; `5.0` is 5."""
    exact = number(value, column)
    if exact is None:
        return None
    if exact < 0 or exact >= _INT64 or exact != exact.to_integral_value():
        raise Bad("number", column, "the value is no whole number from 0")
    return int(exact)


def coordinate(value: object, column: str, limit: int) -> Decimal | None:
    """Degrees with 6 decimal places; more are rounded, since that is below a hand's breadth."""
    exact = number(value, column)
    if exact is None:
        return None
    if abs(exact) > limit:
        raise Bad("number", column, f"the value is beyond {limit} degrees")
    return exact.quantize(Decimal("0.000001"))


def currency(value: object, column: str, default: str | None = None) -> str | None:
    """An ISO 4217 code in capitals, or the default where there is none."""
    code = text(value, column)
    if code is None:
        return default
    if not _CURRENCY.match(code.upper()):
        raise Bad("currency", column, "the value is no currency code of three letters")
    return code.upper()


def listed(value: object, column: str) -> list[Any]:
    """A list; a single value is a list of one, and none at all is an empty one."""
    if value is None or value == "":
        return []
    if isinstance(value, dict):
        raise Bad("type", column, "the value is no list")
    return value if isinstance(value, list) else [value]


def mapping(value: object, column: str) -> dict[str, Any]:
    """An object; none at all is an empty one."""
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise Bad("type", column, "the value is no object")
    return value


def is_blank(value: object) -> bool:
    """Whether a value says nothing: None, blanks, an empty list or object."""
    return value is None or value in ({}, []) or (isinstance(value, str) and not value.strip())


def plain(value: int | Decimal) -> str:
    """A number as text without an exponent; `12.0` is 12."""
    exact = Decimal(value)
    if exact == exact.to_integral_value() and abs(exact.adjusted()) < 40:
        return str(int(exact))
    return format(exact, "f")


def json_text(value: object) -> str:
    """JSON text of a parsed value, decimals exact."""
    if isinstance(value, Decimal):
        return format(value, "f") if abs(value.adjusted()) < 400 else str(value)
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(key))}: {json_text(entry)}" for key, entry in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(json_text(entry) for entry in value) + "]"
    return json.dumps(value, allow_nan=False)
