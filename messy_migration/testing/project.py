"""What stands behind the `project` fixture: a folder with a `migrate.toml` and the command in it.

A test writes files and throw-away plugins into the folder, runs `migrate` in this process or in
one of its own, and looks at how the command ended and at what is in the target:

    def test_a_guest_list_arrives(project):
        project.install("guests", SOURCE)
        project.migrate("run", "--json").matched()
        assert project.query("SELECT count(*) FROM guests") == [(3,)]

What several tests share is made with `Project(tmp_path_factory.mktemp("project"))`; without
`capture` every command is a process of its own. The target is a SQLite file in the folder until
a test sets `target` and calls `configure` again; it can be SQLite or PostgreSQL.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import psycopg
import pytest
import structlog
from sqlalchemy import make_url

from messy_migration.cli.main import run
from messy_migration.logs import restored
from messy_migration.testing.commands import Command, Commands
from messy_migration.testing.result import COUNTS, Result

# How long a connection of the test waits for one that writes.
_LOCKED_SECONDS = 60.0
# The installed command, in two spellings.
_PLAIN = (
    (sys.executable, "-m", "messy_migration"),
    (str(Path(sys.executable).with_name("migrate")),),
)
_SETTING = re.compile(r"MIGRATE_|[A-Z][A-Z0-9]*(_[A-Z0-9]+)*__", re.IGNORECASE)


@dataclass(frozen=True)
class Started:
    """A command that was started and not yet waited for; it leads its own process group."""

    process: subprocess.Popen[bytes] | Command
    folder: Path
    patience: float

    @property
    def pid(self) -> int:
        """The process id of the command."""
        return self.process.pid

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the command, or to its whole group as a terminal does."""
        if group:
            os.killpg(self.pid, number)
        else:
            self.process.send_signal(number)

    def wait(self) -> Result:
        """Wait for its end; says how it was."""
        code = self.process.wait(self.patience)
        return Result(code, (self.folder / "out").read_text(), (self.folder / "err").read_text())


class Project:
    """A folder, its `migrate.toml`, its plugins and its target.

    Variables that configure a run (`MIGRATE_...`, `PLUGIN__...`) and that were set before the
    project was made do not reach its commands; those that a test sets later do.

    Attributes:
        folder: what the commands run in.
        target: the URL of the target.
        plugins: the names that `migrate.toml` selects.
        command: what starts the command as a process of its own.
        workers: how many `migrate.toml` asks for.
        patience: the seconds after which a command that does not end fails its test.
        commands: what forks the commands that are processes of their own; without it, and for
            a command that it cannot fork, each is started anew.
    """

    commands: Commands | None = None
    command: tuple[str, ...] = (sys.executable, "-m", "messy_migration")
    workers = 1
    patience = 300.0

    def __init__(
        self,
        folder: Path,
        target: str = "",
        *,
        plugins: tuple[str, ...] = (),
        capture: pytest.CaptureFixture[str] | None = None,
    ) -> None:
        self.folder = folder
        self.target = target or f"sqlite:///{folder / 'm.db'}"
        self.plugins = list(plugins)
        self._capture = capture
        self._site = folder / "site"
        self._started: list[Started] = []
        self._outside = {name: value for name, value in os.environ.items() if _SETTING.match(name)}

    @property
    def kind(self) -> str:
        """The kind of the target: `sqlite` or `postgresql`."""
        return make_url(self.target).get_backend_name()

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the folder; folders on the way are made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def configure(self, profile: str = "", sections: str = "") -> None:
        """Write `migrate.toml`.

        Args:
            profile: more lines of the profile, such as `quarantine_limit = 100`.
            sections: more sections.
        """
        lines = ["[profiles.default]", f'target = "{self.target}"', f"workers = {self.workers}"]
        lines += [f"plugins = {json.dumps(self.plugins)}", profile, sections]
        self.write("migrate.toml", "\n".join(lines))

    def install(self, name: str, source: str, *, select: bool = True, dist: str = "") -> None:
        """Install a plugin for the commands of this project, and for nothing else.

        Args:
            name: of its entry point.
            source: of its module; `hookimpl` is already imported.
            select: add it to `plugins` and write `migrate.toml` anew.
            dist: the name of its distribution; without one it is made of the plugin's name.
        """
        dist = dist or f"mm-test-{name}"
        module = dist.replace("-", "_")
        head = "from messy_migration.hookspecs import hookimpl\n"
        info = self._site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (self._site / f"{module}.py").write_text(head + textwrap.dedent(source))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[messy_migration]\n{name} = {module}\n")
        if select and name not in self.plugins:
            self.plugins.append(name)
            self.configure()

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of a command that is a process of its own."""
        kept = {
            name: value for name, value in os.environ.items() if self._outside.get(name) != value
        }
        if self._site.exists():
            path = [str(self._site), kept.get("PYTHONPATH", "")]
            kept["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        return kept | variables

    def migrate(self, *argv: str, **variables: str) -> Result:
        """Run a command to its end, in this process; workers are processes of their own anyway.

        A traceback that nobody asked for with `--debug` fails the test.
        """
        if self._capture is None:
            return self.migrate_apart(*argv, preexec_fn=None, **variables)
        with pytest.MonkeyPatch.context() as patch, fresh_logging(), forgotten("mm_test_"):
            for name in self._outside.keys() - self.environment().keys():
                patch.delenv(name, raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            if self._site.exists():
                patch.syspath_prepend(str(self._site))
            self._capture.readouterr()
            code = run(argv)
            printed = self._capture.readouterr()
        return _without_traceback(argv, Result(code, printed.out, printed.err))

    def migrate_apart(
        self, *argv: str, preexec_fn: Callable[[], object] | None = None, **variables: str
    ) -> Result:
        """Run a command to its end, as a process of its own.

        Args:
            argv: the words after `migrate`.
            preexec_fn: what the process does before it becomes the command.
            variables: of its environment.
        """
        with NamedTemporaryFile() as out, NamedTemporaryFile() as err:
            process = self._process(argv, variables, (out, err), preexec_fn=preexec_fn)
            try:
                code = process.wait(self.patience)
            except BaseException:
                process.send_signal(signal.SIGKILL)
                process.wait()
                raise
            result = Result(code, Path(out.name).read_text(), Path(err.name).read_text())
        return _without_traceback(argv, result)

    def start(self, *argv: str, **variables: str) -> Started:
        """Start a command as a process of its own and do not wait for it."""
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            process = self._process(argv, variables, (out, err), leads=True)
        self._started.append(Started(process, self.folder, self.patience))
        return self._started[-1]

    def _process(
        self,
        argv: tuple[str, ...],
        variables: Mapping[str, str],
        outputs: tuple[IO[Any], IO[Any]],
        *,
        leads: bool = False,
        preexec_fn: Callable[[], object] | None = None,
    ) -> subprocess.Popen[bytes] | Command:
        """A command that was started, as the leader of a session where it is told so."""
        environment = self.environment(**variables)
        is_plain = self.command in _PLAIN and not preexec_fn
        if self.commands and is_plain and self.commands.can_fork(environment):
            return self.commands.start(argv, self.folder, environment, outputs, leads=leads)
        return subprocess.Popen(
            [*self.command, *argv],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=outputs[0],
            stderr=outputs[1],
            start_new_session=leads,
            preexec_fn=preexec_fn,  # noqa: PLW1509 - a test asks for it, and has no threads
        )

    def stop(self) -> None:
        """Kill what a failed test may have left running."""
        for started in self._started:
            if started.process.poll() is None:
                with suppress(ProcessLookupError):
                    started.signal(signal.SIGKILL, group=True)
                started.process.wait(self.patience)

    @contextmanager
    def connect(self, url: str = "", *, create: bool = False) -> Iterator[Any]:
        """A connection to the target or another URL, in which every statement commits at once.

        Args:
            url: of the database; the target's without it.
            create: make a SQLite file that is not there.
        """
        parts = make_url(url or self.target)
        if parts.get_backend_name() == "sqlite":
            file_url = (self.folder / str(parts.database)).as_uri()
            mode = "rwc" if create else "rw"
            with closing(
                sqlite3.connect(f"{file_url}?mode={mode}", uri=True, timeout=_LOCKED_SECONDS)
            ) as lite:
                lite.isolation_level = None
                yield lite
            return
        plain = parts.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            yield connection

    def query(self, statement: str, url: str = "") -> list[tuple[Any, ...]]:
        """Rows of a query, as a user of the target would see them."""
        with self.connect(url) as connection:
            return [tuple(row) for row in connection.execute(statement).fetchall()]

    def execute(self, *statements: str, url: str = "") -> list[int]:
        """Change the target by hand; the number of rows of each statement."""
        with self.connect(url, create=True) as connection:
            return [connection.execute(statement).rowcount for statement in statements]

    def ledger(self, table: str) -> str:
        """The name of a table of the ledger, as a user of the target writes it."""
        return (
            f"messy_migration.{table}" if self.kind == "postgresql" else f"messy_migration_{table}"
        )

    def quarantine(self, stream: str = "") -> list[tuple[Any, ...]]:
        """(place, rule, column, payload) of the records in quarantine, of one stream or of all."""
        where = f" WHERE stream = '{stream}'" if stream else ""
        return self.query(
            f"SELECT place, rule, column_name, payload FROM {self.ledger('quarantine')}"
            f"{where} ORDER BY id"
        )

    def assert_balanced(self) -> None:
        """Every receipt accounts for its records, and quarantine holds what the receipts say."""
        sums = self.query(f"SELECT {', '.join(COUNTS)} FROM {self.ledger('receipt')}")
        for extracted, loaded, quarantined, filtered in sums:
            assert extracted == loaded + quarantined + filtered
        held = self.quarantine()
        assert len(held) == sum(quarantined for _, _, quarantined, _ in sums)
        assert all(where and rule and payload for where, rule, _, payload in held)


def _without_traceback(argv: tuple[str, ...], result: Result) -> Result:
    assert "--debug" in argv or "Traceback" not in result.text, result.text
    return result


@contextmanager
def fresh_logging() -> Iterator[None]:
    """Take back, at the end, the logging that a command sets up in its process."""
    with restored():
        yield
    structlog.contextvars.clear_contextvars()


@contextmanager
def forgotten(prefix: str) -> Iterator[None]:
    """Forget, at the end, the modules of throw-away plugins that were imported meanwhile."""
    before = set(sys.modules)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if name.startswith(prefix):
                del sys.modules[name]
