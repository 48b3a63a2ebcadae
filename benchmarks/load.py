r"""How long a whole verified run takes, beside `psql \copy` of the same rows that checks nothing.

    python -m benchmarks load [--rows N] [--rounds R] [--workers W] [--json]

Each measurement gets a fresh database on a server of its own, durable as servers are by
default, after a CHECKPOINT; the two sides take turns at going first. Ours is all of
`migrate run`: start-up, the ledger's tables, extract, validate, load, key and reconciliation.
\copy goes into the same table, made beforehand with its key. At the end the two tables are
held against each other, so that nobody is fast by leaving something out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import psycopg
from sqlalchemy import make_url

from benchmarks import tickets
from benchmarks.processes import Usage, command_beside, cpu_of_server, measured
from benchmarks.servers import SETTINGS, checkpoint, plain, provider
from messy_migration.model import Fingerprint
from messy_migration.target.dialect import scoped
from messy_migration.target.engine import open_target
from messy_migration.target.tables import ddl
from messy_migration.testing.postgres import Server, server

BUDGET = 1.0
"""The most that our wall time may be, as a multiple of the wall time of \\copy."""

_COPY = "FROM STDIN (FORMAT csv, HEADER true)"
_CHUNK = 1 << 20
_MIB = 1 << 20


@dataclass(frozen=True)
class Measurement:
    """What one side took once, and what it left in its table."""

    usage: Usage
    server_cpu: float
    fingerprint: Fingerprint


@dataclass(frozen=True)
class Bench:
    """A running server, the files, and the program that copies.

    Attributes:
        server: of our own.
        folder: with `migrate.toml`, its files, and the same rows in one file.
        whole: that file.
        psql: the program, or None where psycopg has to do its work.
        workers: of our run.
    """

    server: Server
    folder: Path
    whole: Path
    psql: str | None
    workers: int

    def migrate(self, url: str) -> Usage:
        """One whole run; anything but MATCH ends the benchmark."""
        arguments = ["run", "--json", "--workers", str(self.workers)]
        usage = measured(
            [command_beside("migrate"), *arguments],
            self.folder,
            # As installed from wheels: compiled once, wherever it lies and whoever may write there.
            {
                "MIGRATE_TARGET": url,
                "PYTHONDONTWRITEBYTECODE": "",
                "PYTHONPYCACHEPREFIX": str(self.folder / "compiled"),
            },
        )
        result = json.loads(usage.output)
        if result["verdict"] != "MATCH":
            sys.exit(f"the run ended with {result['verdict']}: {usage.output}")
        return usage

    def copy(self, url: str) -> Usage:
        """The same rows in one stream, into the same table with its key."""
        target = open_target(make_url(url), "benchmark")
        with target.engine.begin() as connection:
            connection.exec_driver_sql(ddl(target.dialect, tickets.TABLE))
        if self.psql is None:
            return self._psycopg(url)
        statement = f"\\copy {tickets.TABLE.name} {_COPY.replace('STDIN', repr(str(self.whole)))}"
        parts = make_url(url)
        where = ["-h", str(parts.host), "-p", str(parts.port), "-U", str(parts.username)]
        return measured(
            [self.psql, "-X", "-q", *where, "-d", str(parts.database), "-c", statement],
            self.folder,
            {"PGPASSWORD": str(parts.password)},
        )

    @property
    def how(self) -> str:
        """What copied."""
        return "psql \\copy" if self.psql else "psycopg COPY of the raw bytes, no psql here"

    def _psycopg(self, url: str) -> Usage:
        """In this process, since the start of another would count against it."""
        begin, cpu = time.perf_counter(), time.process_time()
        with (
            psycopg.connect(plain(url)) as connection,
            connection.cursor() as cursor,
            cursor.copy(f"COPY {tickets.TABLE.name} {_COPY}") as copy,
            self.whole.open("rb") as file,
        ):
            while chunk := file.read(_CHUNK):
                copy.write(chunk)
        return Usage(time.perf_counter() - begin, time.process_time() - cpu, None, None)


def main(arguments: list[str]) -> int:
    """Measure, print, and return 0; the budget is shown, not enforced."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks load")
    parser.add_argument("--rows", type=int, default=1_000_000, help="ticket rows to load")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side")
    parser.add_argument("--workers", type=int, default=2, help="processes of our run")
    parser.add_argument("--files", type=int, default=2, help="files that the rows are in")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="messy-migration-load-") as place:
        folder = Path(place)
        whole = tickets.write(folder, options.rows, options.files)
        with server(provider(), **SETTINGS) as running:
            bench = Bench(running, folder, whole, _psql(running), options.workers)
            _warm_up(bench)
            rounds = [_round(bench, number) for number in range(options.rounds)]
        figures = as_object(bench, options.rows, rounds)
    print(json.dumps(figures) if options.json else as_text(figures))
    return 0


def _warm_up(bench: Bench) -> None:
    """A run of a few rows, so that all that is measured finds its modules compiled."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as place, bench.server.database() as url:
        small = Path(place)
        tickets.write(small, 1_000, 2)
        (bench.folder / "compiled").mkdir()
        (small / "compiled").symlink_to(bench.folder / "compiled")
        replace(bench, folder=small).migrate(url)


def _round(bench: Bench, number: int) -> dict[str, Measurement]:
    """Both sides once, the first of the round before first in this one's turn."""
    sides = {"migrate": bench.migrate, "copy": bench.copy}
    order = list(sides) if number % 2 else list(reversed(sides))
    found = {}
    for name in order:
        with bench.server.database() as url:
            checkpoint(bench.server)
            before = cpu_of_server(bench.server)
            usage = sides[name](url)
            spent = cpu_of_server(bench.server) - before
            found[name] = Measurement(usage, spent, _fingerprint(url))
    if found["migrate"].fingerprint != found["copy"].fingerprint:
        sys.exit("the two sides left different rows in their tables")
    return found


def _fingerprint(url: str) -> Fingerprint:
    target = open_target(make_url(url), "benchmark")
    with target.dialect.reading(target.engine) as connection:
        return target.dialect.fingerprint(connection, tickets.TABLE, scoped(tickets.TABLE))


def _psql(running: Server) -> str | None:
    """The program: on PATH, or among the server's own."""
    places = os.environ.get("PATH", "").split(os.pathsep)
    if running.cluster is not None:
        places.append(str(running.cluster.binaries))
    found = (Path(place) / "psql" for place in places if place)
    return next((str(path) for path in found if os.access(path, os.X_OK)), None)


def as_object(
    bench: Bench, rows: int, rounds: Sequence[dict[str, Measurement]]
) -> dict[str, object]:
    """The result for `--json`: seconds and ratios of each round, and medians of all."""
    ratios = [one["migrate"].usage.seconds / one["copy"].usage.seconds for one in rounds]
    return {
        "schema": 1,
        "benchmark": "load",
        "rows": rows,
        "columns": len(tickets.TABLE.columns),
        "csv_bytes": bench.whole.stat().st_size,
        "rounds": len(rounds),
        "workers": bench.workers,
        "cpus": os.cpu_count(),
        "server": f"PostgreSQL {bench.server.version} ({bench.server.provider})",
        "copy": bench.how,
        "ratio_to_copy": round(median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "budget_ratio": BUDGET,
        "sides": {name: _side([one[name] for one in rounds]) for name in ("migrate", "copy")},
    }


def _side(found: Sequence[Measurement]) -> dict[str, object]:
    peaks = [item.usage.peak for item in found if item.usage.peak is not None]
    sums = [item.usage.peak_sum for item in found if item.usage.peak_sum is not None]
    return {
        "median_seconds": round(median(item.usage.seconds for item in found), 3),
        "seconds": [round(item.usage.seconds, 3) for item in found],
        "client_cpu_seconds": round(median(item.usage.cpu for item in found), 3),
        "server_cpu_seconds": round(median(item.server_cpu for item in found), 3),
        "client_peak_rss_mib": round(max(peaks) / _MIB, 1) if peaks else None,
        "client_peak_rss_mib_sum": round(max(sums) / _MIB, 1) if sums else None,
    }


def as_text(figures: dict[str, object]) -> str:
    """The result as a table for people."""
    sides: dict[str, dict[str, object]] = figures["sides"]  # type: ignore[assignment]
    head = (
        f"{figures['rows']:,} rows, {figures['columns']} columns, {figures['workers']} workers,"
        f" {figures['cpus']} CPUs, {figures['server']}"
    )
    lines = [head, f"{'':34}{'migrate run':>14}{figures['copy']!s:>14}"]
    labels = {
        "median_seconds": "seconds, median",
        "client_cpu_seconds": "CPU seconds of the client",
        "server_cpu_seconds": "CPU seconds of the server",
        "client_peak_rss_mib": "peak MiB of the largest process",
        "client_peak_rss_mib_sum": "peak MiB of all its processes",
    }
    for key, label in labels.items():
        lines.append(f"{label:34}{_cell(sides['migrate'][key])}{_cell(sides['copy'][key])}")
    ratios: list[float] = figures["ratios"]  # type: ignore[assignment]
    listed = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    lines.append(f"ratio of each round: {listed}")
    lines.append(f"median ratio {figures['ratio_to_copy']:.2f}, budget {figures['budget_ratio']}")
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:14,.2f}" if isinstance(value, float) else f"{'-':>14}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
