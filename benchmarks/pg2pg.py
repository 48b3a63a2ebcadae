"""A whole verified run from Postgres to Postgres, beside binary COPY piped between two psql.

    python -m benchmarks pg2pg [--rows N] [--rounds R] [--workers W] [--json]

Each database is on a server of its own, in the manner of `benchmarks.beside`. The source has the
rows in a table with its key, vacuumed and analysed. Ours is all of `migrate run`: start-up,
reflection, the snapshot, extract, validate, load, key and reconciliation, with the source's own
fingerprint of every partition; and once more without it (`source_proof = false`). The pipe goes
into the same table, made beforehand with its key, in one stream and without a check.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median

import psycopg
from sqlalchemy import make_url

from benchmarks import beside, tickets
from benchmarks.processes import Usage, cpu_of_server, measured
from benchmarks.servers import SETTINGS, plain, provider
from messy_migration.testing.servers.postgres import Server, server

BUDGET = 1.2
"""The most that our wall time may be, as a multiple of the wall time of the pipe."""

_OUT = f"COPY {tickets.TABLE.name} TO STDOUT (FORMAT binary)"
_IN = f"COPY {tickets.TABLE.name} FROM STDIN (FORMAT binary)"
_CHUNK = 1 << 20
UNPROVEN = "unproven"
"""A run that does not ask its source, in the tables of the results."""


@dataclass(frozen=True)
class Bench:
    """A running server, a filled database on it, and the program that copies.

    Attributes:
        server: of our own, for the targets.
        origin: another one, with the source.
        source: URL of the filled database.
        folder: with `migrate.toml`.
        psql: the program, or None where psycopg has to do its work.
        workers: of our run.
        spent: side -> CPU seconds of the source's server, each time.
    """

    server: Server
    origin: Server
    source: str
    folder: Path
    psql: str | None
    workers: int
    spent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def sides(self) -> dict[str, beside.Side]:
        """What takes turns."""
        ways: dict[str, beside.Side] = {
            "migrate": partial(self.migrate, source_proof=True),
            UNPROVEN: partial(self.migrate, source_proof=False),
            "copy": self.copy,
        }
        return {name: partial(self._watched, name, way) for name, way in ways.items()}

    def _watched(self, name: str, way: beside.Side, url: str) -> Usage:
        before = cpu_of_server(self.origin)
        usage = way(url)
        self.spent[name].append(cpu_of_server(self.origin) - before)
        return usage

    def migrate(self, url: str, *, source_proof: bool = True) -> Usage:
        """One whole run."""
        environment = {
            "MIGRATE_TARGET": url,
            "MIGRATE_SOURCE_PROOF": str(source_proof).lower(),
            "SQL__URL": plain(self.source),
        }
        return beside.migrate(self.folder, self.folder / "compiled", self.workers, environment)

    def copy(self, url: str) -> Usage:
        """The same rows through a pipe, into the same table with its key."""
        beside.create(url)
        if self.psql is None:
            return self._psycopg(url)
        # Two servers have two passwords, and none belongs into an argument.
        out, into = self._words(self.source, _OUT), self._words(url, _IN)
        pipe = f"PGPASSWORD=$OF_SOURCE {out} | PGPASSWORD=$OF_TARGET {into}"
        passwords = {"OF_SOURCE": self.source, "OF_TARGET": url}
        return measured(
            ["/bin/sh", "-c", pipe],
            self.folder,
            {name: str(make_url(server_url).password) for name, server_url in passwords.items()},
        )

    @property
    def how(self) -> str:
        """What copied."""
        return "psql | psql" if self.psql else "psycopg COPY of the raw bytes, no psql here"

    def _words(self, url: str, statement: str) -> str:
        parts = make_url(url)
        where = f"host={parts.host} port={parts.port} user={parts.username} dbname={parts.database}"
        return shlex.join([str(self.psql), "-X", "-q", "-d", where, "-c", statement])

    def _psycopg(self, url: str) -> Usage:
        """In this process, since the start of another would count against it."""
        begin, cpu = time.perf_counter(), time.process_time()
        with (
            psycopg.connect(plain(self.source)) as one,
            psycopg.connect(plain(url)) as other,
            one.cursor() as reader,
            other.cursor() as writer,
            reader.copy(_OUT) as out,
            writer.copy(_IN) as into,
        ):
            for data in out:
                into.write(data)
        return Usage(time.perf_counter() - begin, time.process_time() - cpu, None, None)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return 0; the budget is shown, not enforced."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks pg2pg")
    parser.add_argument("--rows", type=int, default=200_000, help="ticket rows to move")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side")
    parser.add_argument("--workers", type=int, default=2, help="processes of our run")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="messy-migration-pg2pg-") as directory,
        server(provider(), **SETTINGS) as running,
        server(provider(), **SETTINGS) as origin,
        origin.database() as source,
    ):
        folder = Path(directory)
        (folder / "compiled").mkdir()
        (folder / "migrate.toml").write_text('[profiles.default]\nplugins = ["sql"]\n')
        bench = Bench(running, origin, source, folder, beside.psql(running), options.workers)
        _warm_up(bench)
        fill(source, folder, options.rows)
        rounds = [beside.measure(running, bench.sides, number) for number in range(options.rounds)]
        about = {
            "benchmark": "pg2pg",
            "rows": options.rows,
            "columns": len(tickets.TABLE.columns),
            "workers": options.workers,
            "server": f"PostgreSQL {running.version} ({running.provider})",
            "copy": bench.how,
        }
    figures = beside.as_object(rounds, BUDGET, about)
    of_source = {name: round(median(seconds), 3) for name, seconds in bench.spent.items()}
    figures["source_cpu_seconds"] = of_source
    print(json.dumps(figures) if options.json else _as_text(figures, of_source))
    return 0


def _as_text(figures: dict[str, object], of_source: Mapping[str, float]) -> str:
    cells = "".join(f"{of_source[name]:14,.2f}" for name in ("migrate", "copy", UNPROVEN))
    return f"{beside.as_text(figures)}\n{'CPU seconds of the source':34}{cells}"


def fill(url: str, folder: Path, rows: int) -> None:
    """The ticket rows in their table, as a database has them that autovacuum looks after."""
    beside.create(url)
    with tempfile.TemporaryDirectory(dir=folder) as directory:
        whole = tickets.write(Path(directory), rows, 1)
        statement = f"COPY {tickets.TABLE.name} FROM STDIN (FORMAT csv, HEADER true)"
        with (
            psycopg.connect(plain(url)) as connection,
            connection.cursor() as cursor,
            cursor.copy(statement) as copy,
            whole.open("rb") as file,
        ):
            while chunk := file.read(_CHUNK):
                copy.write(chunk)
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _warm_up(bench: Bench) -> None:
    """A run of a few rows, so that all that is measured finds its modules compiled."""
    with bench.origin.database() as small, bench.server.database() as url:
        fill(small, bench.folder, 1_000)
        replace(bench, source=small, spent={}).migrate(url)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
