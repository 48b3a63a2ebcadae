"""Whether what goes to a database and back can be read, or changed, on the way.

libpq's default takes a connection without TLS where the server offers none, and TLS without
looking at the certificate: whoever stands between can answer as the server. What is proven over
such a way is what somebody there wants to be proven.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence

from sqlalchemy import URL

from messy_migration.errors import ConfigurationError

__all__ = ["refuse_open_way"]

_VERIFIED = frozenset({"verify-full", "verify-ca"})
_FILES = frozenset({"sqlite", "duckdb"})
_NO = frozenset({"false", "0", "no", "off"})


def refuse_open_way(
    url: URL, where: str, setting: str, reason: str = "", env: Mapping[str, str] = os.environ
) -> None:
    """Take only a way that stays on this machine, or TLS with a verified certificate.

    Args:
        url: of a database.
        where: it is configured, for people.
        setting: by which somebody says why another way is taken all the same.
        reason: that reason, in words; empty if none was given.
        env: variables that the driver takes into account.

    Raises:
        ConfigurationError: the way is open, and no reason is given.
    """
    why = "" if reason.strip() else _open_way(url, env)
    if not why:
        return
    is_mysql = url.get_backend_name() in ("mysql", "mariadb")
    query = "?ssl_ca=/path/ca.pem" if is_mysql else "?sslmode=verify-full&sslrootcert=system"
    raise ConfigurationError(
        "the way to a database is open to others",
        where,
        why,
        f"add {query} to its URL, or say why it may stay so: {setting}",
    )


def _open_way(url: URL, env: Mapping[str, str]) -> str:
    """What is wrong with the way; empty if nothing is."""
    kind = url.get_backend_name()
    if kind in _FILES:
        return ""
    if kind == "postgresql":
        mode = str(url.query.get("sslmode") or env.get("PGSSLMODE") or "prefer")
        far = [host for host in _hosts(url, env) if not _is_near(host)]
        if not far and not _service(url, env):
            return ""
        host_name = ", ".join(far) or "a service file's host"
        is_safe, how = mode in _VERIFIED, f"sslmode is {mode}, which verifies no certificate"
    else:
        host = url.host or "localhost"
        host_name = host
        if _is_near(host) or "unix_socket" in url.query:
            return ""
        checks = (url.query.get("ssl_verify_cert"), url.query.get("ssl_check_hostname"))
        is_safe = bool(url.query.get("ssl_ca")) and not any(
            str(word).lower() in _NO for word in checks
        )
        how = "no ssl_ca verifies the certificate"
    return "" if is_safe else f"{host_name} is not this machine, and {how}"


def _service(url: URL, env: Mapping[str, str]) -> bool:
    """Does a file that only libpq reads say where the server is?"""
    named = url.query.get("service") or env.get("PGSERVICE")
    return bool(named) and not url.host and "host" not in url.query


def _hosts(url: URL, env: Mapping[str, str]) -> Sequence[str]:
    """All hosts that libpq may connect to; the address of one counts more than its name."""
    said = [url.query.get("hostaddr") or env.get("PGHOSTADDR")]
    if not said[0]:
        said = [url.host, url.query.get("host")]
    if not any(said):
        said = [env.get("PGHOST")]
    parts = (part for word in said if word for part in ((word,) if isinstance(word, str) else word))
    # A host of SQLAlchemy's kind may carry its port.
    return [host.strip() for part in parts for host in part.split(",") if host.strip()]


def _is_near(host: str) -> bool:
    """Is it this machine: a socket in the file system, or a loopback address?"""
    if host.startswith(("/", "@")) or host == "localhost":
        return True
    bare = host.strip("[]") if host.startswith("[") and host.endswith("]") else host
    for text in (bare, bare.rpartition(":")[0]):
        try:
            return ipaddress.ip_address(text.strip("[]")).is_loopback
        except ValueError:
            if text == "localhost":
                return True
    return False
