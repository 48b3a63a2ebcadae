"""The command `migrate` as a process of its own, without the seconds that its imports take.

A process that has imported everything forks the command on request: the fork has the folder,
the variables, the path and the outputs of its own that it would have been started with, runs the
very entry of the command, and ends as an interpreter does. A start costs milliseconds.

What an interpreter reads only when it starts cannot be handed to a fork: see `can_fork`.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from messy_migration.evidence import page

_NEEDED = (
    "alembic.command",
    "alembic.config",
    "alembic.ddl.postgresql",
    "alembic.ddl.sqlite",
    "messy_migration.api.comparisons",
    "messy_migration.api.plans",
    "messy_migration.api.projects",
    "messy_migration.api.reconciliations",
    "messy_migration.api.reports",
    "messy_migration.api.runs",
    "messy_migration.api.statuses",
    "messy_migration.cli.compare",
    "messy_migration.cli.main",
    "messy_migration.http",
    "pandas",
    "pgpq",
    "psycopg",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.ipc",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
_AT_START = ("sitecustomize.py", "usercustomize.py")


class Command:
    """A command that was forked, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, server: Commands) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit code; None while the command runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, or the negative number of the signal that ended the command.

        Raises:
            subprocess.TimeoutExpired: after so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._handle], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("migrate", timeout or 0)
            os.close(self._handle)
            self.returncode = self._server.ask({"wait": self.pid})["code"]
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the command, if it has not ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)


class Commands:
    """The process that forks commands.

    Args:
        environment: of that process; what it sets for an interpreter holds for every command.
        first: functions, as `module:name`, that each fork calls before the command.
    """

    def __init__(self, environment: Mapping[str, str], first: Sequence[str] = ()) -> None:
        self._environment = dict(environment)
        self._first = first
        self._process: subprocess.Popen[str] | None = None

    def can_fork(self, environment: Mapping[str, str]) -> bool:
        """Whether an interpreter with such variables would start as this process has started."""
        return all(
            environment.get(name) == self._environment.get(name)
            for name in environment.keys() | self._environment.keys()
            if name.startswith("PYTHON") and name != "PYTHONPATH"
        ) and not any(
            (Path(folder) / name).exists() for folder in _path(environment) for name in _AT_START
        )

    def start(
        self,
        argv: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        outputs: tuple[IO[Any] | Path, IO[Any] | Path],
        *,
        leads: bool = False,
    ) -> Command:
        """Start a command.

        Args:
            argv: the words after `migrate`.
            folder: the command's working directory.
            environment: its variables.
            outputs: the files that stdout and stderr are appended to.
            leads: whether it leads a session of its own.
        """
        names = [str(output if isinstance(output, Path) else output.name) for output in outputs]
        order = {"argv": argv, "folder": str(folder), "leads": leads, "outputs": names}
        return Command(self.ask({**order, "environment": dict(environment)})["pid"], self)

    def stop(self) -> None:
        """End the process, which kills the commands that no test has waited for."""
        if self._process is None:
            return
        self._process.communicate()
        self._process = None

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers to an order; the first one starts it."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, *self._first],
                env={**self._environment, "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that forks commands has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


def _path(environment: Mapping[str, str]) -> list[str]:
    return [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]


def _serve() -> dict[str, Any]:
    """Answer orders until stdin ends; comes back in each fork, with its order."""
    alive: dict[int, bool] = {}
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            del alive[order["wait"]]
            _tell({"code": os.waitstatus_to_exitcode(status)})
            continue
        ours, theirs = os.pipe()
        pid = os.fork()
        if not pid:
            if order["leads"]:
                os.setsid()
            os.close(theirs)
            os.close(ours)
            return order
        os.close(theirs)
        os.read(ours, 1)  # nobody can signal its group before it has one
        os.close(ours)
        alive[pid] = order["leads"]
        _tell({"pid": pid})
    for pid, leads in alive.items():
        with suppress(ProcessLookupError):
            (os.killpg if leads else os.kill)(pid, signal.SIGKILL)
    sys.exit()


def _tell(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _become(order: Mapping[str, Any], path: Sequence[str]) -> None:
    """Make of this process what the order names."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order["outputs"][0], append),
        (2, order["outputs"][1], append),
    ):
        handle = os.open(name, flags, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    script = Path(sys.executable).with_name("migrate")
    sys.argv = [str(script), *order["argv"]]
    sys.path[:] = [str(script.parent), *_path(order["environment"]), *path]
    importlib.invalidate_caches()


def main() -> None:
    """What the process does."""
    for name in _NEEDED:
        importlib.import_module(name)
    calls = [
        getattr(importlib.import_module(module), name)
        for module, _, name in (spelled.partition(":") for spelled in sys.argv[1:])
    ]
    page.template()
    path = sys.path[1 + len(_path(os.environ)) :]
    _become(_serve(), path)
    for call in calls:
        call()
    from messy_migration.cli.main import main as migrate

    migrate()


if __name__ == "__main__":
    main()
