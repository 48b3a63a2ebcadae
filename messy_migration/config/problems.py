"""Fill a pydantic model, and say what is wrong with the values in words that quote none of them.

What pydantic prints holds the values themselves, and any of them may be a secret.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from messy_migration.redaction import Redactor, sounds_secret

_CONTAINERS = frozenset({"list_type", "tuple_type", "set_type", "dict_type", "model_type"})

_WORDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "decimal": "must be a decimal number",
    "bool": "must be true or false",
    "string": "must be text",
    "list": "must be a list",
    "tuple": "must be a list",
    "dict": "must be a table",
    "model": "must be a table",
    "path": "must be a path",
    "url": "must be a URL",
    "date": "must be a date, YYYY-MM-DD",
    "datetime": "must be an instant, YYYY-MM-DDTHH:MM:SSZ",
    "finite": "must be a finite number",
    "frozen": "may not be changed",
}

_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least"),
    "greater_than": ("gt", "must be more than"),
    "less_than_equal": ("le", "must be at most"),
    "less_than": ("lt", "must be less than"),
    "literal_error": ("expected", "must be"),
    "enum": ("expected", "must be"),
    "too_short": ("min_length", "must have a length of at least"),
    "too_long": ("max_length", "must have a length of at most"),
    "string_too_short": ("min_length", "must have a length of at least"),
    "string_too_long": ("max_length", "must have a length of at most"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong key: the key, what is wrong with it, and where its value came from."""

    key: str
    text: str
    origin: str = ""

    def __str__(self) -> str:
        origin = f" ({self.origin})" if self.origin not in {"", "default"} else ""
        return f"{self.key} {self.text}{origin}"


def listed(
    problems: Iterable[Problem], where: str, redactor: Redactor | None = None
) -> tuple[str, str, str]:
    """What, where and why of one error for all problems."""
    texts = list(dict.fromkeys(str(problem) for problem in problems))
    count = "a setting is" if len(texts) == 1 else f"{len(texts)} settings are"
    why = "; ".join(texts)
    return f"{count} wrong", where, redactor.text(why) if redactor else why


def suggestion(name: str, words: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the known name nearest to this one, or nothing."""
    folded = {word.casefold(): word for word in words}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f" (did you mean {folded[near[0]]!r}?)" if near else ""


def fill(model: type[BaseModel], values: dict[str, Any], context: dict[str, Any]) -> BaseModel:
    """An instance of the model from these values alone; `context` reaches its validators.

    `model_validate` of a pydantic-settings class loses the context and reads the process's
    environment by field name: a field `home` would be filled with $HOME.

    Raises:
        pydantic.ValidationError: a value does not fit.
    """
    instance = model.__new__(model)
    model.__pydantic_validator__.validate_python(values, context=context, self_instance=instance)
    return instance


def parse_json_texts(
    values: dict[str, Any], failure: ValidationError, keys: Collection[str]
) -> bool:
    """Read texts as JSON in place where the model wants a list or a table; True if any was.

    Only of the dotted `keys`: variables are text, so this is how they say a list.
    """
    changed = False
    for error in failure.errors(include_input=False, include_url=False, include_context=False):
        path = [str(part) for part in error["loc"]]
        if error["type"] not in _CONTAINERS or ".".join(path) not in keys:
            continue
        node = values
        for part in path[:-1]:
            node = node[part]
        try:
            node[path[-1]] = json.loads(node[path[-1]])
        except (ValueError, TypeError, RecursionError):
            continue
        changed = True
    return changed


def read_problems(
    failure: ValidationError, model: type[BaseModel], plugin: str, origins: Mapping[str, str]
) -> list[Problem]:
    """Every wrong key of a model, in the model's order; keys are dotted, after the plugin."""
    problems = []
    for error in failure.errors(include_input=False, include_url=False):
        loc = error["loc"]
        key = ".".join(str(part) for part in ((plugin, *loc) if plugin else loc))
        kind = error["type"]
        if kind == "extra_forbidden":
            text = f"is not a known key{suggestion(str(loc[-1]), _siblings(model, loc))}"
        elif kind == "missing":
            variable = "__".join([plugin or "migrate", *map(str, loc)]).upper().replace("-", "_")
            text = f"is required (or the variable {variable})"
        elif not plugin and loc and loc[0] in _core_ranges():
            text = f"must be {_core_ranges()[str(loc[0])]}"
        else:
            text = _describe(kind, error.get("ctx", {}), _is_secret(model, loc))
        problems.append(Problem(key or "the section", text, origins.get(key, "")))
    return problems


def _core_ranges() -> dict[str, str]:
    return {
        "workers": f"a whole number from 1 to 64 (this machine has {os.cpu_count() or 1} CPUs)",
        "batch_records": "a whole number from 1 to 1000000",
        "batch_bytes": "a whole number of bytes from 1024 to 1073741824",
        "frozen_after": "a whole number of seconds from 5 to 3600",
        "quarantine_limit": "a number from 0 to 100 (percent)",
        "plugins": 'a list of names such as ["files"]',
    }


def _describe(kind: str, context: Mapping[str, Any], secret: bool) -> str:  # noqa: FBT001
    if kind in {"value_error", "assertion_error"} and not secret:
        return f"is not usable, {context.get('error', 'a rule of the plugin refuses it')}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{words} {context.get(name, '')}".rstrip()
    family = kind.partition("_")[0]
    return _WORDS.get(family, f"is not valid ({kind})")


def _is_secret(model: type[BaseModel], loc: tuple[int | str, ...]) -> bool:
    return any(sounds_secret(str(part)) for part in loc) or is_declared_secret(model, loc)


def is_declared_secret(model: type[BaseModel], loc: tuple[int | str, ...]) -> bool:
    """Whether the model says that the value at this place is a secret."""
    return any(kind in {SecretStr, SecretBytes} for kind in _kinds(_annotation(model, loc)))


def _siblings(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The known keys of the table in which an unknown key was found."""
    names = []
    for kind in _kinds(_annotation(model, loc[:-1])):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += [field.alias or name for name, field in kind.model_fields.items()]
    return names


def _annotation(model: type[BaseModel], loc: tuple[int | str, ...]) -> Any:
    """The declared type at a place of a model; None where it cannot be followed."""
    current: Any = model
    for part in loc:
        following = None
        for kind in _kinds(current):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                for name, field in kind.model_fields.items():
                    if part in {name, field.alias}:
                        following = field.annotation
            elif get_origin(kind) in {dict, Mapping}:
                following = get_args(kind)[-1]
            elif get_origin(kind) in {list, tuple, set, frozenset}:
                following = get_args(kind)[0]
        current = following
    return current


def _kinds(annotation: Any) -> Iterator[Any]:
    """The annotation itself, or the members of a union, without their Annotated wrapping."""
    if hasattr(annotation, "__metadata__"):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in {Union, UnionType}:
        for member in get_args(annotation):
            yield from _kinds(member)
    else:
        yield annotation


def plugin_names(values: Iterable[str]) -> list[str]:
    """Names of plugins, trimmed; ValueError with the reason if one is empty or there twice."""
    names = [value.strip() for value in values]
    if not any(names):
        raise ValueError("no plugin is named")
    if not all(names):
        raise ValueError(f"the name at place {names.index('') + 1} is empty")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"{', '.join(doubled)} is named twice")
    return names
