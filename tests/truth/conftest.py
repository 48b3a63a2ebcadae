"""The sites of the catalogue, and the table of its results at the end of the run."""

from __future__ import annotations

import pytest

from messy_migration.testing.pytest_plugin import note_server
from messy_migration.testing.servers.postgres import server

from . import sites
from .tally import Tally

_TALLY = pytest.StashKey[Tally]()


def pytest_configure(config):
    """Make the place where results are counted."""
    config.stash[_TALLY] = Tally()


@pytest.fixture(scope="session")
def tally(pytestconfig):
    """What every form said, over all entries."""
    return pytestconfig.stash.setdefault(_TALLY, Tally())


@pytest.fixture(scope="session")
def sqlite_sites(tmp_path_factory):
    return sites.sqlite_sites(tmp_path_factory.mktemp)


@pytest.fixture(scope="session")
def duckdb_sites(tmp_path_factory):
    pytest.importorskip("duckdb")
    return sites.duckdb_sites(tmp_path_factory.mktemp)


@pytest.fixture(scope="session")
def postgresql_sites(tmp_path_factory, pytestconfig):
    """On a server of its own: entries prepare transactions and set what holds for all of it."""
    with server(max_prepared_transactions=4) as running:
        note_server(pytestconfig, running)
        with sites.postgresql_sites(tmp_path_factory.mktemp, running) as give:
            yield give


@pytest.fixture(scope="session")
def mariadb_sites(tmp_path_factory, mariadb_server):
    return sites.mariadb_sites(tmp_path_factory.mktemp, mariadb_server)


@pytest.fixture
def site_of(request):
    """A function that gives the loaded site of a kind, as new: `with site_of("sqlite") as site`."""
    return lambda kind: request.getfixturevalue(f"{kind}_sites")()


def pytest_terminal_summary(terminalreporter, config):
    """The table: entries, kinds, forms, and how many verdicts were false."""
    tally = config.stash.get(_TALLY, None)
    for line in tally.lines() if tally else ():
        terminalreporter.write_line(line)
