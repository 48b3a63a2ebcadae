"""The selected plugins: build them, and call their hooks."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast

import pluggy

from messy_migration import hookspecs
from messy_migration.config.fields import settings_of
from messy_migration.config.row_settings import counted
from messy_migration.config.secrets import builtin_secret
from messy_migration.discovery import (
    Installed,
    checked_hooks,
    described,
    discovered,
    found_once,
    offers,
)
from messy_migration.errors import ConfigurationError, MigrationError, PluginError
from messy_migration.loading import broken, load, place, try_imports
from messy_migration.model.event import tell
from messy_migration.model.events import SecretUnavailable


@dataclass(frozen=True, slots=True)
class Registry:
    """The selected plugins, in the order in which they were named.

    Attributes:
        names: the plugins.
        versions: plugin -> "distribution version".
        manager: pluggy's, with exactly these plugins registered.
        environment: where `env://` references are looked up.
        sections: plugin -> its settings, which every hook of it may take.
        on_secret: told every secret value as soon as it is known, so that it can be masked.
        unset: plugins without usable settings; they answer only hooks that take none.
        secrets: every secret value that is known so far; none of them counts as a setting.
    """

    names: tuple[str, ...]
    versions: Mapping[str, str]
    manager: pluggy.PluginManager = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    sections: dict[str, Any] = field(default_factory=dict, repr=False)
    on_secret: Callable[[str], object] | None = field(default=None, repr=False)
    unset: frozenset[str] = frozenset()
    secrets: set[str] = field(default_factory=set, repr=False)

    def counted(self, settings: Any) -> Any:
        """What of a plugin's settings changes rows, as plain JSON values without any secret."""
        return counted(settings, self.secrets)

    def keep_secret(self, value: str) -> None:
        """Mask a value, and never count it as a setting."""
        self.secrets.add(value)
        if self.on_secret is not None:
            self.on_secret(value)

    def implements(self, plugin: str, hook: str) -> bool:
        """Whether the plugin answers the hook."""
        return bool(self._answers(plugin, hook))

    def takes_settings(self, plugin: str, hook: str) -> bool:
        """Whether the plugin answers the hook, and its settings bear on the answer."""
        return self.takes(plugin, hook, "settings")

    def takes(self, plugin: str, hook: str, argument: str) -> bool:
        """Whether the plugin answers the hook, and asks for an argument of it."""
        return any(argument in answer.argnames for answer in self._answers(plugin, hook))

    def _answers(self, plugin: str, hook: str) -> list[pluggy.HookImpl]:
        caller = cast("pluggy.HookCaller", getattr(self.manager.hook, hook))
        answers = [answer for answer in caller.get_hookimpls() if answer.plugin_name == plugin]
        if plugin in self.unset:
            return [answer for answer in answers if "settings" not in answer.argnames]
        return answers

    def call_one(self, plugin: str, hook: str, **kwargs: Any) -> Any:
        """What this plugin alone answers; None also where it does not implement the hook.

        Args:
            plugin: one of `names`.
            hook: its name.
            kwargs: the arguments of the hook but `settings`, which are the plugin's own.

        Raises:
            PluginError: the plugin raised anything that is not a MigrationError.
        """
        if not self.implements(plugin, hook):
            return None
        if _takes_settings(hook):
            kwargs = {"settings": self.sections.get(plugin), **kwargs}
        others = [self.manager.get_plugin(name) for name in self.names if name != plugin]
        caller = self.manager.subset_hook_caller(hook, others)
        try:
            with self.guard(plugin, hook):
                answer = caller(**kwargs)
        except GeneratorExit as error:
            raise _failed(plugin, hook, error) from error
        if isinstance(answer, list) and not _is_firstresult(caller):
            return answer[0] if answer else None
        return answer

    def call_each(self, hook: str, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """Each implementing plugin and its answer, in the order of the names."""
        for plugin in self.names:
            if self.implements(plugin, hook):
                yield plugin, self.call_one(plugin, hook, **kwargs)

    def first(self, hook: str, **kwargs: Any) -> Any:
        """The first answer that is not None, in the order of the names; else None."""
        answers = (answer for _, answer in self.call_each(hook, **kwargs))
        return next((answer for answer in answers if answer is not None), None)

    def resolve(self, reference: str) -> str:
        """The secret behind a reference: the core's schemes first, then the plugins'.

        Raises:
            ConfigurationError: nobody knows the scheme, or the secret is not to be had.
        """
        try:
            value = builtin_secret(reference, self.environment) or self._from_plugin(reference)
        except ConfigurationError as error:
            tell(SecretUnavailable(what=error.what, where=error.where, why=error.why))
            raise
        self.keep_secret(value)
        return value

    def _from_plugin(self, reference: str) -> str:
        answers = dict(self.call_each("resolve_secret", reference=reference))
        answered = {plugin: value for plugin, value in answers.items() if value is not None}
        if len(answered) > 1:
            raise ConfigurationError(
                "a secret reference has more than one answer",
                where=reference,
                why=f"the plugins {' and '.join(answered)} all claim its scheme",
                next="leave one of them out of --plugins",
            )
        value = next(iter(answered.values()), None)
        if not isinstance(value, str) or not value:
            raise ConfigurationError(
                "a secret reference is not resolved",
                where=reference,
                why="the core knows env:// and file://, and no selected plugin knows this one",
                next="name the plugin that knows it in --plugins, or correct the scheme",
            )
        return value

    @contextlib.contextmanager
    def guard(self, plugin: str, hook: str) -> Iterator[None]:
        """Turn what a plugin raises inside the block into a PluginError that names it.

        For answers that are iterated later, as those of `extract`. Ctrl-C and the closing of
        a generator pass through.
        """
        try:
            yield
        except (MigrationError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            raise _failed(plugin, hook, error) from error


def describe(name: str) -> Installed:
    """One installed plugin with its settings; the others are not imported.

    Raises:
        PluginError: there is none of that name.
    """
    candidates = offers(name, discovered())
    row = described(name, candidates)
    if "settings_model" not in row.hooks:
        return row
    model = build([name], is_tried=True).call_one(name, "settings_model")
    return replace(row, settings=settings_of(name, model))


def build(
    names: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    on_secret: Callable[[str], object] | None = None,
    is_tried: bool = False,
) -> Registry:
    """Import the named plugins, and no other, and check that each can be used.

    Args:
        names: of the plugins, in order.
        environment: where references to secrets are looked up; None for that of this process.
        on_secret: told every secret as soon as it is known.
        is_tried: another process of this command has imported them before.

    Raises:
        PluginError: one is unknown, broken, there twice, or does not keep the hooks' contract.
    """
    available = discovered()
    chosen = {name: found_once(name, offers(name, available)) for name in names}
    if len(chosen) < len(names):
        raise PluginError("a plugin is named twice", where=", ".join(names))
    by_code: dict[str, str] = {}
    for name, offer in chosen.items():
        other = by_code.setdefault(offer.entry.value, name)
        if other != name:
            raise PluginError(
                f"{other} and {name} are the same plugin",
                where=offer.label,
                next="name one of them",
            )
    if not is_tried:
        try_imports(chosen)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for name, offer in chosen.items():
        plugin = load(name, offer)
        checked_hooks(name, offer, plugin)
        try:
            manager.register(plugin, name=name)
            manager.check_pending()
        except (ValueError, pluggy.PluginValidationError) as error:
            raise broken(name, offer, "pluggy refuses it") from error
    return Registry(
        names=tuple(chosen),
        versions={name: offer.label for name, offer in chosen.items()},
        manager=manager,
        environment=os.environ if environment is None else environment,
        on_secret=on_secret,
    )


def _failed(plugin: str, hook: str, error: BaseException) -> PluginError:
    """The error names type and place only: a plugin's message may quote a record."""
    why = place(error)
    if isinstance(error, SystemExit):
        why = f"it ends the process ({why})"
    return PluginError(
        f"the plugin {plugin!r} failed in its hook {hook!r}",
        where=f"plugin {plugin}, hook {hook}",
        why=why,
        next="type the same command again with --debug, and tell the plugin's author",
    )


@cache
def _takes_settings(hook: str) -> bool:
    return "settings" in inspect.signature(getattr(hookspecs, hook)).parameters


def _is_firstresult(caller: pluggy.HookCaller) -> bool:
    return caller.spec is not None and bool(caller.spec.opts.get("firstresult"))
