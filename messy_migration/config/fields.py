"""What a plugin can be told: the fields of its settings, and which of them change rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AnyUrl, BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from messy_migration.redaction import sounds_secret

OUTSIDE = (AnyUrl, PurePath, SecretBytes, SecretStr)
"""Types of values that change no row: where something is, and what opens it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One field.

    Attributes:
        name: the key in the plugin's section; dots lead into tables below it.
        type: as Python writes it.
        default: as text; None where the field is required.
        variable: of the environment that sets it.
        is_secret: it is given by reference or by its variable, and never shown.
        meaning: the field's own description.
        changes_rows: another value of it makes another plan.
    """

    name: str
    type: str
    default: str | None
    variable: str
    is_secret: bool
    meaning: str
    changes_rows: bool = True


def settings_of(plugin: str, model: type[BaseModel] | None) -> tuple[Setting, ...]:
    """The fields of a plugin's model, those of models inside it after their own key."""
    return tuple(_fields(plugin, model, ())) if model is not None else ()


def counts(name: str, field: FieldInfo) -> bool:
    """Whether another value of a field makes another plan, by what the field declares."""
    extra = field.json_schema_extra
    is_marked = isinstance(extra, dict) and extra.get("rows") is False
    kinds = (kind for kind in kinds_of(field.annotation) if isinstance(kind, type))
    return not (
        is_marked or sounds_secret(name) or any(issubclass(kind, OUTSIDE) for kind in kinds)
    )


def _fields(
    plugin: str, model: type[BaseModel], above: tuple[str, ...], *, is_counted: bool = True
) -> Iterator[Setting]:
    for own, field in model.model_fields.items():
        path = (*above, field.alias or own)
        changes_rows = is_counted and counts(own, field)
        kinds = kinds_of(field.annotation)
        yield Setting(
            ".".join(path),
            _spelt(field.annotation),
            None if field.is_required() else _default(field),
            "__".join((plugin, *path)).upper().replace("-", "_"),
            sounds_secret(own) or bool({SecretStr, SecretBytes} & set(kinds)),
            field.description or "",
            changes_rows,
        )
        # A table of tables has names that its user gives.
        below = (*path, "NAME") if is_table(field.annotation) else path
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _fields(plugin, kind, below, is_counted=changes_rows)


def _bare(annotation: Any) -> Any:
    """Without what only a validator reads."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def is_table(annotation: Any) -> bool:
    """Whether an annotation is that of a table whose names the user gives."""
    bare = _bare(annotation)
    return dict in (get_origin(bare), *(get_origin(_bare(part)) for part in get_args(bare)))


def kinds_of(annotation: Any) -> list[Any]:
    """The types that an annotation is made of."""
    bare = _bare(annotation)
    parts = get_args(bare)
    return [kind for part in parts for kind in kinds_of(part)] if parts else [bare]


def _spelt(annotation: Any) -> str:
    bare = _bare(annotation)
    parts = ["..." if part is Ellipsis else _spelt(part) for part in get_args(bare)]
    origin = get_origin(bare)
    if origin is Literal:
        return " | ".join(repr(part) for part in get_args(bare))
    if origin in (Union, UnionType):
        return " | ".join(parts)
    name = getattr(origin or bare, "__name__", str(bare)).replace("NoneType", "None")
    return f"{name}[{', '.join(parts)}]" if parts else name


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return "its own" if isinstance(value, BaseModel) else str(value)
