"""Pairs of real databases: two of Postgres, two SQLite files, or one of each."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, Request


@dataclass(frozen=True)
class Base:
    """One database, which takes statements and knows its URL."""

    url: str = field(repr=False)

    @property
    def kind(self):
        return "sqlite" if self.url.startswith("sqlite") else "postgresql"

    @contextmanager
    def connected(self):
        if self.kind == "sqlite":
            with closing(sqlite3.connect(make_url(self.url).database)) as connection:
                yield connection
                connection.commit()
            return
        plain = make_url(self.url).set(drivername="postgresql")
        with psycopg.connect(
            plain.render_as_string(hide_password=False), autocommit=True
        ) as connection:
            yield connection

    def run(self, *statements):
        with self.connected() as connection:
            for statement in statements:
                connection.execute(statement)

    def fill(self, table, rows):
        """Insert many rows, as tuples."""
        mark = "?" if self.kind == "sqlite" else "%s"
        rows = list(rows)
        marks = ", ".join([mark] * len(rows[0]))
        with self.connected() as connection, closing(connection.cursor()) as cursor:
            cursor.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)


@dataclass(frozen=True)
class Two:
    """A left and a right database."""

    left: Base
    right: Base

    def run(self, *statements):
        """The same on both sides."""
        for side in (self.left, self.right):
            side.run(*statements)

    def compare(self, wishes=None, **budget):
        return api.compare(
            Request(), self.left.url, self.right.url, wishes or CompareOptions(), Budget(**budget)
        )

    def only(self, wishes=None, **budget):
        """The comparison of the only table there is."""
        (found,) = self.compare(wishes, **budget).tables
        return found


@pytest.fixture(scope="module")
def postgres_pair(postgres_server):
    with postgres_server.database() as left, postgres_server.database() as right:
        yield Two(Base(left), Base(right))


@pytest.fixture
def two_postgres(postgres_pair):
    """Empty, though they stay: to make a database takes longer than most of these tests."""
    postgres_pair.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return postgres_pair


@pytest.fixture
def two_files(tmp_path):
    files = [tmp_path / f"{name}.db" for name in ("left", "right")]
    for file in files:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA user_version = 1")
    return Two(*(Base(f"sqlite:///{file}") for file in files))


@pytest.fixture
def file_and_postgres(two_files, two_postgres):
    return Two(two_files.left, two_postgres.right)


@pytest.fixture(params=["two_postgres", "two_files", "file_and_postgres"])
def two(request):
    """Each kind of pair in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def listed():
    """A function that gives the differences of a table as plain tuples."""

    def of(comparison):
        return [
            (item.kind, dict(item.key), item.columns, item.rows)
            for item in comparison.findings.differences
        ]

    return of
