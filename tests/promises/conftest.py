"""Targets for the fault tests, and a project folder for bad input of every kind."""

from __future__ import annotations

import functools
from contextlib import ExitStack

import pytest

from messy_migration.testing.commands import Commands
from messy_migration.testing.pytest_plugin import note_server
from messy_migration.testing.servers.postgres import server

from .faults.oracle import Golden, findings
from .faults.site import ALONE, Site, Source
from .sheets import Sheets

KINDS = ("sqlite", "postgres")
SAMPLED = ("sqlite", pytest.param("postgres", marks=pytest.mark.sweep))
"""Where one kind of target shows in every run of the suite that it is not blind."""
# What is committed must outlive a killed backend; only a power cut may cost something here.
DURABLE = {"synchronous_commit": "on"}


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """What all fault tests migrate."""
    return Source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def warm(source):
    """A process that forks commands."""
    commands = Commands(source.environment(), ["variants:apply"])
    yield commands
    commands.stop()


@pytest.fixture(scope="session")
def new_site(source, warm, tmp_path_factory, pytestconfig):
    """A function that makes targets; a Postgres one has a server of its own, to be killed."""
    with ExitStack() as stack:
        servers = {}

        def make(kind, *, is_warm=True):
            folder = tmp_path_factory.mktemp(kind) / "site"
            url = f"sqlite:///{folder / 'target.db'}"
            if kind == "postgres":
                if not servers:
                    servers[kind] = stack.enter_context(server(**DURABLE))
                    note_server(pytestconfig, servers[kind])
                url = stack.enter_context(servers[kind].database())
            site = Site(folder, url, source, warm if is_warm else None, servers.get(kind))
            stack.callback(site.stop)
            site.clear()
            return site

        yield make


@pytest.fixture(scope="session")
def ground(new_site):
    """A function that gives the cleared site of a kind, and what an undisturbed run leaves."""
    made = {}

    def give(kind):
        if kind not in made:
            site = new_site(kind)
            result = site.run(*ALONE)
            assert result.code == 0, result.err
            golden = Golden(site)
            assert [*golden.problems(site), *findings(site, golden, result)] == []
            made[kind] = site, golden
        site, golden = made[kind]
        site.spawns, site.variant = False, ""
        site.clear()
        return site, golden

    return give


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory):
    """A function that makes a project for several tests; run it with `migrate_apart`."""
    return lambda: Sheets(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(tmp_path, monkeypatch, capfd):
    """An empty project on a SQLite file, with the working directory in it."""
    monkeypatch.chdir(tmp_path)
    made = Sheets(tmp_path, capfd)
    made.configure()
    return made


@pytest.fixture
def install(project):
    """A function that installs a plugin and does not select it: `install(name, source)`."""
    return functools.partial(project.install, select=False)
