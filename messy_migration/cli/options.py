"""The options that commands share, and the way from them to settings and a working log."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any

import click

from messy_migration import logs
from messy_migration.api import Request, RunOptions
from messy_migration.api.recall import recalled
from messy_migration.cli.render import GIVEN
from messy_migration.config import settings
from messy_migration.config.commands import SANDBOX_TARGET
from messy_migration.config.heads import given_head
from messy_migration.discovery import parse_names
from messy_migration.errors import UsageProblem
from messy_migration.redaction import Redactor
from messy_migration.run.options import SEED
from messy_migration.workspace import plain_secrets

_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("console", "json")

COMMAND = "messy_migration.command"
"""Where the context of a command keeps the arguments of the whole command line."""


@dataclass(frozen=True, slots=True)
class Common:
    """The settings that every command takes; `redactor` is the one of this process."""

    config: Path | None
    profile: str | None
    log_level: str | None
    log_format: str | None
    debug: bool
    no_color: bool
    redactor: Redactor
    command: tuple[str, ...] = ()

    def load(self, **flags: object) -> settings.Settings:
        """Read the settings under these flags, start the log and log what is unwise.

        Raises:
            ConfigurationError: a file, variable or key is wrong.
            UsageProblem: a flag is wrong.
        """
        flags_given = {"log_level": self.log_level, "log_format": self.log_format, **flags}
        loaded = settings.load(self.config, self.profile, flags_given)
        for value in plain_secrets(loaded):
            self.redactor.register(value)
        self.start_log(loaded.core.log_level, loaded.core.log_format)
        for warning in loaded.warnings:
            logging.getLogger(__name__).warning("%s", warning)
        return loaded

    def request(self, **flags: object) -> Request:
        """What the functions of the API take, with these flags over the settings."""
        flags_given = {"log_level": self.log_level, "log_format": self.log_format, **flags}
        if self.debug:
            flags_given["log_level"] = "debug"
        self.start_log()
        named = {name: value for name, value in flags_given.items() if value is not None}
        return Request(
            self.config, self.profile, named, command=self.command, redactor=self.redactor
        )

    def recalled(self, **flags: object) -> Request:
        """The same, with the last target of the folder where none is named.

        What was recalled counts as given for the commands that are named next.
        """
        request = recalled(self.request(**flags))
        context = click.get_current_context()
        for name in ("target", "profile"):
            text = getattr(request, name, None) or request.flags.get(name)
            if text and text != flags.get(name) and text != getattr(self, name, None):
                context.meta[GIVEN] += [f"--{name}", str(text)]
        return request

    def start_log(self, level: str = "info", format: str = "console") -> None:  # noqa: A002
        """Start the log; the flags of the command win over the arguments."""
        level = "debug" if self.debug else self.log_level or level
        logs.configure(
            level,
            self.log_format or format,
            self.redactor,
            color=False if self.no_color else None,
        )


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options; the command gets them as one `Common` named `common`."""

    @click.option(
        "--config",
        "-c",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The configuration file (default: migrate.toml here).",
    )
    @click.option("--profile", "-p", metavar="NAME", help="The profile in it (default: default).")
    @click.option("--log-level", type=click.Choice(_LEVELS), help="How much to log.")
    @click.option("--log-format", type=click.Choice(_FORMATS), help="How to log.")
    @click.option("--debug", is_flag=True, help="Log everything, show tracebacks.")
    @click.option("--no-color", is_flag=True, help="No colours.")
    @click.pass_context
    @functools.wraps(function)
    def wrapper(ctx: click.Context, /, *args: Any, **kwargs: Any) -> Any:
        names = ("config", "profile", "log_level", "log_format", "debug", "no_color")
        redactor = ctx.find_object(Redactor) or Redactor()
        common = Common(
            **{name: kwargs.pop(name) for name in names},
            redactor=redactor,
            command=ctx.meta.get(COMMAND, ()),
        )
        if common.no_color:
            ctx.color = False
        return function(*args, common=common, **kwargs)

    return wrapper


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`; the command gets `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")(
        function
    )


def verbose_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-v`; the command gets `verbose`."""
    return click.option("-v", "--verbose", is_flag=True, help="Show every scope of every table.")(
        function
    )


def plugins_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--plugins a,b`; the command gets `plugins`, a list of names or None."""

    def parse(_ctx: click.Context, _param: click.Parameter, text: str | None) -> list[str] | None:
        return None if text is None else parse_names(text)

    return click.option(
        "--plugins", callback=parse, metavar="NAMES", help="Plugins, in order, with commas between."
    )(function)


def _parts(_ctx: click.Context, _param: click.Parameter, text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def choice_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--select`, `--tenant` and `--since`; the command gets `choice`, an `api.RunOptions`."""

    @click.option(
        "--select",
        callback=_parts,
        metavar="STREAMS",
        help="Only these streams: names or patterns (files.*), with commas between.",
    )
    @click.option(
        "--tenant",
        callback=_parts,
        metavar="NAMES",
        help="Only these tenants of the sources, with commas between.",
    )
    @click.option(
        "--since",
        type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]),
        help="Read what changed since then, whatever the bookmarks say; UTC unless it says else.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, select: list[str], tenant: list[str], since: Any, **kwargs: Any) -> Any:
        if since is not None and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        choice = RunOptions(selection=tuple(select), tenants=tuple(tenant), since=since)
        return function(*args, choice=choice, **kwargs)

    return wrapper


def restart_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--restart` to the options behind `choice`."""

    @click.option(
        "--restart",
        is_flag=True,
        help="Resume nothing: read everything again, and merge it by its keys.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, restart: bool, choice: RunOptions, **kwargs: Any) -> Any:
        return function(*args, choice=replace(choice, is_restart=restart), **kwargs)

    return wrapper


def sandbox_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--sandbox`; the command gets `sandbox`, a seed or None, and the `target` for it."""

    @click.option(
        "--sandbox",
        is_flag=True,
        help="Read the plugins' sandboxes, served here; the target is sandbox.db unless --target.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, sandbox: bool, target: str | None, **kwargs: Any) -> Any:
        if sandbox and target is None:
            target = SANDBOX_TARGET
        return function(*args, sandbox=SEED if sandbox else None, target=target, **kwargs)

    return wrapper


def workers_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--workers N`; the command gets `workers`."""
    return click.option(
        "--workers",
        type=click.IntRange(1, 64),
        metavar="N",
        help=f"Processes that read and load (default: one per CPU, here {os.cpu_count()}).",
    )(function)


def _head(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    try:
        return given_head(text)
    except UsageProblem as error:
        raise click.BadParameter(error.why) from None


def anchor_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--anchor HEAD`; the command gets `anchor`."""
    return click.option(
        "--anchor",
        callback=_head,
        metavar="HEAD",
        help="The head that the chain of the ledger must hold, in place of what is anchored here.",
    )(function)


def target_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--target URL`; the command gets `target`."""
    return click.option(
        "--target", metavar="URL", help="The target database; without a password in it."
    )(function)


limit_option = click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many differences of a table to list; all are counted.",
)


def stop_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what ends a comparison early, and `--show-values`, each under its own name."""
    for option in (
        click.option(
            "--show-values",
            is_flag=True,
            help="Show the values that differ, not only keys, columns and rules.",
        ),
        click.option(
            "--seconds",
            type=click.FloatRange(0, min_open=True),
            metavar="S",
            help="Look no further after S seconds; likewise.",
        ),
        click.option(
            "--stop-after",
            type=click.IntRange(1),
            metavar="N",
            help="Look at no further table after N differences; what was not looked at is UNKNOWN.",
        ),
    ):
        function = option(function)
    return function
