"""Small slips, by name: what somebody could write by mistake, and the tests that notice it.

The tables lie in `slips/*.toml`, one for each part of the package:

    [[slip]]
    id = "S-G1"
    module = "messy_migration/databases/merge.py"
    function = "same_key"
    harm = "what a user would suffer"
    old = "a text that the function has once"
    new = "what stands there instead"
    tests = ["tests/unit/databases/test_merge.py"]
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .copies import ROOT

_TABLES = Path(__file__).parent / "slips"


@dataclass(frozen=True)
class Slip:
    """One change to one function.

    Attributes:
        id: its name.
        module: the file, relative to the checkout.
        function: the function, or `Class.method`, or empty for the whole module.
        harm: what would follow.
        old, new: a text that stands once in the function, and what it becomes.
        tests: files or single tests that notice it, those that run in seconds first.
    """

    id: str
    module: str
    function: str
    harm: str
    old: str
    new: str
    tests: tuple[str, ...]

    def broken(self):
        """The module's text with the slip.

        Raises:
            LookupError: the function is gone, or has the text not exactly once.
        """
        text = (ROOT / self.module).read_text()
        start, end = _bounds(text, self.function, self.module)
        body = text[start:end]
        if body.count(self.old) != 1:
            raise LookupError(
                f"{self.id}: {self.module}, {self.function}: the text stands there"
                f" {body.count(self.old)} times; let the slip follow the code"
            )
        return text[:start] + body.replace(self.old, self.new) + text[end:]


def slips():
    """All of them, in order of the tables."""
    return [
        Slip(**item | {"tests": tuple(item["tests"])})
        for path in sorted(_TABLES.glob("*.toml"))
        for item in tomllib.loads(path.read_text())["slip"]
    ]


def _bounds(text, function, module):
    """Where a function begins and ends in the text of its module."""
    if not function:
        return 0, len(text)
    body = ast.parse(text).body
    found = None
    for name in function.split("."):
        found = next((node for node in body if getattr(node, "name", None) == name), None)
        if found is None:
            raise LookupError(f"{module} has no {function}")
        body = found.body
    lines = text.splitlines(keepends=True)
    return sum(map(len, lines[: found.lineno - 1])), sum(map(len, lines[: found.end_lineno]))
