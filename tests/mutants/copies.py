"""A copy of the packages in which code may be broken, and the tests run against it.

The checkout is never touched: a process under test finds the copy first on its path.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 300
"""After which tests that do not end count as having noticed: a loop that ends no more is one."""

_OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "mutants_profile"]
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
    """All packages, as the checkout has them; a context that ends the process of its tests."""

    def __init__(self, folder):
        self.folder = folder
        for package in _packages():
            shutil.copytree(
                ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        (folder / "mutants_profile.py").write_text(_PROFILE)
        shutil.copyfile(Path(__file__).with_name("loop.py"), folder / "mutants_loop.py")
        paths = [str(path) for path in (folder, *(folder / "plugins").iterdir())]
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
        own = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        self._environment = kept | own
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-B", str(Path(__file__).with_name("zygote.py")), *paths],
            cwd=ROOT,
            # Of processes that the tests start.
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

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
        asked = {"arguments": ["-x", *_OPTIONS, *tests], "seconds": seconds}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if answer["code"] == _PASSED:
            return None
        if answer["code"] == -signal.SIGALRM:
            return f"did not end within {seconds} seconds"
        if answer["code"] != _FAILED:
            raise Unusable(f"pytest ended with {answer['code']}:\n{answer['said']}")
        return answer["said"]

    def words(self, tests, texts):
        """What the tests say of many mutants whose change is within functions; see `loop`.

        Args:
            tests: files of tests, which are collected once.
            texts: (name of a module, its text with the mutant) pairs.

        Raises:
            Unusable: not every mutant got its word.
        """
        asked, told = self.folder / "asked.json", self.folder / "told"
        asked.write_text(json.dumps(texts))
        told.write_text("")
        places = {"MUTANTS_ASKED": str(asked), "MUTANTS_TOLD": str(told)}
        pytest = [
            sys.executable,
            "-P",
            "-B",
            "-m",
            "pytest",
            *_OPTIONS,
            "--tb=no",
            "-p",
            "mutants_loop",
        ]
        done = subprocess.run(
            [*pytest, "--basetemp", str(self.folder / "temporary"), *tests],
            cwd=ROOT,
            env=self._environment | places,
            capture_output=True,
            text=True,
            check=False,
        )
        words = told.read_text().split()
        if len(words) != len(texts):
            raise Unusable(f"{len(words)} of {len(texts)} mutants were judged:\n{done.stdout}")
        return words


def _packages():
    """Folders that are imported or read at run time, relative to the checkout."""
    plugins = sorted(path.relative_to(ROOT) for path in ROOT.glob("plugins/*/messy_migration_*"))
    return [Path("messy_migration"), Path("migrations"), *plugins]
