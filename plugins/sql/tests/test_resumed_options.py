"""A run that is resumed reads what it was asked to read when it began."""

from __future__ import annotations

import pytest

FIRST = (
    "CREATE TABLE c (id integer PRIMARY KEY, changed timestamp NOT NULL)",
    *(f"INSERT INTO c VALUES ({n}, '2024-01-{n:02d}')" for n in range(1, 21)),
)
SINCE = ("--since", "2024-01-15")


@pytest.fixture
def stopped(make_base, project):
    """A target at which a run with `--since` failed; then nothing stands in its way any more."""
    source, target = make_base("postgresql"), make_base("postgresql")
    source.run(*FIRST)
    project.configure(f'url = "{source.plain}"\ntables.c.bookmark = "changed"', target)
    target.run(
        "CREATE TABLE c (id integer PRIMARY KEY, changed timestamptz NOT NULL)",
        """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '58030'; END $$""",
        "CREATE TRIGGER fails BEFORE INSERT ON c EXECUTE FUNCTION fail()",
    )
    assert project.run(*SINCE).code != 0
    target.run("DROP TRIGGER fails ON c")
    return target


def ids(target):
    return [row[0] for row in target.rows("SELECT id FROM c ORDER BY id")]


@pytest.mark.parametrize("again", [(), SINCE], ids=["without", "the same"])
def test_g68_a_resumed_run_goes_on_from_where_it_was_told_to_begin(stopped, project, again):
    project.run(*again).matched()
    assert ids(stopped) == list(range(15, 21))
    # What it left out is read by the next one.
    project.run().matched()
    assert ids(stopped) == list(range(1, 21))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_g68_another_beginning_is_refused_by_name(stopped, project, command):
    result = project.migrate(command, "--since", "2024-01-03")
    assert result.code == 2
    assert "--since is not that of the open run" in result.err
    assert "leave --since out, or add --restart" in result.err
    assert ids(stopped) == []


def test_g68_a_restart_begins_where_it_is_told(stopped, project):
    project.run("--since", "2024-01-03", "--restart").matched()
    assert ids(stopped) == list(range(3, 21))
