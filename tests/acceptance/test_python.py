"""What a script does with `messy_migration.api`: the page about it, and what a page leaves out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from messy_migration import api
from messy_migration.errors import MigrationError, ProofError, UsageProblem
from messy_migration.testing.project import fresh_logging

ROOT = Path(__file__).parents[2]
CHANGES = {"seconds", "begun_at", "snapshot", "moments"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder of the demonstration, loaded once."""
    folder = tmp_path_factory.mktemp("python")
    words = [sys.executable, "-m", "messy_migration_files.demo", "demo"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    with fresh_logging():
        api.run(api.project(folder / "demo", workers=1))
    shutil.copy(folder / "demo/migration.db", folder / "demo/copy.db")
    return folder


def test_every_snippet_of_the_page_runs(demo, monkeypatch, capsys):
    page = (ROOT / "docs/python.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(snippets) == 7
    monkeypatch.chdir(demo)
    names = {}
    with fresh_logging():
        for snippet in snippets:
            exec(compile(snippet, "docs/python.md", "exec"), names)
    printed = capsys.readouterr().out
    assert printed.startswith("MATCH 0\n")
    assert "4 there is no plugin 'nonsense'" in printed
    for name in ("result", "proof", "compared", "newest"):
        assert "MATCH" in names[name]._repr_html_()


@pytest.mark.parametrize("act", ["run", "plan", "reconcile", "status", "report"])
def test_the_json_of_a_result_has_the_form_of_the_command(demo, act):
    with fresh_logging():
        ours = getattr(api, act)(api.project(demo / "demo", workers=1)).as_json()
    words = [sys.executable, "-m", "messy_migration", act, "--json"]
    done = subprocess.run(words, cwd=demo / "demo", capture_output=True, check=False)
    theirs = json.loads(done.stdout)
    assert list(ours) == list(theirs)
    assert ours["exit_code" if "exit_code" in ours else "verdict"] in (0, "MATCH")
    if act in ("plan", "reconcile"):
        assert {
            it: json.loads(json.dumps(ours[it], default=str)) for it in ours if it not in CHANGES
        } == {it: theirs[it] for it in theirs if it not in CHANGES}


def test_a_mismatch_is_raised_with_its_exit_code_and_shown_in_words(demo, tmp_path):
    shutil.copytree(demo / "demo", tmp_path / "other")
    here = api.project(tmp_path / "other")
    with fresh_logging():
        assert api.reconcile(here).raise_for_verdict().exit_code == 0
        table = api.status(here).tables[0][0].table.name
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(tmp_path / "other/migration.db")) as target:
            target.execute(f"DELETE FROM {table} WHERE rowid = 1")
            target.commit()
        result = api.reconcile(here)
    with pytest.raises(ProofError) as caught:
        result.raise_for_verdict()
    assert caught.value.exit_code == 8
    page = result._repr_html_()
    assert page.startswith('<p><strong style="color:#cf222e">MISMATCH')
    assert "<td>missing</td>" in page


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: api.ReconcileOptions(against="sauce"),
        lambda: api.ReconcileOptions(repair="some"),
        lambda: api.ReconcileOptions(quick=True, strict=True),
        lambda: api.ReconcileOptions(repair="all", against="landed"),
        lambda: api.RunOptions(selection="files.*"),
        lambda: api.RunOptions(since=datetime(2026, 1, 1)),  # noqa: DTZ001
        lambda: api.project("/nowhere/at/all"),
        lambda: api.project(workers=0),
        lambda: api.project(plugins=["a", "a"]),
    ],
)
def test_an_option_that_means_nothing_is_refused_when_it_is_made(wrong):
    with pytest.raises(UsageProblem):
        wrong()


def test_what_data_holds_acts_on_no_page(demo):
    with fresh_logging():
        result = api.reconcile(api.project(demo / "demo"))
    object.__setattr__(result, "problems", (MigrationError("<script>alert(1)</script>"),))
    assert "<script>" not in result._repr_html_()
