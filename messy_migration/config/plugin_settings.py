"""A plugin's settings as its own model, with secret references replaced by the secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from messy_migration.config import files as layers
from messy_migration.config.problems import fill, listed, parse_json_texts, read_problems
from messy_migration.config.secrets import anchored, is_reference
from messy_migration.config.settings import SECRET_ORIGINS, Settings, section
from messy_migration.errors import ConfigurationError
from messy_migration.redaction import Redactor, sounds_secret


def plugin_settings(
    settings: Settings,
    name: str,
    model: type[BaseModel] | None,
    resolve: Callable[[str], str],
) -> BaseModel | None:
    """A plugin's settings as its own model, with secret references replaced by the secrets.

    The validators of the model find in their context `directory`, where relative paths start, and
    `written`, the dotted keys that migrate.toml holds in plain, so that a secret can be refused.

    Raises:
        ConfigurationError: keys are unknown, missing or wrong, or a secret is not to be had.
    """
    merged, origins = section(settings, name)
    if model is None:
        if merged:
            raise ConfigurationError(f"the plugin {name} takes no settings", where=f"[{name}]")
        return None
    redactor = Redactor()
    resolved = _resolved(merged, settings, resolve, redactor)
    written = {
        key
        for key, value in layers.flattened(merged)
        if not is_reference(value) and not origins[f"{name}.{key}"].startswith(SECRET_ORIGINS)
    }
    context = {"directory": settings.directory, "written": written}
    try:
        return fill(model, resolved, context)
    except ValidationError as error:
        failure = error
    variables = {
        key.removeprefix(f"{name}.")
        for key, origin in origins.items()
        if origin.startswith(SECRET_ORIGINS)
    }
    if parse_json_texts(resolved, failure, variables):
        try:
            return fill(model, resolved, context)
        except ValidationError as error:
            failure = error
    problems = read_problems(failure, model, name, origins)
    raise ConfigurationError(*listed(problems, f"the plugin {name}", redactor)) from None


def _resolved(
    node: Mapping[str, Any], settings: Settings, resolve: Callable[[str], str], redactor: Redactor
) -> dict[str, Any]:
    def walk(key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: walk(name, item) for name, item in value.items()}
        if isinstance(value, list):
            return [walk(key, item) for item in value]
        if is_reference(value):
            value = resolve(anchored(value, settings.directory))
            redactor.register(value)
        elif isinstance(value, str) and sounds_secret(key):
            redactor.register(value)
        return value

    return {name: walk(name, item) for name, item in node.items()}
