"""The benchmarks can be called; what they measure is no business of a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("startup", "fingerprint", "load", "pg2pg", "reconcile")


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
    assert all(name in done.stderr for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_of_the_table_explains_its_options(name):
    done = benchmarks(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"python -m benchmarks {name}" in done.stdout


def test_the_notes_have_a_section_for_each_benchmark():
    notes = (ROOT / "benchmarks" / "README.md").read_text()
    for name in NAMES:
        assert f"\n## {name}" in notes


def test_load_prints_what_both_sides_took_and_their_ratio():
    """It also proves that both sides left the same rows, or it would not print at all."""
    options = ("--rows", "300", "--rounds", "2", "--json")
    done = benchmarks("load", *options)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["schema"], figures["benchmark"]) == (1, "load")
    assert (figures["rows"], figures["columns"], figures["rounds"]) == (300, 15, 2)
    assert figures["copy"].startswith(("psql", "psycopg"))
    assert figures["csv_bytes"] > 300 * 100
    pairs = zip(*(figures["sides"][name]["seconds"] for name in ("migrate", "copy")), strict=True)
    ratios = [ours / theirs for ours, theirs in pairs]
    assert figures["ratios"] == pytest.approx(ratios, rel=0.05)
    low, high = sorted(figures["ratios"])
    assert low <= figures["ratio_to_copy"] <= high
    for side in figures["sides"].values():
        assert side["median_seconds"] > 0
        assert side["client_cpu_seconds"] > 0
        assert {"server_cpu_seconds", "client_peak_rss_mib", "client_peak_rss_mib_sum"} <= set(side)


def test_load_does_without_psql_and_says_so(postgres_url, tmp_path):
    code = (
        "import sys; from pathlib import Path; from benchmarks import beside, load, tickets;"
        "folder = Path(sys.argv[1]); whole = tickets.write(folder, 200, 2);"
        "bench = load.Bench(None, folder, {tickets.TABLE: whole}, None, 2); url = sys.argv[2];"
        "used = bench.copy(url); found = beside.fingerprints(url, [*bench.files]);"
        "print(used.seconds > 0, found[0].rows, bench.how)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), postgres_url],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True 200 psycopg COPY")
