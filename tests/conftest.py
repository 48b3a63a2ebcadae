"""What every test of the project shares: a scrubbed environment, plugins made of objects."""

from __future__ import annotations

import os

import pluggy
import pytest

from messy_migration import hookspecs
from messy_migration.registry import Registry
from messy_migration.run import sealing

_BROWSER = "test_browser.py"
_PREFIXES = ("MIGRATE_", "FILES__", "SQL__")
_TERMINAL = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PY_COLORS", "COLUMNS")


LONGEST = {
    "test_accounts.py",
    "test_command.py",
    "test_fingerprint_key.py",
    "test_kills.py",
    "test_p02_network.py",
    "test_p05_tampering.py",
    "test_plugin_wheels.py",
    "test_pool.py",
    "test_readme.py",
    "test_reconciling.py",
    "test_three_way.py",
    "test_workers.py",
}
"""Files that take minutes: what comes last is waited for by all but one process."""
_LEFT = pytest.StashKey[int]()


def pytest_addoption(parser):
    """What the long fault tests are told; `tox -e faults` has the time for them."""
    parser.addoption("--sweeps", action="store_true", help="run the long fault sweeps too")
    parser.addoption("--kill-seed", default="1", help="seed of the random kills")
    parser.addoption("--kill-summary", help="folder for the figures of the random kills")


def pytest_collection_modifyitems(config, items):
    """Begin with the longest files, and leave the sweeps to their own environment."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    if config.getoption("sweeps"):
        return
    left = [item for item in items if item.get_closest_marker("sweep")]
    config.stash[_LEFT] = len(left)
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


def pytest_sessionfinish(session):
    """In a worker of pytest-xdist: hand the number to the process that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["sweeps"] = session.config.stash.get(_LEFT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """In the process that prints: every worker has counted the same."""
    node.config.stash[_LEFT] = getattr(node, "workeroutput", {}).get("sweeps", 0)


def _tell_of_browser(terminalreporter):
    for word, outcome in (("", "passed"), ("NOT EXERCISED, no Chromium for ", "skipped")):
        found = terminalreporter.stats.get(outcome, [])
        count = sum(_BROWSER in one.nodeid for one in found)
        if count:
            terminalreporter.write_line(f"browser: {word}{count} tests of the page in Chromium")


def pytest_terminal_summary(terminalreporter, config):
    """Say what did not run."""
    _tell_of_browser(terminalreporter)
    left = config.stash.get(_LEFT, 0)
    if left:
        terminalreporter.write_line(f"sweeps: {left} left to `tox -e nightly` and its parts")


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch):
    """Remove what would configure a run or its colours from outside of the test."""
    for name in list(os.environ):
        if name.upper().startswith(_PREFIXES) or name in _TERMINAL:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def links_of_closed_runs_only():
    """How many links a run leaves depends on its time; here it is one, however slow the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "SEAL_SECONDS", 86_400.0)
        yield


@pytest.fixture(scope="session")
def registry_of():
    """A function that makes a registry: `registry_of(name=plugin_object)`, in that order."""

    def build(**plugins):
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        for name, plugin in plugins.items():
            manager.register(plugin, name=name)
        manager.check_pending()
        return Registry(tuple(plugins), dict.fromkeys(plugins, "test 1.0"), manager)

    return build


@pytest.fixture
def on_postgres(project, postgres_url):
    """The project on an empty Postgres database."""
    project.target = postgres_url
    project.configure()
    return project


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request, project):
    """The project once on each kind of target."""
    return request.getfixturevalue("on_postgres") if request.param == "postgresql" else project
