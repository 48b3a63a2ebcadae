"""`migrate config`: the settings as they were resolved, and where each came from."""

from __future__ import annotations

from typing import Any

import click

from messy_migration import discovery
from messy_migration import registry as registries
from messy_migration.cli import render
from messy_migration.cli.options import Common, common_options, json_option
from messy_migration.config import files as layers
from messy_migration.config import settings
from messy_migration.config.plugin_settings import declared_secrets
from messy_migration.config.secrets import is_reference
from messy_migration.config.shown import shown_value
from messy_migration.errors import MigrationError
from messy_migration.redaction import MASK, Redactor


@click.group()
def command() -> None:
    """Resolved settings and where they came from."""


@command.command("show")
@json_option
@common_options
def show(common: Common, *, as_json: bool) -> None:
    """Every setting with its value and origin; secrets are masked."""
    loaded = common.load()
    settings.unknown_sections(loaded, discovery.installed_names())
    rows = _rows(loaded, common.redactor)
    if as_json:
        render.emit_json(
            {
                "profile": loaded.profile,
                "config": str(loaded.config) if loaded.config else None,
                "digest": loaded.digest,
                "settings": [
                    {"key": key, "value": value, "origin": origin} for key, value, origin in rows
                ],
            }
        )
        return
    render.say(f"profile {loaded.profile}, {loaded.config or 'no configuration file'}", err=True)
    shown = [(key, _text(value), origin) for key, value, origin in rows]
    render.say(render.table(("setting", "value", "origin"), shown))


def _rows(loaded: settings.Settings, redactor: Redactor) -> list[tuple[str, Any, str]]:
    core = loaded.core.model_dump(mode="json") | {"workers": loaded.core.worker_count}
    leaves = list(core.items())
    for name in sorted({*loaded.sections, *loaded.core.plugins}):
        merged, _ = settings.section(loaded, name)
        leaves += layers.flattened(merged, f"{name}.")
    rows, secrets = [], _declared(loaded)
    for key, value in leaves:
        origin = loaded.origins.get(key, "default")
        rows.append(
            (key, MASK if key in secrets else shown_value(key, value, origin, redactor), origin)
        )
    return rows


def _declared(loaded: settings.Settings) -> set[str]:
    """The keys under which the models of the selected plugins declare secrets in plain."""
    names = set()
    for name, section in loaded.sections.items():
        try:
            model = registries.build([name]).call_one(name, "settings_model")
        except MigrationError:
            continue  # the command that needs the plugin says what is wrong with it
        if model is not None:
            names |= {
                # Of a list all is masked: it is one line here.
                ".".join((name, *(part for part in path if isinstance(part, str))))
                for path, text in declared_secrets(section, model)
                if not is_reference(text)
            }
    return names


def _text(value: Any) -> str:
    """A value as migrate.toml would have it, near enough to read."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "[]"
    return "" if value is None else str(value)
