"""A setting as it may be shown and written down."""

from __future__ import annotations

from typing import Any

from messy_migration.config.secrets import is_reference
from messy_migration.redaction import MASK, Redactor, sounds_secret


def shown_value(key: str, value: Any, origin: str, redactor: Redactor) -> Any:
    """The value as it may be shown. A plugin's variable may hold a secret under any name."""
    if is_reference(value) or value is None:
        return value
    from_variable = "." in key and origin.startswith((".env", "environment"))
    if sounds_secret(key) or from_variable:
        return MASK
    return redactor.event({"value": value})["value"]
