"""The one text form of a JSON document: the one that PostgreSQL gives a jsonb.

Keys are in order of their UTF-8 length and then of their bytes, separators are `, ` and `: `,
numbers are written out and keep their scale, text stays as it is but for quotes, backslashes and
control characters. A document in this form comes back from a
jsonb column byte for byte, and can be compared as text everywhere else.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import NoReturn

__all__ = ["canonical_json"]

_DEPTH = 64
_DIGITS = 10_000
# The longest exponent that can stay within _DIGITS; longer ones are not even computed.
_EXPONENT = 6


class _Number(str):
    """A number in its final form, told from a text by its class."""

    __slots__ = ()


def canonical_json(text: str) -> str:
    """The canonical form of a JSON document.

    Raises:
        ValueError: the text is no JSON, or JSON that a jsonb cannot hold: one name twice in an
            object, NaN or Infinity, U+0000, lone surrogates; or it is nested deeper than 64
            levels, or has a number of more than 10,000 digits when written out. The message
            holds no content.
    """
    try:
        document = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(f"JSON is nested deeper than {_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at character {error.pos}: {error.msg}") from None
    canonical = _write(document, 0)
    if "\\u0000" in canonical and _has_nul(document):
        raise ValueError("JSON holds the character U+0000")
    try:
        canonical.encode()
    except UnicodeEncodeError:
        raise ValueError("JSON holds half of a surrogate pair") from None
    return canonical


def _write(value: object, depth: int) -> str:
    if isinstance(value, _Number):
        return value
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict | list):
        if depth == _DEPTH:
            raise ValueError(f"JSON is nested deeper than {_DEPTH} levels")
        if isinstance(value, list):
            return "[" + ", ".join([_write(entry, depth + 1) for entry in value]) + "]"
        pairs = sorted(value.items(), key=_key_order)
        return (
            "{"
            + ", ".join(
                [f"{encode_basestring(key)}: {_write(entry, depth + 1)}" for key, entry in pairs]
            )
            + "}"
        )
    return {None: "null", True: "true", False: "false"}[value]  # type: ignore[index]


def _key_order(pair: tuple[str, object]) -> tuple[int, bytes]:
    # A lone surrogate is refused later; here it must only not stop the sort.
    encoded = pair[0].encode(errors="surrogatepass")
    return len(encoded), encoded


def _has_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(entry) for key, entry in value.items())
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


def _integer(digits: str) -> _Number:
    if len(digits) > _DIGITS:
        raise ValueError(f"JSON holds a number of more than {_DIGITS:,} digits")
    return _Number("0" if digits == "-0" else digits)


def _fraction(digits: str) -> _Number:
    mantissa, _, exponent = digits.lower().partition("e")
    if len(mantissa) > _DIGITS or len(exponent.lstrip("+-0")) > _EXPONENT:
        raise ValueError(f"JSON holds a number of more than {_DIGITS:,} digits")
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise ValueError("JSON holds a number out of range") from None
    smallest = number.as_tuple().exponent
    if max(abs(int(smallest)), abs(number.adjusted())) > _DIGITS:
        raise ValueError(f"JSON holds a number of more than {_DIGITS:,} digits")
    return _Number(format(number.copy_abs() if number.is_zero() else number, "f"))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON does not know {constant}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("JSON has one name twice in an object")
    return members


_DECODER = json.JSONDecoder(
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_refuse,
    object_pairs_hook=_object,
)
