"""Throw-away plugins on a project folder, and the command line over them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from sqlalchemy import create_engine, make_url, text

from messy_migration.cli.main import run

HEAD = """
from __future__ import annotations
import os
import pyarrow as pa
import pyarrow.compute as pc
from messy_migration.hookspecs import hookimpl
from messy_migration.model import *

INT, TEXT = ColumnType("int64"), ColumnType("text")
COLUMNS = (Column("id", INT, required=True), Column("name", TEXT))

def table(name, *more, key=("id",), scope=()):
    return Table(name, (*COLUMNS, *more), key, scope)

def frame(names="abcdef", start=1, place="page", **more):
    data = {"id": range(start, start + len(names)), "name": list(names), **more}
    schema = {"id": pa.int64(), "name": pa.string()}
    arrays = {key: pa.array(value, schema.get(key)) for key, value in data.items()}
    origin = lambda i: Origin(f"{start + i},{names[i]}".encode(), f"{place}:{start + i}")
    return Frame(pa.table(arrays), origin)
"""


@dataclass(frozen=True)
class Result:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def errors(self):
        """The lines on stderr that say what went wrong."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]

    def stream(self, name, tenant=""):
        """The counts of a stream: extracted, loaded, quarantined, filtered."""
        [found] = [
            item
            for item in self.json["streams"]
            if (item["stream"], item["tenant"]) == (name, tenant)
        ]
        return tuple(found[key] for key in ("extracted", "loaded", "quarantined", "filtered"))

    def verdicts(self):
        return {item["table"]: item["verdict"] for item in self.json["tables"]}


class Project:
    """A folder with plugins, a migrate.toml and a target."""

    def __init__(self, path: Path, capture=None) -> None:
        self.path = path
        self.capture = capture
        self.site = path / "site"
        self.site.mkdir()
        self.target = f"sqlite:///{path / 'm.db'}"
        self.plugins: list[str] = []
        self.configure()

    def install(self, name, source, select=True):
        module = f"mm_test_{name}"
        (self.site / f"{module}.py").write_text(HEAD + textwrap.dedent(source))
        info = self.site / f"{module}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[messy_migration]\n{name} = {module}\n")
        if select and name not in self.plugins:
            self.plugins.append(name)
            self.configure()

    def configure(self, profile="quarantine_limit = 100", sections=""):
        lines = ["[profiles.default]", f'target = "{self.target}"', "workers = 1"]
        lines += [f"plugins = {json.dumps(self.plugins)}", profile, sections]
        (self.path / "migrate.toml").write_text("\n".join(lines))

    def migrate(self, *argv, **environment) -> Result:
        """Run a command; its workers are processes of their own all the same."""
        if self.capture is None:
            return self._migrate_apart(*argv, **environment)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.chdir(self.path)
            patch.syspath_prepend(str(self.site))
            self.capture.readouterr()
            code = run(argv)
        for name in [name for name in sys.modules if name.startswith("mm_test_")]:
            del sys.modules[name]
        out, err = self.capture.readouterr()
        assert "Traceback" not in out + err, err
        return Result(code, out, err)

    def _migrate_apart(self, *argv, **environment) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "messy_migration", *argv],
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(self.site), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def query(self, statement):
        engine = create_engine(self.target)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement))
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    def ledger(self, name):
        is_postgres = make_url(self.target).get_backend_name() == "postgresql"
        return f"messy_migration.{name}" if is_postgres else f"messy_migration_{name}"

    def quarantine(self, stream):
        """(place, rule, column, payload) of the stream's records in quarantine."""
        return self.query(
            f"SELECT place, rule, column_name, payload FROM {self.ledger('quarantine')}"
            f" WHERE stream = '{stream}' ORDER BY id"
        )

    def assert_balanced(self):
        receipt, quarantine = self.ledger("receipt"), self.ledger("quarantine")
        [(extracted, accounted, quarantined)] = self.query(
            "SELECT sum(extracted), sum(loaded + quarantined + filtered), sum(quarantined)"
            f" FROM {receipt}"
        )
        assert extracted == accounted
        assert self.query(f"SELECT count(*) FROM {quarantine}") == [(quarantined,)]


@pytest.fixture(autouse=True)
def clean_log():
    """Take back the logging that a command set up in this process."""
    root = logging.getLogger()
    level = root.level
    yield
    logging.captureWarnings(capture=False)
    root.setLevel(level)
    for handler in list(root.handlers):
        if handler.get_name() == "messy_migration.handler":
            root.removeHandler(handler)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def project(tmp_path, capfd):
    return Project(tmp_path, capfd)


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory):
    """A project that the tests of a module look at together."""
    return Project(tmp_path_factory.mktemp("project"))


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request, project):
    """The project once on each kind of target."""
    if request.param == "postgresql":
        project.target = request.getfixturevalue("postgres_url")
        project.configure()
    return project
