"""What every test of the project shares: a scrubbed environment, plugins made of objects."""

from __future__ import annotations

import os

import pluggy
import pytest

from messy_migration import hookspecs
from messy_migration.registry import Registry

_PREFIXES = ("MIGRATE_", "FILES__")
_TERMINAL = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PY_COLORS", "COLUMNS")


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch):
    """Remove what would configure a run or its colours from outside of the test."""
    for name in list(os.environ):
        if name.upper().startswith(_PREFIXES) or name in _TERMINAL:
            monkeypatch.delenv(name)


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
