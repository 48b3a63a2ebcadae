"""The rules for URLs of databases. An error names the part that is wrong and never quotes it."""

from __future__ import annotations

import ipaddress
import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from messy_migration.errors import ConfigurationError

SCHEMES = ("sqlite", "postgresql")
"""The database kinds that a target URL may name."""


# Kinds of database that can be read and proven, but not written.
_READABLE = frozenset({"duckdb", "mariadb", "mysql"})


_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")


_SECRET_QUERY = frozenset({"password", "passwd", "pwd", "sslpassword"})


_PORTS = range(1, 65536)


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
    scheme, separator, rest = text.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.\-]*", scheme):
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
