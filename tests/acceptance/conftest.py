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
import pytest

from messy_migration.testing.project import Project

from ..integration.compare.pairs import two_files
from .generated import COLUMNS, Data

__all__ = ["two_files"]
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
            site = Site(folder, url, data)
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
