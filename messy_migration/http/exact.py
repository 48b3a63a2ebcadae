"""JSON without loss: whole numbers as int, all others as Decimal, nothing ambiguous accepted.

What the standard parser lets through (a key twice, NaN, any depth) is refused here, because two
readers of such a document may see two different records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Any

DEEPEST = 64
"""How far objects and lists may be nested."""

# Python refuses to read longer ones as int, which would be an error in the middle of a page.
_LONGEST_INT = 4300

# Never fails and never steps back, so a broken document costs no more than a whole one.
_STRING = re.compile(r'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Malformed(ValueError):
    """The text is no document that can be trusted; says why without quoting it.

    Attributes:
        passing: it may have been cut short on its way, and another call may bring it whole.
    """

    def __init__(self, why: str, *, passing: bool = False) -> None:
        super().__init__(why)
        self.passing = passing


def parse(data: bytes, deny: Collection[str] = ()) -> Any:
    """The value of a JSON document in UTF-8, without the denied keys.

    `deny` holds names of keys in any case; they are dropped wherever they occur. Numbers
    become int or Decimal, exactly as written.

    Raises:
        Malformed: the document is empty, cut short, followed by something, not UTF-8, nested
            deeper than `DEEPEST`, or holds NaN, Infinity or a key twice in one object.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"it is not UTF-8 at byte {error.start}") from None
    if not text.strip(" \t\r\n"):
        raise Malformed("it is empty")
    if _depth(text) > DEEPEST:
        raise Malformed(f"it is nested deeper than {DEEPEST} levels")
    try:
        return json.loads(
            text,
            object_pairs_hook=_objects(deny),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        # The error itself holds the document. What does not even begin like JSON was not cut.
        why = f"it is not JSON at line {error.lineno} column {error.colno}"
        raise Malformed(why, passing=not text[: error.pos].isspace() and error.pos > 0) from None


def dump(value: Any) -> str:
    """JSON text of a parsed value: exact numbers, sorted keys, equal for equal values.

    Lone surrogates are written as escapes, so that the text can always be encoded.

    Raises:
        TypeError: the value is not made of what `parse` returns.
    """
    parts: list[str] = []
    _write(value, parts.append)
    text = "".join(parts)
    if text.isascii():
        return text
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _write(value: Any, add: Callable[[str], None]) -> None:
    if isinstance(value, str):
        add(encode_basestring(value))
    elif value is None or isinstance(value, bool):
        add("null" if value is None else "true" if value else "false")
    elif isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite()):
        add(str(value))
    elif isinstance(value, dict):
        before = "{"
        for key in sorted(value):
            add(f"{before}{encode_basestring(key)}:")
            _write(value[key], add)
            before = ","
        add("}" if value else "{}")
    elif isinstance(value, list | tuple):
        before = "["
        for entry in value:
            add(before)
            _write(entry, add)
            before = ","
        add("]" if value else "[]")
    else:
        raise TypeError(f"a {type(value).__name__} has no exact form in JSON")


def _depth(text: str) -> int:
    deepest = depth = 0
    for bracket in _NO_BRACKET.sub("", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _objects(deny: Collection[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    denied = frozenset(name.casefold() for name in deny)
    is_denied: dict[str, bool] = {}

    def drops(key: str) -> bool:
        if key not in is_denied:
            is_denied[key] = key.casefold() in denied
        return is_denied[key]

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise Malformed("an object has the same key twice")
        for key in [key for key in members if drops(key)] if denied else ():
            del members[key]
        return members

    return build


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _LONGEST_INT else _decimal(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Malformed("a number is beyond any range") from None


def _constant(_text: str) -> Any:
    raise Malformed("it holds NaN or Infinity, which are no JSON")
