"""A forked command is what a started one is: place, path, outputs, exit code, signals."""

from __future__ import annotations

import os
import select
import signal
import subprocess

import pytest

from messy_migration.testing.commands import Commands
from messy_migration.testing.project import Project

TELLS = """
import os, sys
print(os.getcwd(), os.environ.get("OF_THE_TEST"), "OF_NOBODY" in os.environ, sys.argv[1:])
"""
STUCK = """
import time

@hookimpl
def streams():
    print("begun", file=open("begun", "w"), flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def commands():
    if not hasattr(os, "pidfd_open"):
        pytest.skip("commands are started anew on this system")
    made = Commands({**os.environ, "OF_NOBODY": "1"})
    yield made
    made.stop()


@pytest.fixture(params=["forked", "started"])
def apart(request, commands, tmp_path):
    """A project whose commands are processes of their own, of either origin."""
    made = Project(tmp_path)
    made.commands = commands if request.param == "forked" else None
    made.configure()
    yield made
    made.stop()


def test_it_is_where_the_test_is(apart):
    apart.install("teller", TELLS)
    printed = apart.migrate("plugins", "info", "teller", OF_THE_TEST="here").err
    assert f"{apart.folder} here False {['plugins', 'info', 'teller']}" in printed


def test_it_ends_as_it_would_alone(apart):
    assert apart.migrate("run", "--no-such-option").code == 2
    assert apart.migrate("--version").code == 0


def test_a_signal_to_its_group_is_its_end(apart):
    apart.install("stuck", STUCK)
    run = apart.start("plan")
    assert os.getpgid(run.pid) == run.pid == os.getsid(run.pid)
    while not (apart.folder / "begun").exists():
        assert run.process.poll() is None
    run.signal(signal.SIGKILL, group=True)
    assert run.wait().code == -signal.SIGKILL
    assert run.process.poll() == -signal.SIGKILL


def test_who_does_not_wait_for_ever_is_told(apart):
    apart.install("stuck", STUCK)
    run = apart.start("plan")
    with pytest.raises(subprocess.TimeoutExpired):
        run.process.wait(0.01)


def test_each_command_imports_the_plugins_of_its_own_project(commands, tmp_path_factory):
    for word in ("first", "second"):
        project = Project(tmp_path_factory.mktemp(word))
        project.commands = commands
        project.install("teller", f"print({word!r})")
        assert f"printed at import: {word}" in project.migrate("plugins", "info", "teller").err


@pytest.mark.parametrize("variable", ["PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONUTF8"])
def test_what_an_interpreter_reads_at_its_start_is_not_handed_to_a_fork(commands, variable):
    here = {**os.environ, "OF_NOBODY": "1"}
    assert commands.can_fork(here)
    assert not commands.can_fork({**here, variable: "7"})


@pytest.mark.parametrize("name", ["sitecustomize.py", "usercustomize.py"])
def test_code_that_runs_at_the_start_of_an_interpreter_is_not_left_out(commands, tmp_path, name):
    here = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert commands.can_fork(here)
    (tmp_path / name).touch()
    assert not commands.can_fork(here)


def test_the_end_of_it_is_the_end_of_what_it_forked(tmp_path):
    commands = Commands(os.environ)
    project = Project(tmp_path)
    project.commands = commands
    project.install("stuck", STUCK)
    run = project.start("plan")
    while not (tmp_path / "begun").exists():
        assert run.process.poll() is None
    handle = os.pidfd_open(run.pid)
    commands.stop()
    assert select.select([handle], [], [], 15)[0]
    os.close(handle)
