"""A generated folder, a fresh target of either kind, and the installed command as a process."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import psycopg

from messy_migration.testing.project import Project

from .generated import COLUMNS

KINDS = ("sqlite", "postgres")
PATIENCE = 60.0


class Site(Project):
    """A generated folder, a target, and the installed command."""

    command = (str(Path(sys.executable).with_name("migrate")),)

    def __init__(self, folder, target, data):
        super().__init__(folder, target)
        self.data = data
        self.first = None

    def environment(self, **variables):
        """The target comes by a variable: what is generated names none."""
        return super().environment(**{"MIGRATE_TARGET": self.target, **variables})

    def run(self, *arguments):
        """`migrate run --json`, to its end."""
        return self.migrate("run", "--json", *arguments)

    def reconcile(self):
        """`migrate reconcile --json`, to its end."""
        return self.migrate("reconcile", "--json")

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
        if self.kind == "postgresql":
            return self.query(f"SELECT sum({column}) FROM {table}")[0][0]
        units = f"SELECT sum(CAST(round({column} * {10**places}) AS INTEGER)) FROM {table}"
        return Decimal(self.query(units)[0][0]).scaleb(-places)

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


def sites(request, tmp_path_factory):
    """A function that makes sites: a generated folder and an empty target of that kind."""

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
            site = Site(folder, url, data)
            stack.callback(shutil.rmtree, folder)
            stack.callback(site.stop)
            yield site

    return make
