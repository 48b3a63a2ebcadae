"""What every test of the project shares: an environment without the caller's settings."""

from __future__ import annotations

import os

import pytest

_PREFIXES = ("MIGRATE_", "FILES__")
_TERMINAL = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PY_COLORS", "COLUMNS")


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch):
    """Remove what would configure a run or its colours from outside of the test."""
    for name in list(os.environ):
        if name.upper().startswith(_PREFIXES) or name in _TERMINAL:
            monkeypatch.delenv(name)
