"""The command that a line names next runs as the program printed it."""

from __future__ import annotations

import html
import re
import shlex

import pytest

from .test_recall import GUESTS, TOKEN

TARGET = "sqlite:///some where/people.db"
GIVEN = ("--plugins", "guests", "--target", TARGET)
RISEN = GUESTS.replace(
    "def extract(settings):",
    "def extract(settings):\n    import os\n    if 'BREAK' in os.environ: raise ValueError(1)",
)


@pytest.fixture
def guests(project):
    """A source, and a target that only flags name, in a folder without any profile."""
    project.install("guests", RISEN, select=False)
    (project.folder / "migrate.toml").unlink()
    (project.folder / "some where").mkdir()
    project.target = f"sqlite:///{project.folder / 'some where/people.db'}"
    return project


@pytest.fixture
def loaded(guests):
    """The same after a run, with a folder that forgot its target, so that nothing else helps."""
    assert guests.migrate("run", *GIVEN, **TOKEN).code == 0
    (guests.folder / ".migrate/target.json").unlink()
    return guests


def commands(text):
    return [shlex.split(found)[1:] for found in re.findall(r"`(migrate [^`]+)`", text)]


def code_of_each(project, text, **variables):
    """The exit code of every command in a text, typed as it stands there."""
    found = commands(text)
    assert found, text
    return [project.migrate(*words, **TOKEN, **variables).code for words in found]


def test_after_a_target_that_was_never_loaded(guests):
    result = guests.migrate("reconcile", *GIVEN, **TOKEN)
    assert result.code == 2, result.text
    assert code_of_each(guests, result.error) == [0]


def test_after_a_change_by_another_program(loaded):
    loaded.execute("UPDATE people SET name = 'eve' WHERE id = 2")
    result = loaded.migrate("run", *GIVEN, **TOKEN)
    assert result.code == 8, result.text
    assert code_of_each(loaded, result.error) == [8, 0]


def test_what_json_names_next_runs_too(loaded):
    loaded.execute("UPDATE people SET name = 'eve' WHERE id = 2")
    result = loaded.migrate("run", *GIVEN, "--json", **TOKEN)
    assert code_of_each(loaded, result.json["error"]["next"]) == [8, 0]


def test_what_the_page_names_next_runs_too(loaded):
    loaded.execute("UPDATE people SET name = 'eve' WHERE id = 2")
    result = loaded.migrate("reconcile", *GIVEN, "--report", **TOKEN)
    assert result.code == 8, result.text
    (page,) = loaded.folder.glob("reconciliation-*.html")
    found = [
        html.unescape(it) for it in re.findall(r"<code>(migrate [^<]+)</code>", page.read_text())
    ]
    named = [it for it in found if "--target" in it]
    assert [shlex.split(it)[1] for it in named] == ["reconcile", "run"]
    assert [loaded.migrate(*shlex.split(it)[1:], **TOKEN).code for it in named] == [8, 0]


def test_after_a_plugin_that_fails_and_from_the_status(guests):
    result = guests.migrate("run", *GIVEN, **TOKEN, BREAK="1")
    assert result.code == 4, result.text
    assert code_of_each(guests, result.errors[0], BREAK="1") == [4]
    (guests.folder / ".migrate/target.json").unlink()
    status = guests.migrate("status", "--target", TARGET)
    line = next(line for line in status.out.splitlines() if "can be resumed" in line)
    (words,) = commands(line)
    again = guests.migrate(*words, "--json", **TOKEN)
    assert (again.code, again.json["resumed"]) == (0, True), again.text


@pytest.mark.parametrize(
    ("typed", "code", "codes"),
    [
        (("report", "ffff", "--target", TARGET), 2, [0]),
        (("reconcile", "--run", "ffff", "--target", TARGET), 2, [0]),
        (("reconcile", "--quick", "--target", TARGET), 6, [0]),
        (("reconcile", "--quick", "--strict", "--target", TARGET), 2, [0]),
        (("run", "--nonsense"), 2, [0]),
        (("nonsense",), 2, [0]),
        (("run", "--plugins", "nonsense"), 4, [0]),
        (("run", "--plugins", "a,,b"), 2, [0]),
        (("run", "--target", TARGET, "--plugins", "guests", "--sandbox"), 2, [0]),
        (("run", "--target", "sqlite:///other.db"), 2, [0]),
    ],
)
def test_after_a_command_that_was_refused(loaded, typed, code, codes):
    result = loaded.migrate(*typed)
    assert result.code == code, result.text
    assert code_of_each(loaded, result.error) == codes


def test_what_was_recalled_is_named_as_if_it_had_been_given(guests):
    guests.migrate("run", *GIVEN, **TOKEN)
    result = guests.migrate("reconcile", "--run", "ffff")
    ((*_, target),) = commands(result.error)
    assert target == TARGET


def test_a_run_that_names_no_plugin_goes_on_with_those_of_the_ledger(guests):
    guests.migrate("run", *GIVEN, **TOKEN)
    again = guests.migrate("run", "--json", **TOKEN)
    assert again.code == 0, again.text
    assert again.json["target"] == guests.target
