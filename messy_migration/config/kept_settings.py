"""Settings as they once were: what the ledger kept of them, laid over the section of today.

Only what changes rows is kept, and no secret. So an input is read with the secrets and addresses
of today, and becomes rows as it did then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from messy_migration.config.fields import counts, is_table, kinds_of
from messy_migration.redaction import sounds_secret


def overlaid(model: type[BaseModel], values: Mapping[str, Any], kept: Any) -> dict[str, Any]:
    """The values of a section with those that change rows as they were kept.

    Args:
        model: of the section.
        values: of today, as they are given to the model.
        kept: what `row_settings.counted` gave of the section then.
    """
    result = dict(values)
    if not isinstance(kept, Mapping):
        return result
    for name, field in model.model_fields.items():
        if name not in kept or not counts(name, field):
            continue
        own = field.alias or name
        today = result.pop(own, result.pop(name, None))
        if today is not None or kept[name] != _default(field):
            result[own] = _value(field.annotation, today, kept[name])
    return result


def _value(annotation: Any, today: Any, kept: Any) -> Any:
    if isinstance(today, str) and not isinstance(kept, str):
        return today  # a variable that says a table as JSON
    model = next((kind for kind in kinds_of(annotation) if _is_model(kind)), None)
    if model is None:
        return _entries(today, kept)
    if isinstance(kept, list):
        parts = today if isinstance(today, list) and len(today) == len(kept) else [{}] * len(kept)
        return [overlaid(model, part, one) for part, one in zip(parts, kept, strict=True)]
    if not isinstance(kept, Mapping):
        return kept
    before = today if isinstance(today, Mapping) else {}
    if is_table(annotation):
        # An entry that is gone has no secret any more; one that is new stays.
        return {name: overlaid(model, part, kept.get(name)) for name, part in before.items()}
    return overlaid(model, before, kept)


def _entries(today: Any, kept: Any) -> Any:
    """A plain value as it was kept; a table with the entries of today that are never kept."""
    if not (isinstance(kept, Mapping) and isinstance(today, Mapping)):
        return kept
    outside = {name: entry for name, entry in today.items() if sounds_secret(str(name))}
    return {**outside, **kept}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _default(field: Any) -> Any:
    return field.get_default(call_default_factory=True)
