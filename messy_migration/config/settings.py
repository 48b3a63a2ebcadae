"""The settings of one command: where each value comes from, and whether it may be used.

A flag wins over the environment, that over `.env`, that over the profile in migrate.toml, and
that over the default. A section of migrate.toml named like a plugin belongs to that plugin,
whose own model checks it. Errors name keys and never values, since any value may be a secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from messy_migration.config import files as layers
from messy_migration.config.core import CoreSettings
from messy_migration.config.problems import (
    Problem,
    listed,
    plugin_names,
    read_problems,
    suggestion,
)
from messy_migration.config.secrets import anchored, is_reference
from messy_migration.config.urls import is_loopback, parse_target
from messy_migration.config.waivers import Waiver, read_waivers
from messy_migration.errors import ConfigurationError, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL

_WHOLE = ("workers", "batch_records", "batch_bytes", "frozen_after")
_REAL = ("quarantine_limit", "lock_seconds", "outage_seconds", "disk_full_seconds")
_FLAGS = {"report_masked", "source_proof"}
_WORDS = {"true": True, "false": False}
_KEYS = ("fingerprint_key", "fingerprint_key_before", "signing_key")
SECRET_ORIGINS = ("environment", ".env")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was configured for one command; safe to send between processes.

    Attributes:
        profile: name of the profile.
        core: the settings of the core.
        sections: the plugin sections of migrate.toml as written, without variables.
        directory: where migrate.toml is (else the working directory); relative paths start here.
        config: the file that was read, or None.
        digest: SHA-256 of the bytes of migrate.toml and .env.
        origins: dotted key -> where its value came from.
        warnings: what is unwise but allowed, one line each.
        environment: the variables, `.env` filled in where the real environment has none.
        dotenv: names of the variables that came from `.env`.
        fixed: plugins whose section no variable may change.
        profiles: the names of all that are written.
        waivers: differences that are accepted, by name and with a reason.
    """

    profile: str
    core: CoreSettings
    sections: Mapping[str, Mapping[str, Any]]
    directory: Path
    config: Path | None
    digest: str
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    dotenv: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()
    waivers: tuple[Waiver, ...] = ()


def load(
    config: Path | None,
    profile: str | None,
    flags: Mapping[str, object],
    env: Mapping[str, str] = os.environ,
    directory: Path | None = None,
) -> Settings:
    """Read migrate.toml, .env, the environment and the flags; None in `flags` is not given.

    Args:
        config: the configuration file, or None for migrate.toml in `directory` if there is one.
        profile: its name, or None.
        flags: core settings from the command line.
        env: the environment.
        directory: the working folder of whoever asks, absolute; None for that of this process.

    Raises:
        ConfigurationError: a file, variable or key is wrong; all wrong keys are in one error.
        UsageProblem: only flags are wrong.
    """
    start = directory or Path.cwd()
    path = _find(config, env, start)
    directory = path.parent if path else start
    toml_bytes = layers.read_bytes(path, "the configuration file") if path else b""
    tables = layers.read_toml(toml_bytes, path) if path else {}
    dotenv_path = directory / ".env"
    has_dotenv = dotenv_path.exists()
    dotenv_bytes = layers.read_bytes(dotenv_path, ".env") if has_dotenv else b""
    dotenv = layers.read_dotenv(dotenv_bytes, dotenv_path)
    from_dotenv = layers.unshadowed(dotenv, env)
    variables = {**{variable: dotenv[variable] for variable in from_dotenv}, **env}
    name, table = layers.pick_profile(tables, profile or variables.get("MIGRATE_PROFILE"), path)
    label = f"{path.name if path else layers.CONFIG_NAME} [{layers.PROFILES}.{name}]"
    values, origins, problems = _layered(table, label, variables, from_dotenv, flags)
    core, warnings = _core(values, origins, problems)
    settings = Settings(
        profile=name,
        core=core,
        sections={key: entry for key, entry in tables.items() if key not in layers.OURS},
        waivers=read_waivers(tables.get(layers.WAIVERS, []), path),
        directory=directory,
        config=path,
        digest=layers.digest(toml_bytes, dotenv_bytes),
        origins=origins,
        warnings=warnings + (layers.dotenv_warnings(dotenv_path) if has_dotenv else ()),
        environment=variables,
        dotenv=from_dotenv,
        profiles=frozenset(tables.get(layers.PROFILES, {})),
    )
    for plugin in {*settings.sections, *core.plugins}:
        origins.update(section(settings, plugin)[1])
    return settings


def pinned(settings: Settings, sections: Mapping[str, Mapping[str, Any]]) -> Settings:
    """The same settings with these plugin sections, which no variable may change."""
    return replace(settings, sections={**settings.sections, **sections}, fixed=frozenset(sections))


def section(settings: Settings, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A plugin's section with its variables laid over it, and where each dotted key came from.

    Raises:
        ConfigurationError: variables contradict each other or the section.
    """
    variables = {} if name in settings.fixed else settings.environment
    merged, used = layers.overlay(settings.sections.get(name, {}), name, variables)
    file = f"{settings.config.name if settings.config else layers.CONFIG_NAME} [{name}]"
    origins = {f"{name}.{key}": file for key, _ in layers.flattened(merged)}
    for key, variable in used.items():
        is_dotenv = variable in settings.dotenv
        origins[f"{name}.{key}"] = ".env" if is_dotenv else f"environment {variable}"
    return merged, origins


def target_url(settings: Settings, resolve: Callable[[str], str]) -> URL:
    """The target as SQLAlchemy wants it, with its password and an absolute SQLite path.

    Raises:
        ConfigurationError: the URL or a secret of it is not usable.
    """
    core = settings.core
    text = core.target
    if is_reference(text):
        text = resolve(anchored(text, settings.directory))
    url = parse_target(text)
    if core.target_password is not None:
        if url.password is not None:
            raise ConfigurationError(
                "the target has two passwords, in its URL and as target_password", where="target"
            )
        password = core.target_password
        if is_reference(password):
            password = resolve(anchored(password, settings.directory))
        if url.get_backend_name() == "sqlite":
            raise ConfigurationError("an SQLite target takes no password", where="target_password")
        url = url.set(password=password)
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(settings.directory / url.database))
    return url


def key_secret(
    settings: Settings,
    resolve: Callable[[str], str],
    name: Literal["fingerprint_key", "fingerprint_key_before", "signing_key"] = "fingerprint_key",
) -> str | None:
    """The secret behind the reference of a key; None where none is set.

    Raises:
        ConfigurationError: the secret is not to be had.
    """
    reference = getattr(settings.core, name)
    return None if reference is None else resolve(anchored(reference, settings.directory))


def unknown_sections(settings: Settings, installed_names: Iterable[str]) -> None:
    """Check that every section of migrate.toml belongs to an installed plugin.

    Raises:
        ConfigurationError: one does not; the error suggests the nearest name.
    """
    names = [*installed_names, layers.PROFILES]
    problems = [
        Problem(f"[{name}]", f"names no installed plugin{suggestion(name, names)}")
        for name in settings.sections
        if name not in names
    ]
    if problems:
        raise ConfigurationError(*listed(problems, str(settings.config)))


def _find(config: Path | None, env: Mapping[str, str], start: Path) -> Path | None:
    if config is None and env.get("MIGRATE_CONFIG"):
        config = Path(env["MIGRATE_CONFIG"])
    if config is not None:
        return start / config.expanduser()
    default = start / layers.CONFIG_NAME
    return default if default.exists() or default.is_symlink() else None


def _layered(
    table: Mapping[str, Any],
    label: str,
    variables: Mapping[str, str],
    from_dotenv: frozenset[str],
    flags: Mapping[str, object],
) -> tuple[dict[str, Any], dict[str, str], list[Problem]]:
    """The values of the core, where each came from, and variables that mean nothing."""
    fields = CoreSettings.model_fields
    values = dict(table)
    origins = {**dict.fromkeys(fields, "default"), **dict.fromkeys(table, label)}
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for variable in sorted(variables):
        upper = variable.upper()
        key = upper.removeprefix(layers.PREFIX).lower()
        if not upper.startswith(layers.PREFIX) or upper == "MIGRATE_PROFILE":
            continue
        if upper == "MIGRATE_CONFIG":
            if variable in from_dotenv:
                problems.append(Problem(variable, "decides where .env is, so not in .env"))
        elif key not in fields:
            names = [layers.PREFIX + name.upper() for name in (*fields, "config", "profile")]
            problems.append(Problem(variable, f"means nothing{suggestion(upper, names)}"))
        elif upper in seen:
            problems.append(Problem(variable, f"is set as {seen[upper]} too"))
        else:
            seen[upper] = variable
            values[key] = _from_text(key, variables[variable])
            origins[key] = ".env" if variable in from_dotenv else f"environment {variable}"
    for key, value in flags.items():
        if value is not None:
            values[key] = _from_text(key, value)
            origins[key] = f"flag --{key.replace('_', '-')}"
    return values, origins, problems


def _from_text(key: str, value: object) -> object:
    """A flag or variable as the type of its field; what does not convert stays as it is."""
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value
    if key in ("plugins", "revoked_keys"):
        return value.split(",") if value.strip() else []
    if key in _FLAGS:
        return _WORDS.get(value.strip().lower(), value)
    convert = {**dict.fromkeys(_REAL, float), **dict.fromkeys(_WHOLE, int)}.get(key, str.strip)
    try:
        return convert(value)
    except ValueError:
        return value


def _core(
    values: dict[str, Any], origins: Mapping[str, str], problems: list[Problem]
) -> tuple[CoreSettings, tuple[str, ...]]:
    problems = [*problems, *_plugin_problems(values, origins)]
    try:
        core = CoreSettings.model_validate(values)
    except ValidationError as error:
        problems += read_problems(error, CoreSettings, "", origins)
        core = CoreSettings()
    else:
        if core.target_password is not None and not is_reference(core.target_password):
            origin = origins["target_password"]
            if not origin.startswith(SECRET_ORIGINS):
                text = "must be a reference such as env://NAME or file://path"
                problems.append(Problem("target_password", text, origin))
        for name in _KEYS:
            if getattr(core, name) is not None and not is_reference(getattr(core, name)):
                # Not even from a variable: the environment is printed where a program crashes.
                text = "must be a reference such as env://NAME or file://path, never the key itself"
                problems.append(Problem(name, text, origins[name]))
    if not problems:
        return core, _target_warnings(core.target, origins["target"])
    if all(problem.origin.startswith("flag") for problem in problems):
        raise UsageProblem(*listed(problems, "the command line"))
    raise ConfigurationError(*listed(problems, "the configuration"))


def _plugin_problems(values: dict[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """Trim the names of the plugins in place; empty and doubled names are problems."""
    names = values.get("plugins")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        return []
    try:
        values["plugins"] = plugin_names(names)
    except ValueError as error:
        return [Problem("plugins", f"is not usable, {error}", origins["plugins"])]
    return []


def _target_warnings(target: str, origin: str) -> tuple[str, ...]:
    """Check the URL as far as it is known; a literal password in argv or a file is refused."""
    if is_reference(target):
        return ()
    url = parse_target(target)
    if url.password is None or origin.startswith(SECRET_ORIGINS):
        return ()
    if is_loopback(url):
        return (f"the target URL holds a password ({origin}): others may read it there",)
    kind = UsageProblem if origin.startswith("flag") else ConfigurationError
    raise kind(
        "the target URL holds a password",
        where=origin,
        why="command lines and files are read by others",
        # Not as `target_password = ...`: the redactor would mask the advice.
        next="leave it out of the URL and set MIGRATE_TARGET_PASSWORD,"
        " or name a reference such as env://NAME as target_password in the profile",
    )
