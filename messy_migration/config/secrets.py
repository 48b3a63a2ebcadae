"""Secret references, and the rules for the URL of a target.

A reference (`env://NAME`, `file://path`, `vault://path#key`) says where a secret is and is no
secret itself. The core answers `env://` and `file://`; plugins answer the rest. Nothing here
puts a URL or a value into an error, only the name of the part that is wrong.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from messy_migration.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = ("sqlite", "postgresql")
"""The database kinds that a target URL may name."""

# Kinds of database that can be read and proven, but not written.
_READABLE = frozenset({"duckdb", "mariadb", "mysql"})
_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
_REFERENCE = re.compile(r"(?:env|file|aws-sm|vault)://")
_SECRET_QUERY = frozenset({"password", "passwd", "pwd", "sslpassword"})
_BIGGEST = 64 * 1024
_PORTS = range(1, 65536)


def is_reference(value: object) -> bool:
    """Whether the value says where a secret is, instead of being one."""
    return isinstance(value, str) and _REFERENCE.match(value) is not None


def builtin_secret(reference: str, env: Mapping[str, str]) -> str | None:
    """The value behind `env://NAME` or `file://path`; None for any other scheme.

    One newline at the end of a file is left out, as editors add it.

    Raises:
        ConfigurationError: the variable is unset or empty, or the file cannot be read.
    """
    scheme, _, rest = reference.partition("://")
    if scheme == "env":
        return _variable(reference, rest, env)
    if scheme == "file":
        return _content(reference, rest)
    return None


def _variable(reference: str, name: str, env: Mapping[str, str]) -> str:
    value = env.get(name)
    if value:
        return value
    state = "not set" if value is None else "empty"
    raise ConfigurationError(
        f"the variable {name} is {state}",
        where=reference,
        next=f"set {name} in the environment or in .env",
    )


def _content(reference: str, path: str) -> str:
    where = Path(path).expanduser()
    if not where.is_file():
        problem = "it is not a file" if where.exists() else "there is no such file"
        raise ConfigurationError("the secret file cannot be read", where=reference, why=problem)
    try:
        if where.stat().st_size > _BIGGEST:
            raise ConfigurationError("the secret file is over 64 KiB", where=reference)
        value = where.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            "the secret file cannot be read", where=reference, why=error.strerror or "I/O error"
        ) from error
    except UnicodeDecodeError:
        raise ConfigurationError("the secret file is not UTF-8 text", where=reference) from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise ConfigurationError("the secret file is empty", where=reference)
    return value


def parse_target(text: str) -> URL:
    """The target URL, checked part by part.

    Raises:
        ConfigurationError: some part is wrong; the error names the part and not the URL.
    """
    problem = _problem(text)
    if problem:
        raise ConfigurationError(
            "the target URL is not usable",
            where="target",
            why=problem,
            next="write sqlite:///file.db or postgresql://user@host:5432/database",
        )
    return make_url(text)


def parse_database(text: str) -> URL:
    """The URL of a database that is only read, checked part by part.

    Raises:
        ConfigurationError: some part is wrong; the error names the part and not the URL.
    """
    kind = text.partition("://")[0].partition("+")[0]
    problem = _readable_problem(text) if kind in _READABLE else _problem(text)
    if problem:
        raise ConfigurationError(
            "the URL of a database is not usable",
            why=problem,
            next=f"the kinds are {', '.join((*SCHEMES, *sorted(_READABLE)))}",
        )
    return make_url(text)


def _readable_problem(text: str) -> str | None:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return "it cannot be taken apart; write : / ? # % in a password as %3A %2F %3F %23 %25"
    if _SECRET_QUERY & {name.lower() for name in url.query}:
        return "a password after the ? would be printed by libraries"
    if url.get_backend_name() == "duckdb":
        return _sqlite_problem(url)
    return _postgres_problem(url)


def _problem(text: str) -> str | None:
    """What is wrong with a target URL, in words that quote none of it but its scheme."""
    scheme, found, rest = text.partition("://")
    if not found or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.\-]*", scheme):
        return "it has no scheme such as sqlite:// or postgresql://"
    if scheme.partition("+")[0] in _READABLE:
        return (
            f"a {scheme.partition('+')[0]} database cannot be a target yet; it can be compared"
            " with another one by reconcile --between"
        )
    if scheme not in _DRIVERS:
        return f"the scheme {scheme!r} is not supported, only {' and '.join(SCHEMES)}"
    if rest.partition("?")[0].count("@") > 1:
        return (
            "it holds more than one @; write an @ in a password as %40,"
            " or keep the password apart with target_password"
        )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return (
            "its port is not a number"
            if re.search(r":[^:/@]*\D[^:/@]*(?:/|\Z)", rest)
            else (
                "it cannot be taken apart; write : / ? # % in a password as %3A %2F %3F %23 %25,"
                " or keep the password apart with target_password"
            )
        )
    if _SECRET_QUERY & {name.lower() for name in url.query}:
        return "a password after the ? would be printed by libraries; use target_password"
    return _sqlite_problem(url) if scheme.startswith("sqlite") else _postgres_problem(url)


def _sqlite_problem(url: URL) -> str | None:
    if url.host or url.username or url.password:
        return "it names a host: a file needs three slashes (sqlite:///name.db), four if absolute"
    if not url.database or url.database == ":memory:":
        return "it names no file: workers are processes and cannot share a database in memory"
    return None


def _postgres_problem(url: URL) -> str | None:
    if url.port is not None and url.port not in _PORTS:
        return "its port is outside 1 to 65535"
    if not url.host and "host" not in url.query and (url.username or url.port):
        return "its host is empty"
    if not url.database:
        return "it names no database after the host"
    return None


def is_loopback(url: URL) -> bool:
    """Whether the URL names this very machine."""
    host = url.host or ""
    if host in {"", "localhost"} and "host" not in url.query:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
