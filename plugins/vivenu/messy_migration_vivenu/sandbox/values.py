"""Values as the API writes them: instants, money with two digits, and ids of 24 hexadecimals."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]

_NUMBER = "\x01"
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_WRITTEN = re.compile(r'"\\u0001(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"')


def money(cents: int) -> str:
    """An amount in major units, always with two digits once it is encoded."""
    sign = "-" if cents < 0 else ""
    return f"{_NUMBER}{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def number(text: str) -> str:
    """A number that is encoded in exactly these digits."""
    return _NUMBER + text


def digits(value: str | int) -> str:
    """The digits of a number made by `money` or `number`."""
    return str(value).removeprefix(_NUMBER)


def encode(record: Record) -> bytes:
    """The record as compact JSON."""
    return _WRITTEN.sub(r"\1", _ENCODER.encode(record)).encode()


def decode(body: bytes) -> Record:
    """The record again, ready to be encoded without loss of a digit."""
    record: Record = json.loads(body, parse_float=number)
    return record


def iso(millis: int) -> str:
    """An instant as ISO 8601 in UTC with milliseconds and Z."""
    return f"{datetime.fromtimestamp(millis // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{millis % 1000:03d}Z"


def millis_of(text: str) -> int:
    """The instant behind ISO 8601 text with an offset; ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant needs an offset")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


class Ids:
    """Ids in the manner of MongoDB: seconds, a machine, a counter; unique for one tenant."""

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self._next = 0x1A2B

    def __call__(self, millis: int) -> str:
        """A new id, as made at that instant."""
        self._next += 1
        return f"{millis // 1000:08x}{self._machine}{self._next:06x}"
