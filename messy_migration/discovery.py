"""Which plugins are installed, and what is wrong with them.

pluggy's own loader stops at the first broken plugin, lets one of two distributions of the same
name win in silence and ignores a misspelt hook. So the entry points are read here, and a plugin
is imported only when it is asked for.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Literal

import pluggy

from messy_migration import hookspecs
from messy_migration.config.fields import Setting
from messy_migration.config.problems import plugin_names, suggestion
from messy_migration.errors import PluginError, UsageProblem
from messy_migration.loading import Found, broken, load, try_imports

GROUP = "messy_migration"

_NAME = re.compile(r"[a-z][a-z0-9_-]*\Z")
_TYPED = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
_RESERVED = frozenset({"profiles", "migrate"})
_LIST = "`migrate plugins list`"


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
    return tuple(sorted(discovered()))


def installed() -> tuple[Installed, ...]:
    """Every installed plugin, each imported on its own to see whether it works."""
    return tuple(described(name, candidates) for name, candidates in sorted(discovered().items()))


def discovered() -> dict[str, list[Found]]:
    """Plugin name -> its offers. More than one is a conflict, even of one distribution."""
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


def offers(name: str, available: Mapping[str, list[Found]]) -> list[Found]:
    """The distributions that offer a plugin.

    Raises:
        PluginError: nobody does.
    """
    if name in available:
        return available[name]
    raise PluginError(
        f"there is no plugin {name!r}{suggestion(name, available)}",
        why=f"installed are: {', '.join(sorted(available)) or 'none'}",
        next=_LIST,
    )


def found_once(name: str, candidates: list[Found]) -> Found:
    """The one that offers a plugin.

    Raises:
        PluginError: several do, or it cannot be its name.
    """
    if not _NAME.match(name) or name in _RESERVED:
        raise PluginError(
            f"{name!r} cannot be the name of a plugin",
            where=candidates[0].label,
            why="a name starts with a-z, goes on with a-z, 0-9, _ and -, and is not reserved",
        )
    if len(candidates) == 1:
        return candidates[0]
    labels = list(dict.fromkeys(offer.label for offer in candidates))
    if len({offer.distribution for offer in candidates}) > 1:
        why = f"{' and '.join(labels)} both offer it"
    elif len({offer.location for offer in candidates}) > 1:
        locations = " and ".join(f"{offer.label} in {offer.location}" for offer in candidates)
        why = f"one distribution is installed twice: {locations}"
    else:
        why = f"{labels[0]} offers it twice"
    raise PluginError(
        f"the plugin {name!r} is there {len(candidates)} times",
        where=", ".join(labels),
        why=why,
        next=f"pip uninstall {candidates[-1].distribution}",
    )


def described(name: str, candidates: list[Found]) -> Installed:
    """A plugin as it is listed, after importing it."""
    first = candidates[0]
    try:
        found_once(name, candidates)
        try_imports({name: first})
        hooks = checked_hooks(name, first, load(name, first))
    except PluginError as error:
        status: Literal["broken", "duplicate"] = "duplicate" if len(candidates) > 1 else "broken"
        shown = ", ".join(dict.fromkeys(offer.distribution for offer in candidates))
        return Installed(name, shown, first.version, status, error.why or error.what)
    return Installed(name, first.distribution, first.version, "ok", "", hooks)


def checked_hooks(name: str, offer: Found, plugin: Any) -> tuple[str, ...]:
    """The hooks that the plugin implements, after checking their names and arguments.

    Raises:
        PluginError: one is no hook, asks for what does not exist, or there is none.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    arguments_of = {
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
        if hook in arguments_of:
            hooks.append(hook)
            taken = inspect.signature(getattr(plugin, attribute)).parameters
            problems += _wrong_arguments(hook, tuple(taken), arguments_of[hook])
        elif not options.get("optionalhook"):
            problems.append(f"unknown hook {hook!r}{suggestion(hook, arguments_of)}")
    if not hooks and not problems:
        problems.append("it offers no hook (is the hookimpl marker missing?)")
    if problems:
        raise broken(name, offer, "; ".join(problems))
    return tuple(sorted(hooks))


def _wrong_arguments(hook: str, taken: Sequence[str], allowed: Sequence[str]) -> list[str]:
    wrong = [argument for argument in taken if argument not in allowed]
    may = f"may take {', '.join(allowed)}" if allowed else "takes no arguments"
    return [f"hook {hook!r} asks for {', '.join(wrong)!r} but {may}"] if wrong else []
