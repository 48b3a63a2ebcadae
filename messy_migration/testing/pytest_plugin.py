"""Fixtures for every test suite in whose environment this package is installed.

`postgres_server` is one server for the session and `postgres_url` a fresh database on it for
one test. At the end one line says on which server the tests ran. pytest imports this module in
every run, so it imports no driver and no container library before a test asks for a server.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from messy_migration.testing.postgres import Server


@dataclass(slots=True)
class _Usage:
    """What the closing line tells: the server, and the tests that ran on it."""

    wanted: int = 0
    provider: str = ""
    version: str = ""
    docker: str = ""
    tests: set[str] = field(default_factory=set)


_NAME = "messy_migration"
_USAGE = pytest.StashKey[_Usage]()


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A real Postgres server, from the first provider there is.

    Where there is none the tests that ask for it fail; they are never skipped.
    """
    from messy_migration.testing.postgres import docker_problem, server

    usage = pytestconfig.stash[_USAGE]
    with server() as running:
        usage.provider, usage.version = running.provider, running.version
        if running.provider != "docker":
            usage.docker = "no Docker" if docker_problem() else "another provider was asked for"
        yield running


@pytest.fixture
def postgres_url(postgres_server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty UTF8 database, which is dropped after the test.

    It reads `postgresql+psycopg://user:password@127.0.0.1:port/database`.
    """
    request.config.stash[_USAGE].tests.add(request.node.nodeid)
    with postgres_server.database() as url:
        yield url


def pytest_configure(config: pytest.Config) -> None:
    """Make the place where the session counts."""
    config.stash[_USAGE] = _Usage()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count the tests that want a server, to be able to say that none was had."""
    usage = session.config.stash[_USAGE]
    usage.wanted = sum("postgres_server" in _fixtures(item) for item in session.items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Count the tests whose body ran with a server set up for them."""
    if "postgres_server" in _fixtures(item):
        item.config.stash[_USAGE].tests.add(item.nodeid)
    return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist: hand what was counted to the process that prints."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        usage = session.config.stash[_USAGE]
        output[_NAME] = {**asdict(usage), "tests": sorted(usage.tests)}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the process that prints: add up what a worker counted."""
    counted = getattr(node, "workeroutput", {}).get(_NAME)
    if counted is None:
        return
    usage = node.config.stash[_USAGE]
    usage.wanted = max(usage.wanted, counted["wanted"])
    usage.tests.update(counted["tests"])
    for name in ("provider", "version", "docker"):
        setattr(usage, name, counted[name] or getattr(usage, name))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say on which server the tests ran, and what did not run."""
    usage = config.stash[_USAGE]
    if not usage.wanted:
        return
    if not usage.provider:
        line = f"postgres: NO SERVER for {usage.wanted} tests that need one"
    else:
        line = (
            f"postgres: provider {usage.provider}, server {usage.version}, "
            f"{len(usage.tests)} tests ran on it"
        )
        if usage.docker:
            line += f"; testcontainers: NOT EXERCISED ({usage.docker})"
    terminalreporter.write_line(line)


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])
