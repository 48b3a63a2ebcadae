"""Which settings of a plugin change rows, and which do not.

A plan is another one where a threshold is another, and the same one where a token was rotated or
a host has moved. So secrets, whatever came by reference, addresses and paths do not count, nor
does a field that says `Field(json_schema_extra={"rows": False})`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from messy_migration.config.fields import OUTSIDE, counts
from messy_migration.redaction import SHORTEST, sounds_secret

_GONE = object()


def digest_of_rows(section: Any, secrets: Collection[str] = ()) -> str:
    """SHA-256 of the settings that change rows, as hexadecimal digits.

    Args:
        section: the plugin's settings, or what `counted` gave of them; None where it has none.
        secrets: values that came by reference, or that the model declares as secrets.
    """
    text = json.dumps(counted(section, secrets), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def counted(value: Any, secrets: Collection[str] = ()) -> Any:
    """Those of the settings that change rows, as plain JSON values; never a secret.

    Args:
        value: a model, a mapping, a list or a single value.
        secrets: see `digest_of_rows`.
    """
    plain = _counted(value, secrets)
    return None if plain is _GONE else plain


def differing(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """The dotted names of what differs between two sections that `counted` gave; no value."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            below = f"{path}.{name}" if path else str(name)
            yield from differing(before.get(name), after.get(name), below)
    elif before != after:
        yield path


def _counted(value: Any, secrets: Collection[str]) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        parts = {
            name: _counted(getattr(value, name), secrets)
            for name, field in fields.items()
            if counts(name, field)
        }
        extra = _counted(value.model_extra or {}, secrets)
        return {name: part for name, part in {**parts, **extra}.items() if part is not _GONE}
    if isinstance(value, Mapping):
        parts = {
            str(name): _counted(part, secrets)
            for name, part in value.items()
            if not sounds_secret(str(name)) and not _is_secret(str(name), secrets)
        }
        return {name: part for name, part in parts.items() if part is not _GONE}
    if isinstance(value, (list, tuple)):
        parts_in_order = [_counted(part, secrets) for part in value]
        return [part for part in parts_in_order if part is not _GONE]
    if isinstance(value, (set, frozenset)):
        return sorted(
            str(part) for part in (_counted(one, secrets) for one in value) if part is not _GONE
        )
    return _leaf(value, secrets)


def _leaf(value: Any, secrets: Collection[str]) -> Any:
    if isinstance(value, OUTSIDE):
        return _GONE
    if isinstance(value, Enum):
        return _leaf(value.value, secrets)
    if isinstance(value, timedelta):
        return to_jsonable_python(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = str(value)
    return _GONE if _is_secret(text, secrets) else text


def _is_secret(text: str, secrets: Collection[str]) -> bool:
    """Whether a text is a secret, or holds one that is no common word."""
    return any(text == one or (len(one) >= SHORTEST and one in text) for one in secrets)
