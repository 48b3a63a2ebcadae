"""A generated folder, a fresh target of either kind, and the installed command as a process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from ..integration.compare.pairs import two_files
from .generated import COLUMNS, Data

__all__ = ["two_files"]
KINDS = ("sqlite", "postgres")
PATIENCE = 60.0
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
        """Table -> fingerprint of what is in the target."""
        return {item["table"]: item["fingerprint_actual"] for item in self.json["tables"]}

    def table(self, name):
        """What the JSON says about one table."""
        return next(item for item in self.json["tables"] if item["table"] == name)

    def stream(self, name):
        """What the JSON says about one stream."""
        return next(item for item in self.json["streams"] if item["stream"] == f"files.{name}")

    def matched(self):
        """Itself, after a run or reconciliation that must have ended well."""
        assert self.code == 0, f"exit {self.code}\n{self.out}\n{self.err}"
        assert self.json["verdict"] == "MATCH", self.out
        return self


@dataclass
class Run:
    """A command that was started and not yet waited for."""

    process: subprocess.Popen
    folder: Path

    @property
    def pid(self):
        """The process id of the parent."""
        return self.process.pid

    def signal(self, number, *, group=False):
        """Send a signal to the parent, or to all of its group as a terminal does."""
        (os.killpg if group else os.kill)(self.pid, number)

    def wait(self):
        """Its end, and what it printed."""
        code = self.process.wait(PATIENCE)
        return Result(code, (self.folder / "out").read_text(), (self.folder / "err").read_text())

    def children(self):
        """The process ids of its children."""
        return [pid for pid, parent in _parents().items() if parent == self.pid]

    def all_end(self, pids):
        """Wait until none of the processes is alive; whether that came to be."""
        end = time.monotonic() + PATIENCE / 4
        while time.monotonic() < end:
            if not set(pids) & set(_parents()):
                return True
            time.sleep(0.01)
        return False


def _parents():
    """Process id -> parent's id, of all processes that are not dead already."""
    if not Path("/proc/self/stat").exists():
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
        )
        cells = [line.split() for line in listed.stdout.splitlines()]
        return {int(pid): int(parent) for pid, parent, state in cells if not state.startswith("Z")}
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = place.read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                found[int(place.parent.name)] = int(parent)
    return found


@dataclass
class Site:
    """A folder, a target, and the command that migrates one into the other."""

    kind: str
    folder: Path
    url: str
    data: Data
    started: list = field(default_factory=list)
    first: Result | None = None

    def migrate(self, *arguments, env=None):
        """Run a command to its end."""
        done = subprocess.run(
            [MIGRATE, *arguments],
            cwd=self.folder,
            env={**self.environment(), **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def run(self, *arguments):
        """`migrate run --json`, to its end."""
        return self.migrate("run", "--json", *arguments)

    def reconcile(self):
        """`migrate reconcile --json`, to its end."""
        return self.migrate("reconcile", "--json")

    def start(self, *arguments):
        """Start a command in a process group of its own; its output goes to files."""
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [MIGRATE, *arguments],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.started.append(process)
        return Run(process, self.folder)

    def stop(self):
        """End what a failed test may have left running."""
        for process in self.started:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(PATIENCE)

    def environment(self):
        """The caller's environment without its settings, and the target."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(("MIGRATE_", "FILES__"))
        }
        return {**clean, "MIGRATE_TARGET": self.url}

    @contextmanager
    def connect(self):
        """A connection of the test's own; every statement commits at once."""
        if self.kind == "sqlite":
            path = Path(self.url.removeprefix("sqlite:///")).as_uri()
            with closing(
                sqlite3.connect(f"{path}?mode=rw", uri=True, timeout=PATIENCE)
            ) as connection:
                connection.isolation_level = None
                yield connection
            return
        plain = self.url.replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(plain, autocommit=True) as connection:
            yield connection

    def execute(self, *statements):
        """Change the target by hand; the number of rows of each statement."""
        with self.connect() as connection:
            return [connection.execute(statement).rowcount for statement in statements]

    def query(self, statement):
        """Rows of a query."""
        with self.connect() as connection:
            return connection.execute(statement).fetchall()

    def rows(self, table):
        """All rows of a table as the generator writes them."""
        names = ", ".join(COLUMNS[table])
        kinds = COLUMNS[table].values()
        return [
            tuple(_value(kind, cell) for kind, cell in zip(kinds, row, strict=True))
            for row in self.query(f"SELECT {names} FROM {table}")
        ]

    def sum(self, table, column, places):
        """The sum of a decimal column, exact in SQL; SQLite adds it in its smallest unit."""
        if self.kind == "postgres":
            return self.query(f"SELECT sum({column}) FROM {table}")[0][0]
        units = f"SELECT sum(CAST(round({column} * {10**places}) AS INTEGER)) FROM {table}"
        return Decimal(self.query(units)[0][0]).scaleb(-places)

    def ledger(self, table):
        """The name of a table of the ledger."""
        return ("messy_migration_" if self.kind == "sqlite" else "messy_migration.") + table

    def holds_everything(self):
        """The target holds what the generator made, to the last blank."""
        for table in COLUMNS:
            assert Counter(self.rows(table)) == Counter(self.data.rows(table))

    def commits(self):
        """Watch the ledger: gives the (pid, epoch) of each committed batch, again and again."""
        query = f"SELECT pid, epoch FROM {self.ledger('receipt')} WHERE kind = 'load' ORDER BY seq"
        end = time.monotonic() + PATIENCE
        missing = (sqlite3.OperationalError, psycopg.errors.UndefinedTable)
        while time.monotonic() < end:
            with suppress(*missing), self.connect() as connection:
                while time.monotonic() < end:
                    yield connection.execute(query).fetchall()
                    time.sleep(0.002)
            time.sleep(0.01)
        raise AssertionError("the batches that the test waits for were not committed in time")

    def wait_for_commits(self, batches=1):
        """Come back when so many batches are committed."""
        with closing(self.commits()) as commits:
            next(found for found in commits if len(found) >= batches)


def _value(kind, cell):
    if not isinstance(cell, str) or kind == "text":
        return cell.astimezone(UTC) if isinstance(cell, datetime) else cell
    if kind == "date":
        return date.fromisoformat(cell)
    if kind == "timestamp":
        return datetime.fromisoformat(cell)
    return Decimal(cell)


@pytest.fixture(scope="session")
def new_site(request, tmp_path_factory):
    """Makes sites: a generated folder and an empty target of that kind."""

    @contextmanager
    def make(kind, data):
        folder = tmp_path_factory.mktemp(kind)
        data.write(folder)
        with ExitStack() as stack:
            if kind == "postgres":
                server = request.getfixturevalue("postgres_server")
                url = stack.enter_context(server.database())
            else:
                url = f"sqlite:///{folder / 'target.db'}"
            site = Site(kind, folder, url, data)
            stack.callback(shutil.rmtree, folder)
            stack.callback(site.stop)
            yield site

    return make


@pytest.fixture(params=KINDS)
def site(request, new_site):
    """A small folder and an empty target."""
    with new_site(request.param, Data()) as made:
        yield made


@pytest.fixture(scope="session")
def busy_data():
    """Eight files with a key and two without, in about a hundred batches.

    Some keys come twice: once in two equal records, once in two that contradict each other.
    """
    data = Data(seed=2, files=8, records=600, batch_records=50)
    files = list(data.files["flights"].values())
    for number, rows in enumerate(files):
        other = files[(number + 3) % len(files)]
        other[100] = rows[200]
        rows[300] = (*rows[300][:7], f"variant {number} A")
        other[400] = (*rows[300][:7], f"variant {number} B")
    return data


@pytest.fixture(params=KINDS)
def busy_site(request, new_site, busy_data):
    """A folder of many small batches, for tests that act while a run is under way."""
    with new_site(request.param, busy_data) as made:
        yield made


@pytest.fixture(scope="module", params=KINDS)
def loaded(request, new_site):
    """A target that one run has filled; tests that change it put it right again."""
    with new_site(request.param, Data()) as made:
        made.first = made.run().matched()
        yield made


@pytest.fixture(scope="session")
def undisturbed(new_site, busy_data):
    """The fingerprints of `busy_site` after a run that nothing disturbed."""
    with new_site("sqlite", busy_data) as made:
        return made.run().matched().fingerprints


def pytest_assertrepr_compare(op, left, right):
    """Counters of rows are long: show only what one side has more of."""
    if op == "==" and isinstance(left, Counter) and isinstance(right, Counter):
        return ["rows differ", f"only left: {left - right}", f"only right: {right - left}"]
    return None
