"""What the folder and the ledger know, nobody repeats."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing

import pytest

GUESTS = """
import pyarrow as pa
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from messy_migration.model import Column, ColumnType, Frame, Stream, Table

class Settings(BaseSettings):
    token: SecretStr

@hookimpl
def settings_model(): return Settings

@hookimpl
def streams(settings):
    columns = tuple(
        Column(name, ColumnType.parse(kind)) for name, kind in (("id", "int64"), ("name", "text"))
    )
    return [Stream("guests.people", (Table("people", columns, ("id",)),), lands=True)]

@hookimpl
def extract(settings):
    yield Frame(pa.table({"id": [1, 2, 3], "name": ["ann", "bob", "cy"]}))
"""

TOKEN = {"GUESTS__TOKEN": "a-token-of-nobody"}
TARGET = "sqlite:///moved/people.db"


@pytest.fixture
def loaded(project):
    """A target that was named by a flag and loaded with a token that is withdrawn since."""
    project.install("guests", GUESTS, select=False)
    (project.folder / "migrate.toml").unlink()
    (project.folder / "moved").mkdir()
    done = project.migrate("run", "--plugins", "guests", "--target", TARGET, **TOKEN)
    assert done.code == 0, done.text
    project.target = f"sqlite:///{project.folder / 'moved/people.db'}"
    return project


def change(project):
    project.execute("UPDATE people SET name = 'eve' WHERE id = 2")


def test_a_row_that_differs_is_named_with_no_settings_at_all(loaded):
    change(loaded)
    result = loaded.migrate("reconcile", "--json")
    assert result.code == 8, result.text
    (found,) = result.json["differences"]
    assert (found["table"], found["key"], found["columns"]) == ("people", {"id": "2"}, ["name"])
    result = loaded.migrate("reconcile", "--against", "landed", "--json")
    assert [it["columns"] for it in result.json["differences"]] == [["name"]], result.text
    # The source itself cannot be asked without them.
    assert loaded.migrate("reconcile", "--against", "source").code == 3


def test_the_target_that_a_folder_remembers_holds_no_secret_and_is_for_its_owner(loaded):
    path = loaded.folder / ".migrate/target.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["target"] == TARGET
    status = loaded.migrate("status", "--json")
    assert (status.code, status.json["target"]) == (0, loaded.target)


def test_a_flag_and_a_profile_win_over_what_the_folder_remembers(loaded):
    refused = loaded.migrate("status", "--target", "sqlite:///other.db")
    assert "other.db" in refused.error
    assert refused.code == 2
    loaded.write("migrate.toml", '[profiles.default]\ntarget = "sqlite:///profile.db"\n')
    assert "profile.db" in loaded.migrate("status").error
    loaded.write("migrate.toml", '[profiles.night]\ntarget = "sqlite:///night.db"\n')
    # The profile that is named has a target of its own, the one that is not named has none.
    assert "night.db" in loaded.migrate("status", "-p", "night").error
    assert loaded.migrate("status").code == 0


def test_the_profile_of_the_newest_run_counts_where_none_is_named(loaded):
    limits = "[profiles.default]\nworkers = 1\n[profiles.night]\nplugins = ['guests']\n"
    loaded.write("migrate.toml", f"{limits}quarantine_limit = 50\n")
    done = loaded.migrate("run", "-p", "night", "--target", TARGET, **TOKEN)
    assert done.code == 0, done.text
    (loaded.folder / ".migrate/target.json").unlink()
    change(loaded)
    result = loaded.migrate("reconcile", "--target", TARGET, "--json")
    assert result.code == 8, result.text
    assert [it["columns"] for it in result.json["differences"]] == [["name"]]


def test_without_a_memory_and_a_target_one_line_says_so(loaded):
    (loaded.folder / ".migrate/target.json").unlink()
    for command in ("reconcile", "status"):
        result = loaded.migrate(command)
        assert result.code == 2, result.text
        assert "the target is not there yet" in result.error
        assert "no target is named" in result.error


def test_a_target_that_was_moved_is_told_with_its_place(loaded):
    shutil.move(loaded.folder / "moved/people.db", loaded.folder / "people.db")
    result = loaded.migrate("reconcile")
    assert result.code == 8, result.text
    assert "the ledger is gone" in result.error
    assert "--target" in result.error
    assert loaded.migrate("reconcile", "--target", "sqlite:///people.db").code == 0


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.chmod(0o644), "its owner alone"),
        (lambda path: path.write_text('{"schema": 1}'), "damaged"),
        (lambda path: path.write_text("[]"), "damaged"),
        (lambda path: path.write_text('{"schema": 1, "target": "x", "profile": "y"}'), "damaged"),
        (lambda path: (path.rename(f"{path}.1"), path.symlink_to(f"{path}.1")), "symbolic"),
    ],
)
def test_a_memory_that_others_may_have_written_is_refused_in_one_line(loaded, spoil, why):
    spoil(loaded.folder / ".migrate/target.json")
    result = loaded.migrate("status")
    assert result.code == 3, result.text
    assert why in result.error


def test_a_password_in_the_url_stays_out_of_the_memory(project):
    # Nobody answers at this port; the memory is that of an earlier run.
    project.install("guests", GUESTS, select=False)
    (project.folder / "migrate.toml").unlink()
    project.migrate("run", "--plugins", "guests", "--target", "sqlite:///a.db", **TOKEN)
    path = project.folder / ".migrate/target.json"
    known = json.loads(path.read_text())
    path.write_text(
        json.dumps(known | {"target": "postgresql://x@localhost:1/d", "left_out": True})
    )
    result = project.migrate("status")
    assert result.code == 6, result.text
    assert "MIGRATE_TARGET_PASSWORD" in result.err
    path.write_text(json.dumps(known | {"target_password": "plain-text"}))
    assert project.migrate("status").code == 3


def test_a_ledger_that_names_a_plugin_that_is_not_installed_is_told_in_one_line(loaded):
    shutil.rmtree(loaded.folder / "site")
    change(loaded)
    result = loaded.migrate("reconcile", "--json")
    assert result.code == 8, result.text
    (line,) = [line for line in result.err.splitlines() if "is not installed" in line]
    assert "'guests' (mm-test-guests 1.0)" in line
    assert loaded.migrate("reconcile", "--against", "source").code == 2


def test_nothing_is_taken_from_a_ledger_with_a_broken_chain(loaded):
    loaded.execute(f"UPDATE {loaded.ledger('run')} SET plugins = '[\"files\"]'")
    result = loaded.migrate("reconcile", "--json")
    assert result.code == 8, result.text
    (line,) = [line for line in result.err.splitlines() if "taken from the ledger" in line]
    assert "nothing is taken" in line
    assert result.json["ledger"]["reasons"]


def test_a_path_of_the_ledger_is_not_followed_out_of_the_working_folder(project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    project.install("guests", GUESTS)
    assert project.migrate("run", **TOKEN, MIGRATE_LANDING=str(outside)).code == 0
    assert len(list(outside.glob("*.arrow"))) == 1
    change(project)
    result = project.migrate("reconcile", "--json")
    assert result.code == 8, result.text
    assert result.json["differences"] == []
    assert "a landed file lies outside of the working folder" in json.dumps(result.json)
    # Whoever means it names the folder.
    result = project.migrate("reconcile", "--json", MIGRATE_LANDING=str(outside))
    assert [it["columns"] for it in result.json["differences"]] == [["name"]]


def test_a_link_in_the_working_folder_leads_nowhere_else(project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    project.install("guests", GUESTS)
    assert project.migrate("run", **TOKEN).code == 0
    (landed,) = (project.folder / ".migrate/landing").glob("*.arrow")
    shutil.move(landed, outside / landed.name)
    landed.symlink_to(outside / landed.name)
    change(project)
    result = project.migrate("reconcile", "--json")
    assert result.json["differences"] == []


def test_a_working_folder_that_was_moved_as_a_whole_still_names_the_row(loaded, tmp_path_factory):
    change(loaded)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "all"
    shutil.copytree(loaded.folder, elsewhere)
    shutil.rmtree(loaded.folder / ".migrate")
    os.remove(loaded.folder / "moved/people.db")  # noqa: PTH107
    loaded.folder = elsewhere
    result = loaded.migrate("reconcile", "--json")
    assert result.code == 8, result.text
    assert [it["key"] for it in result.json["differences"]] == [{"id": "2"}]


def test_the_first_command_of_the_readme_needs_no_word_more(project):
    (project.folder / "migrate.toml").unlink()
    flags = ("--plugins", "eventcombo,vivenu", "--sandbox", "--select", "vivenu.events")
    done = project.migrate("run", *flags)
    assert done.code == 0, done.text
    with closing(sqlite3.connect(project.folder / "sandbox.db")) as target:
        (key,) = target.execute("SELECT min(id) FROM events").fetchone()
        target.execute("UPDATE events SET name = 'X' WHERE id = ?", (key,))
        target.commit()
    result = project.migrate("reconcile")
    assert result.code == 8, result.text
    assert key in result.out
    assert "name" in next(line for line in result.out.splitlines() if key in line)


def test_the_report_is_found_where_the_ledger_of_the_target_says(loaded):
    (evidence,) = loaded.folder.glob("migration-*.json")
    (loaded.folder / "kept").mkdir()
    for path in loaded.folder.glob("migration-*"):
        path.unlink()
    done = loaded.migrate(
        "run", "--plugins", "guests", "--target", TARGET, **TOKEN, MIGRATE_REPORT="kept"
    )
    assert done.code == 0, done.text
    for flags in ((), ("--target", TARGET)):
        result = loaded.migrate("report", *flags)
        assert result.code == 0, result.text
        assert "report: kept" in result.out
    result = loaded.migrate("report", evidence.stem.removeprefix("migration-"))
    assert result.code == 2, result.text
    assert str(evidence) in result.error


def test_a_report_outside_of_the_working_folder_is_shown_and_not_read(loaded, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    for path in loaded.folder.glob("migration-*"):
        path.unlink()
    flags = ("--plugins", "guests", "--target", TARGET)
    done = loaded.migrate("run", *flags, **TOKEN, MIGRATE_REPORT=str(outside))
    assert done.code == 0, done.text
    (evidence,) = outside.glob("*.json")
    result = loaded.migrate("report")
    assert result.code == 2, result.text
    assert f"`migrate report {evidence}`" in result.error
    assert loaded.migrate("report", str(evidence)).code == 0
