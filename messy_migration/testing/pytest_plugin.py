"""Fixtures for every test suite in whose environment this package is installed.

`postgres_server` is one server for the session and `postgres_url` a fresh database on it for
one test; `mariadb_server` and `mariadb_url` are the same of MariaDB. `project` is a folder in
which a test runs `migrate`. At the end a line for each kind says on which server the tests ran.
pytest imports this module in every run, so it imports no driver, no container library and
nothing of the program before a test asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from messy_migration.testing.project import Project
    from messy_migration.testing.servers import mariadb
    from messy_migration.testing.servers.postgres import Server
    from messy_migration.workers.nursery import Nursery


@dataclass(slots=True)
class _Usage:
    """What a closing line tells: the server, and the tests that ran on it."""

    wanted: int = 0
    provider: str = ""
    version: str = ""
    docker: str = ""
    missing: str = ""
    tests: set[str] = field(default_factory=set)


_NAME = "messy_migration"
_NAMES = {"postgres": {"postgres", "postgresql"}, "mariadb": {"mariadb"}}
_REQUIRED = "MESSY_TEST_MARIADB_REQUIRED"
_USAGE = pytest.StashKey[dict[str, _Usage]]()


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A real Postgres server, from the first provider there is.

    Where there is none the tests that ask for it fail; they are never skipped.
    """
    from messy_migration.testing.servers.postgres import server

    with server() as running:
        note_server(pytestconfig, running)
        yield running


def note_server(config: pytest.Config, running: Server) -> None:
    """Let the closing line name a Postgres server that tests started for themselves."""
    from messy_migration.testing.servers.postgres import docker_problem

    usage = config.stash[_USAGE]["postgres"]
    usage.provider, usage.version = running.provider, running.version
    if running.provider != "docker":
        usage.docker = "no Docker" if docker_problem() else "another provider was asked for"


@pytest.fixture
def postgres_url(postgres_server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty UTF8 database, which is dropped after the test.

    It reads `postgresql+psycopg://user:password@127.0.0.1:port/database`.
    """
    request.config.stash[_USAGE]["postgres"].tests.add(request.node.nodeid)
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_server(pytestconfig: pytest.Config) -> Iterator[mariadb.Server]:
    """A real MariaDB server, from the first provider there is.

    Where there is none the tests that ask for it are skipped and the summary says so, unless
    `MESSY_TEST_MARIADB_REQUIRED` is set: then they fail.
    """
    usage = pytestconfig.stash[_USAGE]["mariadb"]
    usage.missing = _mariadb_problem()
    if usage.missing:
        pytest.skip(f"no MariaDB: {usage.missing}")
    from messy_migration.testing.servers import mariadb

    with mariadb.server() as running:
        usage.provider, usage.version = running.provider, running.version
        yield running


@pytest.fixture
def mariadb_url(mariadb_server: mariadb.Server) -> Iterator[str]:
    """The URL of an empty utf8mb4 database, which is dropped after the test.

    It reads `mysql+pymysql://user:password@127.0.0.1:port/database`.
    """
    with mariadb_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def warm_workers() -> Iterator[Nursery | None]:
    """Let commands that a test runs in its own process take their workers from one process.

    Ask for it once, in the settings of pytest: `usefixtures = ["warm_workers"]`. What it gives is
    for tests that make a pool of workers themselves; None where workers are spawned.
    """
    from messy_migration.api import runs
    from messy_migration.testing import warm

    with warm.nursery() as ready, pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "nursery", lambda: nullcontext(ready))
        yield ready


@pytest.fixture(scope="session")
def forked_commands() -> Iterator[None]:
    """Let commands that are processes of their own be forked from one that has imported all.

    Ask for it once, in the settings of pytest: `usefixtures = ["forked_commands"]`.
    """
    if not hasattr(os, "pidfd_open"):
        yield
        return
    from messy_migration.testing.commands import Commands
    from messy_migration.testing.project import Project

    commands = Commands(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "commands", commands)
        yield
    commands.stop()


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Project]:
    """A folder with a `migrate.toml` and a SQLite target; the working directory is in it.

    See `messy_migration.testing.project` for what a test can do with it.
    """
    from messy_migration.testing.project import Project

    fresh = Project(tmp_path, capture=capfd)
    fresh.configure()
    monkeypatch.chdir(tmp_path)
    yield fresh
    fresh.stop()


def pytest_configure(config: pytest.Config) -> None:
    """Make the place where the session counts."""
    config.stash[_USAGE] = {kind: _Usage() for kind in _NAMES}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count the tests that want a server, to be able to say that none was had."""
    for kind, usage in session.config.stash[_USAGE].items():
        usage.wanted = sum(_stands_on(item, kind) for item in session.items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Count the tests whose body ran with a server set up for them."""
    for kind, usage in item.config.stash[_USAGE].items():
        if _stands_on(item, kind):
            usage.tests.add(item.nodeid)
    return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist: hand what was counted to the process that prints."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_NAME] = {
            kind: {**asdict(usage), "tests": sorted(usage.tests)}
            for kind, usage in session.config.stash[_USAGE].items()
        }


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the process that prints: add up what a worker counted."""
    for kind, counted in getattr(node, "workeroutput", {}).get(_NAME, {}).items():
        usage = node.config.stash[_USAGE][kind]
        usage.wanted = max(usage.wanted, counted["wanted"])
        usage.tests.update(counted["tests"])
        for name in ("provider", "version", "docker", "missing"):
            setattr(usage, name, counted[name] or getattr(usage, name))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say on which servers the tests ran, and what did not run."""
    for kind, usage in config.stash[_USAGE].items():
        if usage.wanted:
            terminalreporter.write_line(f"{kind}: {_closing(usage)}")


def _closing(usage: _Usage) -> str:
    if usage.missing:
        return f"NOT EXERCISED, {usage.wanted} tests did not run ({usage.missing})"
    if not usage.provider:
        return f"NO SERVER for {usage.wanted} tests that need one"
    line = f"provider {usage.provider}, server {usage.version}, {len(usage.tests)} tests ran on it"
    return f"{line}; testcontainers: NOT EXERCISED ({usage.docker})" if usage.docker else line


def _mariadb_problem() -> str:
    """Why the tests may go on without MariaDB; empty where they have it or must have it."""
    if os.environ.get(_REQUIRED, "0") != "0":
        return ""
    if find_spec("pymysql") is None:
        return "the extra messy-migration[mysql] is not installed"
    from messy_migration.testing.servers import mariadb

    return mariadb.problem()


def _stands_on(item: pytest.Item, kind: str) -> bool:
    """The test asks for the server by its fixture, or has a parameter with the server's name."""
    parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
    named = {value for value in parameters if isinstance(value, str)}
    return f"{kind}_server" in getattr(item, "fixturenames", []) or bool(named & _NAMES[kind])
