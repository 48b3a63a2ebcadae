"""A shop's orders in a CSV file, loaded into a target of either kind, in this process."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration import api
from messy_migration.testing.project import Project
from messy_migration.workspace import Request

KINDS = ("sqlite", "postgresql")
SCHEMA = """
table = "orders"
key = ["id"]
bookmark = "changed"
[amounts]
total = "currency"
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = [""]
[columns]
id = { type = "int32", required = true }
name = { type = "text" }
total = { type = "decimal(12,2)" }
currency = { type = "text" }
changed = { type = "timestamp" }
weight = { type = "float64" }
"""
HEADER = "id,name,total,currency,changed,weight"
COLUMNS = [line.partition(" ")[0] for line in SCHEMA.split("[columns]\n")[1].splitlines()]
ROWS = 40


def lines(rows=ROWS):
    """The orders, half of them in another currency."""
    return [
        f"{n},name {n},{n}.25,{('EUR', 'NZD')[n % 2]},2024-01-01T00:00:{n:02}Z,{n / 8}"
        for n in range(1, rows + 1)
    ]


class Shop(Project):
    """A folder with its configuration, and a target."""

    def __init__(self, folder, target):
        super().__init__(folder, target, plugins=("files",))

    def configure(self, schema=SCHEMA, profile="", more=""):
        """Write migrate.toml and the schema file."""
        self.write("orders.toml", schema)
        stream = '[files.streams.orders]\npath = "orders*.csv"\nschema = "orders.toml"\n'
        super().configure(profile, stream + more)

    def write_orders(self, *rows, name="orders.csv", header=HEADER):
        """Write a file of orders."""
        self.write(name, "\n".join([header, *rows]) + "\n")

    @property
    def request(self):
        return Request(config=self.folder / "migrate.toml")

    def run(self, **options):
        """A run, to its end."""
        return api.run(self.request, options=api.RunOptions(**options))

    def reconcile(self, **asked):
        """A reconciliation."""
        return api.reconcile(self.request, options=api.ReconcileOptions(**asked))

    def report(self, outcome):
        """The evidence of a run."""
        return json.loads(Path(outcome.report).read_text())


def shop_of(kind, folder, request):
    url = f"sqlite:///{folder / 'shop.db'}"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
    shop = Shop(folder, url)
    shop.configure()
    shop.write_orders(*lines())
    return shop


@pytest.fixture(params=KINDS)
def shop(request, tmp_path, monkeypatch):
    """An empty target and forty orders."""
    monkeypatch.chdir(tmp_path)
    return shop_of(request.param, tmp_path, request)


@pytest.fixture(scope="session", params=KINDS)
def golden(request, tmp_path_factory):
    """A loaded target and its folder, to be put back before each test; the run is done once."""
    yield from _golden(request.param, tmp_path_factory, request)


@pytest.fixture(scope="session")
def golden_postgres(request, tmp_path_factory, postgres_server):
    """The same on Postgres alone."""
    yield from _golden("postgresql", tmp_path_factory, request)


@pytest.fixture(scope="session")
def golden_batches(tmp_path_factory, request):
    """The same rows on Postgres, in eight batches of four files."""

    def fill(shop):
        shop.configure(profile="batch_records = 5")
        for number in range(4):
            shop.write_orders(*lines()[10 * number : 10 * number + 10], name=f"orders{number}.csv")

    yield from _golden("postgresql", tmp_path_factory, request, fill)


def _one_file(shop):
    shop.configure()
    shop.write_orders(*lines())


def _golden(kind, tmp_path_factory, request, fill=_one_file):
    folder = tmp_path_factory.mktemp(kind)
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / 'shop.db'}"
        if kind == "postgresql":
            url = stack.enter_context(request.getfixturevalue("postgres_server").database())
        shop = Shop(folder, url)
        fill(shop)
        outcome = shop.run()
        assert (outcome.verdict, outcome.exit_code) == ("MATCH", 0), outcome
        kept = tmp_path_factory.mktemp("kept") / "folder"
        shutil.copytree(folder, kept)
        if kind == "postgresql":
            name = make_url(url).database
            _on_server(shop, f'CREATE DATABASE "{name}_kept" TEMPLATE "{name}"')
            stack.callback(_on_server, shop, f'DROP DATABASE "{name}_kept" WITH (FORCE)')
        yield shop, kept


def _on_server(shop, *statements):
    plain = make_url(shop.target).set(drivername="postgresql", database="postgres")
    with psycopg.connect(plain.render_as_string(False), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _restored(golden, monkeypatch):
    shop, kept = golden
    shutil.rmtree(shop.folder)
    shutil.copytree(kept, shop.folder)
    if shop.kind == "postgresql":
        name = make_url(shop.target).database
        _on_server(
            shop,
            f'DROP DATABASE "{name}" WITH (FORCE)',
            f'CREATE DATABASE "{name}" TEMPLATE "{name}_kept"',
        )
    monkeypatch.chdir(shop.folder)
    return shop


@pytest.fixture
def loaded(golden, monkeypatch):
    """A target as one run has left it."""
    return _restored(golden, monkeypatch)


@pytest.fixture
def on_postgres(golden_postgres, monkeypatch):
    """The same, only on Postgres."""
    return _restored(golden_postgres, monkeypatch)


@pytest.fixture
def in_batches(golden_batches, monkeypatch):
    """Eight batches, as one run has left them."""
    return _restored(golden_batches, monkeypatch)


def kinds(result, table="orders"):
    """Which rows differ, and how: (id, kind)."""
    return {
        (dict(item.key).get("id"), item.kind)
        for found in result.proof.findings
        for item in found.differences
    }


def verdict(result, table="orders"):
    """The verdict on one table."""
    return next(item for item in result.proof.verdicts if item.table == table)


@contextlib.contextmanager
def reader_of(shop, server):
    """Let the shop's commands log in as a role that may only read; gives its name.

    What a test does by hand it does as the owner, as ever.
    """
    owner = shop.target
    with server.role(owner) as url:
        name = make_url(url).username
        shop.execute(
            f"GRANT USAGE ON SCHEMA public, messy_migration TO {name}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public, messy_migration TO {name}",
        )
        shop.target = url
        shop.configure()
        shop.target = owner
        yield name
    shop.configure()
