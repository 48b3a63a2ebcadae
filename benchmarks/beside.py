"""Two programs that bring the same rows into the same table, taking turns, and what each took.

Each measurement gets a fresh database on a server of its own, durable as servers are by
default, after a CHECKPOINT; the sides take turns at going first. In the end their tables are
held against each other, so that nobody is fast by leaving something out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import make_url

from benchmarks import tickets
from benchmarks.processes import Usage, command_beside, cpu_of_server, measured
from benchmarks.servers import checkpoint
from messy_migration.databases.ddl import ddl
from messy_migration.databases.naming import scoped
from messy_migration.databases.open import open_target
from messy_migration.model import Fingerprint, Table
from messy_migration.testing.servers.postgres import Server

Side = Callable[[str], Usage]
Sides = Mapping[str, Side]
"""`migrate` and `copy`, and peers: what fills the tables of the database behind a URL."""

_MIB = 1 << 20


@dataclass(frozen=True)
class Measurement:
    """What one side took once, and what it left in its table."""

    usage: Usage
    server_cpu: float
    fingerprints: tuple[Fingerprint, ...]


def migrate(folder: Path, compiled: Path, workers: int, environment: Mapping[str, str]) -> Usage:
    """One whole run; anything but MATCH ends the benchmark.

    Args:
        folder: with `migrate.toml`.
        compiled: where Python keeps what it compiled.
        workers: processes of the run.
        environment: what else is set.
    """
    usage = measured(
        [command_beside("migrate"), "run", "--json", "--workers", str(workers)],
        folder,
        # As installed from wheels: compiled once, wherever it lies and whoever may write there.
        {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(compiled),
            **environment,
        },
    )
    result = json.loads(usage.output)
    if result["verdict"] != "MATCH":
        sys.exit(f"the run ended with {result['verdict']}: {usage.output}")
    return usage


def create(url: str, tables: Sequence[Table] = (tickets.TABLE,)) -> None:
    """Make tables, with their keys."""
    target = open_target(make_url(url), "benchmark")
    with target.engine.begin() as connection:
        for table in tables:
            connection.exec_driver_sql(
                ddl(target.dialect, table, target.dialect.place(connection, table.name))
            )


def measure(
    server: Server,
    sides: Sides,
    number: int,
    tables: Sequence[Table] = (tickets.TABLE,),
    peers: Collection[str] = (),
) -> dict[str, Measurement]:
    """Every side once, the first of the round before first in this one's turn.

    Of peers only the number of rows has to be right: what they make of values is their matter.
    """
    measurements: dict[str, Measurement] = {}
    order = list(sides)
    for name in order if number % 2 else reversed(order):
        with server.database() as url:
            checkpoint(server)
            before = cpu_of_server(server)
            usage = sides[name](url)
            spent = cpu_of_server(server) - before
            read = counts if name in peers else fingerprints
            measurements[name] = Measurement(usage, spent, read(url, tables))
    if (
        len(
            {
                measurement.fingerprints
                for name, measurement in measurements.items()
                if name not in peers
            }
        )
        > 1
    ):
        sys.exit("the two sides left different rows in their tables")
    rows = {
        tuple(one.rows for one in measurement.fingerprints) for measurement in measurements.values()
    }
    if len(rows) > 1:
        sys.exit(f"the sides left different numbers of rows: {rows}")
    return measurements


def fingerprints(url: str, tables: Sequence[Table]) -> tuple[Fingerprint, ...]:
    """Of each table."""
    target = open_target(make_url(url), "benchmark")
    with target.dialect.reading(target.engine) as connection:
        return tuple(
            target.dialect.fingerprint(connection, table, scoped(connection, target.dialect, table))
            for table in tables
        )


def counts(url: str, tables: Sequence[Table]) -> tuple[Fingerprint, ...]:
    """Of each table the number of rows only."""
    target = open_target(make_url(url), "benchmark")
    with target.dialect.reading(target.engine) as connection:
        return tuple(
            Fingerprint(
                connection.exec_driver_sql(f"SELECT count(*) FROM {table.name}").scalar_one()
            )
            for table in tables
        )


def psql(running: Server) -> str | None:
    """The program: on PATH, or among the server's own."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    if running.cluster is not None:
        folders.append(str(running.cluster.binaries))
    paths = (Path(folder) / "psql" for folder in folders if folder)
    return next((str(path) for path in paths if os.access(path, os.X_OK)), None)


def as_object(
    rounds: Sequence[Mapping[str, Measurement]], budget: float, about: Mapping[str, object]
) -> dict[str, object]:
    """The result for `--json`: seconds and ratios of each round, and medians of all.

    Args:
        rounds: what was measured.
        budget: the most that our wall time may be, as a multiple of the other's.
        about: what was measured on what; `benchmark`, `rows`, `columns`, `server` and `copy`
            at least.
    """
    ours, theirs = "migrate", "copy"
    ratios = [one[ours].usage.seconds / one[theirs].usage.seconds for one in rounds]
    peers = {
        name: {
            **_side([one[name] for one in rounds]),
            "ratio_to_copy": round(
                median(one[name].usage.seconds / one[theirs].usage.seconds for one in rounds), 3
            ),
        }
        for name in rounds[0]
        if name not in (ours, theirs)
    }
    return {
        "schema": 1,
        **about,
        "rounds": len(rounds),
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "ratio_to_copy": round(median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "budget_ratio": budget,
        "sides": {name: _side([one[name] for one in rounds]) for name in (ours, theirs)},
        "peers": peers,
    }


def _side(measurements: Sequence[Measurement]) -> dict[str, object]:
    peaks = [
        measurement.usage.peak for measurement in measurements if measurement.usage.peak is not None
    ]
    sums = [
        measurement.usage.peak_sum
        for measurement in measurements
        if measurement.usage.peak_sum is not None
    ]
    return {
        "median_seconds": round(
            median(measurement.usage.seconds for measurement in measurements), 3
        ),
        "seconds": [round(measurement.usage.seconds, 3) for measurement in measurements],
        "client_cpu_seconds": round(
            median(measurement.usage.cpu for measurement in measurements), 3
        ),
        "server_cpu_seconds": round(
            median(measurement.server_cpu for measurement in measurements), 3
        ),
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
    peers: dict[str, dict[str, object]] = figures.get("peers", {})  # type: ignore[assignment]
    names = "".join(f"{name:>14}" for name in peers)
    lines = [head, f"{'':34}{'migrate run':>14}{figures['copy']!s:>14}{names}"]
    labels = {
        "median_seconds": "seconds, median",
        "client_cpu_seconds": "CPU seconds of the client",
        "server_cpu_seconds": "CPU seconds of the server",
        "client_peak_rss_mib": "peak MiB of the largest process",
        "client_peak_rss_mib_sum": "peak MiB of all its processes",
    }
    for key, label in labels.items():
        shown = [sides["migrate"], sides["copy"], *peers.values()]
        lines.append(f"{label:34}{''.join(_cell(side[key]) for side in shown)}")
    ratios: list[float] = figures["ratios"]  # type: ignore[assignment]
    listed = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    lines.append(f"ratio of each round: {listed}")
    lines += [f"{name}: ratio {peer['ratio_to_copy']:.2f}" for name, peer in peers.items()]
    lines.append(f"median ratio {figures['ratio_to_copy']:.2f}, budget {figures['budget_ratio']}")
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:14,.2f}" if isinstance(value, float) else f"{'-':>14}"
