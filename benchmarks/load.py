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
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from benchmarks import beside, tickets
from benchmarks.processes import Usage, measured
from benchmarks.servers import SETTINGS, plain, provider
from messy_migration.testing.postgres import Server, server

BUDGET = 1.0
"""The most that our wall time may be, as a multiple of the wall time of \\copy."""

_COPY = "FROM STDIN (FORMAT csv, HEADER true)"
_CHUNK = 1 << 20


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
        compiled = self.folder / "compiled"
        return beside.migrate(self.folder, compiled, self.workers, {"MIGRATE_TARGET": url})

    def copy(self, url: str) -> Usage:
        """The same rows in one stream, into the same table with its key."""
        beside.create(url)
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
            bench = Bench(running, folder, whole, beside.psql(running), options.workers)
            _warm_up(bench)
            sides = {"migrate": bench.migrate, "copy": bench.copy}
            rounds = [beside.measure(running, sides, n) for n in range(options.rounds)]
        about = {
            "benchmark": "load",
            "rows": options.rows,
            "columns": len(tickets.TABLE.columns),
            "csv_bytes": whole.stat().st_size,
            "workers": options.workers,
            "server": f"PostgreSQL {running.version} ({running.provider})",
            "copy": bench.how,
        }
    figures = beside.as_object(rounds, BUDGET, about)
    print(json.dumps(figures) if options.json else beside.as_text(figures))
    return 0


def _warm_up(bench: Bench) -> None:
    """A run of a few rows, so that all that is measured finds its modules compiled."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as place, bench.server.database() as url:
        small = Path(place)
        tickets.write(small, 1_000, 2)
        (bench.folder / "compiled").mkdir()
        (small / "compiled").symlink_to(bench.folder / "compiled")
        replace(bench, folder=small).migrate(url)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
