"""How long `migrate` takes to answer, beside the least that any such command can take.

The limits are a bare interpreter and one that imports click; a ratio to them says more than
seconds do on a shared machine. The empty run is the second of two runs over the same inputs:
it has nothing to load, starts no worker, and still proves the target.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

BUDGETS = {"migrate --help": 0.3, "empty run": 2.0}
"""Seconds that a case may take."""

BARE = "python -c pass"
CLICK = 'python -c "import click"'


def main(arguments: list[str]) -> int:
    """Measure, print, and return 0; the budgets are shown, not enforced."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks startup")
    parser.add_argument("--rounds", type=int, default=9, help="measurements of each case")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="messy-migration-startup-") as folder:
        seconds = measure(Path(folder), options.rounds)
    print(json.dumps(as_object(seconds, options.rounds)) if options.json else as_text(seconds))
    return 0


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Median wall time of each case in seconds.

    The cases take turns, so that a busy moment of the machine meets all of them.

    Raises:
        SystemExit: `migrate` is not installed here, or a command failed.
    """
    migrate = _migrate()
    demo = folder / "demo"
    _timed([sys.executable, "-P", "-m", "messy_migration_files.demo", str(demo)], folder)
    _timed([migrate, "run"], demo)
    cases: dict[str, tuple[Sequence[str], Path]] = {
        BARE: ([sys.executable, "-c", "pass"], folder),
        CLICK: ([sys.executable, "-P", "-c", "import click"], folder),
        "migrate --help": ([migrate, "--help"], folder),
        "empty run": ([migrate, "run"], demo),
    }
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (command, where) in cases.items():
            taken[name].append(_timed(command, where))
    return {name: median(values) for name, values in taken.items()}


def as_object(seconds: Mapping[str, float], rounds: int) -> dict[str, object]:
    """The result for `--json`: medians in seconds, and ratios to both limits."""
    return {
        "schema": 1,
        "benchmark": "startup",
        "rounds": rounds,
        "median_seconds": {name: round(value, 4) for name, value in seconds.items()},
        "ratio_to_python": {n: round(v / seconds[BARE], 2) for n, v in seconds.items()},
        "ratio_to_click": {n: round(v / seconds[CLICK], 2) for n, v in seconds.items()},
        "budget_seconds": BUDGETS,
    }


def as_text(seconds: Mapping[str, float]) -> str:
    """The result as a table for people."""
    lines = [f"{'median of each':26}{'ms':>8}{'x python':>10}{'x click':>9}{'budget ms':>11}"]
    for name, value in seconds.items():
        budget = f"{BUDGETS[name] * 1000:.0f}" if name in BUDGETS else ""
        ratios = f"{value / seconds[BARE]:10.1f}{value / seconds[CLICK]:9.1f}"
        lines.append(f"{name:26}{value * 1000:8.0f}{ratios}{budget:>11}")
    return "\n".join(lines)


def _migrate() -> str:
    program = shutil.which("migrate", path=str(Path(sys.executable).parent))
    if program is None:
        sys.exit("migrate is not installed beside this Python: pip install . ./plugins/files")
    return program


def _timed(command: Sequence[str], where: Path) -> float:
    """Seconds that a command takes; a failing one ends the benchmark, it measures nothing."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("MIGRATE_")}
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=where,
        env=clean,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return taken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
