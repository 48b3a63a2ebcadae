"""A folder with settings, a target, and the installed command as a process."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pyarrow as pa

from .served import toml

PATIENCE = 120.0
PLUGINS = ("--plugins", "eventcombo,vivenu")
MIGRATE = str(Path(sys.executable).with_name("migrate"))


@dataclass
class Result:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one JSON object on stdout."""
        return json.loads(self.out)

    @property
    def fingerprints(self):
        """(table, scope) -> fingerprint of what is in the target."""
        return fingerprints(self.json)

    @property
    def text(self):
        """Everything that it printed."""
        return self.out + self.err

    def stream(self, name, tenant):
        """What the JSON says about one stream."""
        found = self.json["streams"]
        return next(it for it in found if (it["stream"], it["tenant"]) == (name, tenant))

    def tables(self, **scope):
        """What the JSON says about the tables whose scope has these values."""
        return [it for it in self.json["tables"] if scope.items() <= it["scope"].items()]

    def table(self, name, **scope):
        """What the JSON says about one table in one scope."""
        (found,) = [it for it in self.tables(**scope) if it["table"] == name]
        return found

    def matched(self):
        """Itself, after a run or reconciliation that must have ended well."""
        assert self.code == 0, f"exit {self.code}\n{self.out}\n{self.err}"
        assert self.json["verdict"] == "MATCH", self.out
        return self

    def ended(self, code, verdict=None):
        """Itself, after a command that must have ended with this code."""
        assert self.code == code, f"exit {self.code}\n{self.out}\n{self.err}"
        if verdict:
            assert self.json["verdict"] == verdict, self.out
        return self


def fingerprints(report):
    """(table, scope) -> fingerprint of what is in the target, out of a report."""
    found = {
        (it["table"], tuple(sorted(it["scope"].items()))): it["fingerprint_actual"]
        for it in report["tables"]
    }
    assert len(found) == len(report["tables"])
    return found


@dataclass
class Site:
    """A folder, its target, and commands that run there."""

    folder: Path
    url: str
    env: dict = field(default_factory=dict)
    started: list = field(default_factory=list)

    def configure(self, sources, http=None, core=None, **vivenu):
        """Write the migrate.toml for served sandboxes, with few windows of time.

        Secrets come by variables; `vivenu` goes to each of its tenants.
        """
        profile = {
            "plugins": PLUGINS[1].split(","),
            "target": self.url,
            # Small data has more bad records in a hundred than the limit allows.
            "quarantine_limit": 100,
            **(core or {}),
        }
        few = {"top": 50, "begin": "2026-01-01", "window_days": 400}
        parts = {"profiles.default": profile, **sources.sections(http, **few | vivenu)}
        text = "\n".join(toml(name, table) for name, table in parts.items())
        (self.folder / "migrate.toml").write_text(text, encoding="utf-8")
        self.env = sources.secrets()
        return self

    def migrate(self, *arguments, **env):
        """Run a command to its end."""
        done = subprocess.run(
            [MIGRATE, *arguments],
            cwd=self.folder,
            env={**self.environment(), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def run(self, *arguments, **env):
        """`migrate run --json`, to its end."""
        return self.migrate("run", "--json", *arguments, **env)

    def reconcile(self):
        """`migrate reconcile --json`, to its end."""
        return self.migrate("reconcile", "--json")

    def start(self, *arguments):
        """Start a command and do not wait for it; what it prints is lost."""
        process = subprocess.Popen(
            [MIGRATE, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def stop(self):
        """End what a failed test may have left running."""
        for process in self.started:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE)

    def environment(self):
        """The caller's environment without its settings, and the secrets of this site."""
        ours = ("MIGRATE_", "VIVENU__", "EVENTCOMBO__", "FILES__")
        clean = {k: v for k, v in os.environ.items() if not k.upper().startswith(ours)}
        return {**clean, **self.env}

    @contextmanager
    def connect(self):
        """A connection of the test's own; every statement commits at once."""
        if self.url.startswith("sqlite"):
            path = (self.folder / self.url.removeprefix("sqlite:///")).as_uri()
            with closing(
                sqlite3.connect(f"{path}?mode=rw", uri=True, timeout=PATIENCE)
            ) as connection:
                connection.isolation_level = None
                yield connection
            return
        plain = self.url.replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(plain, autocommit=True) as connection:
            yield connection

    def query(self, statement):
        """Rows of a query."""
        with self.connect() as connection:
            return connection.execute(statement).fetchall()

    def execute(self, statement):
        """Change the target by hand; how many rows."""
        with self.connect() as connection:
            return connection.execute(statement).rowcount

    def ledger(self, table):
        """The name of a table of the ledger."""
        return ("messy_migration_" if self.url.startswith("sqlite") else "messy_migration.") + table

    def count(self, table, where="1 = 1"):
        """How many rows of a table fulfil a condition."""
        return self.query(f"SELECT count(*) FROM {table} WHERE {where}")[0][0]

    def rules(self):
        """(stream, tenant) -> rule -> records in quarantine."""
        found = {}
        query = f"SELECT stream, tenant, rule, count(*) FROM {self.ledger('quarantine')}"
        for stream, tenant, rule, count in self.query(f"{query} GROUP BY 1, 2, 3"):
            found.setdefault((stream, tenant), Counter())[rule] = count
        return found

    def report(self):
        """The newest evidence file."""
        (*_, newest) = sorted(
            self.folder.glob("migration-*.json"), key=lambda it: it.stat().st_mtime
        )
        return json.loads(newest.read_text(encoding="utf-8"))

    def bookmark(self, stream, tenant):
        """How far a stream was read."""
        table = self.ledger("bookmark")
        ((position,),) = self.query(
            f"SELECT position FROM {table} WHERE stream = '{stream}' AND tenant = '{tenant}'"
        )
        return position

    def landed(self):
        """Every text and every raw record in the landed files."""
        for file in self.folder.glob(".migrate/landing/*"):
            with pa.ipc.open_file(str(file)) as reader:
                for column in reader.read_all().columns:
                    yield from (str(cell) for cell in column.to_pylist() if cell is not None)

    def stored(self):
        """Every cell of every table in a SQLite target, the ledger's too."""
        tables = self.query("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (name,) in tables:
            for row in self.query(f'SELECT * FROM "{name}"'):
                yield from (str(cell) for cell in row if cell is not None)

    def written(self):
        """All that is stored anywhere: tables, landed files, and every other file as it is."""
        yield from self.stored()
        yield from self.landed()
        for file in self.folder.rglob("*"):
            if file.is_file():
                yield file.read_bytes().decode("latin-1")


def waited(condition, what):
    """Come back when the condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)
