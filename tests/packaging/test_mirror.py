"""Every module of the core has tests of its own, or a reason why it has none."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

from ..conftest import LONGEST

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "messy_migration"
FOLDERS = [ROOT / "tests" / name for name in ("unit", "integration")]
GROUPS = tomllib.loads(Path(__file__).with_name("without_tests.toml").read_text(encoding="utf-8"))[
    "group"
]
EXCUSED = [module for group in GROUPS for module in group["modules"]]


def modules():
    """Modules as `room/module`; an `__init__` only names what others are."""
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }


def with_tests():
    return {
        path.relative_to(folder).with_name(path.stem.removeprefix("test_")).as_posix()
        for folder in FOLDERS
        for path in folder.rglob("test_*.py")
    }


def test_a_module_has_tests_of_its_name_or_a_line_that_says_what_holds_it():
    assert sorted(modules() - with_tests() - set(EXCUSED)) == []


def test_a_line_is_of_a_module_that_is_there_and_of_one_alone():
    assert sorted(set(EXCUSED) - modules()) == []
    assert [module for module, count in Counter(EXCUSED).items() if count > 1] == []


def test_what_a_line_names_exists():
    named = {place for group in GROUPS for place in group["tested_by"]}
    assert [place for place in sorted(named) if not (ROOT / place).exists()] == []
    assert all(group["tested_by"] and group["why"] for group in GROUPS)


def test_the_files_that_come_first_are_there():
    names = {
        path.name for root in (ROOT / "tests", ROOT / "plugins") for path in root.rglob("*.py")
    }
    assert names >= LONGEST
