"""The benchmarks can be called; what they measure is no business of a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def benchmarks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


@pytest.mark.parametrize("arguments", [(), ("no-such-thing",)])
def test_without_a_known_name_the_known_ones_are_named(arguments):
    done = benchmarks(*arguments)
    assert done.returncode == 2
    assert "startup" in done.stderr
    assert "fingerprint" in done.stderr


@pytest.mark.parametrize("name", ["startup", "fingerprint"])
def test_every_benchmark_of_the_table_explains_its_options(name):
    done = benchmarks(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"python -m benchmarks {name}" in done.stdout


def test_the_notes_have_a_section_for_each_benchmark():
    notes = (ROOT / "benchmarks" / "README.md").read_text()
    for name in ("startup", "fingerprint"):
        assert f"\n## {name}" in notes
