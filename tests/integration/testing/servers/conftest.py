"""What the tests of servers share."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from messy_migration.testing.servers import throwaway


@pytest.fixture
def own_temporary(monkeypatch):
    """A folder for temporary files in which no other test run makes a server."""
    folder = Path(tempfile.mkdtemp(dir=throwaway.temporary()))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    assert throwaway.temporary() == folder
    yield folder
    shutil.rmtree(folder)
