"""Find the plugins, refuse what is wrong with them, and call their hooks.

pluggy's own loader stops at the first broken plugin, lets one of two distributions of the same
name win in silence and ignores a misspelt hook. So the entry points are read here, and only
what was selected is imported.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Literal, cast

import pluggy

from messy_migration import hookspecs
from messy_migration.config.fields import Setting, settings_of
from messy_migration.config.problems import plugin_names, suggestion
from messy_migration.config.secrets import builtin_secret
from messy_migration.errors import ConfigurationError, MigrationError, PluginError, UsageProblem
from messy_migration.loading import Found, broken, load, place, try_imports

GROUP = "messy_migration"

_NAME = re.compile(r"[a-z][a-z0-9_-]*\Z")
_TYPED = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
_RESERVED = frozenset({"profiles", "migrate"})
_LIST = "migrate plugins list"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin as `migrate plugins list` shows it; `problem` says why it is not `ok`."""

    name: str
    distribution: str
    version: str
    status: Literal["ok", "broken", "duplicate"]
    problem: str = ""
    hooks: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()


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
    """

    names: tuple[str, ...]
    versions: Mapping[str, str]
    manager: pluggy.PluginManager = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    sections: dict[str, Any] = field(default_factory=dict, repr=False)
    on_secret: Callable[[str], object] | None = field(default=None, repr=False)

    def implements(self, plugin: str, hook: str) -> bool:
        """Whether the plugin answers the hook."""
        return bool(self._answers(plugin, hook))

    def takes_settings(self, plugin: str, hook: str) -> bool:
        """Whether the plugin answers the hook, and its settings bear on the answer."""
        return any("settings" in answer.argnames for answer in self._answers(plugin, hook))

    def _answers(self, plugin: str, hook: str) -> list[pluggy.HookImpl]:
        caller = cast("pluggy.HookCaller", getattr(self.manager.hook, hook))
        return [answer for answer in caller.get_hookimpls() if answer.plugin_name == plugin]

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
        value = builtin_secret(reference, self.environment)
        if value is None:
            value = self._from_plugin(reference)
        if self.on_secret is not None:
            self.on_secret(value)
        return value

    def _from_plugin(self, reference: str) -> str:
        answers = dict(self.call_each("resolve_secret", reference=reference))
        known = {plugin: value for plugin, value in answers.items() if value is not None}
        if len(known) > 1:
            raise ConfigurationError(
                "a secret reference has more than one answer",
                where=reference,
                why=f"the plugins {' and '.join(known)} all claim its scheme",
                next="leave one of them out of --plugins",
            )
        value = next(iter(known.values()), None)
        if not isinstance(value, str) or not value:
            raise ConfigurationError(
                "a secret reference is not resolved",
                where=reference,
                why="the core knows env:// and file://, and no selected plugin knows this one",
                next="name the plugin that knows it in --plugins, or correct the scheme",
            )
        return value

    def notify(self, event: str, **facts: Any) -> None:
        """Tell every observer; one that fails is logged and changes nothing."""
        for plugin in self.names:
            try:
                self.call_one(plugin, "notify", event=event, facts=facts)
            except MigrationError as error:
                _log.warning("observer %s failed at %s: %s", plugin, event, error)

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


def parse_names(text: str) -> list[str]:
    """The plugin names of `--plugins a,b`.

    Raises:
        UsageProblem: a name is empty, there twice, or not a name at all.
    """
    try:
        names = plugin_names(text.split(","))
    except ValueError as error:
        raise UsageProblem(
            "the list of plugins is not usable", where="--plugins", why=str(error), next=_LIST
        ) from None
    wrong = [name for name in names if not _TYPED.match(name)]
    if wrong:
        raise UsageProblem(
            f"{wrong[0]!r} is not a plugin name",
            where="--plugins",
            why="a name is letters, digits, _ and -",
            next=_LIST,
        )
    return names


def installed_names() -> tuple[str, ...]:
    """The names under which plugins are installed, sorted; nothing is imported."""
    return tuple(sorted(_discover()))


def installed() -> tuple[Installed, ...]:
    """Every installed plugin, each imported on its own to see whether it works."""
    return tuple(_row(name, found) for name, found in sorted(_discover().items()))


def describe(name: str) -> Installed:
    """One installed plugin with its settings; the others are not imported.

    Raises:
        PluginError: there is none of that name.
    """
    found = _offers(name, _discover())
    row = _row(name, found)
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
    available = _discover()
    chosen = {name: _one(name, _offers(name, available)) for name in names}
    if len(chosen) < len(names):
        raise PluginError("a plugin is named twice", where=", ".join(names))
    by_code: dict[str, str] = {}
    for name, found in chosen.items():
        other = by_code.setdefault(found.entry.value, name)
        if other != name:
            raise PluginError(
                f"{other} and {name} are the same plugin",
                where=found.label,
                next="name one of them",
            )
    if not is_tried:
        try_imports(chosen)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for name, found in chosen.items():
        plugin = load(name, found)
        _checked_hooks(name, found, plugin)
        try:
            manager.register(plugin, name=name)
            manager.check_pending()
        except (ValueError, pluggy.PluginValidationError) as error:
            raise broken(name, found, "pluggy refuses it") from error
    return Registry(
        names=tuple(chosen),
        versions={name: found.label for name, found in chosen.items()},
        manager=manager,
        environment=os.environ if environment is None else environment,
        on_secret=on_secret,
    )


def _discover() -> dict[str, list[Found]]:
    """Plugin name -> who offers it. More than one is a conflict, even of one distribution."""
    seen = set()
    names: dict[str, list[Found]] = {}
    for distribution in distributions():
        for entry in distribution.entry_points:
            if entry.group != GROUP:
                continue
            label = distribution.metadata["Name"] or "unknown"
            version = distribution.metadata["Version"] or "unknown"
            location = str(Path(str(distribution.locate_file(""))).resolve())
            # One folder is often on the path twice, and then everything in it is found twice.
            if (location, label, version, entry.name, entry.value) in seen:
                continue
            seen.add((location, label, version, entry.name, entry.value))
            names.setdefault(entry.name, []).append(Found(entry, label, version, location))
    return names


def _offers(name: str, available: Mapping[str, list[Found]]) -> list[Found]:
    if name in available:
        return available[name]
    raise PluginError(
        f"there is no plugin {name!r}{suggestion(name, available)}",
        why=f"installed are: {', '.join(sorted(available)) or 'none'}",
        next=_LIST,
    )


def _row(name: str, found: list[Found]) -> Installed:
    first = found[0]
    try:
        _one(name, found)
        try_imports({name: first})
        hooks = _checked_hooks(name, first, load(name, first))
    except PluginError as error:
        status: Literal["broken", "duplicate"] = "duplicate" if len(found) > 1 else "broken"
        shown = ", ".join(dict.fromkeys(item.distribution for item in found))
        return Installed(name, shown, first.version, status, error.why or error.what)
    return Installed(name, first.distribution, first.version, "ok", "", hooks)


def _one(name: str, found: list[Found]) -> Found:
    if not _NAME.match(name) or name in _RESERVED:
        raise PluginError(
            f"{name!r} cannot be the name of a plugin",
            where=found[0].label,
            why="a name starts with a-z, goes on with a-z, 0-9, _ and -, and is not reserved",
        )
    if len(found) == 1:
        return found[0]
    labels = list(dict.fromkeys(item.label for item in found))
    if len({item.distribution for item in found}) > 1:
        why = f"{' and '.join(labels)} both offer it"
    elif len({item.location for item in found}) > 1:
        places = " and ".join(f"{item.label} in {item.location}" for item in found)
        why = f"one distribution is installed twice: {places}"
    else:
        why = f"{labels[0]} offers it twice"
    raise PluginError(
        f"the plugin {name!r} is there {len(found)} times",
        where=", ".join(labels),
        why=why,
        next=f"pip uninstall {found[-1].distribution}",
    )


def _checked_hooks(name: str, found: Found, plugin: Any) -> tuple[str, ...]:
    """The hooks that the plugin implements, after checking their names and arguments."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    known = {
        hook: tuple(inspect.signature(spec).parameters)
        for hook, spec in vars(hookspecs).items()
        if inspect.isfunction(spec) and manager.parse_hookspec_opts(hookspecs, hook)
    }
    hooks, problems = [], []
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is None:
            continue
        hook = options.get("specname") or attribute
        if hook in known:
            hooks.append(hook)
            taken = inspect.signature(getattr(plugin, attribute)).parameters
            problems += _wrong_arguments(hook, tuple(taken), known[hook])
        elif not options.get("optionalhook"):
            problems.append(f"unknown hook {hook!r}{suggestion(hook, known)}")
    if not hooks and not problems:
        problems.append("it offers no hook (is the hookimpl marker missing?)")
    if problems:
        raise broken(name, found, "; ".join(problems))
    return tuple(sorted(hooks))


def _wrong_arguments(hook: str, taken: Sequence[str], allowed: Sequence[str]) -> list[str]:
    wrong = [argument for argument in taken if argument not in allowed]
    may = f"may take {', '.join(allowed)}" if allowed else "takes no arguments"
    return [f"hook {hook!r} asks for {', '.join(wrong)!r} but {may}"] if wrong else []


def _failed(plugin: str, hook: str, error: BaseException) -> PluginError:
    """The error names type and place only: a plugin's message may quote a record."""
    why = place(error)
    if isinstance(error, SystemExit):
        why = f"it ends the process ({why})"
    return PluginError(
        f"the plugin {plugin!r} failed in its hook {hook!r}",
        where=f"plugin {plugin}, hook {hook}",
        why=why,
        next="run again with --debug for the traceback, and tell the plugin's author",
    )


@cache
def _takes_settings(hook: str) -> bool:
    return "settings" in inspect.signature(getattr(hookspecs, hook)).parameters


def _is_firstresult(caller: pluggy.HookCaller) -> bool:
    return caller.spec is not None and bool(caller.spec.opts.get("firstresult"))
