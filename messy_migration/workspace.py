"""What every command stands on: settings, registry, target and ledger, built from names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from messy_migration import discovery, logs
from messy_migration import registry as registries
from messy_migration.config import settings as configuration
from messy_migration.config.plugin_settings import plugin_settings
from messy_migration.config.secrets import is_reference
from messy_migration.config.settings import Settings
from messy_migration.config.urls import parse_target
from messy_migration.databases.open import Target, open_target
from messy_migration.databases.retry import Retry
from messy_migration.errors import ConfigurationError, MigrationError, UsageProblem
from messy_migration.fingerprint.keyed import Key
from messy_migration.fingerprint.signing import Signer
from messy_migration.ledger.tables import Ledger, ledger
from messy_migration.model import Stream
from messy_migration.redaction import Redactor, sounds_secret
from messy_migration.reflection import refuse_open_way
from messy_migration.registry import Registry
from messy_migration.streams import offered

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """Which settings a command works with; plain data, sent to workers as it is.

    Attributes:
        config: the configuration file, or None for ./migrate.toml if there is one.
        profile: name of the profile, or None for `default`.
        flags: core settings from the command line.
        digest: of the configuration when the command began, or empty.
        command: the command line as it was typed, for the evidence; empty from Python.
        sections: plugin -> its section, in place of the one that is configured (sandboxes).
        redactor: is told every secret of this process; never sent to another.
        directory: the working folder when the request was made. What a plugin does to the one of
            the process moves no path, neither here nor in a worker.
        run_id: of the run that the command is, which every line of its log names; empty for others.
    """

    config: Path | None = None
    profile: str | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    command: tuple[str, ...] = ()
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    redactor: Redactor = field(default_factory=Redactor, compare=False, repr=False)
    directory: Path = field(default_factory=Path.cwd)
    run_id: str = ""

    def for_workers(self, digest: str) -> Request:
        """The same request for another process: pinned, and without any secret."""
        return replace(self, digest=digest, redactor=Redactor())

    @property
    def is_pinned(self) -> bool:
        """Whether it is that of a worker, whose run has begun in another process."""
        return bool(self.digest)

    def load(self) -> Settings:
        """The settings that are asked for.

        Raises:
            ConfigurationError, UsageProblem: see `config.settings.load`.
        """
        return configuration.load(self.config, self.profile, self.flags, directory=self.directory)


@dataclass(frozen=True)
class Workspace:
    """Everything that was opened for one command in one process."""

    request: Request
    settings: Settings
    registry: Registry
    target: Target
    ledger: Ledger
    others: list[Workspace] = field(default_factory=list, compare=False, repr=False)

    def with_kept(self, kept: Mapping[str, Any]) -> Workspace:
        """The same with the settings that change rows as a ledger has kept them.

        Its plugins are released with those of this one.

        Args:
            kept: plugin -> what was kept of its section.

        Raises:
            ConfigurationError: a plugin does not take them any more.
        """
        registry = self.registry
        sections = {
            name: plugin_settings(
                self.settings,
                name,
                registry.call_one(name, "settings_model"),
                registry.resolve,
                registry.keep_secret,
                kept.get(name),
            )
            for name in registry.sections
        }
        other = replace(self, registry=replace(registry, sections=sections), others=[])
        self.others.append(other)
        return other

    @cached_property
    def key(self) -> Key | None:
        """What this process makes of the `fingerprint_key`; None where none is set.

        Raises:
            ConfigurationError: the secret is not to be had, or is too short.
        """
        secret = configuration.key_secret(self.settings, self.registry.resolve)
        return None if secret is None else Key(secret)

    @cached_property
    def key_before(self) -> Key | None:
        """The same of the key that it replaces."""
        name: Literal["fingerprint_key_before"] = "fingerprint_key_before"
        secret = configuration.key_secret(self.settings, self.registry.resolve, name)
        return None if secret is None else Key(secret)

    @cached_property
    def signer(self) -> Signer | None:
        """What this process makes of the `signing_key`; None where none is set.

        Raises:
            ConfigurationError: the secret is not to be had, or is no such key.
        """
        secret = configuration.key_secret(self.settings, self.registry.resolve, "signing_key")
        return None if secret is None else Signer(secret)

    def check_signer(self) -> None:
        """Refuse a `signing_key` that cannot be used before there is anything to sign.

        Raises:
            ConfigurationError: see `signer`.
        """
        _ = self.signer

    def retry(self, is_stopped: Callable[[], bool]) -> Retry:
        """How long this configuration waits for its target, unless it is told to stop."""
        core = self.settings.core
        return Retry(core.outage_seconds, core.disk_full_seconds, is_stopped)

    def streams(self) -> list[Stream]:
        """All streams of all selected plugins, reshaped, in the order of the plugins.

        Raises:
            PluginError: a plugin breaks the contract of `streams` or of `reshape`.
            ConfigurationError: two streams write into one table.
        """
        return offered(self.registry)

    @contextmanager
    def releasing(self) -> Iterator[None]:
        """However the block ends, the plugins close what they opened in this process for it."""
        try:
            yield
        finally:
            for workspace in (self, *self.others):
                workspace.release()

    def release(self) -> None:
        """The plugins close what they opened in this process."""
        for plugin in self.registry.names:
            try:
                self.registry.call_one(plugin, "release")
            except MigrationError as error:
                # What the command found out is worth more than this.
                _log.warning("plugin %s could not release its source: %s", plugin, error)


def open_workspace(
    request: Request,
    *,
    application: str = "messy-migration",
    needs_plugins: bool = True,
    keep: bool = False,
) -> Workspace:
    """Read the settings, load the plugins, and prepare the target without connecting to it.

    Args:
        request: which settings.
        application: the name under which the server lists our connections.
        needs_plugins: it is an error if none is named. Otherwise one whose settings are wrong,
            a key that was withdrawn after the cutover for instance, is left out but for its
            rules, and told.
        keep: use one connection to the target again and again.

    Raises:
        UsageProblem: no plugin is named anywhere.
        ConfigurationError, PluginError: something of it is wrong.
    """
    settings = _settings(request, needs_plugins=needs_plugins)
    redactor = request.redactor
    for value in plain_secrets(settings):
        redactor.register(value)
    start_log(request, settings)
    registry = _registry(settings, settings.core.plugins, request)
    _warn(request, settings)
    registry = _configured(registry, settings, needs_all=needs_plugins)
    url = configuration.target_url(settings, registry.resolve)
    if url.password:
        redactor.register(str(url.password))
    refuse_open_way(
        url, "target", 'insecure_reason = "..." in the profile', settings.core.insecure_reason
    )
    target = open_target(url, application, settings.core.lock_seconds, keep=keep)
    return Workspace(request, settings, registry, target, ledger(target.dialect.name))


def _settings(request: Request, *, needs_plugins: bool) -> Settings:
    """The settings of the request; those of a worker are the ones that its run began with."""
    settings = configuration.pinned(request.load(), request.sections)
    if request.is_pinned and request.digest != settings.digest:
        raise ConfigurationError(
            "the configuration changed while the run was under way",
            str(settings.config or ".env"),
            next="type the same command again",
        )
    configuration.unknown_sections(settings, discovery.installed_names())
    if needs_plugins and not settings.core.plugins:
        raise UsageProblem(
            "no plugin is named",
            next="name it with --plugins, or with `plugins = [...]` in the profile; "
            "`migrate plugins list` shows what is installed",
        )
    return settings


def _configured(registry: Registry, settings: Settings, *, needs_all: bool) -> Registry:
    """The registry with the settings of each plugin; `unset` holds those that are left out."""
    sections = registry.sections
    # Who resolves secrets comes first: the settings of the others may refer to them.
    for name in sorted(
        registry.names, key=lambda one: not registry.implements(one, "resolve_secret")
    ):
        try:
            model = registry.call_one(name, "settings_model")
            sections[name] = plugin_settings(
                settings, name, model, registry.resolve, registry.keep_secret
            )
        except ConfigurationError as error:
            if needs_all:
                raise
            _log.warning("plugin %s is left out, no input of it is read: %s", name, error)
    return replace(registry, unset=frozenset(registry.names) - set(sections))


def start_log(request: Request, settings: Settings) -> None:
    """Start the log of this process.

    Raises:
        ConfigurationError: the log file cannot be written.
    """
    core, file = settings.core, settings.core.log_file
    logs.configure(
        core.log_level,
        core.log_format,
        request.redactor,
        run_id=request.run_id,
        file=None if file is None else settings.directory / file,
    )


def open_observers(request: Request) -> Registry | None:
    """Those of the plugins that can be told that a command could not begin; None if none can.

    Whatever is wrong with the others, or with all settings, has been told already.
    """
    with suppress(MigrationError):
        settings = configuration.pinned(request.load(), request.sections)
        sections, able = {}, []
        for name in settings.core.plugins:
            with suppress(MigrationError):
                one = _registry(settings, [name], request)
                model = one.call_one(name, "settings_model")
                if one.implements(name, "notify"):
                    sections[name] = plugin_settings(settings, name, model, one.resolve)
                    able.append(name)
        if able:
            return replace(_registry(settings, able, request), sections=sections)
    return None


def _warn(request: Request, settings: Settings) -> None:
    """Log what is unwise and allowed; not in a worker, whose parent has told."""
    for warning in () if request.is_pinned else settings.warnings:
        _log.warning("%s", warning)


def _registry(settings: Settings, plugins: Sequence[str], request: Request) -> Registry:
    return registries.build(
        plugins,
        environment=settings.environment,
        on_secret=request.redactor.register,
        is_tried=request.is_pinned,
    )


def plain_secrets(settings: Settings) -> Iterator[str]:
    """Every secret that the settings hold in plain text, so that it can be masked."""
    core = settings.core
    if core.target_password and not is_reference(core.target_password):
        yield core.target_password
    if not is_reference(core.target):
        password = parse_target(core.target).password
        if password:
            yield str(password)
    prefixes = tuple(
        f"{name}__".upper().replace("-", "_") for name in {*settings.sections, *core.plugins}
    )
    for variable, value in settings.environment.items():
        ours = variable in settings.dotenv or variable.upper().startswith(prefixes)
        if ours and sounds_secret(variable) and not is_reference(value):
            yield value
