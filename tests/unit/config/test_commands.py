"""A command that is named next is made of the arguments that were given."""

from __future__ import annotations

import shlex

import pytest

from messy_migration.config.commands import runnable


@pytest.mark.parametrize(
    ("typed", "text", "shown"),
    [
        ("run --plugins a,b", "`migrate status`", "`migrate status`"),
        ("run --plugins a,b", "`migrate run`", "`migrate run --plugins a,b`"),
        (
            "run -p night --target=x",
            "`migrate status`",
            "`migrate status --profile night --target x`",
        ),
        ("run --sandbox", "`migrate status`", "`migrate status --target sqlite:///sandbox.db`"),
        ("run --sandbox", "`migrate reconcile`", "`migrate reconcile --sandbox`"),
        ("run --sandbox --target t", "`migrate status`", "`migrate status --target t`"),
        (
            "run --select s --workers 2 --json --debug",
            '`migrate run --accept-foreign "reason"`',
            '`migrate run --accept-foreign "reason" --select s --workers 2`',
        ),
        (
            "run --select s -c c",
            "`migrate run --rotate-key`",
            "`migrate run --rotate-key --config c`",
        ),
        (
            "reconcile --plugins a",
            "`migrate reconcile --plugins b`",
            "`migrate reconcile --plugins b`",
        ),
        (
            "run --target 'a b'",
            "type the same command again",
            "type `migrate run --target 'a b'` again",
        ),
        ("run", "The same command resumes it", "`migrate run` resumes it"),
        ("run --plugins a", "`migrate plugins list`", "`migrate plugins list`"),
        ("compare -- --target x", "`migrate status`", "`migrate status`"),
        ("run --select '\\1'", "the same command", "`migrate run --select '\\1'`"),
        ("", "type the same command again", "type the same command again"),
    ],
)
def test_a_command_repeats_what_was_given_and_no_more(typed, text, shown):
    assert runnable(text, shlex.split(typed)) == shown


def test_a_password_is_not_repeated():
    url = "postgresql://me:hunter2hunter2@localhost/d"
    for typed in (["run", "--target", url], ["run", f"--target={url}"]):
        for text in ("`migrate status`", "the same command"):
            shown = runnable(text, typed)
            assert "hunter2" not in shown
            assert "postgresql://me@localhost/d" in shown
