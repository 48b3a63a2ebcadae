"""Plugins as strangers ship them: wheels, installed beside the core's, far from this tree."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SALES = """
import pyarrow as pa
from pydantic_settings import BaseSettings
from messy_migration.hookspecs import hookimpl
from messy_migration.model import *

INT, TEXT = ColumnType("int64"), ColumnType("text")
SHOPS = Table("shops", (Column("shop", TEXT, True), Column("town", TEXT)), ("shop",),
    conflict="first")
SALES = Table("sales", (Column("id", INT, True), Column("shop", TEXT), Column("pence", INT)),
    ("id",))

@hookimpl
def streams():
    record = (Column("id", INT, True), *SHOPS.columns, Column("pence", INT))
    return [Stream("strange-sales.sales", (SHOPS, SALES), record=record)]

@hookimpl
def partitions():
    return [Partition(f"part {n}", f"digest {n}", {"n": n}) for n in range(3)]

@hookimpl
def extract(partition):
    n = partition.bounds["n"]
    yield Frame(pa.table({"id": [3 * n + 1, 3 * n + 2, 3 * n + 3], "shop": ["a", "b", "a"],
        "town": [f"A{n}", f"B{n}", f"A{n} again"], "pence": [100 * n + 1, 2, 3]}))

@hookimpl
def transform(table, batch):
    if table is None:
        rows = batch.table
        return {"shops": rows.select(["shop", "town", "_record"]),
                "sales": rows.select(["id", "shop", "pence", "_record"])}
"""
RULE = """
from pydantic_settings import BaseSettings
from messy_migration.hookspecs import hookimpl
from messy_migration.model import Violation

class Settings(BaseSettings):
    most: int = 1000

@hookimpl
def settings_model():
    return Settings

@hookimpl
def validate(table, batch, settings):
    if table == "sales":
        pairs = zip(batch.table["_record"].to_pylist(), batch.table["pence"].to_pylist())
        return [Violation(record, table, "pence", "strange-rule.most", "too much")
            for record, pence in pairs if pence > settings.most]
"""
SHAPE = """
from dataclasses import replace
import pyarrow.compute as pc
from messy_migration.hookspecs import hookimpl
from messy_migration.model import Column, ColumnType, Derived, Table

INT, TEXT = ColumnType("int64"), ColumnType("text")

@hookimpl
def reshape(stream):
    shops, sales = stream.tables
    more = Column("doubled", INT)
    return replace(stream, tables=(shops, replace(sales, columns=(*sales.columns, more))))

@hookimpl
def transform(table, batch):
    if table == "sales":
        return batch.table.append_column("doubled", pc.multiply(batch.table["pence"], 2))

@hookimpl
def derive():
    table = Table("by_shop", (Column("shop", TEXT), Column("pence", INT)), ("shop",))
    query = "SELECT shop, sum(doubled) AS pence FROM sales GROUP BY shop"
    return [Derived(table, ("sales",), query)]
"""
WATCH = """
from messy_migration.hookspecs import hookimpl

@hookimpl
def notify(event): ...
"""
PLUGINS = {
    "strange-sales": SALES,
    "strange-rule": RULE,
    "strange-shape": SHAPE,
    "strange-watch": WATCH,
}
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "1.0"
dependencies = ["messy-migration"]
[project.entry-points.messy_migration]
{name} = "{module}"
[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]
"""


class Site:
    """A folder with what was installed from wheels, and the command over it."""

    def __init__(self, folder):
        self.folder = folder
        self.site = folder / "site"
        self.target = folder / "target.db"

    def python(self, *argv, cwd=None):
        environment = {
            **os.environ,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONPATH": str(self.site),
        }
        return subprocess.run(
            [sys.executable, "-P", *map(str, argv)],
            cwd=cwd or self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def install(self, *sources):
        wheels = self.folder / "wheels"
        for source in sources:
            options = ("--quiet", "--no-deps", "--no-build-isolation", "-w", wheels)
            done = self.python("-m", "pip", "wheel", *options, source)
            assert done.returncode == 0, done.stderr
        options = ("--quiet", "--no-deps", "--no-index", "--target", self.site)
        done = self.python("-m", "pip", "install", *options, *wheels.glob("*.whl"))
        assert done.returncode == 0, done.stderr

    def migrate(self, plugins, *argv, code=0):
        self.folder.joinpath("migrate.toml").write_text(
            f'[profiles.default]\ntarget = "sqlite:///{self.target}"\n'
            f"plugins = {json.dumps(plugins)}\nquarantine_limit = 100\n" + self.rule
        )
        done = self.python("-m", "messy_migration", *argv, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    rule = ""

    def query(self, statement):
        connection = sqlite3.connect(self.target)
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("strangers"))
    sources = []
    for name, source in PLUGINS.items():
        module = name.replace("-", "_")
        folder = made.folder / "sources" / name
        folder.mkdir(parents=True)
        folder.joinpath(f"{module}.py").write_text(textwrap.dedent(source))
        folder.joinpath("pyproject.toml").write_text(PROJECT.format(name=name, module=module))
        sources.append(folder)
    made.install(ROOT, *sources)
    return made


def test_what_strangers_ship_reshapes_rules_derives_and_is_proven(site):
    where = site.python("-c", "import messy_migration; print(messy_migration.__file__)").stdout
    assert where.startswith(str(site.site))
    plugins = ["strange-sales", "strange-rule", "strange-shape"]
    result = site.migrate(plugins, "run")
    (stream,) = result["streams"]
    # The differing second rows of the dimension cost no record.
    counted = [stream[name] for name in ("extracted", "loaded", "quarantined", "filtered")]
    assert counted == [9, 9, 0, 0]
    verdicts = {item["table"]: item["verdict"] for item in result["tables"]}
    assert verdicts == {"shops": "MATCH", "sales": "MATCH", "by_shop": "MATCH"}
    assert site.query("SELECT shop, town FROM shops ORDER BY shop") == [("a", "A0"), ("b", "B0")]
    assert site.query("SELECT doubled FROM sales WHERE id = 4") == [(202,)]
    assert site.query("SELECT shop, pence FROM by_shop ORDER BY shop") == [("a", 624), ("b", 12)]
    # An observer that came after the load takes no name away from what differs.
    site.query("UPDATE sales SET doubled = 7 WHERE id = 4")
    proof = site.migrate([*plugins, "strange-watch"], "reconcile", code=8)
    (difference,) = proof["differences"]
    assert (difference["table"], difference["key"]) == ("sales", {"id": "4"})
    assert difference["columns"] == ["doubled"]
    verdicts = {item["table"]: item["verdict"] for item in proof["tables"]}
    assert verdicts == {"shops": "MATCH", "sales": "MISMATCH", "by_shop": "UNKNOWN"}


def test_another_threshold_of_a_rule_is_another_plan(site):
    plans = set()
    for most, name in ((1000, "one"), (1000, "same"), (150, "other")):
        site.rule = f"[strange-rule]\nmost = {most}\n"
        site.target = site.folder / f"{name}.db"
        result = site.migrate(["strange-sales", "strange-rule"], "run")
        assert result["streams"][0]["quarantined"] == (1 if most == 150 else 0)
        found = site.query("SELECT DISTINCT plan_id FROM messy_migration_partition")
        plans.update(found)
        assert len(plans) == (2 if most == 150 else 1)
