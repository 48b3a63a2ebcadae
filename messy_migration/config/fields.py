"""What a plugin can be told: the fields of its settings, for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from messy_migration.redaction import sounds_secret


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
    """

    name: str
    type: str
    default: str | None
    variable: str
    is_secret: bool
    meaning: str


def settings_of(plugin: str, model: type[BaseModel] | None) -> tuple[Setting, ...]:
    """The fields of a plugin's model, those of models inside it after their own key."""
    return tuple(_fields(plugin, model, ())) if model is not None else ()


def _fields(plugin: str, model: type[BaseModel], above: tuple[str, ...]) -> Iterator[Setting]:
    for own, field in model.model_fields.items():
        path = (*above, field.alias or own)
        kinds = _kinds(field.annotation)
        yield Setting(
            ".".join(path),
            _spelt(field.annotation),
            None if field.is_required() else _default(field),
            "__".join((plugin, *path)).upper().replace("-", "_"),
            sounds_secret(own) or bool({SecretStr, SecretBytes} & set(kinds)),
            field.description or "",
        )
        # A table of tables has names that its user gives.
        below = (*path, "NAME") if _is_table(field.annotation) else path
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _fields(plugin, kind, below)


def _bare(annotation: Any) -> Any:
    """Without what only a validator reads."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _is_table(annotation: Any) -> bool:
    bare = _bare(annotation)
    return dict in (get_origin(bare), *(get_origin(_bare(part)) for part in get_args(bare)))


def _kinds(annotation: Any) -> list[Any]:
    """The types that an annotation is made of."""
    bare = _bare(annotation)
    parts = get_args(bare)
    return [kind for part in parts for kind in _kinds(part)] if parts else [bare]


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
