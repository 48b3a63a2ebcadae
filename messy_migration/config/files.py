"""The layers of the configuration as they are read: migrate.toml, .env, nested variables.

Nothing here knows which keys exist; that is for `settings`.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from messy_migration.config.problems import suggestion
from messy_migration.errors import ConfigurationError

CONFIG_NAME = "migrate.toml"
PROFILES = "profiles"
WAIVERS = "waivers"
OURS = (PROFILES, WAIVERS)
PREFIX = "MIGRATE_"

_BIGGEST = 4 * 1024 * 1024
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)\Z")


def read_bytes(path: Path, what: str) -> bytes:
    """The content of a configuration file.

    Raises:
        ConfigurationError: it is missing, no regular file, over 4 MiB or not readable.
    """
    problem = None
    try:
        mode = path.stat()
        if stat.S_ISDIR(mode.st_mode):
            problem = "it is a directory"
        elif not stat.S_ISREG(mode.st_mode):
            problem = "it is not a regular file"
        elif mode.st_size > _BIGGEST:
            problem = "it is over 4 MiB"
        else:
            return path.read_bytes()
    except FileNotFoundError:
        problem = "there is no such file"
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "the path is not usable"
    raise ConfigurationError(f"{what} cannot be read", where=str(path), why=problem)


def decode(data: bytes, where: Path) -> str:
    """The text of a configuration file, without a byte order mark.

    Raises:
        ConfigurationError: it is not UTF-8; the error names line and column.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - before.rfind(b"\n")
        raise ConfigurationError(
            "a configuration file is not UTF-8", where=f"{where}:{line}:{column}"
        ) from None


def read_toml(data: bytes, where: Path) -> dict[str, Any]:
    """The tables of migrate.toml.

    Raises:
        ConfigurationError: it is not TOML; the error names line and column.
    """
    text = decode(data, where)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        position = _PLACE.search(message)
        lines = text.splitlines() or [""]
        line, column = (position[1], position[2]) if position else (None, None)
        raise ConfigurationError(
            "a configuration file is not TOML",
            where=f"{where}:{line or len(lines)}:{column or len(lines[-1]) + 1}",
            why=_PLACE.sub("", message),
        ) from None
    except RecursionError:
        raise ConfigurationError(
            "a configuration file is nested too deeply", where=str(where)
        ) from None


def pick_profile(
    tables: Mapping[str, Any], profile: str | None, path: Path | None
) -> tuple[str, Mapping[str, Any]]:
    """The profile of that name, or `default`, which need not be written down.

    Raises:
        ConfigurationError: there is no such profile, or a key stands outside of any table.
    """
    where = str(path or CONFIG_NAME)
    loose = [key for key, entry in tables.items() if not isinstance(entry, dict) and key != WAIVERS]
    if loose:
        raise ConfigurationError(
            f"{', '.join(loose)} stands outside of any table",
            where=where,
            next="move it under [profiles.default]",
        )
    profiles = tables.get(PROFILES, {})
    odd = [key for key, entry in profiles.items() if not isinstance(entry, dict)]
    if odd:
        raise ConfigurationError(f"profiles.{odd[0]} is not a table", where=where)
    name = profile or "default"
    if name in profiles:
        return name, profiles[name]
    if profile is None or (name == "default" and not profiles):
        return name, {}
    names = ", ".join(profiles) or "none"
    raise ConfigurationError(
        f"there is no profile {name!r}{suggestion(name, profiles)}",
        where=where,
        why=f"the profiles are: {names}",
    )


def read_dotenv(data: bytes, where: Path) -> dict[str, str]:
    """The variables of a .env file, taken literally: `$NAME` in a value is not replaced.

    Raises:
        ConfigurationError: a line is not NAME=value, or sets a name a second time.
    """
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(decode(data, where), newline="")):
        # The parser counts from the end of the binding before, so leading blanks are skipped.
        blank = binding.original.string
        line = binding.original.line + blank[: len(blank) - len(blank.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            raise ConfigurationError(
                "a line of .env is not NAME=value",
                where=f"{where}:{line}",
                next="write NAME=value, in quotes if the value holds # or spaces",
            )
        if binding.key is None or binding.value is None:
            continue
        if binding.key in values:
            raise ConfigurationError(f".env sets {binding.key} twice", where=f"{where}:{line}")
        values[binding.key] = binding.value
    return values


def dotenv_warnings(where: Path) -> tuple[str, ...]:
    """What is unsafe about who may read a .env file; nothing where the system cannot say."""
    if os.name != "posix":
        return ()
    status = where.stat()
    warnings = []
    if status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        who = "every user of this machine" if status.st_mode & stat.S_IROTH else "its group"
        warnings.append(f"{where} may hold secrets and can be read by {who}: chmod 600 {where}")
    if status.st_uid not in {0, os.geteuid()}:
        warnings.append(f"{where} belongs to another user")
    return tuple(warnings)


def unshadowed(dotenv: Iterable[str], env: Iterable[str]) -> frozenset[str]:
    """Names of `.env` that no real variable overrides; settings match in any case."""
    real = {*env, *(name.upper() for name in env)}
    return frozenset(
        name
        for name in dotenv
        if name not in env
        and not ((name.upper().startswith(PREFIX) or "__" in name) and name.upper() in real)
    )


def overlay(
    section: Mapping[str, Any], name: str, variables: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """A plugin's section with its variables laid over it, and dotted key -> variable.

    `VIVENU__TENANTS__auckland__TOKEN` sets `tenants.auckland.token` of the plugin `vivenu`.
    Upper and lower case do not matter: a key that the section has is matched, any other
    becomes lower case.

    Raises:
        ConfigurationError: two variables set one key, or a variable goes into a plain value.
    """
    merged = _copy(section)
    prefix = _plain(name) + "__"
    used: dict[str, str] = {}
    for variable in sorted(variables):
        if not _plain(variable).startswith(prefix):
            continue
        parts = variable[len(prefix) :].split("__")
        if not all(parts):
            raise ConfigurationError("a variable has an empty part in its name", where=variable)
        path = _place(merged, parts, variable, variables[variable])
        for other, by in used.items():
            if f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}."):
                raise ConfigurationError(f"{by} and {variable} set the same key", where=path)
        used[path] = variable
    return merged, used


def flattened(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested tables as (dotted key, value)."""
    for key, entry in node.items():
        if isinstance(entry, Mapping):
            yield from flattened(entry, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", entry


def digest(*contents: bytes) -> str:
    """SHA-256 over all contents and where each ends."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def _place(merged: dict[str, Any], parts: list[str], variable: str, value: str) -> str:
    node = merged
    path = []
    for depth, part in enumerate(parts):
        key = next(
            (existing for existing in node if _plain(existing) == _plain(part)), part.lower()
        )
        path.append(key)
        if depth == len(parts) - 1:
            node[key] = value
        elif not isinstance(node.setdefault(key, {}), dict):
            raise ConfigurationError(
                "a variable goes into a key that is not a table",
                where=variable,
                why=f"{'.'.join(path)} is a single value",
            )
        else:
            node = node[key]
    return ".".join(path)


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")


def _copy(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _copy(entry) if isinstance(entry, Mapping) else entry for key, entry in node.items()
    }
