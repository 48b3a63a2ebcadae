"""Secret references, and the rules for the URL of a target.

A reference (`env://NAME`, `file://path`, `vault://path#key`) says where a secret is and is no
secret itself. The core answers `env://` and `file://`; plugins answer the rest, under any scheme
that is not one of an address. Nothing here puts a URL or a value into an error, only the name of
the part that is wrong.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from messy_migration.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


_SCHEME = re.compile(r"([a-z][a-z0-9.-]*)(?:\+[a-z0-9.-]+)?://")
_ADDRESS = re.compile(
    "abfss?|adl|amqps?|az|bigquery|clickhouse|databricks|db2|dbfs|duckdb|ftps?|gcs|gs|hdfs|https?"
    "|imaps?|jdbc|kafka|ldaps?|mariadb|mongodb|mssql|mysql|nfs|odbc|oracle|postgres|postgresql"
    "|rediss?|redshift|s3a?|sftp|smb|smtps?|snowflake|sqlite|ssh|tcp|trino|udp|unix|wss?"
)
"""Schemes of addresses: they name a server, a bucket or a database, and no secret."""
_BIGGEST = 64 * 1024


def is_reference(value: object) -> bool:
    """Whether the value says where a secret is, instead of being one."""
    scheme = _SCHEME.match(value) if isinstance(value, str) else None
    return scheme is not None and not _ADDRESS.fullmatch(scheme[1])


def anchored(reference: str, directory: Path) -> str:
    """A `file://` reference with its path made absolute."""
    if not reference.startswith("file://"):
        return reference
    return f"file://{directory / Path(reference.removeprefix('file://')).expanduser()}"


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
