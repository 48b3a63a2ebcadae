"""Which settings of a plugin change rows, and which do not.

A plan is another one where a threshold is another, and the same one where a token was rotated or
a host has moved. So secrets, addresses and paths do not count, nor does a field that says
`Field(json_schema_extra={"rows": False})`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import AnyUrl, BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from messy_migration.redaction import sounds_secret

_NEVER = (AnyUrl, PurePath, SecretBytes, SecretStr)


def digest_of_rows(section: Any) -> str:
    """SHA-256 of the settings that change rows, as hexadecimal digits.

    Args:
        section: the plugin's settings; None where it has none.
    """
    text = json.dumps(_counted(section), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _counted(value: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            name: _counted(getattr(value, name))
            for name, field in fields.items()
            if _counts(name, field, getattr(value, name))
        }
    if isinstance(value, Mapping):
        return {
            str(name): _counted(part)
            for name, part in value.items()
            if not sounds_secret(str(name)) and not isinstance(part, _NEVER)
        }
    if isinstance(value, (list, tuple)):
        return [_counted(part) for part in value if not isinstance(part, _NEVER)]
    if isinstance(value, (set, frozenset)):
        return sorted(str(part) for part in value if not isinstance(part, _NEVER))
    return value


def _counts(name: str, field: FieldInfo, value: Any) -> bool:
    extra = field.json_schema_extra
    is_marked = isinstance(extra, dict) and extra.get("rows") is False
    return not (is_marked or isinstance(value, _NEVER) or sounds_secret(name))
