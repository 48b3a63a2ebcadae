"""Whether a run's time grows with its rows and its memory does not.

    python -m benchmarks growth [--rows N] [--workers W] [--json]

Whole runs of one CSV file into Postgres, as in `benchmarks.load`, of a tenth, a quarter, a half
and all of N ticket rows, each into a fresh database. Linear is a wall time per million rows that
stays; flat is a peak of the largest worker that stays.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import beside, tickets
from benchmarks.load import Bench
from benchmarks.processes import cpu_of_server
from benchmarks.servers import SETTINGS, checkpoint, provider
from messy_migration.testing.servers.postgres import Server, server

BUDGET_MIB = 300
"""What the largest worker may hold, however many rows there are."""

SHARES = (0.1, 0.25, 0.5, 1.0)
_MIB = 1 << 20


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return 0; the budget is shown, not enforced."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks growth")
    parser.add_argument("--rows", type=int, default=10_000_000, help="most ticket rows to load")
    parser.add_argument("--workers", type=int, default=2, help="processes of our run")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args(arguments)
    with (
        server(provider(), **SETTINGS) as running,
        tempfile.TemporaryDirectory(prefix="messy-migration-growth-") as directory,
    ):
        bench = Bench(running, Path(directory), {}, None, options.workers)
        (bench.folder / "compiled").mkdir()
        _step(bench, 1_000)  # so that all that is measured finds its modules compiled
        steps = [_step(bench, max(1, int(options.rows * share))) for share in SHARES]
        figures = as_object(steps, options.workers, running)
    print(json.dumps(figures) if options.json else as_text(figures))
    return 0


def _step(bench: Bench, rows: int) -> dict[str, Any]:
    """One run of so many rows."""
    running = bench.server
    with tempfile.TemporaryDirectory(dir=bench.folder) as directory, running.database() as url:
        folder = Path(directory)
        path = tickets.write(folder, rows)
        (folder / "compiled").symlink_to(bench.folder / "compiled")
        checkpoint(running)
        before = cpu_of_server(running)
        usage = replace(bench, folder=folder).migrate(url)
        (fingerprint,) = beside.fingerprints(url, (tickets.TABLE,))
        if fingerprint.rows != rows:
            sys.exit(f"{fingerprint.rows} rows arrived of {rows}")
        return {
            "rows": rows,
            "csv_bytes": path.stat().st_size,
            "seconds": round(usage.seconds, 2),
            "seconds_per_million": round(usage.seconds / rows * 1_000_000, 2),
            "client_cpu_seconds": round(usage.cpu, 2),
            "server_cpu_seconds": round(cpu_of_server(running) - before, 2),
            "largest_process_mib": round(usage.peak / _MIB, 1) if usage.peak else None,
            "all_processes_mib": round(usage.peak_sum / _MIB, 1) if usage.peak_sum else None,
        }


def as_object(steps: Sequence[dict[str, Any]], workers: int, running: Server) -> dict[str, object]:
    """The result for `--json`: each step, and the last one held against the first."""
    first, last = steps[0], steps[-1]
    peaks = [step["largest_process_mib"] for step in (first, last)]
    return {
        "schema": 1,
        "benchmark": "growth",
        "workers": workers,
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "server": f"PostgreSQL {running.version} ({running.provider})",
        "steps": list(steps),
        "time_growth": round(last["seconds_per_million"] / first["seconds_per_million"], 2),
        "memory_growth": round(peaks[1] / peaks[0], 2) if all(peaks) else None,
        "budget_mib": BUDGET_MIB,
    }


def as_text(figures: dict[str, Any]) -> str:
    """The result as a table for people."""
    head = (
        f"{figures['workers']} workers, {figures['cpus']} CPUs, {figures['server']},"
        f" load {figures['load_average']}"
    )
    lines = [head, f"{'rows':>12}{'seconds':>10}{'s a million':>13}{'CPU s':>8}{'server':>8}"]
    lines[1] += f"{'largest process':>17}"
    for step in figures["steps"]:
        peak = step["largest_process_mib"]
        lines.append(
            f"{step['rows']:12,}{step['seconds']:10.2f}{step['seconds_per_million']:13.2f}"
            f"{step['client_cpu_seconds']:8.2f}{step['server_cpu_seconds']:8.2f}"
            + (f"{peak:13.1f} MiB" if peak else f"{'-':>17}")
        )
    lines.append(
        f"time a row grew {figures['time_growth']:.2f} times, memory"
        f" {figures['memory_growth'] or '-'} times; budget {figures['budget_mib']} MiB"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
