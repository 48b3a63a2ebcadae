"""A process that a session's nursery forks is where a test is: folder, variables, path, outputs."""

from __future__ import annotations

import importlib

import pytest

from messy_migration.testing import warm

ACTS = """
import os
import sys


def tell(pipe, pulse, parent):
    print("to stdout", flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    pipe.send((os.getcwd(), os.environ.get("OF_THE_TEST"), "OF_NOBODY" in os.environ))
"""


@pytest.fixture(scope="module")
def ready():
    with warm.nursery() as ready:
        if ready is None:
            pytest.skip("workers are spawned on this system")
        yield ready


def test_it_is_where_the_test_is(ready, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("OF_THE_TEST", "here")
    (tmp_path / "acts_of_a_test.py").write_text(ACTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    process, pipe, _ = ready.start(importlib.import_module("acts_of_a_test").tell)
    assert pipe.recv() == (str(tmp_path), "here", False)
    process.join()
    pipe.close()
    assert process.exitcode == 0
    assert capfd.readouterr() == ("to stdout\n", "to stderr\n")


def test_a_command_in_this_process_takes_its_workers_from_there(project, monkeypatch):
    asked = []
    room = importlib.import_module("messy_migration.workers.pool")
    monkeypatch.setattr(
        room, "start", lambda ready, act, start=room.start: asked.append(ready) or start(ready, act)
    )
    project.install(
        "few",
        """
        import pyarrow
        from messy_migration.hookspecs import hookimpl
        from messy_migration.model import Column, ColumnType, Frame, Stream, Table

        @hookimpl
        def streams():
            return [Stream("few.t", (Table("t", (Column("id", ColumnType("int64")),)),))]

        @hookimpl
        def extract():
            yield Frame(pyarrow.table({"id": [1, 2]}))
        """,
    )
    project.migrate("run", "--json").matched()
    assert asked
    assert None not in asked
