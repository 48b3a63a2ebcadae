"""`messy_migration.api` gives every name when it is asked for, and imports little before."""

from __future__ import annotations

import subprocess
import sys
from inspect import ismodule

import pytest

from messy_migration import api

HEAVY = (
    "messy_migration.reconcile",
    "messy_migration.compare",
    "messy_migration.workers",
    "pandas",
)
"""What `migrate status` has no use for, and waited for when the package imported all names."""


def loaded_after(statement):
    """The modules that a new interpreter has after a statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(ended.stdout.split())


def test_every_name_has_one_home():
    homes = [name for names in api._HOMES.values() for name in names]
    assert sorted(homes) == sorted(api.__all__)


@pytest.mark.parametrize("name", api.__all__)
def test_a_name_is_no_module_whatever_was_imported_before(name):
    assert not ismodule(getattr(api, name))
    assert name in dir(api)


def test_a_name_that_is_none_is_told():
    with pytest.raises(AttributeError, match="no attribute 'recocile'"):
        _ = api.recocile


def test_status_imports_no_proof():
    modules = loaded_after("import messy_migration.cli.status; messy_migration.api.status")
    assert not [name for name in modules if name.startswith(HEAVY)]
    assert "messy_migration.reconcile" in loaded_after(
        "from messy_migration import api; api.reconcile"
    )
