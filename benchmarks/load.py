r"""How long a whole verified run takes, beside `psql \copy` of the same rows that checks nothing.

    python -m benchmarks load [--rows N] [--rounds R] [--workers W] [--files F]
        [--data tickets|ticketing] [--peers dlt,adbc,csv] [--json]

Each measurement gets a fresh database on a server of its own, durable as servers are by
default, after a CHECKPOINT; the sides take turns at going first. Ours is all of `migrate run`:
start-up, the ledger's tables, extract, validate, load, key and reconciliation. \copy goes into
the same tables, made beforehand with their keys. At the end the tables are held against each
other, so that nobody is fast by leaving something out.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from benchmarks import beside, peers, tickets, unified
from benchmarks.processes import Usage, measured
from benchmarks.servers import SETTINGS, plain, provider
from messy_migration.model import Table
from messy_migration.testing.servers.postgres import Server, server

BUDGET = 1.0
"""The most that our wall time may be, as a multiple of the wall time of \\copy."""

_COPY = "FROM STDIN (FORMAT csv, HEADER true)"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Bench:
    """A running server, the files, and the program that copies.

    Attributes:
        server: of our own.
        folder: with `migrate.toml` and its files.
        files: table -> the same rows in one file, parents before children.
        psql: the program, or None where psycopg has to do its work.
        workers: of our run.
        is_keyed: our run sums rows under a `fingerprint_key` too.
    """

    server: Server
    folder: Path
    files: Mapping[Table, Path]
    psql: str | None
    workers: int
    is_keyed: bool = False

    def migrate(self, url: str) -> Usage:
        """One whole run; anything but MATCH ends the benchmark."""
        compiled = self.folder / "compiled"
        path = os.pathsep.join(
            filter(None, (str(self.folder / "site"), os.environ.get("PYTHONPATH")))
        )
        environment = {"MIGRATE_TARGET": url, "PYTHONPATH": path}
        if self.is_keyed:
            environment |= {"BENCHMARK_KEY": secrets.token_hex(32)}
            environment |= {"MIGRATE_FINGERPRINT_KEY": "env://BENCHMARK_KEY"}
        return beside.migrate(self.folder, compiled, self.workers, environment)

    def copy(self, url: str) -> Usage:
        """The same rows in one stream, into the same tables with their keys."""
        beside.create(url, tuple(self.files))
        if self.psql is None:
            return self._psycopg(url)
        parts = make_url(url)
        command = [self.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(parts.host)]
        command += ["-p", str(parts.port), "-U", str(parts.username), "-d", str(parts.database)]
        for table, path in self.files.items():
            source = _COPY.replace("STDIN", repr(str(path)))
            command += ["-c", f"\\copy {table.name} {source}"]
        return measured(command, self.folder, {"PGPASSWORD": str(parts.password)})

    def peer(self, python: Path, name: str, url: str) -> Usage:
        """Another tool, into tables with their keys if it takes them."""
        if peers.PEERS[name].is_given_tables:
            beside.create(url, tuple(self.files))
        return peers.run(python, name, url, self.files, self.folder)

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
        ):
            for table, path in self.files.items():
                with cursor.copy(f"COPY {table.name} {_COPY}") as copy, path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        copy.write(chunk)
        return Usage(time.perf_counter() - begin, time.process_time() - cpu, None, None)


def main(arguments: list[str]) -> int:
    """Measure, print, and return 0; the budget is shown, not enforced."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="messy-migration-load-") as directory:
        folder = Path(directory)
        files = _write(folder, options.data, options.rows, options.files)
        pythons = peers.install(folder, options.peers)
        with server(provider(), **SETTINGS) as running:
            bench = Bench(running, folder, files, beside.psql(running), options.workers)
            _warm_up(bench, options.data)
            sides: dict[str, beside.Side] = {"migrate": bench.migrate, "copy": bench.copy}
            if options.keyed:
                sides["keyed"] = replace(bench, is_keyed=True).migrate
            sides |= {name: partial(bench.peer, path, name) for name, path in pythons.items()}
            rounds = [
                beside.measure(running, sides, number, tuple(files), tuple(pythons))
                for number in range(options.rounds)
            ]
        about = {
            "benchmark": "load",
            "data": options.data,
            "rows": sum(fingerprint.rows for fingerprint in rounds[0]["copy"].fingerprints),
            "columns": sum(len(table.columns) for table in files),
            "csv_bytes": sum(path.stat().st_size for path in files.values()),
            "workers": options.workers,
            "server": f"PostgreSQL {running.version} ({running.provider})",
            "copy": bench.how,
        }
    figures = beside.as_object(rounds, BUDGET, about)
    print(json.dumps(figures) if options.json else beside.as_text(figures))
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks load")
    parser.add_argument("--rows", type=int, default=1_000_000, help="ticket rows to load")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side")
    parser.add_argument("--workers", type=int, default=2, help="processes of our run")
    parser.add_argument("--files", type=int, default=1, help="files that the tickets are in")
    parser.add_argument(
        "--data",
        choices=("tickets", "ticketing"),
        default="tickets",
        help="one table of 15 columns, or the unified tables with their foreign keys",
    )
    parser.add_argument(
        "--peers", default="", help=f"tools beside us, comma-separated: {', '.join(peers.PEERS)}"
    )
    parser.add_argument("--keyed", action="store_true", help="our run under a key beside them")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args(arguments)
    try:
        options.peers = peers.chosen(options.peers, options.data)
    except ValueError as error:
        parser.error(str(error))
    if options.data == "ticketing" and options.files != 1:
        parser.error("--files goes with --data tickets")
    return options


def _write(folder: Path, data: str, rows: int, files: int) -> Mapping[Table, Path]:
    if data == "ticketing":
        return unified.write(folder, rows)
    return {tickets.TABLE: tickets.write(folder, rows, files)}


def _warm_up(bench: Bench, data: str) -> None:
    """A run of a few rows, so that all that is measured finds its modules compiled."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as directory, bench.server.database() as url:
        small = Path(directory)
        files = _write(small, data, 1_000, 1)
        (bench.folder / "compiled").mkdir()
        (small / "compiled").symlink_to(bench.folder / "compiled")
        replace(bench, folder=small, files=files).migrate(url)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
