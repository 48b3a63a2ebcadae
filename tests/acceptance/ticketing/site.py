"""A folder with settings, a target, and the installed command as a process."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa

from messy_migration.testing.project import Project

from .served import toml

PATIENCE = 120.0
PLUGINS = ("--plugins", "eventcombo,vivenu")


class Site(Project):
    """A folder, its target, the secrets of its sources, and the installed command."""

    command = (str(Path(sys.executable).with_name("migrate")),)

    def __init__(self, folder, target):
        super().__init__(folder, target)
        self.env = {}

    def environment(self, **variables):
        """The secrets of the sources come by variables."""
        return super().environment(**{**self.env, **variables})

    def configure(self, sources, http=None, core=None, **vivenu):
        """Write the migrate.toml for served sandboxes, with few windows of time.

        Secrets come by variables; `vivenu` goes to each of its tenants.
        """
        profile = {
            "plugins": PLUGINS[1].split(","),
            "target": self.target,
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

    def run(self, *arguments, **env):
        """`migrate run --json`, to its end."""
        return self.migrate("run", "--json", *arguments, **env)

    def reconcile(self):
        """`migrate reconcile --json`, to its end."""
        return self.migrate("reconcile", "--json")

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
