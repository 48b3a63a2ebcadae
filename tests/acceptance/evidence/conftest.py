"""A target of each kind that two runs have loaded, and the means to write into its ledger."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from messy_migration import api
from messy_migration.errors import MigrationError
from messy_migration.ledger.tables import ledger
from messy_migration.run.anchors import ANCHORS
from messy_migration.testing.project import Project
from messy_migration.workspace import Request

SCHEMA = """
table = "people"
key = ["email"]
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = [""]
[columns]
email = {{ type = "text", required = true }}
name = {{ type = "text" }}
points = {{ type = "{points}" }}
"""
ADDRESS = "ada.lovelace.{}@canary-mail.example"
HELD = "quarantined.canary@canary-mail.example"


def rows(first, count):
    return "".join(f"{ADDRESS.format(n)},Person {n},{n}\n" for n in range(first, first + count))


class Site(Project):
    """A folder, a target, and what was there after the last good run."""

    profile = ""

    def __init__(self, folder, target=""):
        super().__init__(folder, target, plugins=("files",))
        self.outcomes = []

    @property
    def request(self):
        return Request(config=self.folder / "migrate.toml")

    @property
    def anchors(self):
        return self.folder / ANCHORS

    @property
    def places(self):
        """The tables of the ledger: name -> as the target knows it."""
        tables = ledger(self.kind)
        names = [name for name in tables.__dataclass_fields__ if name != "metadata"]
        return {name: getattr(tables, name).fullname for name in names}

    def make(self):
        self.write("people.toml", SCHEMA.format(points="int32"))
        self.configure(
            f'report = "reports"\nquarantine_limit = 50.0\n{self.profile}',
            '[files.streams.people]\npath = "people*.csv"\nschema = "people.toml"\n',
        )
        self.write_people("people1.csv", rows(1, 9) + rows(9, 1) + f"{HELD},Bad,many\n")
        self.run()
        self.write_people("people2.csv", rows(10, 5) + rows(1, 1))
        return self.run()

    def write_people(self, name, body):
        self.write(name, f"email,name,points\n{body}")

    def run(self, **options):
        self.outcomes.append(api.run(self.request, options=api.RunOptions(**options)))
        return self.outcomes[-1]

    def reconcile(self, **asked):
        return api.reconcile(self.request, options=api.ReconcileOptions(**asked))

    def document(self, place=-1):
        return json.loads(Path(self.outcomes[place].report).read_text(encoding="utf-8"))

    def execute(self, *statements):
        """Write into the target by hand; `{receipt}` is a table of the ledger."""
        return super().execute(*(statement.format(**self.places) for statement in statements))

    def copy(self, prefix):
        """Keep ledger and data as they are now."""
        for name, place in {**self.places, "people": "people"}.items():
            # The fixture of a session is made anew when its parameter comes back.
            self.execute(f"DROP TABLE IF EXISTS {prefix}_{name}")
            self.execute(f"CREATE TABLE {prefix}_{name} AS SELECT * FROM {place}")
        if self.anchors.exists():
            shutil.copy(self.anchors, self.folder / f"{prefix}.anchors")

    def restore(self, prefix, *, anchors=True):
        """Set ledger and data back to what was kept."""
        for name, place in {**self.places, "people": "people"}.items():
            self.execute(
                f"DELETE FROM {place}", f"INSERT INTO {place} SELECT * FROM {prefix}_{name}"
            )
        if anchors:
            shutil.copy(self.folder / f"{prefix}.anchors", self.anchors)

    def refused(self, **options):
        """The error of a run that must not begin."""
        with pytest.raises(MigrationError) as caught:
            api.run(self.request, options=api.RunOptions(**options))
        return caught.value


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def kept(request, tmp_path_factory):
    """Two runs in a target of either kind; `first` and `second` are kept beside it."""
    folder = tmp_path_factory.mktemp("evidence")
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'target.db'}"
        if request.param == "postgresql":
            # A new one each time: of a session's fixtures with parameters only one lives.
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.database())
        site = Site(folder, url)
        site.make()
        site.copy("second")
        yield site


@pytest.fixture
def site(kept):
    """As the second run left it, whatever an earlier test did to it."""
    kept.restore("second")
    return kept


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Two runs in SQLite whose files are only looked at."""
    folder = tmp_path_factory.mktemp("finished")
    site = Site(folder)
    site.make()
    return site
