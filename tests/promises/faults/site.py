"""A target, the command that fills it, and what the operating system knows of its processes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from messy_migration.testing.project import Project, Result

from .inject import shop

PATIENCE = 60.0
INJECT = Path(__file__).with_name("inject")
MIGRATE = str(Path(sys.executable).with_name("migrate"))
RUN = ("run", "--json", "--workers", "2")
ALONE = ("run", "--json", "--workers", "1")
"""With one worker the n-th hit of a failpoint is the same moment every time."""
TABLES = ("customers", "orders", "order_lines", "events", "items")
COLUMNS = {table.name: table.names for stream in shop.STREAMS.values() for table in stream.tables}
_CONFIGURATION = """
[profiles.default]
plugins = ["shop"]
batch_records = 15
quarantine_limit = 100
"""


class Source:
    """The file that the plugin serves, the folder that makes it a plugin, and the truth."""

    def __init__(self, folder, seed=1):
        self.folder = folder
        self.records = shop.generated(seed)
        self.path = folder / "source.json"
        self.path.write_text(json.dumps(self.records))
        info = folder / "mm_fault_shop-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mm-fault-shop\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[messy_migration]\nshop = shop\n")
        self.digest = self.current_digest()

    def current_digest(self):
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def extracted(self):
        """Stream -> how many records it has; one more for a header of each part of `events`."""
        counts = {
            f"shop.{name}": sum(len(part) for part in parts) for name, parts in self.records.items()
        }
        counts["shop.events"] += len(self.records["events"])
        return counts

    def lines_of(self, number):
        """The lines of an order."""
        orders = (row for part in self.records["orders"] for row in part)
        return next(json.loads(row["lines"]) for row in orders if row["id"] == number)

    def environment(self):
        """What a run needs to know to find the source, without any fault."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(("MIGRATE_", "FILES__", "FAULTS_"))
        }
        path = os.pathsep.join([str(INJECT), str(self.folder)])
        return {**clean, "PYTHONPATH": path, "FAULTS_SOURCE": str(self.path)}


class Run:
    """A command under way, in a process group of its own."""

    def __init__(self, pid, folder, wait):
        self.pid = pid
        self._folder = folder
        self._wait = wait
        self._handle = os.pidfd_open(pid)
        self._result = None

    def ends_within(self, seconds):
        """Wait so long; whether it has ended."""
        if self._result is not None:
            return True
        return bool(select.select([self._handle], [], [], max(seconds, 0))[0])

    def wait(self):
        """How it ended."""
        if self._result is None:
            if not self.ends_within(PATIENCE):
                os.killpg(self.pid, signal.SIGKILL)
                raise AssertionError(f"the command hung: {(self._folder / 'err').read_text()}")
            code = self._wait()
            os.close(self._handle)
            self._result = Result(code, *(self._printed(name) for name in ("out", "err")))
        return self._result

    def _printed(self, name):
        """What it printed; one that was killed before it had a file to print to printed nothing."""
        path = self._folder / name
        return path.read_text() if path.exists() else ""

    def kill(self):
        """Kill the parent alone; whether it was alive."""
        return not self.ends_within(0) and strike(self.pid)

    def kill_group(self):
        """Kill the parent and all workers at once."""
        if self.ends_within(0):
            return False
        os.killpg(self.pid, signal.SIGKILL)
        return True

    def workers(self):
        """The process ids of its live workers."""
        return [
            pid for pid, _, group in processes() if group == self.pid and _name(pid) == "mm-worker"
        ]


def strike(pid, number=signal.SIGKILL):
    """Send a signal; whether the process was there."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def processes():
    """(pid, parent, group) of all processes that are not dead already."""
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, group = place.read_text().rpartition(")")[2].split()[:3]
            if state not in "ZX":
                yield int(place.parent.name), int(parent), int(group)


def _name(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


class Site(Project):
    """One target of a kind, filled again and again from the same source.

    Attributes:
        source: what is migrated.
        warm: the process that forks commands, or None: then each is a new process.
        server: the Postgres server, on which nothing else may run.
        spawns: let workers be spawned, as where a fork is not safe.
        variant: run a broken one; see inject/variants.py.
    """

    def __init__(self, folder, target, source, warm=None, server=None):
        super().__init__(folder, target)
        self.source = source
        self.warm = warm
        self.server = server
        self.spawns = False
        self.variant = ""
        self.groups = []

    def clear(self):
        """Empty the target, and forget what landed and was reported."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "migrate.toml").write_text(_CONFIGURATION)
        (self.folder / "faults").mkdir()
        self.groups.clear()
        if self.kind == "postgresql":
            if self.server.cluster is not None:
                self.server.start()  # a test may have left it dead
            with self.connect() as connection:
                connection.execute("DROP SCHEMA IF EXISTS messy_migration CASCADE")
                for table in TABLES:
                    connection.execute(f"DROP TABLE IF EXISTS {table}")

    def start(self, *argv, plan=(), environment=None):
        """Start a command, to fail as the plan says."""
        given = {
            **self.source.environment(),
            "MIGRATE_TARGET": self.target,
            "FAULTS_DIR": str(self.folder / "faults"),
            "FAULTS_ACCESS": str(self.folder / "access"),
            "FAULTS_PLAN": json.dumps(list(plan)),
            "FAULTS_WORKERS": "spawned" if self.spawns else "",
            "FAULTS_VARIANT": self.variant,
            **(environment or {}),
        }
        argv = list(argv or RUN)
        if self.warm is not None:
            outputs = (self.folder / "out", self.folder / "err")
            for place in outputs:
                place.write_bytes(b"")
            process = self.warm.start(argv, self.folder, given, outputs, leads=True)
            run = Run(process.pid, self.folder, process.wait)
        else:
            run = self._start_cold(argv, given)
        self.groups.append(run.pid)
        return run

    def _start_cold(self, argv, environment):
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [MIGRATE, *argv],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return Run(process.pid, self.folder, process.wait)

    def run(self, *argv, plan=(), environment=None):
        """A command, to its end."""
        return self.start(*argv, plan=plan, environment=environment).wait()

    def finish(self, attempts=8):
        """Type the same command again until it is content."""
        seen = []
        for _ in range(attempts):
            result = self.run()
            if result.code in (0, 7):
                return result
            seen.append((result.code, result.err.strip()))
            time.sleep(0.2)
        raise AssertionError(f"the same command again does not finish the run: {seen}")

    def fired(self):
        """The faults that came, as they said themselves."""
        path = self.folder / "faults" / "fired"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def hits(self, point):
        """How often a point was met since the target was cleared."""
        path = self.folder / "faults" / point
        return path.stat().st_size if path.exists() else 0

    def asked(self):
        """Every page that was read of a stream that lands."""
        path = self.folder / "access"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @contextmanager
    def connect(self, url="", *, create=False):
        """A connection of the test's own; a server may still be getting up."""
        if self.kind == "sqlite":
            with super().connect(url, create=create) as connection:
                yield connection
            return
        with self._connected() as connection:
            yield connection

    def _connected(self):
        """A connection to a server that may still be getting up."""
        plain = self.target.replace("postgresql+psycopg://", "postgresql://")
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return psycopg.connect(plain, autocommit=True, application_name="oracle")
            except psycopg.OperationalError:
                assert time.monotonic() < end, "the server does not come back"
                time.sleep(0.05)

    @property
    def database(self):
        """The file of a SQLite target."""
        return Path(self.target.removeprefix("sqlite:///"))

    def backends(self):
        """The server's processes that serve the run."""
        with suppress(psycopg.Error), self.connect() as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'mm:%' ORDER BY pid"
            )
            return [pid for (pid,) in rows]
        return []

    def is_locked(self):
        """Whether somebody holds the run lock, asked of the system and not of the program."""
        if self.kind == "sqlite":
            path = Path(f"{self.database}.lock")
            if not path.exists():
                return False
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
            return False
        return bool(self.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"))

    def stop(self):
        """End what a failed test may have left running."""
        for group in self.groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)


def until(is_so, seconds=PATIENCE):
    """Wait for a condition; how long it took, or None if it did not come."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if is_so():
            return time.monotonic() - began
        time.sleep(0.005)
    return None
