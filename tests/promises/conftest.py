"""Targets for the fault tests, and a project folder for bad input of every kind."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from sqlalchemy import create_engine, make_url, text

from messy_migration.cli.main import run
from messy_migration.testing.pytest_plugin import note_server
from messy_migration.testing.servers.postgres import server

from .faults.oracle import Golden, findings
from .faults.site import ALONE, Site, Source, Warm

KINDS = ("sqlite", "postgres")
SAMPLED = ("sqlite", pytest.param("postgres", marks=pytest.mark.sweep))
"""Where one kind of target shows in every run of the suite that it is not blind."""
# What is committed must outlive a killed backend; only a power cut may cost something here.
DURABLE = {"synchronous_commit": "on"}


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """What all fault tests migrate."""
    return Source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def warm(source):
    """A process that forks commands."""
    process = Warm(source)
    yield process
    process.stop()


@pytest.fixture(scope="session")
def new_site(source, warm, tmp_path_factory, pytestconfig):
    """A function that makes targets; a Postgres one has a server of its own, to be killed."""
    with ExitStack() as stack:
        servers = {}

        def make(kind, *, is_warm=True, fork_workers=True):
            folder = tmp_path_factory.mktemp(kind) / "site"
            url = f"sqlite:///{folder / 'target.db'}"
            if kind == "postgres":
                if not servers:
                    servers[kind] = stack.enter_context(server(**DURABLE))
                    note_server(pytestconfig, servers[kind])
                url = stack.enter_context(servers[kind].database())
            site = Site(kind, folder, url, source, warm if is_warm else None, servers.get(kind))
            site.fork_workers = is_warm and fork_workers
            stack.callback(site.stop)
            site.clear()
            return site

        yield make


@pytest.fixture(scope="session")
def ground(new_site):
    """A function that gives the cleared site of a kind, and what an undisturbed run leaves."""
    made = {}

    def give(kind):
        if kind not in made:
            site = new_site(kind)
            result = site.run(*ALONE)
            assert result.code == 0, result.err
            golden = Golden(site)
            assert [*golden.problems(site), *findings(site, golden, result)] == []
            made[kind] = site, golden
        site, golden = made[kind]
        site.fork_workers, site.variant = True, ""
        site.clear()
        return site, golden

    return give


COLUMNS = 'id = { type = "int64", required = true }\nname = { type = "text" }'


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

    @property
    def error(self):
        """The only such line."""
        assert len(self.errors) == 1, self.err
        return self.errors[0]

    def stream(self, name):
        return next(item for item in self.json["streams"] if item["stream"] == name)

    def table(self, name):
        return next(item for item in self.json["tables"] if item["table"] == name)


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


class Project:
    """A folder with a migrate.toml, schema files and CSV files."""

    def __init__(self, path: Path, capture=None) -> None:
        self.path = path
        self.capture = capture
        self.target = f"sqlite:///{path / 'm.db'}"
        self.streams: dict[str, str] = {}

    def write(self, name, data):
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data.encode() if isinstance(data, str) else data)
        return place

    def stream(self, name, *files, path=None, table=None, key="id", columns=COLUMNS, top=""):
        """Declare a stream; each file is its content, written as NAME_i.csv."""
        keys = json.dumps([key] if key else [])
        self.write(
            f"{name}.toml",
            f'table = "{table or name}"\nkey = {keys}\n{top}\n[format]\nkind = "csv"\n'
            'encoding = "utf-8"\ndelimiter = ","\nnull = [""]\n[columns]\n' + columns,
        )
        for number, content in enumerate(files, 1):
            self.write(f"{name}_{number}.csv", content)
        self.streams[name] = path or f"{name}_*"
        self.configure()

    def configure(self, profile="", sections=""):
        lines = ["[profiles.default]", f'target = "{self.target}"', 'plugins = ["files"]']
        lines += ["workers = 1", profile]
        for name, path in self.streams.items():
            lines += [f"[files.streams.{name}]", f'path = "{path}"', f'schema = "{name}.toml"']
        self.write("migrate.toml", "\n".join([*lines, sections]))

    def migrate(self, *argv) -> Result:
        """Run a command; whatever happens, no traceback is shown and no defect is ours."""
        self.capture.readouterr()
        code = run(argv)
        out, err = self.capture.readouterr()
        assert "--debug" in argv or "Traceback" not in out + err, err
        assert code != 1, err
        return Result(code, out, err)

    def migrate_apart(self, *argv, **how) -> Result:
        """The same in a process of its own."""
        command = [sys.executable, "-m", "messy_migration", *argv]
        done = subprocess.run(
            command, cwd=self.path, capture_output=True, text=True, timeout=120, check=False, **how
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def query(self, statement, url=None):
        """Rows of the target (or of another URL), as a user of it would see them."""
        engine = create_engine(url or self.target)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement))
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    def ledger(self, name):
        """A table of the ledger as a user of the target writes it."""
        is_postgres = make_url(self.target).get_backend_name() == "postgresql"
        return f"messy_migration.{name}" if is_postgres else f"messy_migration_{name}"

    def quarantine(self, stream=None):
        """(place, rule, column, payload) of everything in quarantine."""
        where = f" WHERE stream = '{stream}'" if stream else ""
        return self.query(
            f"SELECT place, rule, column_name, payload FROM {self.ledger('quarantine')}"
            f"{where} ORDER BY id"
        )

    def assert_balanced(self):
        """Every receipt accounts for its records, and quarantine holds what the receipts say."""
        sums = self.query(
            "SELECT sum(extracted), sum(loaded), sum(quarantined), sum(filtered)"
            f" FROM {self.ledger('receipt')}"
        )
        extracted, loaded, quarantined, filtered = (int(value or 0) for value in sums[0])
        assert extracted == loaded + quarantined + filtered
        assert len(self.quarantine()) == quarantined
        for place, rule, _, payload in self.quarantine():
            assert place
            assert rule
            assert payload


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory):
    """A function that makes a project for several tests; run it with `migrate_apart`."""
    return lambda: Project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(tmp_path, monkeypatch, capfd):
    """An empty project on a SQLite file, with the working directory in it."""
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path, capfd)
    made.configure()
    return made


@pytest.fixture
def on_postgres(project, postgres_url):
    """The same project on an empty Postgres database."""
    project.target = postgres_url
    project.configure()
    return project


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request, project):
    """The project once on each kind of target."""
    if request.param == "postgresql":
        project.target = request.getfixturevalue("postgres_url")
        project.configure()
    return project


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a plugin: `install(name, source, dist=None)`."""
    before = set(sys.modules)

    def make(name, source, dist=None):
        folder = tmp_path / "site"
        folder.mkdir(exist_ok=True)
        dist = dist or f"mm-test-{name}"
        module = dist.replace("-", "_")
        head = "from messy_migration.hookspecs import hookimpl\n"
        (folder / f"{module}.py").write_text(head + textwrap.dedent(source))
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[messy_migration]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(str(folder))

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("mm_test_"):
            del sys.modules[name]
