"""A source of either kind, the hooks over it in this process, and the command as another."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

import messy_migration_sql as plugin
from messy_migration.model import Frame, Rejected
from messy_migration.testing.project import Project

KINDS = ("sqlite", "postgresql")
RECORDS = 50_000


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    for name in list(os.environ):
        if name.upper().startswith(("MIGRATE_", "SQL__")):
            monkeypatch.delenv(name)


def plain(url):
    return url.replace("postgresql+psycopg://", "postgresql://")


@dataclass
class Base:
    """A database that a test fills and looks into."""

    url: str
    pending: list = field(default_factory=list)

    @property
    def plain(self):
        return plain(self.url)

    def flush(self):
        """Everything that is pending in one transaction."""
        self.run("BEGIN", *self.pending, "COMMIT")
        self.pending.clear()

    @property
    def kind(self):
        return "sqlite" if self.url.startswith("sqlite") else "postgresql"

    @property
    def path(self):
        return Path(self.url.removeprefix("sqlite:///"))

    def run(self, *statements):
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
                for statement in statements:
                    connection.execute(*([statement] if isinstance(statement, str) else statement))
            return
        with psycopg.connect(plain(self.url), autocommit=True) as connection:
            for statement in statements:
                connection.execute(*([statement] if isinstance(statement, str) else statement))

    def rows(self, query):
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.path)) as connection:
                return connection.execute(query).fetchall()
        with psycopg.connect(plain(self.url)) as connection:
            return connection.execute(query).fetchall()


@dataclass
class Got:
    """What `extract` gave for all partitions of one stream."""

    rows: list = field(default_factory=list)
    rejected: list = field(default_factory=list)
    sizes: list = field(default_factory=list)

    def columns(self, *names):
        return [tuple(row[name] for name in names) for row in self.rows]


class Plugin:
    """The hooks over one section of settings, as a run calls them."""

    def __init__(self, directory, section, written=()):
        self.settings = plugin.settings_model().model_validate(
            section, context={"directory": directory, "written": frozenset(written)}
        )

    def streams(self):
        return {stream.name.removeprefix("sql."): stream for stream in self.streams_list()}

    def streams_list(self):
        return plugin.streams(self.settings)

    def partitions(self, stream, since=None, planned=None, records=RECORDS):
        return plugin.partitions(stream, since, planned, records, self.settings)

    def extract(self, stream, partitions=None):
        got = Got()
        for partition in partitions or self.partitions(stream):
            size = 0
            for item in plugin.extract(stream, partition, self.settings):
                if isinstance(item, Frame):
                    assert item.table.schema.names == list(stream.tables[0].names)
                    assert item.table.schema.types == [
                        column.type.arrow for column in stream.tables[0].columns
                    ]
                    item.table.validate(full=True)
                    got.rows += item.table.to_pylist()
                    size += item.table.num_rows
                else:
                    assert isinstance(item, Rejected)
                    got.rejected.append(item)
                    size += 1
            assert plugin.count(stream, partition, self.settings) == size
            got.sizes.append(size)
        return got

    def release(self):
        plugin.release(self.settings)


@pytest.fixture
def make_base(tmp_path, postgres_server):
    """A function that makes empty databases: `make_base(kind)`."""
    opened = []
    numbers = count()

    def make(kind):
        if kind == "sqlite":
            return Base(f"sqlite:///{tmp_path / f'base{next(numbers)}.db'}")
        manager = postgres_server.database()
        opened.append(manager)
        return Base(manager.__enter__())

    yield make
    for manager in reversed(opened):
        manager.__exit__(None, None, None)


@pytest.fixture(params=KINDS)
def source(request, make_base):
    """An empty source of either kind."""
    return make_base(request.param)


@pytest.fixture
def postgres(make_base):
    return make_base("postgresql")


@pytest.fixture
def lite(make_base):
    return make_base("sqlite")


@pytest.fixture
def open_plugin(tmp_path):
    """A function that opens the plugin on a section; all are released at the end."""
    opened = []

    def make(section, written=()):
        if not isinstance(section, dict):
            section = {"url": plain(section.url)}
        opened.append(Plugin(tmp_path, section, written))
        return opened[-1]

    yield make
    for one in opened:
        one.release()


class Shop(Project):
    """A folder whose migrate.toml names a source, and the command in it."""

    workers = 2

    def configure(self, section="", target=None, profile=""):
        if target:
            self.target = plain(target.url)
        super().configure(profile, f"[sql]\n{section}")

    def run(self, *arguments, **environment):
        return self.migrate("run", "--json", *arguments, **environment)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return Shop(folder, plugins=("sql",))
