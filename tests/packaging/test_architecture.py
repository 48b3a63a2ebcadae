"""What ARCHITECTURE.md and CONTRIBUTING.md say of the code is so."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "messy_migration"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
DECLARATIONS = {"messy_migration/ledger/tables.py:ledger"}
"""Functions that may be longer than 60 lines, since they only declare."""
PAGES = PAGE + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def contract(name):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return next(one for one in contracts if one["id"] == name)


def rooms():
    """Every folder and module of the package that is a floor's room."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    return folders | modules


def test_the_floors_of_the_page_are_those_of_the_contract():
    (drawn,) = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert drawn.split("\n")[:-1] == contract("floors")["layers"]


def test_every_room_is_told_of_once():
    told = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(told) == sorted(rooms())


def test_the_page_calls_public_what_plugins_may_import():
    public = set(re.findall(r"^\| `(\w+)` \|.*public \|$", PAGE, re.MULTILINE))
    closed = {
        name.removeprefix("messy_migration.")
        for name in contract("plugins-see-public-names")["forbidden_modules"]
    }
    assert public == rooms() - closed


@pytest.mark.parametrize("place", sorted(set(re.findall(r"`([\w/]+(?:/|\.py))`", PAGES))))
def test_every_path_that_is_named_exists(place):
    assert (ROOT / place).exists() or (PACKAGE / place).exists()


def sources():
    """Path from the root -> text of every module that is shipped."""
    return {
        path.relative_to(ROOT): path.read_text(encoding="utf-8")
        for folder in (PACKAGE, ROOT / "plugins")
        for path in folder.rglob("*.py")
        if "tests" not in path.parts
    }


def test_no_module_is_longer_than_400_lines():
    lengths = {path: len(text.splitlines()) for path, text in sources().items()}
    assert {path: count for path, count in lengths.items() if count > 400} == {}


def test_no_function_but_a_declaration_is_longer_than_60_lines():
    lengths = {
        f"{path}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, text in sources().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name for name, count in lengths.items() if count > 60} == DECLARATIONS
