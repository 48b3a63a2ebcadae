"""Take secrets out of text and events before anybody can read them.

Three nets, since each has holes: the user part of every URL, values beside a name that sounds
secret, and values known to be secret in the forms in which libraries print them. Too much
masked is a nuisance, too little is a leak: in doubt this module masks.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

MASK = "***"

SHORTEST = 6
"""A registered value below this length is not searched for: it would mask ordinary words."""

_DEEPEST = 16
_LINE = 16
_WORD = 12
_PLAIN = (int, float, Decimal, date, datetime, time, timedelta, UUID)

_SECRETIVE = (
    r"pass[_-]?(?:word|wd|phrase|code)|passwd|pwd|secret|token|credential|authori[sz]ation|cookie"
    r"|(?:api|access|private|signing|encryption|web)[_-]?key|barcode|\bdsn\b|card[_-]?number|\bcvv\b"
)
_PERSONAL = r"e[_-]?mail|phone|first[_-]?name|last[_-]?name|street|birth"

_SECRET_KEY = re.compile(_SECRETIVE, re.IGNORECASE)
_PERSONAL_KEY = re.compile(_PERSONAL, re.IGNORECASE)

# Greedy up to the last @ of the word: an unescaped @ or / in a password must not end the mask.
# Lengths are bounded because a megabyte without a space must cost no more than a megabyte.
_USERINFO = re.compile(
    r"(?<![a-z0-9+.\-])([a-z][a-z0-9+.\-]{0,30}://)[^\s'\"<>]{0,2048}@", re.IGNORECASE
)
_BESIDE = re.compile(
    rf"((?:{_SECRETIVE})[\w-]{{0,40}}\\?[\"']?\s{{0,3}}[:=]\s{{0,3}})"
    r"(?:(?:bearer|basic|digest|token)\s+)?"
    r"(?:\\?\"(?:[^\"\\]|\\.){0,4096}\"?|'(?:[^'\\]|\\.){0,4096}'?|[^\s,;&\"'{}\[\]()]+)",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{6,}", re.IGNORECASE)


def printable(text: str, keep: str = "") -> str:
    """The text with all escaped that acts on a terminal or a page instead of being read.

    That is control and escape characters, marks that turn the direction of writing, spaces that
    are none of the keyboard, and lone surrogates.

    Args:
        text: of data, of a server, of a file system.
        keep: characters that are let through.
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable() or char in keep
        else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


class Redactor:
    """Masks secrets in whatever is shown, logged or written.

    One per process, made at the start and handed to everything that writes; workers make
    their own from the same settings.
    """

    def __init__(self) -> None:
        self._forms: dict[str, str] = {}
        self._known: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def register(self, value: str) -> None:
        """Mask this value from now on, in plain and in encoded form.

        A value shorter than `SHORTEST` characters is left out. Lines of a value of several
        lines (a key file) are masked on their own too.
        """
        long_lines = [line for line in value.splitlines() if len(line.strip()) >= _LINE]
        for text in {value, value.strip(), *long_lines}:
            if len(text) >= SHORTEST:
                self._forms.update(_forms(text))
        if self._forms:
            longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
            self._known = re.compile("|".join(self._forms[form] for form in longest_first))

    def known(self, text: str) -> str:
        """The text with every registered secret in it masked, and nothing that looks like one."""
        return text if self._known is None else self._known.sub(MASK, text)

    def text(self, text: str) -> str:
        """The text with every secret in it masked."""
        text = self.known(text)
        text = _USERINFO.sub(rf"\1{MASK}@", text)
        text = _BESIDE.sub(rf"\1{MASK}", text)
        return _SCHEME.sub(rf"\1 {MASK}", text)

    def event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the event in plain JSON values, with every secret in it masked.

        Values under a name that sounds secret are masked whatever they are; under a name that
        sounds personal, whatever is not a number.
        """
        return {self.text(str(key)): self._value(str(key), event[key], 0) for key in event}

    def _value(self, key: str, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        if _SECRET_KEY.search(key) or depth > _DEEPEST:
            return MASK
        if isinstance(value, _PLAIN):
            return value if isinstance(value, int | float) else str(value)
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): self._value(str(name), entry, depth + 1)
                for name, entry in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(key, entry, depth + 1) for entry in value]
        return MASK if _PERSONAL_KEY.search(key) else self._words(value)

    def _words(self, value: object) -> str:
        if isinstance(value, bytes | bytearray):
            return self.text(value.decode("utf-8", "backslashreplace"))
        return self.text(str(value))


def sounds_secret(name: str) -> bool:
    """Whether a value under this name must never be shown."""
    return _SECRET_KEY.search(name) is not None


def sounds_personal(name: str) -> bool:
    """Whether a value under this name is likely to identify a person."""
    return _PERSONAL_KEY.search(name) is not None


def _forms(value: str) -> dict[str, str]:
    """How the value may be written -> the pattern that finds it."""
    data = value.encode("utf-8", "surrogatepass")
    forms = {
        quote(value, safe="", errors="replace"),
        quote(value, errors="replace"),
        quote_plus(value, errors="replace"),
        json.dumps(value)[1:-1],
        json.dumps(value)[1:-1].replace("/", "\\/"),
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        data.hex(),
        data.hex().upper(),
        *_base64_forms(data),
    } - {value}
    patterns = {form: re.escape(form) for form in forms if len(form) >= SHORTEST}
    # A password that is a plain word (`postgres`) is masked as a word only: the scheme
    # `postgresql` and the table `postgres_logs` stay readable.
    word = value.isalpha() and len(value) < _WORD
    return patterns | {value: rf"(?<!\w){re.escape(value)}(?!\w)" if word else re.escape(value)}


def _base64_forms(data: bytes) -> set[str]:
    """What is common to all base64 texts that hold the data, at each of the three alignments.

    `Authorization: Basic` holds user:password, so the password starts at any byte.
    """
    forms = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    for shift in range(3):
        start = (shift * 8 + 5) // 6
        end = (shift + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(b"\0" * shift + data).decode()[start:end])
    return forms
