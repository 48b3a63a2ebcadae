"""A copy of the packages in which code may be broken, and the tests run against it.

The checkout is never touched: a process under test finds the copy first on its path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 300
"""After which tests that do not end count as having noticed: a loop that ends no more is one."""

_PASSED, _FAILED = 0, 1
# Whether a test fails is asked, not on which smallest example; and every time the same.
_PROFILE = """
from hypothesis import Phase, settings
settings.register_profile(
    "mutants", database=None, deadline=None, derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("mutants")
"""


class Unusable(Exception):
    """The tests said neither yes nor no: there are none, or the broken code cannot be imported."""


class Copy:
    """All packages, as the checkout has them."""

    def __init__(self, folder):
        self.folder = folder
        for package in _packages():
            shutil.copytree(
                ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        (folder / "mutants_profile.py").write_text(_PROFILE)
        self._paths = [folder, *(folder / "plugins").iterdir()]

    @contextmanager
    def broken(self, module, text):
        """The copy with another text of one module, as long as the context lasts."""
        path = self.folder / module
        path.write_text(text)
        try:
            yield
        finally:
            shutil.copyfile(ROOT / module, path)

    def notice(self, tests, seconds=SECONDS):
        """Do these tests fail here? The last lines that they print, or None.

        Raises:
            Unusable: they cannot be run.
        """
        pytest = [sys.executable, "-P", "-B", "-m", "pytest", "-x", "-q"]
        plugins = ["-p", "no:cacheprovider", "-p", "mutants_profile"]
        try:
            done = subprocess.run(
                [*pytest, *plugins, *tests],
                cwd=ROOT,
                env=self._environment(),
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"did not end within {seconds} seconds"
        said = "\n".join(done.stdout.splitlines()[-8:])
        if done.returncode == _PASSED:
            return None
        if done.returncode != _FAILED:
            raise Unusable(f"pytest ended with {done.returncode}:\n{said}\n{done.stderr[-2000:]}")
        return said

    def _environment(self):
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
        return kept | {"PYTHONPATH": os.pathsep.join(str(path) for path in self._paths)}


def _packages():
    """Folders that are imported or read at run time, relative to the checkout."""
    plugins = sorted(path.relative_to(ROOT) for path in ROOT.glob("plugins/*/messy_migration_*"))
    return [Path("messy_migration"), Path("migrations"), *plugins]
