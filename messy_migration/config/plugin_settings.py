"""A plugin's settings as its own model, with secret references replaced by the secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from messy_migration.config import files as layers
from messy_migration.config.kept_settings import overlaid
from messy_migration.config.problems import (
    Problem,
    fill,
    is_declared_secret,
    listed,
    parse_json_texts,
    read_problems,
)
from messy_migration.config.secrets import anchored, is_reference
from messy_migration.config.settings import SECRET_ORIGINS, Settings, section
from messy_migration.errors import ConfigurationError
from messy_migration.redaction import Redactor, sounds_secret

Place = tuple[str | int, ...]
"""The keys that lead to a value of a section; of a list, its number."""


def plugin_settings(
    settings: Settings,
    name: str,
    model: type[BaseModel] | None,
    resolve: Callable[[str], str],
    register: Callable[[str], object] = str,
    kept: Any = None,
) -> BaseModel | None:
    """A plugin's settings as its own model, with secret references replaced by the secrets.

    The validators of the model find in their context `directory`, where relative paths start, and
    `written`, the dotted keys that migrate.toml holds in plain, so that a secret can be refused.

    A value that the model declares as a secret is a reference or a variable, and never stands in
    migrate.toml.

    Args:
        settings: of the command.
        name: of the plugin.
        model: of its section, or None.
        resolve: gives the secret behind a reference.
        register: is told every secret of the section, so that it can be masked.
        kept: what the ledger kept of the section, to take the place of what changes rows in it.

    Raises:
        ConfigurationError: keys are unknown, missing or wrong, a secret is written in plain, or
            is not to be had.
    """
    merged, origins = section(settings, name)
    if model is None:
        if merged:
            raise ConfigurationError(f"the plugin {name} takes no settings", where=f"[{name}]")
        return None
    redactor = Redactor()

    def known(secret: str) -> None:
        redactor.register(secret)
        register(secret)

    resolved = overlaid(model, _resolved(merged, settings, resolve, known), kept)
    problems = _plain(settings, name, model, origins, known)
    if problems:
        raise ConfigurationError(*listed(problems, f"the plugin {name}", redactor))
    of_variables = _of_variables(name, origins)
    written = {
        key
        for key, value in layers.flattened(merged)
        if not is_reference(value) and key not in of_variables
    }
    context = {"directory": settings.directory, "written": written}
    try:
        return _filled(model, resolved, context, known, of_variables)
    except ValidationError as error:
        problems = read_problems(error, model, name, origins)
    raise ConfigurationError(*listed(problems, f"the plugin {name}", redactor)) from None


def _of_variables(name: str, origins: Mapping[str, str]) -> set[str]:
    """The dotted keys of a section that variables have set."""
    return {
        key.removeprefix(f"{name}.")
        for key, origin in origins.items()
        if origin.startswith(SECRET_ORIGINS)
    }


def declared_secrets(section: Any, model: type[BaseModel]) -> Iterator[tuple[Place, str]]:
    """The texts of a section that its model declares as secrets, each with its place."""

    def walk(node: Any, path: Place) -> Iterator[tuple[Place, str]]:
        if isinstance(node, Mapping):
            for key, part in node.items():
                yield from walk(part, (*path, str(key)))
        elif isinstance(node, list):
            for number, part in enumerate(node):
                yield from walk(part, (*path, number))
        elif isinstance(node, str) and is_declared_secret(model, path):
            yield path, node

    yield from walk(section, ())


def _plain(
    settings: Settings,
    name: str,
    model: type[BaseModel],
    origins: Mapping[str, str],
    register: Callable[[str], object],
) -> list[Problem]:
    """The secrets that migrate.toml holds in plain; those of a sandbox are nobody's."""
    problems = []
    for path, text in declared_secrets(settings.sections.get(name, {}), model):
        if is_reference(text):
            continue
        register(text)
        # The place of a table in a list has no variable, and no origin of its own.
        key = ".".join((name, *map(str, path)))
        is_ours = not origins.get(key, "").startswith(SECRET_ORIGINS)
        if is_ours and name not in settings.fixed:
            variable = "__".join((name, *map(str, path))).upper().replace("-", "_")
            why = f"must be a reference such as env://NAME or file://path, or be set by {variable}"
            problems.append(Problem(key, why, origins.get(key, "")))
    return problems


def _filled(
    model: type[BaseModel],
    values: dict[str, Any],
    context: dict[str, Any],
    register: Callable[[str], object],
    of_variables: set[str],
) -> BaseModel:
    """The model; what it holds as a secret is registered, wherever it came from.

    Args:
        model: of the section.
        values: of its keys, with the secrets; the text of a variable that is no value of its key
            is read as JSON, in place.
        context: for the validators of the model.
        register: is told every secret.
        of_variables: the keys that variables have set.

    Raises:
        pydantic.ValidationError: a value does not fit.
    """
    try:
        filled = fill(model, values, context)
    except ValidationError as error:
        if not parse_json_texts(values, error, of_variables):
            raise
        filled = fill(model, values, context)
    for _, text in declared_secrets(values, model):
        register(text)
    return filled


def _resolved(
    node: Mapping[str, Any],
    settings: Settings,
    resolve: Callable[[str], str],
    register: Callable[[str], object],
) -> dict[str, Any]:
    def walk(key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: walk(name, entry) for name, entry in value.items()}
        if isinstance(value, list):
            return [walk(key, entry) for entry in value]
        if is_reference(value):
            value = resolve(anchored(value, settings.directory))
            register(value)
        elif isinstance(value, str) and sounds_secret(key):
            register(value)
        return value

    return {name: walk(name, entry) for name, entry in node.items()}
