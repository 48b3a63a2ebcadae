"""A real MariaDB server for tests, from wherever there is one.

The order: the server named by `MESSY_TEST_MARIADB_URL`; a container, where Docker answers; the
installed `mariadbd`, in a temporary folder, on 127.0.0.1 only, under a fresh password. Once one
is chosen its failure is an error and the next one is not tried. Where there is none at all,
tests that need it are not exercised, and the summary says so; with
`MESSY_TEST_MARIADB_REQUIRED=1` they fail instead.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from messy_migration.errors import ConfigurationError, TargetError
from messy_migration.testing.servers.postgres import docker_problem
from messy_migration.testing.servers.throwaway import (
    free_port,
    give,
    last_line,
    launch,
    temporary_home,
)

URL_VARIABLE = "MESSY_TEST_MARIADB_URL"
IMAGE = "mariadb:11.8"
"""What a container runs."""

_DRIVER = "mysql+pymysql"
_PREFIX = "messy-migration-maria-"
_USER = "tests"
_CONTAINER_SECONDS = 90.0
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_PLACES = os.pathsep.join((os.defpath, "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"))
# Small, and safe for nothing but data that nobody will miss.
_SETTINGS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-log-file-size=16M",
    "--innodb-buffer-pool-size=64M",
    "--performance-schema=OFF",
    "--max-allowed-packet=64M",
    "--character-set-server=utf8mb4",
    "--local-infile=ON",
)


@dataclass(frozen=True, slots=True)
class Server:
    """A MariaDB or MySQL server that takes connections.

    Attributes:
        url: SQLAlchemy URL without a database, with the password.
        provider: `url`, `docker` or `local`.
        version: as the server says it, such as `10.11.18-MariaDB`.
    """

    url: str = field(repr=False)
    provider: str
    version: str

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new, empty database of utf8mb4; at the end it is dropped, open connections or not.

        Yields:
            The URL, `mysql+pymysql://user:password@host:port/database`.
        """
        name = f"mm_test_{secrets.token_hex(6)}"
        self._execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        try:
            yield make_url(self.url).set(database=name).render_as_string(hide_password=False)
        finally:
            self._drop(name)

    def _execute(self, statement: str) -> None:
        with _connect(make_url(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def _drop(self, name: str) -> None:
        with _connect(make_url(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
            for (number,) in cursor.fetchall():
                # It may have ended by itself.
                with suppress(pymysql.err.OperationalError):
                    cursor.execute(f"KILL {number}")
            cursor.execute("SET lock_wait_timeout = 20")
            cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")


def problem() -> str:
    """Why there is no server to be had, in words; empty where there is one."""
    if os.environ.get(URL_VARIABLE) or _programs():
        return ""
    docker = docker_problem()
    return f"{URL_VARIABLE} is not set, no mariadbd is installed, no Docker" if docker else ""


@contextmanager
def server() -> Iterator[Server]:
    """A running server for the time of the context.

    Raises:
        ConfigurationError: there is none.
        TargetError: the chosen one does not come up.
    """
    with _chosen() as running:
        yield running


def _chosen() -> AbstractContextManager[Server]:
    if os.environ.get(URL_VARIABLE):
        return _named()
    if not docker_problem():
        return _container()
    programs = _programs()
    if programs is None:
        raise ConfigurationError(
            "no MariaDB server for the tests",
            why=problem(),
            next=f"set {URL_VARIABLE} to a server that may create databases; or start Docker; "
            "or install mariadb-server",
        )
    return _local(*programs)


@contextmanager
def _named() -> Iterator[Server]:
    try:
        url = make_url(os.environ[URL_VARIABLE])
    except ArgumentError:
        # Without the cause: its text is the URL, and the URL holds the password.
        raise ConfigurationError("the URL cannot be read", where=URL_VARIABLE) from None
    if url.get_backend_name() not in ("mysql", "mariadb"):
        raise ConfigurationError("the URL is not one of MySQL or MariaDB", where=URL_VARIABLE)
    yield _described(url, "url", patience=0)


@contextmanager
def _container() -> Iterator[Server]:
    password = secrets.token_hex(12)
    container: Any = None
    try:
        from testcontainers.core.container import DockerContainer

        container = DockerContainer(IMAGE).with_env("MARIADB_ROOT_PASSWORD", password)
        container.with_exposed_ports(3306).start()
        host = container.get_container_host_ip()
        port = int(container.get_exposed_port(3306))
    # Docker answered, so whatever goes wrong now is a failure of this provider.
    except Exception as error:
        if container is not None:
            with suppress(Exception):
                container.stop()
        raise TargetError(
            "Docker answers, but the MariaDB container does not start",
            where=IMAGE,
            why=" ".join(str(error).split()),
            next=f"mend Docker, or set {URL_VARIABLE}",
        ) from error
    try:
        url = URL.create(_DRIVER, "root", password, host, port)
        yield _described(url, "docker", patience=_CONTAINER_SECONDS)
    finally:
        container.stop()


@contextmanager
def _local(daemon: Path, installer: Path) -> Iterator[Server]:
    with temporary_home(_PREFIX) as home:
        _initialise(installer, home)
        process, url = _started(daemon, home)
        try:
            yield _described(url, "local", patience=0)
        finally:
            _end(process)


def _programs() -> tuple[Path, Path] | None:
    """The server and the program that makes its data folder."""
    path = os.environ.get("PATH", "") + os.pathsep + _PLACES
    programs = [shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db")]
    daemon, installer = programs
    return (Path(daemon), Path(installer)) if daemon and installer else None


def _initialise(installer: Path, home: Path) -> None:
    command = [str(installer), "--no-defaults", f"--datadir={home / 'data'}", "--skip-test-db"]
    command += ["--auth-root-authentication-method=normal", "--innodb-log-file-size=16M"]
    log = home / "log"
    with log.open("ab") as output:
        code = launch(command, home, output.fileno()).wait()
    if code:
        raise TargetError(
            "mariadb-install-db cannot make a server for the tests", str(installer), last_line(log)
        )


def _started(daemon: Path, home: Path) -> tuple[subprocess.Popen[bytes], URL]:
    """Between choosing a port and taking it, somebody else may: then choose again."""
    password = secrets.token_hex(12)
    first = home / "first.sql"
    first.touch(mode=0o600)
    first.write_text(
        "DELETE FROM mysql.global_priv WHERE User = 'root';\nFLUSH PRIVILEGES;\n"
        f"CREATE OR REPLACE USER '{_USER}'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON *.* TO '{_USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
    give(first)
    log = home / "log"
    for _ in range(3):
        port = free_port()
        command = [str(daemon), "--no-defaults", f"--datadir={home / 'data'}", *_SETTINGS]
        command += [f"--socket={home / 's'}", f"--pid-file={home / 'pid'}"]
        command += ["--bind-address=127.0.0.1", f"--port={port}", f"--init-file={first}"]
        with log.open("ab") as output:
            process = launch(command, home, output.fileno())
        url = URL.create(_DRIVER, _USER, password, "127.0.0.1", port)
        if _answers(process, url):
            first.unlink()
            return process, url
        _end(process)
    raise TargetError(
        "the MariaDB server of the tests does not start", where=str(daemon), why=last_line(log)
    )


def _answers(process: subprocess.Popen[bytes], url: URL) -> bool:
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            _connect(url).close()
        except pymysql.err.OperationalError:
            time.sleep(0.02)
        else:
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    # Nobody will miss the data, so the server need not write it down.
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(_STOP_SECONDS)


def _described(url: URL, provider: str, *, patience: float) -> Server:
    end = time.monotonic() + patience
    while True:
        try:
            connection = _connect(url)
            break
        except pymysql.err.OperationalError as error:
            if time.monotonic() >= end:
                raise TargetError(
                    "the MariaDB server of the tests cannot be reached",
                    where=f"provider {provider}, {url.host}:{url.port or 3306}",
                    why=f"error {error.args[0]}",
                    next=f"mend or unset {URL_VARIABLE}" if provider == "url" else "",
                ) from error
            time.sleep(0.2)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (version,) = cursor.fetchone() or ("unknown",)
    full = url.set(drivername=_DRIVER, database=None).render_as_string(hide_password=False)
    return Server(full, provider, str(version))


def _connect(url: URL) -> Any:
    return pymysql.connect(
        host=url.host or "127.0.0.1",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        connect_timeout=5,
        autocommit=True,
    )
