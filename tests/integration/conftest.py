"""A target of each kind with its ledger, and the short ways to look into it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import make_url, select, text

from messy_migration.databases.ddl import create_table
from messy_migration.databases.naming import scoped
from messy_migration.databases.open import Target, open_target
from messy_migration.fingerprint.rows import format_id
from messy_migration.ledger import fence, receipts, schema
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import Ledger, ledger
from messy_migration.model import RECORD, Column, ColumnType, Fingerprint, Table
from messy_migration.pipeline.cut import cut
from messy_migration.pipeline.prepare import prepare_batch
from messy_migration.pipeline.write import Writer

KINDS = ("sqlite", "postgresql")
LARGE = 1 << 30


@pytest.fixture(params=KINDS)
def url(request, tmp_path):
    """The URL of an empty target."""
    if request.param == "sqlite":
        return make_url(f"sqlite:///{tmp_path / 'target.db'}")
    return make_url(request.getfixturevalue("postgres_url"))


@dataclass(frozen=True)
class Site:
    """A target with a ledger at epoch 1."""

    target: Target = field(repr=False)
    ledger: Ledger = field(repr=False)

    @property
    def dialect(self):
        return self.target.dialect

    @property
    def kind(self):
        return self.dialect.name

    def begin(self):
        return self.target.engine.begin()

    def reading(self):
        return self.dialect.reading(self.target.engine)

    def run(self, *statements):
        with self.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def create(self, *tables):
        with self.begin() as connection:
            for table in tables:
                create_table(connection, self.dialect, table)

    def fill(self, table, *rows):
        with self.begin() as connection:
            self.dialect.insert(connection, table, self.data(table, *rows))

    def data(self, table, *rows):
        """Rows (tuples or an Arrow table) in the table's types, with record numbers."""
        if len(rows) == 1 and isinstance(rows[0], pa.Table):
            found = rows[0]
        else:
            dicts = [dict(zip(table.names, row, strict=True)) for row in rows]
            found = pa.Table.from_pylist(dicts, table.arrow_schema())
        return found.append_column(RECORD, pa.array(range(found.num_rows), pa.int32()))

    def fingerprint(self, table):
        with self.reading() as connection:
            source = scoped(connection, self.dialect, table)
            return self.dialect.fingerprint(connection, table, source)

    def rows(self, table, columns="*", order="1"):
        with self.reading() as connection:
            source = self.dialect.rows_of(connection, table)
            found = connection.exec_driver_sql(f"SELECT {columns} FROM {source} ORDER BY {order}")
            return [tuple(row) for row in found]

    def entries(self, name, *columns):
        """Rows of a table of the ledger."""
        table = getattr(self.ledger, name)
        with self.reading() as connection:
            found = connection.execute(select(*(table.c[column] for column in columns)))
            return sorted(tuple(row) for row in found)

    def expected(self, table):
        """The sum of the receipts."""
        with self.reading() as connection:
            sums = receipts.expected(connection, self.ledger)
        return sums.get((table.name, table.scope, format_id(table)), Fingerprint())

    def writer(self, registry, *fresh, epoch=1):
        signature = Signature("run", epoch, os.getpid(), "2026-01-01T00:00:00+00:00")
        pairs = frozenset((table.name, table.scope) for table in fresh)
        return Writer(self.target, self.ledger, signature, registry, pairs)

    def prepared(self, registry, stream, partition, *items, ordinal=0):
        (batch,) = cut(iter(items), 10**6, LARGE)
        batch = replace(batch, ordinal=ordinal)
        return prepare_batch(registry, stream, partition, batch, self.dialect.unstorable)


@pytest.fixture
def bare_site(url):
    """A target without a ledger."""
    target = open_target(url, "mm:run")
    return Site(target, ledger(target.dialect.name))


@pytest.fixture
def site(bare_site):
    """A target with a ledger."""
    with bare_site.begin() as connection:
        schema.upgrade(connection)
        assert fence.raise_epoch(connection, bare_site.ledger) == 1
    return bare_site


@pytest.fixture(scope="session")
def table_of():
    """A function that makes tables: `table_of("t", {"a": "int32"}, key=("a",))`."""

    def make(name, kinds, key=(), scope=()):
        columns = tuple(Column(one, ColumnType.parse(kind)) for one, kind in kinds.items())
        return Table(name, columns, key, scope)

    return make


@pytest.fixture(scope="session")
def state_of():
    """A function that makes what the ledger knows of a table."""

    def make(table, stream="shop.s"):
        return TableState(
            table=table,
            stream=stream,
            tenant="",
            format_id=format_id(table),
            created=True,
            first_run="run",
            baseline_rows=0,
        )

    return make


@pytest.fixture
def backends():
    """A function that ends the other connections of a Postgres database."""

    def end(site, condition="true"):
        target = open_target(site.target.engine.url, "killer")
        with target.engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    f" AND backend_type = 'client backend' AND {condition}"
                )
            )

    return end


@pytest.fixture(scope="session")
def until():
    """A function that waits for a condition, up to a generous deadline."""

    def wait(is_so, seconds=30):
        end = time.monotonic() + seconds
        while not is_so() and time.monotonic() < end:
            time.sleep(0.02)
        assert is_so()

    return wait


@pytest.fixture(scope="session")
def is_alive():
    """A function that says whether a process runs; a zombie does not."""

    def alive(pid):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        if sys.platform != "linux":
            return True
        with contextlib.suppress(FileNotFoundError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    return alive
