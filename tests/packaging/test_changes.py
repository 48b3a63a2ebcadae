"""What is not released yet is told in fragments, each of a kind that a release knows."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAGMENTS = sorted(path for path in (ROOT / "changes").iterdir() if path.name != "README.md")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
KINDS = {kind["directory"] for kind in SETTINGS["type"]}


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_has_a_name_a_kind_and_a_few_lines(path):
    name, kind, ending = path.name.rsplit(".", 2)
    assert name.isdigit() or name.startswith("+")
    assert kind in KINDS
    assert ending == "md"
    lines = path.read_text().strip().splitlines()
    assert 1 <= len(lines) <= 4
    assert max(map(len, lines)) <= 110


def test_the_place_where_a_release_puts_them_is_there():
    text = (ROOT / SETTINGS["filename"]).read_text()
    assert text.count(SETTINGS["start_string"]) == 1
    assert set(KINDS) <= set((ROOT / SETTINGS["directory"] / "README.md").read_text().split("`"))
