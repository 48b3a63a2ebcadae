"""Whoever calls `messy_migration.api` is called once: no worker runs the caller's script.

Threads of the caller forbid a fork, so that its workers are started from nothing.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import nbformat
import pytest
from nbclient import NotebookClient

from messy_migration import api
from messy_migration.testing.project import fresh_logging

SCRIPT = """
import logging, os, threading
print("called", os.getpid())
if {threads}:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
from messy_migration import api
before = list(logging.getLogger().handlers), logging.getLogger().level
result = api.run(api.project("demo", workers=2))
print(result.verdict, result.exit_code, result.workers)
print(before == (list(logging.getLogger().handlers), logging.getLogger().level))
"""
WITH = pytest.mark.parametrize("threads", [False, True], ids=["alone", "with a thread"])


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    words = [sys.executable, "-m", "messy_migration_files.demo", "demo"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return folder / "demo"


@pytest.fixture
def folder(demo, tmp_path):
    """A folder with the demonstration, not loaded."""
    shutil.copytree(demo, tmp_path / "demo")
    return tmp_path


def runs(folder):
    """How many runs the ledger knows."""
    with closing(sqlite3.connect(folder / "demo/migration.db")) as target:
        return target.execute("SELECT count(*) FROM messy_migration_run").fetchone()[0]


def check(folder, printed):
    called, ended, is_restored = printed.splitlines()
    assert called.split()[0] == "called"
    assert ended.split()[:2] == ["MATCH", "0"]
    assert int(ended.split()[2]) > 0
    assert is_restored == "True"
    assert runs(folder) == 1


@WITH
def test_a_script_without_a_guard_is_run_once(folder, threads):
    (folder / "script.py").write_text(SCRIPT.format(threads=threads))
    words = [sys.executable, "script.py"]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    check(folder, ended.stdout)


@WITH
def test_a_script_from_standard_input_is_run_once(folder, threads):
    ended = subprocess.run(
        [sys.executable, "-"],
        cwd=folder,
        input=SCRIPT.format(threads=threads),
        capture_output=True,
        text=True,
        check=True,
    )
    check(folder, ended.stdout)


def test_a_notebook_is_run_once(folder, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder / "jupyter"))
    cell = nbformat.v4.new_code_cell(SCRIPT.format(threads=False))
    shown = nbformat.v4.new_code_cell("result")
    notebook = nbformat.v4.new_notebook(cells=[cell, shown])
    kernel = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=kernel).execute()
    check(folder, "".join(out.text for out in cell.outputs if out.get("name") == "stdout"))
    assert "MATCH" in shown.outputs[0].data["text/html"]


def test_a_file_beside_the_script_takes_no_place_of_a_module(folder):
    """Where the script stands, its own modules come first; in a worker's start they do not."""
    (folder / "pickle.py").write_text("raise SystemExit('the wrong pickle')")
    (folder / "other").mkdir()
    (folder / "other/script.py").write_text(SCRIPT.format(threads=True))
    words = [sys.executable, "other/script.py"]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    check(folder, ended.stdout)


def test_what_a_worker_is_told_stands_in_no_command_line(folder):
    spy = """
import subprocess
from messy_migration.workers import processes
popen, seen = subprocess.Popen, []
processes.subprocess.Popen = lambda words, **rest: seen.append(words) or popen(words, **rest)
"""
    script = spy + SCRIPT.format(threads=True) + "\nimport json; print(json.dumps(seen))"
    (folder / "script.py").write_text(script)
    words = [sys.executable, "script.py"]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    *printed, started = ended.stdout.splitlines()
    check(folder, "\n".join(printed))
    starts = [words for words in json.loads(started) if "messy_migration.workers.child" in words]
    assert len(starts) == 2
    for words in starts:
        arguments = words[words.index("messy_migration.workers.child") + 1 :]
        assert all(word.isdecimal() for word in arguments)


def test_an_interrupted_run_is_told_and_raised_on_demand(folder):
    script = """
import os, signal
from messy_migration import api, errors

class Watch(api.Silent):
    def planned(self, *_):
        os.kill(os.getpid(), signal.SIGINT)

result = api.run(api.project("demo", workers=1), Watch())
print(result.exit_code)
try:
    result.raise_for_verdict()
except errors.MigrationError as error:
    print("raised", error.exit_code)
"""
    words = [sys.executable, "-c", script]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["130", "raised 130"]


@pytest.mark.parametrize("method", ["hear", "planned", "proving"])
def test_g71_an_observer_that_raises_ends_no_run(folder, monkeypatch, capsys, method):
    def fail(*_):
        raise RuntimeError("k4n4ry")

    broken = api.Silent()
    monkeypatch.setattr(broken, method, fail)
    with fresh_logging():
        result = api.run(api.project(folder / "demo", workers=1), broken)
    assert (result.verdict, result.exit_code) == ("MATCH", 0)
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if "the observer failed and hears no more" in line]
    assert len(lines) == 1
    assert "RuntimeError" in lines[0]
    assert "k4n4ry" not in said
