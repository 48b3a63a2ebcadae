"""Projects whose plugins are a few lines each, and the command over them."""

from __future__ import annotations

import textwrap

import pytest

from messy_migration.testing.project import Project

HEAD = """
import os
import pyarrow as pa
import pyarrow.compute as pc
from messy_migration.model import *

INT, TEXT = ColumnType("int64"), ColumnType("text")
COLUMNS = (Column("id", INT, required=True), Column("name", TEXT))

def table(name, *more, key=("id",), scope=()):
    return Table(name, (*COLUMNS, *more), key, scope)

def frame(names="abcdef", start=1, place="page", **more):
    data = {"id": range(start, start + len(names)), "name": list(names), **more}
    schema = {"id": pa.int64(), "name": pa.string()}
    arrays = {key: pa.array(value, schema.get(key)) for key, value in data.items()}
    origin = lambda i: Origin(f"{start + i},{names[i]}".encode(), f"{place}:{start + i}")
    return Frame(pa.table(arrays), origin)
"""


class Workshop(Project):
    """A project whose plugins have names for what nearly all of them need."""

    def install(self, name, source, *, select=True):
        super().install(name, HEAD + textwrap.dedent(source), select=select)

    def configure(self, profile="quarantine_limit = 100", sections=""):
        super().configure(profile, sections)


@pytest.fixture
def project(tmp_path, capfd):
    made = Workshop(tmp_path, capture=capfd)
    made.configure()
    return made


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory):
    """A project that the tests of a module look at together."""
    made = Workshop(tmp_path_factory.mktemp("project"))
    made.configure()
    return made
