"""The `project` fixture: what a command sees, what a test reads of it, and what it leaves."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys

import pytest

from messy_migration.testing.project import Project
from messy_migration.testing.result import Result

GUESTS = """
import pyarrow as pa
from messy_migration.model import *

TABLE = Table("guests", (Column("id", ColumnType("int64"), required=True),), ("id",))

@hookimpl
def streams():
    return [Stream("guests.all", (TABLE,))]

@hookimpl
def partitions():
    return [Partition("one", "one")]

@hookimpl
def extract():
    numbers = pa.table({"id": pa.array([1, 2, 3], pa.int64())})
    yield Frame(numbers, lambda row: Origin(str(row).encode(), f"guest {row}"))
"""
STUCK = """
import time

@hookimpl
def streams():
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("apart", [False, True])
def test_a_run_in_this_process_or_in_one_of_its_own(project, apart):
    project.install("guests", GUESTS)
    migrate = project.migrate_apart if apart else project.migrate
    result = migrate("run", "--json").matched()
    assert result.counts("guests.all") == (3, 3, 0, 0)
    assert result.verdicts() == {"guests": "MATCH"}
    assert result.table("guests")["actual_rows"] == 3
    assert project.query("SELECT id FROM guests ORDER BY id") == [(1,), (2,), (3,)]
    project.assert_balanced()
    assert project.quarantine() == []
    assert project.execute("DELETE FROM guests WHERE id = 2") == [1]
    changed = migrate("reconcile", "--json").ended(8, "MISMATCH")
    assert changed.fingerprints != result.fingerprints
    with pytest.raises(AssertionError, match="exit 8"):
        changed.matched()


def test_what_was_set_before_does_not_reach_a_command_and_what_is_set_later_does(
    tmp_path, monkeypatch, capfd
):
    monkeypatch.setenv("MIGRATE_TARGET", "sqlite:///of-somebody-else.db")
    monkeypatch.setenv("FILES__STREAMS__X__PATH", "theirs.csv")
    project = Project(tmp_path, capture=capfd)
    project.configure()
    monkeypatch.setenv("MIGRATE_WORKERS", "7")
    for migrate in (project.migrate, project.migrate_apart):
        shown = migrate("config", "show")
        assert "of-somebody-else" not in shown.text
        assert "theirs.csv" not in shown.text
        assert "MIGRATE_WORKERS" in shown.text
    assert os.environ["MIGRATE_TARGET"].endswith("of-somebody-else.db")


def test_a_command_in_this_process_leaves_it_as_it_was(project):
    root = logging.getLogger()
    before = root.level, list(root.handlers), list(sys.path), set(os.environ)
    project.install("guests", GUESTS)
    project.migrate("run", "--log-level", "debug", MIGRATE_WORKERS="2")
    assert (root.level, list(root.handlers), list(sys.path), set(os.environ)) == before
    assert "mm_test_guests" not in sys.modules


def test_a_plugin_is_installed_for_its_project_alone(project, tmp_path_factory):
    project.install("guests", GUESTS, select=False)
    other = Project(tmp_path_factory.mktemp("other"))
    other.configure()
    assert project.plugins == []
    assert "guests" in project.migrate_apart("plugins", "list").out
    assert "guests" not in other.migrate("plugins", "list").out


def test_a_traceback_that_nobody_asked_for_fails_the_test(project):
    project.install("noisy", "import sys\nprint('Traceback of a plugin', file=sys.stderr)")
    for migrate in (project.migrate, project.migrate_apart):
        with pytest.raises(AssertionError, match="Traceback of a plugin"):
            migrate("plugins", "list")
        assert "Traceback" in migrate("run", "--debug").err


def test_a_command_that_is_killed_says_by_which_signal(project):
    project.install("stuck", STUCK)
    run = project.start("plan")
    while "begun" not in (project.folder / "out").read_text():
        assert run.process.poll() is None
    run.signal(signal.SIGKILL, group=True)
    assert run.wait().code == -signal.SIGKILL
    second = project.start("plan")
    project.stop()
    assert second.process.poll() == -signal.SIGKILL


def test_a_query_makes_no_database(project):
    with pytest.raises(sqlite3.OperationalError):
        project.query("SELECT 1")
    assert not (project.folder / "m.db").exists()
    assert project.execute("CREATE TABLE t (a integer)", "INSERT INTO t VALUES (1), (2)")[1] == 2
    assert project.query("SELECT count(*) FROM t") == [(2,)]


def test_the_only_error_is_the_only_one():
    assert Result(3, "", "note\nerror: first\n").error == "error: first"
    with pytest.raises(AssertionError):
        assert Result(3, "", "error: first\nerror: second\n").error
