"""How long it takes to prove two databases equal, and to name ten rows that differ.

    python -m benchmarks reconcile [--rows N] [--rounds R] [--peers reladiff] [--json]

Two databases of one server of its own hold the same table. `migrate reconcile --between` and
reladiff compare them in turn, each as a program from start to end; then ten rows of one side
are changed, and they do it again. Whoever says the wrong thing ends the benchmark. reladiff is
installed from the package index into a folder that is thrown away.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.processes import Usage, command_beside, cpu_of_server, measured
from benchmarks.servers import SETTINGS, checkpoint, execute, plain, provider
from messy_migration.testing.servers.postgres import Server, server

PEER = "reladiff==0.6.0"
"""What is installed beside us."""

EQUAL_SECONDS, DIFFERENT_RATIO, PEER_RATIO = 3.0, 1.5, 5.0
"""Budgets: seconds for a million equal rows, how much longer with ten that differ, how many
times faster than the peer."""

CHANGED = 10
_MIB = 1 << 20
_COLUMNS = {
    "id": "g",
    "customer": "(g * 7919 % 100003)::int",
    "position": "(g % 97)::int",
    "name": "'Customer ' || (g * 31 % 99991)",
    "email": "'buyer.' || (g * 17 % 1000003) || '@example.org'",
    "note": "CASE WHEN g % 7 <> 0 THEN 'note ' || md5(g::text) END",
    "price": "((g * 37 % 1000000) / 100.0)::numeric(12,2)",
    "is_paid": "g % 3 = 0",
    "sold_at": "timestamptz '2020-01-01' + g * 1.371 * interval '1 second'",
    "day": "date '2015-01-01' + (g % 3000)::int",
    "ratio": "g * 0.1::float8",
    "token": "md5(g::text)::uuid",
}
_CHANGES = (
    "price = price + 0.01",
    "email = upper(email)",
    "sold_at = sold_at + interval '1 hour'",
    "note = 'x'",
    "is_paid = NOT is_paid",
)


@dataclass(frozen=True)
class Bench:
    """Two databases with the same table, and the programs that compare them.

    Attributes:
        server: of our own.
        left, right: their URLs.
        folder: to run in.
        peer: the program beside us, or None.
    """

    server: Server
    left: str
    right: str
    folder: Path
    peer: Path | None

    def fill(self, rows: int) -> None:
        """The same rows on both sides, the key after them, and settled as a table comes to be."""
        columns = ", ".join(f"{value} AS {name}" for name, value in _COLUMNS.items())
        for url in (self.left, self.right):
            execute(
                url,
                f"CREATE TABLE sold AS SELECT {columns} FROM generate_series(1::bigint, {rows}) g",
                "ALTER TABLE sold ADD PRIMARY KEY (id)",
                "VACUUM (FREEZE, ANALYZE) sold",
            )

    def change(self, rows: int) -> None:
        """Ten rows of the right side, spread over the table."""
        for number in range(CHANGED):
            key = 1 + number * (rows - 1) // CHANGED
            execute(
                self.right, f"UPDATE sold SET {_CHANGES[number % len(_CHANGES)]} WHERE id = {key}"
            )

    def migrate(self, differing: int) -> Usage:
        """Ours, from start to end; anything but the truth ends the benchmark."""
        usage = measured(
            [
                command_beside("migrate"),
                *("reconcile", "--between", "env://BENCH_LEFT", "env://BENCH_RIGHT", "--json"),
            ],
            self.folder,
            {
                "BENCH_LEFT": self.left,
                "BENCH_RIGHT": self.right,
                # As installed from wheels: compiled once, wherever it lies.
                "PYTHONDONTWRITEBYTECODE": "",
                "PYTHONPYCACHEPREFIX": str(self.folder / "compiled"),
            },
            fine=(0, 8),
        )
        document = json.loads(usage.output)
        if len(document["differences"]) != differing or document["verdict"] == "UNKNOWN":
            sys.exit(f"ours found {len(document['differences'])} of {differing}: {usage.output}")
        return usage

    def reladiff(self, differing: int, threads: int = 1) -> Usage:
        """The peer, over the same columns; it prints a line for each row of either side."""
        columns = [part for name in _COLUMNS if name != "id" for part in ("-c", name)]
        usage = measured(
            [
                str(self.peer),
                *(plain(self.left), "sold", plain(self.right), "sold", "-k", "id", *columns),
                *("--threads", str(threads)),
            ],
            self.folder,
            {},
        )
        rows = len([line for line in usage.output.splitlines() if line[:1] in "+-"])
        if rows != 2 * differing:
            print(f"reladiff printed {rows} rows, {2 * differing} differ", file=sys.stderr)
        return usage


Sides = Mapping[str, Callable[[int], Usage]]


@dataclass(frozen=True)
class Measurement:
    """What one program took once."""

    usage: Usage
    server_cpu: float


def main(arguments: list[str]) -> int:
    """Measure, print, and return 0; the budgets are shown, not enforced."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks reconcile")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of either side")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each program")
    parser.add_argument("--peers", default="reladiff", help="reladiff, or nothing")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="messy-migration-reconcile-") as directory,
        server(provider(), **SETTINGS) as running,
        running.database() as left,
        running.database() as right,
    ):
        folder = Path(directory)
        peer = _installed(folder) if options.peers else None
        bench = Bench(running, left, right, folder, peer)
        bench.fill(options.rows)
        bench.migrate(0)  # so that all that is measured finds its modules compiled
        equal = _rounds(bench, options.rounds, 0)
        bench.change(options.rows)
        different = _rounds(bench, options.rounds, CHANGED)
        figures = as_object(bench, options.rows, equal, different)
    print(json.dumps(figures) if options.json else as_text(figures))
    return 0


def _installed(folder: Path) -> Path:
    """The peer in an environment of its own."""
    venv.create(folder / "peer", with_pip=True)
    programs = folder / "peer" / "bin"
    command = [str(programs / "python"), "-m", "pip", "install", "-q", PEER, "psycopg2-binary"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return programs / "reladiff"


def _rounds(bench: Bench, rounds: int, differing: int) -> dict[str, list[Measurement]]:
    """Each program as often, the first of a round being another one each time."""
    sides: dict[str, Callable[[], Usage]] = {"migrate": lambda: bench.migrate(differing)}
    if bench.peer is not None:
        sides["reladiff"] = lambda: bench.reladiff(differing)
        sides["reladiff, 8 threads"] = lambda: bench.reladiff(differing, 8)
    measurements: dict[str, list[Measurement]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            checkpoint(bench.server)
            before = cpu_of_server(bench.server)
            usage = sides[name]()
            measurements[name].append(Measurement(usage, cpu_of_server(bench.server) - before))
    return measurements


def as_object(
    bench: Bench,
    rows: int,
    equal: Mapping[str, Sequence[Measurement]],
    different: Mapping[str, Sequence[Measurement]],
) -> dict[str, object]:
    """The result for `--json`: seconds of each program, and the ratios between medians."""
    ours = _seconds(equal["migrate"]), _seconds(different["migrate"])
    ratios = {
        name: [
            round(_seconds(costs[name]) / mine, 2)
            for costs, mine in zip((equal, different), ours, strict=True)
        ]
        for name in equal
        if name != "migrate"
    }
    return {
        "schema": 1,
        "benchmark": "reconcile",
        "rows": rows,
        "columns": len(_COLUMNS),
        "rounds": len(equal["migrate"]),
        "differences": CHANGED,
        "cpus": os.cpu_count(),
        "load": [round(one, 1) for one in os.getloadavg()],
        "server": f"PostgreSQL {bench.server.version} ({bench.server.provider})",
        "equal": {name: _side(measurements) for name, measurements in equal.items()},
        "different": {name: _side(measurements) for name, measurements in different.items()},
        "different_to_equal": round(ours[1] / ours[0], 2),
        "peers_to_ours": ratios,
        "budgets": {
            "equal_seconds": EQUAL_SECONDS,
            "different_to_equal": DIFFERENT_RATIO,
            "peers_to_ours": PEER_RATIO,
        },
    }


def _seconds(measurements: Sequence[Measurement]) -> float:
    return median(measurement.usage.seconds for measurement in measurements)


def _side(measurements: Sequence[Measurement]) -> dict[str, object]:
    peaks = [
        measurement.usage.peak for measurement in measurements if measurement.usage.peak is not None
    ]
    return {
        "median_seconds": round(_seconds(measurements), 3),
        "seconds": [round(measurement.usage.seconds, 3) for measurement in measurements],
        "client_cpu_seconds": round(
            median(measurement.usage.cpu for measurement in measurements), 3
        ),
        "server_cpu_seconds": round(
            median(measurement.server_cpu for measurement in measurements), 3
        ),
        "client_peak_rss_mib": round(max(peaks) / _MIB, 1) if peaks else None,
    }


def as_text(figures: Mapping[str, object]) -> str:
    """The result as a table for people."""
    size = f"{figures['rows']:,} rows, {figures['columns']} columns, {figures['cpus']} CPUs"
    lines = [
        f"{size}, {figures['server']}, load {figures['load']}",
        f"{'':38}{'seconds':>9}{'client CPU':>12}{'server CPU':>12}{'peak MiB':>10}",
    ]
    keys = ("median_seconds", "client_cpu_seconds", "server_cpu_seconds", "client_peak_rss_mib")
    for state, words in (("equal", "equal"), ("different", f"{figures['differences']} differ")):
        sides: Mapping[str, Mapping[str, object]] = figures[state]  # type: ignore[assignment]
        for name, side in sides.items():
            cells = [side[key] for key in keys]
            shown = [f"{cell:,.2f}" if isinstance(cell, float) else "-" for cell in cells]
            line = (
                f"{words + ', ' + name:38}{shown[0]:>9}{shown[1]:>12}{shown[2]:>12}{shown[3]:>10}"
            )
            lines.append(line)
    lines.append(f"ours, differing to equal: {figures['different_to_equal']}")
    ratios: Mapping[str, Sequence[float]] = figures["peers_to_ours"]  # type: ignore[assignment]
    lines += [
        f"{name} to ours: {equal} equal, {different} differing"
        for name, (equal, different) in ratios.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
