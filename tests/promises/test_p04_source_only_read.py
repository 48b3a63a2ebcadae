"""Whatever a command does, the source is as it was."""

from __future__ import annotations

import hashlib
import json

import pytest

COMMANDS = (["plan"], ["run"], ["reconcile", "--against", "source"], ["run"])


def state(folder):
    """Name -> (content, time of change) of every file of the source."""
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.glob("shop_*")
    }


def test_files_are_the_same_after_every_command(anywhere):
    anywhere.stream("shop", "id,name\n1,a\n2,b\n", "id,name\n3,c\nx,bad\n")
    anywhere.configure("quarantine_limit = 100")
    before = state(anywhere.folder)
    assert len(before) == 2
    for argv in COMMANDS:
        anywhere.migrate(*argv).ended(0)
        assert state(anywhere.folder) == before, argv


@pytest.fixture
def source(postgres_server):
    """An empty Postgres database to read from."""
    with postgres_server.database() as url:
        yield url


def from_database(project, source):
    project.execute("CREATE TABLE shop (id integer PRIMARY KEY, name text)", url=source)
    project.execute("INSERT INTO shop VALUES (1, 'a'), (2, 'b')", url=source)
    project.plugins = ["sql"]
    project.configure("", f"[sql]\nurl = {json.dumps(source)}\n")


def rows(project, source):
    """What is in the source, and which transaction wrote it."""
    return project.query("SELECT xmin::text, xmax::text, id, name FROM shop ORDER BY id", source)


def test_a_database_is_the_same_after_every_command(project, source):
    from_database(project, source)
    before = rows(project, source)
    for argv in COMMANDS:
        project.migrate(*argv).ended(0)
        assert rows(project, source) == before, argv
    assert project.query("SELECT count(*) FROM shop") == [(2,)]
