"""`migrate plugins`: what is installed, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from messy_migration import discovery, registry
from messy_migration.cli import render
from messy_migration.cli.options import Common, common_options, json_option

_NONE = {None: "required", "": "empty"}


@click.group()
def command() -> None:
    """Installed plugins, and what is wrong with them."""


@command.command("list")
@json_option
@common_options
def list_plugins(common: Common, *, as_json: bool) -> None:
    """Every installed plugin; broken and doubled ones with the reason."""
    common.start_log()
    plugins = discovery.installed()
    if as_json:
        rows = [common.redactor.event(asdict(plugin)) for plugin in plugins]
        for row in rows:
            del row["settings"]  # `info` tells them of one plugin
        render.emit_json({"plugins": rows})
        return
    if not plugins:
        click.echo("no plugin is installed: pip install messy-migration-files", err=True)
        return
    cells = [
        (installed.name, installed.version, installed.distribution, installed.status)
        for installed in plugins
    ]
    render.say(render.table(("plugin", "version", "distribution", "status"), cells))
    for plugin in plugins:
        if plugin.problem:
            problem = render.cell(common.redactor.text(plugin.problem))
            render.say(f"{plugin.name}: {problem}", err=True)


@command.command("info")
@click.argument("name")
@json_option
@common_options
def show_plugin(common: Common, name: str, *, as_json: bool) -> None:
    """One plugin: its distribution, its state, its hooks and its settings."""
    common.start_log()
    facts = common.redactor.event(asdict(registry.describe(name)))
    if as_json:
        render.emit_json({"plugin": facts})
        return
    settings = facts.pop("settings")
    rows = [
        (label, ", ".join(value) if isinstance(value, list) else value)
        for label, value in facts.items()
        if value
    ]
    render.say(render.table(("fact", "value"), rows))
    if settings:
        render.say("")
        render.say(
            render.table(
                ("setting", "type", "default", "changes rows", "variable", "meaning"),
                _told(settings),
            )
        )


def _told(settings: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each setting; a secret is named, its default is not."""
    return [
        (
            one["name"],
            one["type"],
            "a reference" if one["is_secret"] else _NONE.get(one["default"], one["default"]),
            "yes" if one["changes_rows"] else "",
            one["variable"],
            one["meaning"],
        )
        for one in settings
    ]
